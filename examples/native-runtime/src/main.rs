//! A runtime of closures under supervision: `cargo run -p native-runtime`. The exit code is 0 only if everything that it tells
//! is so.

use std::sync::Arc;
use std::time::Duration;

use native_runtime::{Behaviour, NativeRuntime, Step};
use theater_chain::verify;
use theater_core::{
    ActorId, ActorRuntime, ActorStatus, Authority, Bytes, ChildSpec, EventKind, EventRange, RestartPolicy,
    SpawnRequest, StopMode, SupervisionSpec,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A number as text.
fn number(bytes: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// An actor that adds up what it is sent, and cannot count zero.
fn counter() -> Behaviour {
    let add = |total: Option<Bytes>, message: Bytes| async move {
        let total = total.as_deref().map_or(Ok(0), number)?;
        let message = number(&message)?;
        assert_ne!(message, 0, "a counter cannot count zero");
        let total = Bytes::from((total + message).to_string());
        Ok(Step::Next(Some(total.clone()), total))
    };
    Behaviour::new(add).child_spec(ChildSpec::new(RestartPolicy::Transient))
}

/// An actor that supervises others and has nothing else to do.
fn desk() -> Behaviour {
    Behaviour::new(|state, _| async { Ok(Step::Next(state, Bytes::new())) })
        .supervises(SupervisionSpec::new(3, Duration::from_secs(5)))
}

#[tokio::main]
async fn main() -> Outcome {
    // The panic is part of the story; its message is not.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = NativeRuntime::new([("counter", counter()), ("desk", desk())]);
    let desk = runtime.spawn(SpawnRequest::new(None, "desk")).await?.id;
    let stranger = runtime.spawn(SpawnRequest::new(None, "counter")).await?.id;

    // What the actor's guest code would do through `theater:simple/supervisor`.
    let (host, caller) = runtime.guest(desk)?;
    let one = host.spawn(&caller, "counter".to_owned(), Some(b"10".to_vec())).await?;
    let two = host.spawn(&caller, "counter".to_owned(), None).await?;
    println!("desk    {desk}\nstarted {one}, a counter from 10\nstarted {two}, a counter from 0");
    check(host.list_children(&caller).await? == [one, two], "children are listed in start order")?;

    check(runtime.request(one, "5").await? == "15", "ten and five is fifteen")?;
    check(runtime.request(one, "0").await.is_err(), "zero crashes the counter")?;
    runs_life(&runtime, one, 2).await?;
    println!("crashed {one} with a message, and the rule started it again");
    check(runtime.request(one, "1").await? == "16", "it has its id and its last good state")?;
    check(runtime.request(two, "1").await? == "1", "its sibling noticed nothing")?;

    let refused = host.stop_child(&caller, &stranger.to_string()).await;
    println!("refused {}", refused.err().ok_or("a stranger was stopped")?);
    check(runtime.request(stranger, "4").await? == "4", "the stranger goes on")?;

    host.stop_child(&caller, &two.to_string()).await?;
    let kept = host.get_child_state(&caller, &two.to_string()).await?;
    check(kept.as_deref() == Some(b"1"), "the state of a stopped child can be read")?;
    println!("stopped {two}; its last state was 1");

    let events = runtime.events(Authority::Operator, desk, EventRange::ALL).await?;
    let decided = events.iter().filter(|event| event.header.kind == EventKind::SUPERVISION).count();
    check(decided == 1, "the one decision is on the desk's chain")?;
    println!("sound   the desk's chain of {} events", verify(&events)?.length);
    runtime.stop(Authority::Operator, desk, StopMode::Graceful(Duration::from_secs(5))).await?;
    let left = runtime.info(Authority::Operator, one).await?.status;
    check(left != ActorStatus::Running, "the children end with the desk")
}

/// Waits until the actor runs its `life`-th life.
async fn runs_life(runtime: &NativeRuntime, id: ActorId, life: u64) -> Outcome {
    let runtime: Arc<dyn ActorRuntime> = Arc::new(runtime.clone());
    let waiting = async {
        loop {
            let info = runtime.info(Authority::Operator, id).await?;
            if info.incarnation.0 == life && info.status == ActorStatus::Running {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await?
}

fn check(holds: bool, fact: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("not so: {fact}").into()) }
}
