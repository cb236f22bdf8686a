//! The smallest actor that answers: a request gets its own message back, and the state stays. For benches.
//!
//! It does without `std`, whose panics are a third of so small a component. Write your own actors like the worker, not
//! like this one.

#![no_std]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::arch::wasm32::unreachable;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as MessageServerClient};

wit_bindgen::generate!({ world: "messenger", path: "../../../wit" });

struct Ping;

export!(Ping);

type State = Option<Vec<u8>>;

impl Actor for Ping {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl MessageServerClient for Ping {
    fn handle_send(state: State, _: (Vec<u8>,)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        // The one message that is not answered: it crashes the actor, so that restarts can be measured as well.
        if message == b"!" {
            unreachable();
        }
        Ok((state, (Some(message),)))
    }

    fn handle_channel_open(state: State, _: (String, Vec<u8>)) -> Result<(State, (ChannelAccept,)), String> {
        Ok((state, (ChannelAccept { accepted: false, message: None },)))
    }

    fn handle_channel_message(state: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unreachable()
}
