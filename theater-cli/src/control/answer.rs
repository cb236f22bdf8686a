//! Answering one request to a running app.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use theater_chain::{ChainStore, PrunePolicy};
use theater_core::event::payload::{self, Genesis};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, ActorStatus as Phase, Authority, Bytes, EventRange,
};
use theater_wasm::WasmRuntime;
use tokio::sync::Notify;

use super::protocol::{ActorStatus, Answer, Durable, Operation, Refusal, RefusalKind, Status};
use crate::app::App;
use crate::data::open::OpenStore;
use crate::data::promise;
use crate::select::{self, Called, Unclear};

/// Actors that a status has at most.
const LISTED: usize = 1_000;

/// A running app, as clients see it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: WasmRuntime,
    store: Arc<dyn ChainStore>,
    app: PathBuf,
    folder: PathBuf,
    kind: &'static str,
    since_ms: u64,
    root: OnceLock<ActorId>,
    stop: Notify,
    /// What actors are called among their siblings: it never changes.
    called: Mutex<HashMap<ActorId, String>>,
}

/// An actor with what it is called by.
struct Alive {
    info: ActorInfo,
    called: Called,
}

impl Control {
    /// Before the root actor has started.
    pub(crate) fn new(app: &App, data: &OpenStore, runtime: WasmRuntime) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Inner {
            runtime,
            store: data.store(),
            app: app.path(),
            folder: data.folder().map(ToOwned::to_owned).unwrap_or_default(),
            kind: data.kind().name(),
            since_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            root: OnceLock::new(),
            stop: Notify::new(),
            called: Mutex::default(),
        }))
    }

    /// The root actor has started.
    pub(crate) fn started(&self, root: ActorId) {
        // There is one.
        let _ = self.0.root.set(root);
    }

    /// The root actor, once it has started.
    pub(crate) fn root(&self) -> Option<ActorId> {
        self.0.root.get().copied()
    }

    /// Waits until a client asks the app to end. Cancel-safe.
    pub(crate) async fn stop_asked(&self) {
        self.0.stop.notified().await;
    }

    pub(super) async fn answer(&self, operation: Operation) -> Result<Answer, Refusal> {
        match operation {
            Operation::Status => Ok(Answer::Status(Box::new(self.status().await))),
            Operation::Durable => self.durable().map(Answer::Durable),
            Operation::Send { actor, data } => {
                let data = message(&data)?;
                let actor = self.find(&actor).await?;
                self.0.runtime.send(actor, data).await.map_err(|error| not_answered(&error))?;
                Ok(Answer::Taken { actor })
            }
            Operation::Request { actor, data } => {
                let data = message(&data)?;
                let actor = self.find(&actor).await?;
                let answer =
                    self.0.runtime.request(actor, data).await.map_err(|error| not_answered(&error))?;
                Ok(Answer::Answered { actor, data: BASE64.encode(answer) })
            }
            Operation::Prune { older_than_ms, keep_last, actors } => {
                let older_than = older_than_ms.map(Duration::from_millis);
                self.prune(&PrunePolicy { older_than, keep_last }, &actors).await
            }
            Operation::Stop => {
                self.0.stop.notify_one();
                Ok(Answer::Stopping { stopping: true })
            }
        }
    }

    async fn prune(&self, policy: &PrunePolicy, actors: &[String]) -> Result<Answer, Refusal> {
        let mut ids = Vec::with_capacity(actors.len());
        for actor in actors {
            ids.push(self.find(actor).await?);
        }
        let reports = self.0.runtime.prune(&ids, policy).await.map_err(|error| {
            Refusal::new(RefusalKind::Unsupported, theater_core::error::with_causes(&error))
        })?;
        let pruned = reports.iter().filter(|(_, report)| report.events > 0);
        Ok(Answer::Pruned {
            chains: pruned.count() as u64,
            pruned_events: reports.iter().map(|(_, report)| report.events).sum(),
            pruned_bytes: reports.iter().map(|(_, report)| report.bytes).sum(),
        })
    }

    fn durable(&self) -> Result<Durable, Refusal> {
        // What is durable now has been taken before.
        let durable = self.0.store.durable();
        let accepted = self.0.store.accepted().0;
        match durable {
            Ok(durable) => Ok(Durable { accepted, durable: durable.0 }),
            Err(failed) => Err(Refusal::new(RefusalKind::StoreFailed, failed.to_string())),
        }
    }

    async fn status(&self) -> Status {
        let inner = &self.0;
        let durable = inner.store.durable();
        let durability = inner.store.durability();
        let actors = self.actors().await;
        Status {
            pid: std::process::id(),
            app: inner.app.display().to_string(),
            data: inner.folder.display().to_string(),
            store: inner.kind.to_owned(),
            durability: durability.name().to_owned(),
            durability_text: promise(durability).to_owned(),
            epoch: inner.store.epoch(),
            accepted: inner.store.accepted().0,
            durable: durable.as_ref().ok().map(|lsn| lsn.0),
            failed: durable.err().map(|failed| failed.to_string()),
            since_ms: inner.since_ms,
            actors_total: actors.len() as u64,
            actors: actors.iter().take(LISTED).map(Alive::status).collect(),
        }
    }

    async fn find(&self, text: &str) -> Result<ActorId, Refusal> {
        if self.root().is_none() {
            return Err(Refusal::new(RefusalKind::Starting, "the app is still starting"));
        }
        // A registered name is one actor's, whatever others are called.
        if let Some(id) = self.0.runtime.whereis(text) {
            return Ok(id);
        }
        let called: Vec<_> = self.actors().await.into_iter().map(|actor| actor.called).collect();
        let refusal = |unclear: Unclear| {
            let kind = match &unclear {
                Unclear::Unknown(_) => RefusalKind::UnknownActor,
                Unclear::Ambiguous(_) => RefusalKind::Ambiguous,
            };
            Refusal::new(kind, unclear.text())
        };
        select::find(&called, text).map(|found| found.id).map_err(refusal)
    }

    /// All actors that the runtime knows, parents before children.
    async fn actors(&self) -> Vec<Alive> {
        let Some(root) = self.root() else { return Vec::new() };
        let Ok(root) = self.0.runtime.info(Authority::Operator, root).await else { return Vec::new() };
        let mut todo = vec![(root, Vec::new())];
        let mut actors = Vec::new();
        while let Some((info, above)) = todo.pop() {
            let own = match info.parent {
                None => info.name.clone(),
                Some(_) => self.own_name(&info).await,
            };
            let mut path = above;
            path.push(own);
            // One that has just been reaped has no children any more.
            let children = self.0.runtime.children(info.id).await.unwrap_or_default();
            todo.extend(children.into_iter().rev().map(|child| (child, path.clone())));
            let called = Called { id: info.id, name: info.name.clone(), path };
            actors.push(Alive { info, called });
        }
        self.forget(&actors);
        actors
    }

    /// The id that its parent's manifest gives a child, or its name.
    async fn own_name(&self, info: &ActorInfo) -> String {
        let known = self.called().get(&info.id).cloned();
        if let Some(known) = known {
            return known;
        }
        let range = EventRange { from: 0, limit: 1 };
        let first = self.0.runtime.events(Authority::Operator, info.id, range).await.unwrap_or_default();
        let genesis = first.first().and_then(|event| payload::decode::<Genesis>(&event.payload).ok());
        let declared = genesis.and_then(|genesis| genesis.placement).and_then(|placement| placement.child_id);
        let own = declared.unwrap_or_else(|| info.name.clone());
        self.called().insert(info.id, own.clone());
        own
    }

    /// Forgets what actors were called that are gone.
    fn forget(&self, actors: &[Alive]) {
        let mut called = self.called();
        if called.len() > 2 * actors.len() {
            let alive: std::collections::HashSet<_> = actors.iter().map(|actor| actor.info.id).collect();
            called.retain(|id, _| alive.contains(id));
        }
    }

    fn called(&self) -> std::sync::MutexGuard<'_, HashMap<ActorId, String>> {
        self.0.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alive {
    fn status(&self) -> ActorStatus {
        let (status, reason) = match &self.info.status {
            Phase::Starting => ("starting", None),
            Phase::Running => ("running", None),
            Phase::Stopping => ("stopping", None),
            Phase::Ended(reason) => ("ended", Some(reason.to_string())),
            _ => ("unknown", None),
        };
        ActorStatus {
            id: self.info.id,
            name: self.info.name.clone(),
            path: self.called.path(),
            registered: self.info.registered.clone(),
            parent: self.info.parent,
            incarnation: self.info.incarnation,
            status: status.to_owned(),
            reason,
        }
    }
}

fn message(data: &str) -> Result<Bytes, Refusal> {
    let bad = |error| Refusal::new(RefusalKind::BadRequest, format!("`data` is not base64: {error}"));
    BASE64.decode(data).map(Bytes::from).map_err(bad)
}

fn not_answered(error: &ActorError) -> Refusal {
    let kind = match error {
        ActorError::Chain { .. } => RefusalKind::StoreFailed,
        _ => RefusalKind::NotAnswered,
    };
    Refusal::new(kind, crate::failure::one_line_of(error))
}
