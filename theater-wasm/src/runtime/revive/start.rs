//! Starts an actor's next life with what was read of the ones before.

use std::sync::Arc;

use theater_core::event::payload::{Exited, Snapshot, encode};
use theater_core::{ActorError, ActorInfo, ActorRuntime, Bound, EventKind, ExitReason, SpawnRequest};
use tokio::sync::oneshot;

use super::{Inner, Prepared};
use crate::runtime::chain::ChainLog;
use crate::runtime::entry::{Entry, EntryParts, Seed, Start, lock};
use crate::runtime::mailbox::{Delivered, Envelope, RequestId};
use crate::runtime::past::{Accepted, Past};
use crate::runtime::spawn::Unregister;
use crate::script::Script;

impl Inner {
    /// Which actor this request is to bring back: by its id, or because it is for a child that its parent declares.
    ///
    /// # Errors
    /// [`StartFailed`](ActorError::StartFailed) as of a child that ended itself before it ran, where the child has ended for good.
    pub(in crate::runtime) fn take_prepared(
        &self,
        request: &SpawnRequest,
    ) -> Result<Option<Box<Prepared>>, ActorError> {
        let mut revival = lock(&self.revival);
        let Some(revival) = &mut *revival else {
            return match request.revive {
                Some(id) => Err(ActorError::UnknownActor { id }),
                None => Ok(None),
            };
        };
        let id = match request.revive {
            Some(id) => id,
            None => {
                let Some(parent) = request.parent else { return Ok(None) };
                let child: Arc<str> = request.manifest.as_str().into();
                match revival.declared.remove(&(parent, child)) {
                    Some(Some(id)) => id,
                    Some(None) => {
                        let reason = ExitReason::Completed { data: None };
                        return Err(ActorError::StartFailed { reason });
                    }
                    None => {
                        // It is new: its `init` may want to talk to the others.
                        self.held.send_replace(false);
                        return Ok(None);
                    }
                }
            }
        };
        Ok(Some(Box::new(revival.prepared.remove(&id).ok_or(ActorError::UnknownActor { id })?)))
    }

    /// Starts the next life of an actor that had been running, and then its children that were spawned.
    pub(in crate::runtime) async fn spawn_revived(
        self: &Arc<Self>,
        parent: Option<Arc<Entry>>,
        prepared: Prepared,
        child_spec: Option<theater_core::ChildSpec>,
    ) -> Result<ActorInfo, ActorError> {
        let Prepared { past, resolved, state, calls, head, goes_on, interrupted, channels, spawned, .. } =
            prepared;
        let earlier_restarts = prepared.earlier_restarts;
        let id = past.genesis.actor;
        let above = parent.as_ref().map_or(&Bound::NONE, |parent| &parent.bound);
        let bound = above.admit(resolved.manifest())?;
        let placement = past.genesis.placement.as_ref();
        let place = match &parent {
            Some(parent) => parent.core().place(),
            None => lock(&self.roots).place(),
        };
        let child_spec = child_spec
            .or_else(|| placement.map(|placement| placement.child_spec))
            .unwrap_or_else(|| resolved.manifest().spawned_spec());
        let first = past.first.clone().unwrap_or(Start::Init(None));
        let known = past.good.is_some();
        let chain = ChainLog::resume(id, Arc::clone(&self.store), head, past.bytes);
        let seed = Seed {
            incarnation: past.incarnation,
            good: known.then(|| state.clone()),
            // Above every number that was given out: each request has an event.
            requests: past.length,
            mailbox: mailbox(&past, interrupted),
            channels: channels.open,
            earlier_restarts,
            sources: resolved.sources,
            goes_on,
        };
        let parts = EntryParts {
            id,
            parent,
            place,
            manifest: Arc::clone(&resolved.loaded.manifest),
            component: resolved.component,
            child_id: placement.and_then(|placement| placement.child_id.as_deref()).map(Into::into),
            child_spec,
            bound,
            declared: Arc::clone(&resolved.loaded.children),
            snapshot: resolved.snapshot,
            first,
            chain,
        };
        let entry = Entry::revived(parts, seed);
        let chain_failed = |error| ActorError::Chain { id, source: Arc::new(error) };
        if past.ended.is_none() {
            let exited = Exited::new(past.incarnation, ExitReason::RuntimeEnded);
            self.append_unlimited(&entry, EventKind::EXITED, encode(&exited), |_| ())
                .map_err(chain_failed)?;
            self.anchor(&entry, EventKind::CHILD_EXITED, Some(&ExitReason::RuntimeEnded));
        }
        if calls > 0 {
            let snapshot = encode(&Snapshot { state: state.clone() });
            self.append_unlimited(&entry, EventKind::SNAPSHOT, snapshot, |_| ()).map_err(chain_failed)?;
        }
        for (channel, other) in channels.broken {
            self.tell_closed(&entry, other, &channel);
        }
        let start = if known { Start::LastGood(state) } else { entry.first.clone() };
        {
            let guard = Unregister::new(self, &entry);
            let _turn = entry.starts.lock().await;
            self.start_life(&entry, start).await?;
            guard.keep();
        }
        self.bring_back_spawned(&entry, spawned).await;
        Ok(entry.info())
    }

    async fn bring_back_spawned(self: &Arc<Self>, entry: &Arc<Entry>, spawned: Vec<SpawnRequest>) {
        let supervisor = self.outer().supervisor(entry.id).ok();
        for request in spawned {
            let id = request.revive.unwrap_or(entry.id);
            let started = match &supervisor {
                Some(supervisor) => {
                    supervisor.adopt_child(request).await.map(drop).map_err(|error| error.to_string())
                }
                None => self.outer().spawn(request).await.map(drop).map_err(|error| error.to_string()),
            };
            if let Err(error) = started {
                tracing::error!(actor = %id, %error, "an actor could not be brought back");
                if let Some(revival) = &mut *lock(&self.revival) {
                    revival.failed.push((id, error));
                }
            }
        }
    }
}

/// What waits for the actor: first what was interrupted, then in the order of the mailbox.
fn mailbox(past: &Past, interrupted: Option<Script>) -> Vec<Delivered> {
    let mut begun = interrupted.map(Box::new);
    let messages = past.pending.iter().filter_map(|(call, accepted)| {
        let envelope = envelope(accepted)?;
        // The oldest is the one that was being handled.
        Some(Delivered { call: *call, envelope, begun: begun.take() })
    });
    messages.collect()
}

/// The message as it stood in the mailbox. Whoever waited for an answer is gone.
fn envelope(accepted: &Accepted) -> Option<Envelope> {
    let Accepted { from, subject, data, .. } = accepted.clone();
    let (data, subject) = (data.unwrap_or_default(), subject.unwrap_or_default());
    Some(match &*accepted.function {
        "handle-send" => Envelope::Send { from, data },
        "handle-request" => {
            Envelope::Request { from, id: RequestId::parse(&subject)?, data, reply: oneshot::channel().0 }
        }
        "handle-channel-open" => {
            Envelope::ChannelOpen { from: from?, channel: subject, data, reply: oneshot::channel().0 }
        }
        "handle-channel-message" => Envelope::ChannelMessage { from: from?, channel: subject, data },
        "handle-channel-close" => Envelope::ChannelClose { from: from?, channel: subject },
        _ => return None,
    })
}
