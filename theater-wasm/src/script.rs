//! What a guest's host calls were answered, to answer them so again: a call that is run once more sees what it saw.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use theater_chain::{ChainReader, ReadError};
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventKind, EventRange, ExitReason};

use crate::store::ActorStore;

/// Where the chains are that recorded answers refer to.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) reader: Arc<dyn ChainReader>,
    /// The chain of each actor that has one.
    pub(crate) chains: HashMap<ActorId, ChainId>,
}

impl History {
    pub(crate) async fn events(&self, chain: ChainId, count: u64) -> Result<Vec<ChainEvent>, ReadError> {
        let limit = usize::try_from(count).unwrap_or(usize::MAX);
        self.reader.read(chain, EventRange { from: 0, limit }).await
    }
}

/// The records of the host calls of one call, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) chain: ChainId,
    pub(crate) history: Arc<History>,
    pub(crate) events: VecDeque<ChainEvent>,
    /// Whether the call goes on for real where the records end: it was interrupted there. Otherwise a further host call is one that
    /// was not made before.
    pub(crate) then_live: bool,
}

/// What a host function does.
#[derive(Debug)]
pub(crate) enum Scripted {
    /// What it always does.
    Live,
    /// Gives the answer of this record.
    Answered(Bytes),
    /// Says that nobody knows what came of it: the runtime ended before the answer was recorded.
    Unknown,
}

/// What a guest is told of a host call whose outcome is not known.
pub(crate) const UNKNOWN: &str =
    "outcome unknown: the runtime ended while this was under way; it may have happened or not";

impl ActorStore {
    /// Of a function with two records, its call and its outcome.
    pub(crate) fn scripted(&mut self, kind: EventKind, call: &Bytes) -> wasmtime::Result<Scripted> {
        if self.script.is_none() {
            return Ok(Scripted::Live);
        }
        if self.next_scripted(kind, Some(call))?.is_none() {
            return Ok(Scripted::Live);
        }
        Ok(match self.next_scripted(kind, None)? {
            Some(event) => Scripted::Answered(event.payload),
            None => Scripted::Unknown,
        })
    }

    /// Of a function with one record, which has its call: whether it is there already.
    pub(crate) fn scripted_call(&mut self, kind: EventKind, call: &Bytes) -> wasmtime::Result<bool> {
        Ok(self.script.is_some() && self.next_scripted(kind, Some(call))?.is_some())
    }

    /// Of a function with one record, which has its answer: that.
    pub(crate) fn scripted_answer(&mut self, kind: EventKind) -> wasmtime::Result<Option<Bytes>> {
        if self.script.is_none() {
            return Ok(None);
        }
        Ok(self.next_scripted(kind, None)?.map(|event| event.payload))
    }

    /// The next record, which must be of this kind, and say this; `None` where the records end and the call goes on for real.
    fn next_scripted(
        &mut self,
        kind: EventKind,
        payload: Option<&Bytes>,
    ) -> wasmtime::Result<Option<ChainEvent>> {
        let Some(script) = &mut self.script else { return Ok(None) };
        let Some(event) = script.events.pop_front() else {
            if script.then_live {
                self.script = None;
                return Ok(None);
            }
            let message = format!("it called {kind}, which it had not done before");
            return Err(self.fail(ExitReason::Diverged { event: None, message }));
        };
        let found = event.header.kind;
        if found == kind && payload.is_none_or(|payload| *payload == event.payload) {
            if script.events.is_empty() && script.then_live && payload.is_none() {
                self.script = None;
            }
            return Ok(Some(event));
        }
        let message = if found == kind {
            format!("it called {kind} with something else than before")
        } else {
            format!("it called {kind} where it had called {found}")
        };
        Err(self.fail(ExitReason::Diverged { event: Some(event.header.seq), message }))
    }

    /// Begins a call whose host calls are answered from these records.
    pub(crate) fn follow(&mut self, script: Script) {
        self.history = Some((Arc::clone(&script.history), script.chain));
        self.script = (!script.events.is_empty() || !script.then_live).then_some(script);
    }

    /// Ends it. A record that was not asked for is one of a host call that the guest did not make this time.
    pub(crate) fn unfollow(&mut self) -> Result<(), ExitReason> {
        match self.script.take().and_then(|script| script.events.into_iter().next()) {
            None => Ok(()),
            Some(event) => {
                let message = format!("it did not call {}, which it had done before", event.header.kind);
                Err(ExitReason::Diverged { event: Some(event.header.seq), message })
            }
        }
    }

    /// The chain of this actor up to an event, as `get-chain` answered it before.
    pub(crate) async fn scripted_chain(&self, count: u64) -> Result<Vec<ChainEvent>, ReadError> {
        match &self.history {
            Some((history, chain)) => history.events(*chain, count).await,
            None => Ok(Vec::new()),
        }
    }

    /// The first events of a child's chain, as `get-child-events` answered them before.
    pub(crate) async fn scripted_child_chain(
        &self,
        child: &str,
        count: u64,
    ) -> Result<Vec<ChainEvent>, ReadError> {
        let found = self.history.as_ref().and_then(|(history, _)| {
            let id: ActorId = child.parse().ok()?;
            Some((history, *history.chains.get(&id)?))
        });
        match found {
            Some((history, chain)) => history.events(chain, count).await,
            None => Ok(Vec::new()),
        }
    }
}
