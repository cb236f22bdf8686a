//! The runtime keeps the contract of `ActorRuntime`: every case of the suite, on its own tokio tasks in real time.

use std::sync::Arc;
use std::time::Duration;

use native_runtime::{Behaviour, Init, NativeRuntime, Step};
use theater_core::{ActorError, ActorId, ActorRuntime, ActorStatus, Authority, Bytes, async_trait};
use theater_testkit::conformance::TestBackend;
use theater_testkit::{Act, HostAnswer, HostCall, Program, StartOutcome, conformance_tests};

/// Actors whose closures do what a program, and the messages of a test, say.
struct NativeBackend {
    runtime: NativeRuntime,
}

impl NativeBackend {
    fn new() -> Self {
        Self { runtime: NativeRuntime::resolving(|reference| Some(scripted(Program::read(reference)))) }
    }
}

/// What a test says to an actor: a word, and bytes.
fn message(act: &Act) -> Bytes {
    let (word, bytes): (&str, Bytes) = match act {
        Act::SetState(state) => ("set", state.clone()),
        Act::Crash => ("crash", Bytes::new()),
        Act::Complete(None) => ("complete", Bytes::new()),
        Act::Complete(Some(data)) => ("finish", data.clone()),
        Act::Busy(time) => ("busy", time.as_millis().to_string().into()),
        other => panic!("no message is {other:?}"),
    };
    [word.as_bytes(), b" ", &bytes].concat().into()
}

fn scripted(program: Program) -> Behaviour {
    let child_spec = program.child_spec;
    let capabilities = program.capabilities();
    let handle = |state, message: Bytes| async move {
        let space = message.iter().position(|byte| *byte == b' ').expect("a word and bytes");
        let bytes = message.slice(space + 1..);
        match &message[..space] {
            b"set" => return Ok(Step::Next(Some(bytes), Bytes::new())),
            b"complete" => return Ok(Step::Complete(None)),
            b"finish" => return Ok(Step::Complete(Some(bytes))),
            b"busy" => {
                let millis = String::from_utf8_lossy(&bytes).parse().expect("a number");
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            _ => panic!("scripted"),
        }
        Ok(Step::Next(state, Bytes::new()))
    };
    let init = move |life: u64, bytes| {
        let outcome = usize::try_from(life - 1).ok().and_then(|n| program.starts.get(n).cloned());
        async move {
            match outcome {
                Some(StartOutcome::Fail) => return Err("scripted".to_owned()),
                Some(StartOutcome::Ignore) => return Ok(Init::Done),
                Some(StartOutcome::Hang) => std::future::pending().await,
                Some(StartOutcome::Slow(time)) => tokio::time::sleep(time).await,
                Some(StartOutcome::Trap) => panic!("scripted"),
                _ => {}
            }
            Ok(Init::Run(bytes))
        }
    };
    Behaviour::new(handle).init(init).child_spec(child_spec).capabilities(capabilities)
}

#[async_trait]
impl TestBackend for NativeBackend {
    fn runtime(&self) -> Arc<dyn ActorRuntime> {
        Arc::new(self.runtime.clone())
    }

    async fn act(&self, actor: ActorId, act: Act) -> Result<(), ActorError> {
        if let Act::Call(call) = act {
            return self
                .call(actor, call)
                .await
                .map(drop)
                .map_err(|error| ActorError::Guest { id: actor, error });
        }
        let status = self.runtime.info(Authority::Operator, actor).await?.status;
        if let ActorStatus::Ended(reason) = status {
            return Err(ActorError::Ended { id: actor, reason });
        }
        let (runtime, message) = (self.runtime.clone(), message(&act));
        let call = tokio::spawn(async move { runtime.request(actor, message).await });
        match act {
            // It has begun when the mailbox is empty and the call holds the actor.
            Act::Busy(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            // A call that ends the life is no error.
            _ => drop(call.await),
        }
        Ok(())
    }

    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        let (host, caller) = self.runtime.guest(actor).map_err(|error| error.to_string())?;
        call.perform(&host, &caller).await
    }
}

conformance_tests!(native, NativeBackend::new());
