//! All actors. Every method is one step under one lock, which is all that the contract says about races.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use theater_chain::{Chain, ChainStore, MemoryStore};
use theater_core::event::payload::{self, Exited, Genesis, Origin, Started};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, Bound, Bytes, ChainEvent, ChildExit, ChildSpec,
    EventKind, ExitQueue, ExitReason, Incarnation, ShutdownController,
};
use theater_supervisor::SupervisorHost;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::behaviour::Behaviour;
use crate::life::Message;

/// Held while a call is being made: `init`, or the handling of a message.
pub(crate) type Busy = Arc<tokio::sync::Mutex<()>>;

/// One actor, over all its lives.
pub(crate) struct Actor {
    pub(crate) parent: Option<ActorId>,
    name: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) child_spec: ChildSpec,
    /// What the first life was started with.
    pub(crate) first: Option<Bytes>,
    /// The last good state.
    pub(crate) state: Option<Bytes>,
    pub(crate) incarnation: Incarnation,
    pub(crate) status: ActorStatus,
    pub(crate) chain: Chain,
    /// The exits of its children.
    pub(crate) exits: ExitQueue,
    /// In start order.
    pub(crate) children: Vec<ActorId>,
    pub(crate) life: Option<Life>,
    /// Held by a restart: one after the other.
    pub(crate) restarting: Busy,
}

/// What belongs to one life.
pub(crate) struct Life {
    pub(crate) task: AbortHandle,
    pub(crate) mailbox: mpsc::Sender<Message>,
    pub(crate) busy: Busy,
    /// The host functions of its guest.
    pub(crate) host: SupervisorHost,
    /// Ends its supervisor, where it has one.
    pub(crate) shutdown: Option<ShutdownController>,
}

pub(crate) struct Table {
    actors: BTreeMap<ActorId, Actor>,
    root_exits: ExitQueue,
    store: Arc<dyn ChainStore>,
    started: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            actors: BTreeMap::new(),
            root_exits: ExitQueue::new(),
            store: Arc::new(MemoryStore::new()),
            started: 0,
        }
    }
}

impl Table {
    pub(crate) fn store(&self) -> Arc<dyn ChainStore> {
        Arc::clone(&self.store)
    }

    /// Who may act on whom. The same answer for an actor that is not covered and for one that does not exist.
    pub(crate) fn covered(&mut self, by: Authority, id: ActorId) -> Result<&mut Actor, ActorError> {
        self.actors.get_mut(&id).filter(|actor| by.covers(actor.parent)).ok_or_else(|| by.refusal(id))
    }

    pub(crate) fn info(&self, id: ActorId) -> Option<ActorInfo> {
        let actor = self.actors.get(&id)?;
        let info = ActorInfo::new(id, actor.parent, &actor.name, actor.status.clone());
        Some(info.with_incarnation(actor.incarnation).with_child_spec(actor.child_spec))
    }

    /// The exits below a parent; `None` if there is no such parent.
    pub(crate) fn exits(&self, parent: Option<ActorId>) -> Option<&ExitQueue> {
        match parent {
            None => Some(&self.root_exits),
            Some(id) => self.actors.get(&id).map(|actor| &actor.exits),
        }
    }

    /// Nothing is started below an actor that has ended.
    pub(crate) fn takes_children(&self, parent: Option<ActorId>) -> Result<(), ActorError> {
        let living = |id| self.actors.get(&id).is_some_and(|actor: &Actor| !actor.status.is_ended());
        if parent.is_none_or(living) { Ok(()) } else { Err(ActorError::ShuttingDown) }
    }

    /// A child asks for at most what its parent has.
    pub(crate) fn admit(
        &self,
        parent: Option<ActorId>,
        name: &str,
        behaviour: &Behaviour,
    ) -> Result<(), ActorError> {
        let bound = parent
            .and_then(|parent| self.actors.get(&parent))
            .map_or(Bound::NONE, |parent| Bound::of(&parent.name, parent.behaviour.capabilities.clone()));
        Ok(bound.admit_grants(name, &behaviour.capabilities)?)
    }

    /// Adds an actor that has not begun to live, with its chain.
    pub(crate) fn add(
        &mut self,
        parent: Option<ActorId>,
        name: &str,
        behaviour: Behaviour,
        child_spec: ChildSpec,
        first: Option<Bytes>,
    ) -> Result<ActorId, ActorError> {
        self.started += 1;
        let mut tail = [0x4e; 10];
        tail[2..].copy_from_slice(&self.started.to_be_bytes());
        let id = ActorId::from_parts(now() / 1_000_000, tail);
        let mut nonce = [0; 32];
        nonce[..16].copy_from_slice(id.as_bytes());
        nonce[16..24].copy_from_slice(&now().to_le_bytes());
        let genesis = payload::encode(&Genesis {
            actor: id,
            nonce,
            name: name.to_owned(),
            component: String::new(),
            manifest: String::new(),
            parent: None,
            runtime: concat!("native-runtime ", env!("CARGO_PKG_VERSION")).to_owned(),
            placement: None,
            sources: None,
        });
        let (chain, genesis) = Chain::genesis(genesis, 1, now());
        self.store.create(genesis).map_err(|error| chain_failed(id, error))?;
        let actor = Actor {
            parent,
            name: name.to_owned(),
            behaviour,
            child_spec,
            state: None,
            first,
            incarnation: Incarnation(0),
            status: ActorStatus::Starting,
            chain,
            exits: ExitQueue::new(),
            children: Vec::new(),
            life: None,
            restarting: Busy::default(),
        };
        self.actors.insert(id, actor);
        if let Some(parent) = parent.and_then(|parent| self.actors.get_mut(&parent)) {
            parent.children.push(id);
        }
        Ok(id)
    }

    /// Appends to an actor's chain before it returns.
    pub(crate) fn record(
        &mut self,
        id: ActorId,
        kind: EventKind,
        payload: Bytes,
    ) -> Result<ChainEvent, ActorError> {
        let actor = self.actors.get_mut(&id).ok_or(ActorError::UnknownActor { id })?;
        // A store that refuses leaves the chain as it was.
        let mut chain = actor.chain;
        let event = chain.append(kind, payload, now());
        self.store.append(actor.chain.head(), event.clone()).map_err(|error| chain_failed(id, error))?;
        actor.chain = chain;
        Ok(event)
    }

    /// A life runs, with this state. An error if it has been ended meanwhile.
    pub(crate) fn runs(
        &mut self,
        id: ActorId,
        life: Incarnation,
        origin: Origin,
        state: Option<Bytes>,
    ) -> Result<(), ()> {
        let starting =
            |actor: &&mut Actor| actor.incarnation == life && actor.status == ActorStatus::Starting;
        let actor = self.actors.get_mut(&id).filter(starting).ok_or(())?;
        let started = Started::new(life, origin, state.as_ref());
        (actor.status, actor.state) = (ActorStatus::Running, state);
        if let Err(error) = self.record(id, EventKind::STARTED, payload::encode(&started)) {
            self.end(id, life, ExitReason::ChainFailed { error: error.to_string() });
        }
        Ok(())
    }

    /// A call has succeeded and left this state. Of a life that has ended nothing counts.
    pub(crate) fn commit(&mut self, id: ActorId, life: Incarnation, state: Option<Bytes>) {
        let running = |actor: &&mut Actor| actor.incarnation == life && actor.status == ActorStatus::Running;
        if let Some(actor) = self.actors.get_mut(&id).filter(running) {
            actor.state = state;
        }
    }

    /// Ends a life, once, with everything below it: first where the end was asked for, afterwards where it just happened.
    /// An end that comes late, for an older life or a second time, changes nothing.
    pub(crate) fn end(&mut self, id: ActorId, life: Incarnation, reason: ExitReason) {
        let current = |actor: &&Actor| actor.incarnation == life && !actor.status.is_ended();
        let Some(actor) = self.actors.get(&id).filter(current) else { return };
        let ran = actor.status == ActorStatus::Running;
        let asked_for = reason.is_requested();
        if asked_for {
            self.end_children(id);
        }
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.status = ActorStatus::Ended(reason.clone());
        if let Some(life) = actor.life.take() {
            life.task.abort();
            if let Some(shutdown) = life.shutdown {
                shutdown.shutdown();
            }
        }
        let parent = actor.parent;
        // First recorded, then told. There is nobody to tell that the end of a life could not be recorded.
        let exited = Exited::new(life, reason.clone());
        let _ = self.record(id, EventKind::EXITED, payload::encode(&exited));
        if !asked_for {
            self.end_children(id);
        }
        if ran {
            if let Some(exits) = self.exits(parent) {
                exits.push(ChildExit::new(id, life, reason));
            }
        } else if life == Incarnation::FIRST {
            // A first start that fails leaves no record; whoever asked for it has the answer.
            self.forget(id);
        }
    }

    fn end_children(&mut self, parent: ActorId) {
        let children = self.actors.get(&parent).map(|actor| actor.children.clone()).unwrap_or_default();
        for child in children.into_iter().rev() {
            if let Some(life) = self.actors.get(&child).map(|actor| actor.incarnation) {
                self.end(child, life, ExitReason::ParentStopped);
            }
        }
    }

    /// Removes a record and those below it.
    pub(crate) fn forget(&mut self, id: ActorId) {
        let children = self.actors.get(&id).map(|actor| actor.children.clone()).unwrap_or_default();
        for child in children {
            self.forget(child);
        }
        let Some(actor) = self.actors.remove(&id) else { return };
        actor.exits.close();
        if let Some(parent) = actor.parent.and_then(|parent| self.actors.get_mut(&parent)) {
            parent.children.retain(|child| *child != id);
        }
        if let Some(exits) = self.exits(actor.parent) {
            exits.forget(id);
        }
    }
}

fn chain_failed(id: ActorId, error: theater_chain::AppendError) -> ActorError {
    ActorError::Chain { id, source: Arc::new(std::io::Error::other(error)) }
}

/// Nanoseconds since the Unix epoch.
fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
