//! What comes of bringing a tree back, for whoever asked for it.

use theater_chain::{ChainError, ReadError};
use theater_core::{ActorError, ActorId, ActorInfo, ExitReason, Incarnation};

use super::Prepared;
use crate::runtime::past::{Past, PastError};
use crate::runtime::rerun::RerunError;

/// Why nothing was brought back. Nothing was started, and nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviveError {
    /// The store cannot give the chains.
    #[error("could not read the event chains")]
    Read(#[from] ReadError),
    /// A chain is not what was written.
    #[error("the chain of actor {actor} ({name}) is broken at event {seq}")]
    Broken {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// The position.
        seq: u64,
        /// What is wrong.
        #[source]
        source: ChainError,
    },
    /// A record is not what such a record is.
    #[error("the chain of actor {actor} ({name}) cannot be understood: {message}")]
    Record {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// Which record, and what is wrong with it.
        message: String,
    },
    /// The actor's state is not on its chain as a whole, and running the calls again that led to it does not give it.
    #[error("the state of actor {actor} ({name}) could not be found again from event {from} of its chain")]
    Rerun {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// From where on calls were run again.
        from: u64,
        /// Why.
        #[source]
        source: RerunError,
    },
    /// The actor's state is not on its chain as a whole, and its component is another one than the one that led to it.
    #[error(
        "the state of actor {actor} ({name}) can only be found with the component that it had, and that has changed; \
         put the old one back, end the app cleanly once, and change it then"
    )]
    OtherComponent {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
    },
    /// A manifest, component or file of an actor is not there any more, or is not usable.
    #[error("actor {actor} ({name}) cannot be started")]
    NotStartable {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ActorError,
    },
    /// The tree was read well, and its root did not start.
    #[error(transparent)]
    Start(#[from] ActorError),
}

/// A tree that was brought back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Revived {
    /// Its root.
    pub root: ActorInfo,
    /// All of it that runs again, parents before children, children in start order.
    pub actors: Vec<RevivedActor>,
    /// Those that did not start, and why. Their supervisors have dealt with it.
    pub failed: Vec<(ActorId, String)>,
}

/// An actor that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevivedActor {
    /// Its id.
    pub id: ActorId,
    /// Its name.
    pub name: String,
    /// Its parent.
    pub parent: Option<ActorId>,
    /// The life that ended with the runtime.
    pub incarnation: Incarnation,
    /// The length of its state in bytes; `None` if it has none.
    pub state_len: Option<u64>,
    /// Calls that were run again to find its state; 0 where the chain has it whole.
    pub calls_run_again: u64,
    /// Messages that wait in its mailbox.
    pub messages: usize,
    /// How the life before had ended, where the chain said so: in good order, or in a crash from which it was to be restarted.
    pub ended: Option<ExitReason>,
}

impl RevivedActor {
    pub(super) fn new(prepared: &Prepared, parent: Option<ActorId>) -> Self {
        let past = &prepared.past;
        Self {
            id: past.genesis.actor,
            name: past.genesis.name.clone(),
            parent,
            incarnation: past.incarnation,
            state_len: prepared.state.as_ref().map(|state| state.len() as u64),
            calls_run_again: prepared.calls,
            messages: past.pending.len(),
            ended: past.ended.clone(),
        }
    }
}

/// An error of reading a chain, with whose it is.
pub(super) fn record_error(past: &Past, error: &PastError) -> ReviveError {
    let message = theater_core::error::with_causes(error);
    ReviveError::Record { actor: past.genesis.actor, name: past.genesis.name.clone(), message }
}
