//! `ActorRuntime` through pointers.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ActorRuntime, Authority, ChildNotice, RestartFrom, SpawnRequest, StopMode};
use crate::actor::{ActorId, ActorInfo};
use crate::error::ActorError;
use crate::event::{ChainEvent, EventDraft, EventRange};
use crate::exit::ExitReason;
use crate::exits::ExitStream;

macro_rules! forward {
    ($pointer:ty) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<R: ActorRuntime + ?Sized> ActorRuntime for $pointer {
            async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
                (**self).spawn(request).await
            }
            async fn restart(
                &self,
                by: Authority,
                id: ActorId,
                from: RestartFrom,
            ) -> Result<ActorInfo, ActorError> {
                (**self).restart(by, id, from).await
            }
            async fn stop(
                &self,
                by: Authority,
                id: ActorId,
                mode: StopMode,
            ) -> Result<ExitReason, ActorError> {
                (**self).stop(by, id, mode).await
            }
            async fn halt(
                &self,
                by: Authority,
                id: ActorId,
                mode: StopMode,
            ) -> Result<ExitReason, ActorError> {
                (**self).halt(by, id, mode).await
            }
            async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
                (**self).info(by, id).await
            }
            async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
                (**self).children(parent).await
            }
            async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
                (**self).state(by, id).await
            }
            async fn events(
                &self,
                by: Authority,
                id: ActorId,
                range: EventRange,
            ) -> Result<Vec<ChainEvent>, ActorError> {
                (**self).events(by, id, range).await
            }
            async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
                (**self).record(id, draft).await
            }
            fn exits(&self, parent: Option<ActorId>) -> ExitStream {
                (**self).exits(parent)
            }
            async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
                (**self).notify(parent, notice).await
            }
            async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
                (**self).reap(by, id).await
            }
        }
    };
}

forward!(Arc<R>);
forward!(Box<R>);
