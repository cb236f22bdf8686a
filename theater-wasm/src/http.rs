//! Requests of actors to other hosts: checked here, sent by hyper over tokio's sockets.
//!
//! A request is a future and nothing else: when nobody waits for it any more, because its actor ended or its time is over, its
//! connection is closed with it. That is why this is not the blocking client that fetches references: there a request that was
//! given up would keep its thread until the other side let it go.

mod client;
mod request;

pub(crate) use client::{Bounds, Client, Connector, HttpError};
pub(crate) use request::{Request, RequestError, shown};
