//! `WasmRuntime` under the conformance suite, with real components: `scripted.wasm` does what a program says, and
//! `supervisor.wasm` calls the host functions.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ActorRuntime, ActorStatus, Authority, Bytes, ChildType, EventDraft, EventKind,
    LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, Shutdown, async_trait,
};
use theater_testkit::conformance::TestBackend;
use theater_testkit::{Act, HostAnswer, HostCall, Program, StartOutcome, conformance_tests};
use theater_wasm::WasmRuntime;

use crate::support::{components, engine, events};

/// Manifests that are made up from references: a reference spells a program, with `_` between its words.
#[derive(Debug)]
struct Programs;

#[async_trait]
impl ManifestSource for Programs {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let reference = reference.as_str();
        LoadedManifest::parse(reference, manifest(&Program::read(&reference.replace('_', " "))))
    }

    async fn read(&self, _: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        let read = std::fs::read(components().join(reference));
        read.map(Bytes::from).map_err(|_| ManifestError::new(reference, ManifestErrorKind::NotFound))
    }
}

/// A supervisor is a guest that calls the host functions; everybody else is one that follows a script.
fn manifest(program: &Program) -> String {
    let supervises = program.child_spec.child_type == ChildType::Supervisor;
    let (component, handler) = if supervises {
        ("supervisor.wasm", "[[handlers]]\ntype = \"supervisor\"\n")
    } else {
        ("scripted.wasm", "")
    };
    let start = |start: &StartOutcome| match start {
        StartOutcome::Fail => "error",
        StartOutcome::Trap => "trap",
        StartOutcome::Hang => "hang",
        StartOutcome::Ignore => "ignore",
        StartOutcome::Slow(_) => "slow",
        _ => "ok",
    };
    let spec = &program.child_spec;
    let shutdown = match spec.shutdown {
        Shutdown::Kill => "kill".to_owned(),
        Shutdown::Infinity => "infinity".to_owned(),
        Shutdown::After(time) => format!("{}ms", time.as_millis()),
    };
    let may: Vec<_> =
        program.may.iter().map(|kind| format!("[[handlers]]\ntype = \"{}\"\n", kind.name())).collect();
    let handler = format!("{handler}{}", may.concat());
    let script: Vec<_> = program.starts.iter().map(start).collect();
    format!(
        "name = \"{} script[{}]\"\ncomponent = \"{component}\"\n{handler}[[handlers]]\ntype = \"message-server\"\n\
         [child_spec]\nrestart = \"{}\"\nshutdown = \"{shutdown}\"\n[limits]\ncall_deadline = \"60s\"\nmemory = \"16MiB\"\n",
        program.name,
        script.join(" "),
        spec.restart.name(),
    )
}

struct WasmBackend {
    runtime: WasmRuntime,
}

impl WasmBackend {
    fn new() -> Self {
        Self { runtime: WasmRuntime::builder(Programs).engine(engine()).build().expect("a runtime") }
    }

    /// Waits until a call of this actor has begun after `events` of its chain.
    async fn begun(&self, actor: ActorId, after: usize) {
        while !events(&self.runtime, actor).await[after..]
            .iter()
            .any(|event| event.header.kind == EventKind::GET_CHAIN)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[async_trait]
impl TestBackend for WasmBackend {
    fn runtime(&self) -> Arc<dyn ActorRuntime> {
        Arc::new(self.runtime.clone())
    }

    fn program(&self, program: &Program) -> ManifestRef {
        program.reference().replace(' ', "_").into()
    }

    async fn act(&self, actor: ActorId, act: Act) -> Result<(), ActorError> {
        let status = self.runtime.info(Authority::Operator, actor).await?.status;
        if let ActorStatus::Ended(reason) = status {
            return Err(ActorError::Ended { id: actor, reason });
        }
        let message = match &act {
            Act::SetState(state) => [b"set ", &state[..]].concat(),
            Act::Crash => b"crash".to_vec(),
            Act::Complete(None) => b"complete".to_vec(),
            Act::Complete(Some(data)) => [b"finish ", &data[..]].concat(),
            Act::Busy(time) => {
                let before = events(&self.runtime, actor).await.len();
                self.runtime.send(actor, "busy").await?;
                self.begun(actor, before).await;
                let (runtime, time) = (self.runtime.clone(), *time);
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    // Its record may be gone by then.
                    let wake = EventDraft::new(EventKind::LOG, Bytes::from_static(b"wake"));
                    drop(runtime.record(actor, wake).await);
                });
                return Ok(());
            }
            Act::Call(call) => {
                let called = self.call(actor, call.clone()).await;
                return called.map(drop).map_err(|error| ActorError::Guest { id: actor, error });
            }
            other => panic!("no message is {other:?}"),
        };
        match self.runtime.request(actor, message).await {
            // A call that ends the life is no error.
            Ok(_) | Err(ActorError::Ended { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        let with = |command: &str, target: &str, bytes: &Option<Bytes>| {
            let bytes = bytes.as_deref().unwrap_or_default();
            [command.as_bytes(), b" ", target.as_bytes(), b" ", bytes].concat()
        };
        let message = match &call {
            HostCall::Spawn { manifest, init } => with("spawn", manifest, init),
            HostCall::Resume { manifest, state } => with("resume", manifest, state),
            HostCall::ListChildren => b"list".to_vec(),
            HostCall::RestartChild(child) => format!("restart {child}").into_bytes(),
            HostCall::StopChild(child) => format!("stop {child}").into_bytes(),
            HostCall::GetChildState(child) => format!("state {child}").into_bytes(),
            HostCall::GetChildEvents(child) => format!("events {child}").into_bytes(),
            other => return Err(format!("there is no function for {other:?}")),
        };
        let answer = self.runtime.request(actor, message).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some(error) = text.strip_prefix("error: ") {
            return Err(error.to_owned());
        }
        Ok(match call {
            HostCall::Spawn { .. } | HostCall::Resume { .. } => HostAnswer::Child(text),
            HostCall::ListChildren => HostAnswer::Children(text.lines().map(str::to_owned).collect()),
            HostCall::GetChildState(_) => HostAnswer::State((text != "none").then_some(answer)),
            HostCall::GetChildEvents(_) => {
                let kind = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
                HostAnswer::Events(text.lines().map(kind).collect())
            }
            _ => HostAnswer::Done,
        })
    }
}

conformance_tests!(wasm, WasmBackend::new());
