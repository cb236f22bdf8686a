//! Who is to come back: read from the chains, each of which is verified.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use theater_chain::{ChainReader, Head, Verifier};
use theater_core::event::payload::{self, Genesis};
use theater_core::{ActorId, ChainId, EventRange, ExitReason, Incarnation, ManifestRef};

use super::{Inner, ReviveError, record_error};
use crate::runtime::past::Past;
use crate::script::History;

/// Who is to come back.
pub(super) struct Plan {
    pub(super) root: ActorId,
    /// Parents before children, children in start order.
    pub(super) actors: Vec<Planned>,
    /// Declared children that have ended for good, with their parents.
    pub(super) finished: Vec<(ActorId, Arc<str>)>,
    /// Those whose chain does not say that their life is over, and that do not come back.
    pub(super) orphans: Vec<Planned>,
    pub(super) history: Arc<History>,
}

/// An actor and what its chain says.
pub(super) struct Planned {
    pub(super) past: Past,
    pub(super) head: Head,
    /// Whether it goes on with its children; otherwise its next life is one after a crash, and begins without any.
    pub(super) goes_on: bool,
    /// Whether its end is one for which it is restarted, and that was not yet decided.
    pub(super) counts: bool,
}

/// Events that are read at a time.
const PAGE: usize = 4_096;

/// Reads the tree whose last root was started from this manifest. `None` if it is over, or there is none.
pub(super) async fn plan(inner: &Inner, manifest: &ManifestRef) -> Result<Option<Plan>, ReviveError> {
    let reader: Arc<dyn ChainReader> = Arc::clone(&inner.store) as Arc<dyn ChainReader>;
    let mut chains = HashMap::new();
    let mut root = None;
    // In the order in which they were created.
    let mut children: BTreeMap<ActorId, Vec<(u64, ChainId)>> = BTreeMap::new();
    for chain in reader.chains().await? {
        let Some(genesis) = genesis(&*reader, chain).await? else { continue };
        chains.insert(genesis.actor, chain);
        match genesis.parent {
            Some(parent) => children.entry(parent.actor).or_default().push((parent.length, chain)),
            None => {
                let reference = genesis.placement.map(|placement| placement.manifest);
                if reference.as_deref() == Some(manifest.as_str()) {
                    root = Some(chain);
                }
            }
        }
    }
    let Some(root) = root else { return Ok(None) };
    let (past, head) = read(&*reader, root).await?;
    if is_over(&past) {
        return Ok(None);
    }
    let goes_on = match &past.ended {
        None => true,
        Some(reason) => reason.is_requested(),
    };
    let history = Arc::new(History { reader: Arc::clone(&reader), chains });
    let mut plan = Plan {
        root: past.genesis.actor,
        actors: Vec::new(),
        finished: Vec::new(),
        orphans: Vec::new(),
        history,
    };
    let mut waiting = vec![Planned { past, head, goes_on, counts: false }];
    while let Some(parent) = waiting.pop() {
        let mut below = Vec::new();
        let family = children.remove(&parent.past.genesis.actor).unwrap_or_default();
        for (length, chain) in family {
            if length <= parent.past.family_since {
                continue;
            }
            let (past, head) = read(&*reader, chain).await?;
            let fate = if parent.goes_on { fate(&parent.past, &past) } else { Fate::Gone };
            match fate {
                Fate::GoesOn => below.push(Planned { past, head, goes_on: true, counts: false }),
                Fate::Restarts => {
                    let counts = past.ended.is_some() && !decided(&parent.past, &past);
                    below.push(Planned { past, head, goes_on: false, counts });
                }
                Fate::Finished => {
                    let id = past.genesis.placement.as_ref().and_then(|it| it.child_id.as_deref());
                    plan.finished.extend(id.map(|id| (parent.past.genesis.actor, Arc::from(id))));
                }
                Fate::Gone => plan.orphan(Planned { past, head, goes_on: false, counts: false }),
            }
        }
        // The stack gives the last back first.
        waiting.extend(below.into_iter().rev());
        plan.actors.push(parent);
    }
    Ok(Some(plan))
}

impl Plan {
    /// Notes one that does not come back.
    pub(super) fn orphan(&mut self, planned: Planned) {
        if planned.past.ended.is_none() && planned.past.incarnation > Incarnation(0) {
            self.orphans.push(planned);
        }
    }
}

/// Which actor has which chain.
pub(in crate::runtime) async fn history(inner: &Inner) -> Result<History, ReviveError> {
    let reader: Arc<dyn ChainReader> = Arc::clone(&inner.store) as Arc<dyn ChainReader>;
    let mut chains = HashMap::new();
    for chain in reader.chains().await? {
        if let Some(genesis) = genesis(&*reader, chain).await? {
            chains.insert(genesis.actor, chain);
        }
    }
    Ok(History { reader, chains })
}

/// What is above an actor.
pub(in crate::runtime) enum Above {
    Parent(ActorId),
    /// Nobody: it is a root, started from this manifest.
    Manifest(String),
}

/// What each chain says to be above its actor.
pub(in crate::runtime) async fn parents(inner: &Inner) -> Result<HashMap<ActorId, Above>, ReviveError> {
    let mut parents = HashMap::new();
    for chain in inner.store.chains().await? {
        let Some(genesis) = genesis(&*inner.store, chain).await? else { continue };
        let above = match (genesis.parent, genesis.placement) {
            (Some(parent), _) => Above::Parent(parent.actor),
            (None, Some(placement)) => Above::Manifest(placement.manifest),
            (None, None) => continue,
        };
        parents.insert(genesis.actor, above);
    }
    Ok(parents)
}

/// What a chain begins with. One that was put there by others need not be an actor's.
async fn genesis(reader: &dyn ChainReader, chain: ChainId) -> Result<Option<Genesis>, ReviveError> {
    let first = reader.read(chain, EventRange { from: 0, limit: 1 }).await?;
    Ok(first.first().and_then(|first| payload::decode(&first.payload).ok()))
}

/// Reads a chain whole and verifies it.
pub(super) async fn read(reader: &dyn ChainReader, chain: ChainId) -> Result<(Past, Head), ReviveError> {
    let (mut verifier, mut past, mut next) = (Verifier::new(), None::<Past>, 0);
    loop {
        let page = reader.read(chain, EventRange { from: next, limit: PAGE }).await?;
        if page.is_empty() {
            break;
        }
        next += page.len() as u64;
        for event in &page {
            let actor = past.as_ref().map(|past| (past.genesis.actor, past.genesis.name.clone()));
            verifier.push(event).map_err(|source| {
                let (actor, name) = actor.unwrap_or((ActorId::from_parts(0, [0; 10]), chain.to_string()));
                ReviveError::Broken { actor, name, seq: event.header.seq, source }
            })?;
            match &mut past {
                None => {
                    let begun = Past::new(event).map_err(|error| ReviveError::Record {
                        actor: ActorId::from_parts(0, [0; 10]),
                        name: chain.to_string(),
                        message: theater_core::error::with_causes(&error),
                    })?;
                    past = Some(begun);
                }
                Some(past) => past.take(event).map_err(|error| record_error(past, &error))?,
            }
        }
    }
    let head = verifier.finish().map_err(|source| {
        let who = past.as_ref().map(|past| (past.genesis.actor, past.genesis.name.clone()));
        let (actor, name) = who.unwrap_or((ActorId::from_parts(0, [0; 10]), chain.to_string()));
        ReviveError::Broken { actor, name, seq: source.index, source }
    })?;
    let past = past.ok_or(theater_chain::ReadError::UnknownChain { chain })?;
    Ok((past, head))
}

/// Whether there is nothing to go on with: it ended by itself and well, or never ran.
fn is_over(root: &Past) -> bool {
    let by_itself = root.ended.as_ref().is_some_and(|reason| reason.is_clean() && !reason.is_requested());
    by_itself || !has_run(root)
}

fn has_run(past: &Past) -> bool {
    let pure = past.genesis.component.is_empty();
    past.good.is_some() || (pure && past.started_at.is_some())
}

/// What becomes of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was running when the runtime ended, or was ended with it.
    GoesOn,
    /// It had ended, and would have been started again.
    Restarts,
    /// It had ended for good.
    Finished,
    /// It is nobody's child: its start was not answered, or its parent begins without it.
    Gone,
}

fn fate(parent: &Past, child: &Past) -> Fate {
    let known = parent.children.get(&child.genesis.actor).copied().unwrap_or_default();
    if !known.ran || !has_run(child) {
        return Fate::Gone;
    }
    let Some(reason) = &child.ended else { return Fate::GoesOn };
    let halted = || parent.group_restart.is_some_and(|group| known.exited.is_some_and(|exit| exit > group));
    match reason {
        ExitReason::RuntimeEnded | ExitReason::ParentStopped => Fate::GoesOn,
        ExitReason::Stopped | ExitReason::Killed if halted() => Fate::Restarts,
        ExitReason::Stopped | ExitReason::Killed => Fate::Finished,
        reason => {
            let spec = child.genesis.placement.as_ref().map(|placement| placement.child_spec);
            let again = spec.is_some_and(|spec| theater_supervisor::restarts(spec.restart, reason));
            if again { Fate::Restarts } else { Fate::Finished }
        }
    }
}

/// Whether the parent's chain says after the child's end that it is restarted: then that has been counted.
fn decided(parent: &Past, child: &Past) -> bool {
    let exited = parent.children.get(&child.genesis.actor).and_then(|child| child.exited);
    exited.is_some_and(|exited| parent.restarted_at.is_some_and(|decision| decision > exited))
}
