//! What the cases have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use theater_chain::verify;
use theater_core::event::payload::{Exited, Started, decode};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, ChainEvent, EventKind,
    EventRange, ExitReason, Incarnation, SpawnRequest, StartFrom,
};
use tokio::time::{Instant, sleep, timeout};

pub(super) use super::super::case::{Failure, Verdict, ensure, ensure_eq};
use crate::act::{Act, HostAnswer, HostCall};
use crate::conformance::backend::{Capability, TestBackend};
use crate::program::Program;

/// How long something may take that is to happen by itself, in real time.
const SOON: Duration = Duration::from_secs(10);
/// What takes less did not wait for anything.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1_500);
/// How long actors are busy that nobody is to wait for.
pub(super) const LONG: Duration = Duration::from_secs(6);
/// How long nothing must happen for it to count as not happening.
const QUIET: Duration = Duration::from_millis(60);

/// The backend that one case is about.
#[derive(Clone)]
pub struct Subject {
    backend: Arc<dyn TestBackend>,
    pub(super) runtime: Arc<dyn ActorRuntime>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

impl Subject {
    pub(crate) fn new(backend: Arc<dyn TestBackend>) -> Self {
        let runtime = backend.runtime();
        Self { backend, runtime }
    }

    pub(crate) fn lacks(&self, capability: Capability) -> Option<&'static str> {
        self.backend.lacks(capability)
    }

    /// A request for an actor that does what these words say.
    pub(super) fn request(&self, parent: Option<ActorId>, words: &str) -> SpawnRequest {
        let program = Program::read(words);
        SpawnRequest::new(parent, self.backend.program(&program)).child_spec(program.child_spec)
    }

    /// The text by which a guest names that manifest.
    pub(super) fn reference(&self, words: &str) -> String {
        self.backend.program(&Program::read(words)).as_str().to_owned()
    }

    pub(super) async fn start(&self, parent: Option<ActorId>, words: &str) -> Result<ActorInfo, ActorError> {
        self.runtime.spawn(self.request(parent, words)).await
    }

    /// A root actor whose children are nobody's business but the case's.
    pub(super) async fn root(&self) -> Result<ActorId, ActorError> {
        Ok(self.start(None, "root infinity").await?.id)
    }

    /// A root actor that supervises, and calls the host functions.
    pub(super) async fn supervisor(&self) -> Result<ActorId, ActorError> {
        Ok(self.start(None, "supervisor infinity supervisor").await?.id)
    }

    pub(super) async fn child(&self, parent: ActorId) -> Result<ActorId, ActorError> {
        Ok(self.start(Some(parent), "child temporary").await?.id)
    }

    pub(super) async fn child_with(&self, parent: ActorId, state: &[u8]) -> Result<ActorId, ActorError> {
        let init = StartFrom::Init(Some(Bytes::copy_from_slice(state)));
        let request = self.request(Some(parent), "child temporary").start(init);
        Ok(self.runtime.spawn(request).await?.id)
    }

    pub(super) async fn act(&self, id: ActorId, act: Act) -> Verdict {
        let what = format!("{act:?}");
        let done = self.backend.act(id, act).await;
        done.map_err(|error| format!("{what} of {id} was refused: {error}").into())
    }

    pub(super) async fn set_state(&self, id: ActorId, state: &'static [u8]) -> Verdict {
        self.act(id, Act::SetState(Bytes::from_static(state))).await
    }

    /// Makes an actor crash, and waits until its life has ended.
    pub(super) async fn crash(&self, id: ActorId) -> Verdict {
        let life = self.info(id).await?.incarnation;
        self.act(id, Act::Crash).await?;
        let begin = Instant::now();
        loop {
            let info = self.info(id).await?;
            if info.incarnation != life || info.status.is_ended() {
                return Ok(());
            }
            ensure!(begin.elapsed() < SOON, "a life that crashed did not end within {SOON:?}");
            sleep(Duration::from_millis(3)).await;
        }
    }

    pub(super) async fn call(&self, id: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        self.backend.call(id, call).await
    }

    pub(super) async fn info(&self, id: ActorId) -> Result<ActorInfo, ActorError> {
        self.runtime.info(Authority::Operator, id).await
    }

    /// How the actor's last life ended; `None` while one runs.
    pub(super) async fn ended(&self, id: ActorId) -> Result<Option<ExitReason>, ActorError> {
        Ok(match self.info(id).await?.status {
            ActorStatus::Ended(reason) => Some(reason),
            _ => None,
        })
    }

    pub(super) async fn runs(&self, id: ActorId) -> Result<bool, ActorError> {
        Ok(self.info(id).await?.status == ActorStatus::Running)
    }

    pub(super) async fn life(&self, id: ActorId) -> Result<u64, ActorError> {
        Ok(self.info(id).await?.incarnation.0)
    }

    pub(super) async fn state(&self, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.runtime.state(Authority::Operator, id).await
    }

    pub(super) async fn children(&self, parent: ActorId) -> Result<Vec<ActorId>, ActorError> {
        Ok(self.runtime.children(parent).await?.into_iter().map(|child| child.id).collect())
    }

    pub(super) async fn events(&self, id: ActorId) -> Result<Vec<ChainEvent>, ActorError> {
        self.runtime.events(Authority::Operator, id, EventRange::ALL).await
    }

    /// The beginnings and ends of lives on an actor's chain, which has to verify: `+1`, `-1`, `+2`, ...
    pub(super) async fn lives(&self, id: ActorId) -> Result<Vec<String>, Failure> {
        let events = self.events(id).await?;
        verify(&events).map_err(|error| format!("the chain of {id} does not verify: {error}"))?;
        let mut lives = Vec::new();
        for event in &events {
            if event.header.kind == EventKind::STARTED {
                let started: Started = decode(&event.payload).map_err(|error| error.to_string())?;
                lives.push(format!("+{}", started.incarnation));
            } else if event.header.kind == EventKind::EXITED {
                let exited: Exited = decode(&event.payload).map_err(|error| error.to_string())?;
                lives.push(format!("-{}", exited.incarnation));
            }
        }
        Ok(lives)
    }

    /// Waits until something is so that has to come by itself.
    pub(super) async fn soon(
        &self,
        what: &str,
        is_so: impl AsyncFn() -> Result<bool, ActorError>,
    ) -> Verdict {
        let begin = Instant::now();
        while !is_so().await? {
            ensure!(begin.elapsed() < SOON, "this did not come to be within {SOON:?}: {what}");
            sleep(Duration::from_millis(3)).await;
        }
        Ok(())
    }

    /// The next exit below a parent.
    pub(super) async fn exit(
        &self,
        exits: &mut theater_core::ExitStream,
    ) -> Result<(ActorId, Incarnation, ExitReason), Failure> {
        match timeout(SOON, exits.next()).await {
            Ok(Some(exit)) => Ok((exit.id, exit.incarnation, exit.reason)),
            Ok(None) => Err("the stream of exits has ended, though its parent is there".into()),
            Err(_) => Err(format!("no exit was told within {SOON:?}").into()),
        }
    }

    /// That nobody is told of an exit any more.
    pub(super) async fn no_exit(&self, exits: &mut theater_core::ExitStream) -> Verdict {
        match timeout(QUIET, exits.next()).await {
            Ok(Some(exit)) => Err(format!("an exit too many was told: {exit:?}").into()),
            _ => Ok(()),
        }
    }
}

/// That something is done without waiting for anybody.
pub(super) async fn at_once<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    let begin = Instant::now();
    let done = timeout(SOON, work).await;
    let Ok(done) = done else { return Err(format!("{what} does not end").into()) };
    let elapsed = begin.elapsed();
    if elapsed > AT_ONCE {
        return Err(format!("{what} took {elapsed:?}: it waited for somebody").into());
    }
    Ok(done)
}

/// What an error says about its target, without the target's name in it.
pub(super) fn without(id: ActorId, error: &ActorError) -> String {
    error.to_string().replace(&id.to_string(), "ID")
}
