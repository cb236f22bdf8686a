//! How long a restart takes on a real component, and where the time goes: `cargo bench -p theater-wasm --bench restarts`
//!
//! One child of a pure supervisor traps again and again. From the times that its chain, its supervisor's chain and the
//! runtime's events have, each restart is split:
//!
//! | part | from | to |
//! |---|---|---|
//! | end | the trap is recorded | everybody has been told of the exit |
//! | decision | the exit is told | the supervisor's decision is recorded: the driver is woken, the machine decides |
//! | driver | the decision is recorded | the next life begins |
//! | engine | the next life begins | it runs: the instance is made and the state put back |
//!
//! The machine's own part of the decision is measured by itself. All figures are wall clock.

use std::sync::Arc;
use std::time::Instant;

use theater_core::{
    ActorId, ActorRuntime, Authority, ChildSpec, EventKind, EventRange, ExitReason, Incarnation, MapSource,
    RestartPolicy, SpawnRequest, SupervisionSpec,
};
use theater_supervisor::{Action, By, CallId, Input, Machine, Request, Tick};
use theater_wasm::{LifecycleEvent, LifecycleKind, LifecycleStream, WasmRuntime, Watched};

const RESTARTS: usize = 2_000;

const APP: &str = "name = \"app\"\n[supervision]\nintensity = 1000000\npoison_after = \"never\"\n\
    [[children]]\nid = \"worker\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n";

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        println!("restarts: measured in release mode only, see its documentation");
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/components/worker.wasm");
    let component = std::fs::read(path).expect("the worker component is checked in");
    let source = MapSource::new().with("app.toml", APP).with("worker.wasm", component);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let restarts = runtime.expect("a runtime").block_on(run(source));
    println!("{RESTARTS} restarts, us{:>18} {:>9}", "median", "p99");
    for (part, of) in [
        ("end", (|restart| restart.told - restart.recorded) as fn(&Restart) -> u64),
        ("decision (driver and machine)", |restart| restart.decided - restart.told),
        ("driver", |restart| restart.begun - restart.decided),
        ("engine", |restart| restart.runs - restart.begun),
        ("from the exit told to running", |restart| restart.runs - restart.told),
        ("from the trap to running", |restart| restart.runs - restart.recorded),
    ] {
        let mut times: Vec<_> = restarts.iter().map(of).collect();
        times.sort_unstable();
        let micros = |index: usize| times[index] as f64 / 1e3;
        println!("{part:<32} {:>9.1} {:>9.1}", micros(times.len() / 2), micros(times.len() * 99 / 100));
    }
    println!("{:<32} {:>9.2}", "machine alone", machine());
}

/// When one restart was where, in nanoseconds since the Unix epoch.
#[derive(Debug, Default)]
struct Restart {
    recorded: u64,
    told: u64,
    decided: u64,
    begun: u64,
    runs: u64,
}

async fn run(source: MapSource) -> Vec<Restart> {
    let runtime = WasmRuntime::builder(source).build().expect("an engine");
    let mut watch = runtime.watch();
    let app = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.expect("it starts").id;
    let child = runtime.children(app).await.expect("it lives")[0].id;
    wait(&mut watch, |kind| matches!(kind, LifecycleKind::Started { .. })).await;
    wait(&mut watch, |kind| matches!(kind, LifecycleKind::Started { .. })).await;
    let mut restarts = Vec::new();
    for _ in 0..RESTARTS {
        runtime.send(child, "crash").await.expect("it runs");
        let told = wait(&mut watch, |kind| matches!(kind, LifecycleKind::Exited { .. })).await.time;
        let decided = wait(&mut watch, |kind| matches!(kind, LifecycleKind::Supervision { .. })).await.time;
        let runs = wait(&mut watch, |kind| matches!(kind, LifecycleKind::Started { .. })).await.time;
        restarts.push(Restart { told, decided, runs, ..Restart::default() });
    }
    let (ends, begins) = chain_times(&runtime, child).await;
    for (n, restart) in restarts.iter_mut().enumerate() {
        (restart.recorded, restart.begun) = (ends[n], begins[n + 1]);
    }
    runtime.shutdown().await;
    restarts
}

async fn wait(watch: &mut LifecycleStream, wanted: impl Fn(&LifecycleKind) -> bool) -> LifecycleEvent {
    loop {
        match watch.next().await.expect("the runtime lives") {
            Watched::Event(event) if wanted(&event.kind) => return event,
            Watched::Event(_) => {}
            other => panic!("the watcher is too slow: {other:?}"),
        }
    }
}

/// When the child's lives ended and began, as its chain says.
async fn chain_times(runtime: &WasmRuntime, child: ActorId) -> (Vec<u64>, Vec<u64>) {
    let events = runtime.events(Authority::Operator, child, EventRange::ALL).await.expect("a chain");
    let times = |kind| -> Vec<u64> {
        events.iter().filter(|event| event.header.kind == kind).map(|event| event.header.time).collect()
    };
    (times(EventKind::EXITED), times(EventKind::STARTED))
}

/// What the machine takes for one exit and its restart, in microseconds.
fn machine() -> f64 {
    let mut machine = Machine::new(SupervisionSpec::new(u32::MAX, std::time::Duration::from_millis(1)));
    let mut actions = Vec::new();
    let child_spec = ChildSpec::new(RestartPolicy::Permanent);
    let request = Request::Start { id: None, child_spec: Some(child_spec) };
    machine.step(Tick(0), Input::Call { call: CallId(0), by: By::Guest, request }, &mut actions);
    let Some(Action::Start { child, .. }) = actions.pop() else { panic!("it starts") };
    let id = ActorId::from_parts(1, [1; 10]);
    let reason = Arc::new(ExitReason::Killed);
    let begin = Instant::now();
    const STEPS: u64 = 100_000;
    for life in 1..=STEPS {
        let incarnation = Incarnation(life);
        actions.clear();
        machine.step(Tick(life * 10), Input::Started { child, id, incarnation, child_spec }, &mut actions);
        let exited = Input::Exited { id, incarnation, reason: Arc::clone(&reason), progressed: Some(true) };
        machine.step(Tick(life * 10), exited, &mut actions);
    }
    begin.elapsed().as_secs_f64() * 1e6 / STEPS as f64
}
