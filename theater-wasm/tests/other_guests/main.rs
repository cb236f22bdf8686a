//! The supervised worker of the examples in Python and in JavaScript, each driven by the same functions, as the one in Rust is.
//!
//! `examples/build-other-guests` builds them; they are too large to check in. Where they are not there these tests say so, and fail if
//! `CI` is `true`. A program of its own: compiling them takes all processors for a while, and other tests measure times.

#[path = "../it/support.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};

use theater_core::event::payload::{HostCall, decode};
use theater_core::{ActorId, ActorRuntime, EventKind, MapSource, SpawnRequest};
use theater_wasm::WasmRuntime;

use support::{ask, ask_err, components, engine, events, eventually, root, spawn_child, state};

/// One for all tests: an actor's task may not end with the test that started it first.
static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut tokio = tokio::runtime::Builder::new_multi_thread();
    tokio.worker_threads(2).enable_all().build().expect("two threads")
});

/// A worker that was built with another toolchain.
struct Worker {
    toolchain: &'static str,
    /// One runtime for all tests, because compiling it takes a while; nothing if nobody built it.
    runtime: OnceLock<Option<WasmRuntime>>,
}

static PYTHON: Worker = Worker { toolchain: "python", runtime: OnceLock::new() };
static JAVASCRIPT: Worker = Worker { toolchain: "javascript", runtime: OnceLock::new() };

/// The component of this toolchain, if somebody built it.
fn component(toolchain: &str) -> Option<Vec<u8>> {
    let name = format!("target/other-guests/{toolchain}.wasm");
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(&name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "{name}: {error}; `bash examples/build-other-guests` builds it");
            // Not through `eprintln!`, which the test harness keeps to itself.
            let text =
                format!("LEFT OUT: {name} is not here; `bash examples/build-other-guests` builds it\n");
            std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).expect("standard error");
            None
        }
    }
}

fn manifest(toolchain: &str, handlers: &str) -> String {
    format!(
        "name = \"{toolchain}\"\ncomponent = \"{toolchain}.wasm\"\n\
         handlers = [{{ type = \"message-server\" }}{handlers}]\n\
         [limits]\nmemory = \"128MiB\"\ncall_deadline = \"20s\"\n\
         [child_spec]\nrestart = \"permanent\"\n"
    )
}

const SUPERVISOR: &str = "name = \"supervisor\"\ncomponent = \"supervisor.wasm\"\n\
    handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }, { type = \"wasi\" }]\n\
    [limits]\nhost_deadline = \"120s\"\n[supervision]\nintensity = 3\nperiod = \"60s\"\n";

impl Worker {
    /// A runtime with this worker, the supervisor, and the worker in Rust.
    fn runtime(&self) -> Option<&WasmRuntime> {
        let make = || {
            let read = |name: &str| {
                std::fs::read(components().join(name)).expect("the example components are checked in")
            };
            let name = self.toolchain;
            let source = MapSource::new()
                .with(format!("{name}.wasm"), component(name)?)
                .with(format!("{name}.toml"), manifest(name, ", { type = \"wasi\" }"))
                .with("ungranted.toml", manifest(name, ""))
                .with(
                    "files.toml",
                    manifest(name, ", { type = \"wasi\" }, { type = \"filesystem\", new_dir = true }"),
                )
                .with("supervisor.toml", SUPERVISOR)
                .with("supervisor.wasm", read("supervisor.wasm"))
                .with("worker.toml", read("worker.toml"))
                .with("worker.wasm", read("worker.wasm"));
            Some(WasmRuntime::builder(source).engine(engine()).build().expect("a runtime"))
        };
        self.runtime
            .get_or_init(|| {
                let _within = TOKIO.enter();
                make()
            })
            .as_ref()
    }

    fn manifest(&self) -> String {
        format!("{}.toml", self.toolchain)
    }

    /// A worker under a supervisor.
    async fn supervised(&self, runtime: &WasmRuntime, total: u32) -> ActorId {
        let supervisor = root(runtime, "supervisor.toml").await;
        spawn_child(runtime, supervisor, &format!("{} {total}", self.manifest())).await
    }
}

async fn it_starts_counts_and_knows_its_id(worker: &Worker, runtime: &WasmRuntime) {
    let id = worker.supervised(runtime, 5).await;
    assert_eq!(ask(runtime, id, "add 7").await, "12");
    assert_eq!(ask(runtime, id, "total").await, "12");
    assert_eq!(ask(runtime, id, "id").await, id.to_string());
    assert_eq!(
        state(runtime, id).await,
        Some(format!("total=12\nid={id}\n")),
        "as the worker in Rust keeps it"
    );
    let unknown = ask_err(runtime, id, "dance").await.to_string();
    assert!(unknown.contains("unknown command: dance"), "{unknown}");
}

async fn it_is_started_again_from_its_last_good_state_when_it_crashes(
    worker: &Worker,
    runtime: &WasmRuntime,
) {
    let id = worker.supervised(runtime, 5).await;
    assert_eq!(ask(runtime, id, "add 7").await, "12");
    // An error keeps the life; a crash ends it.
    let error = ask_err(runtime, id, "fail on purpose").await.to_string();
    assert!(error.contains("on purpose"), "{error}");
    let lives = async || {
        let events = events(runtime, id).await;
        events.iter().filter(|event| event.header.kind == EventKind::STARTED).count()
    };
    assert_eq!(lives().await, 1);
    let crash = ask_err(runtime, id, "crash").await.to_string();
    assert!(crash.contains("trapped"), "{crash}");
    let total =
        eventually("the worker is started again", || async { runtime.request(id, "total").await.ok() });
    assert_eq!(total.await, &b"12"[..], "its last good state");
    assert_eq!(ask(runtime, id, "add 1").await, "13");
    assert_eq!(lives().await, 2);
}

async fn it_talks_to_workers_of_other_toolchains(worker: &Worker, runtime: &WasmRuntime) {
    let id = worker.supervised(runtime, 5).await;
    // A request that is left open.
    let (open, answered) = tokio::join!(runtime.request(id, "defer"), async {
        let request = eventually("the request is left open", || async {
            let requests = ask(runtime, id, "outstanding").await;
            requests.lines().find(|line| line.starts_with("request-")).map(str::to_owned)
        });
        let request = request.await;
        ask(runtime, id, &format!("answer {request} at last")).await
    });
    assert_eq!((open.expect("an answer"), answered.as_str()), ("at last".into(), "ok"));
    let rust = root(runtime, "worker.toml").await;
    assert_eq!(ask(runtime, rust, "add 3").await, "3");
    assert_eq!(ask(runtime, id, &format!("ask {rust} total")).await, "3");
    assert_eq!(ask(runtime, rust, &format!("ask {id} total")).await, "5");
    let nobody = ask(runtime, id, "ask 00000000-0000-7000-8000-000000000000 total").await;
    assert!(nobody.starts_with("error: "), "{nobody}");
}

async fn what_it_sees_is_recorded_and_nothing_else_is_there(worker: &Worker, runtime: &WasmRuntime) {
    let id = worker.supervised(runtime, 0).await;
    let world = ask(runtime, id, "world").await;
    let words: Vec<_> = world.split(' ').collect();
    assert_eq!(words.len(), 4, "{world}");
    assert_eq!(words[3], "0", "there are no variables: {world}");
    let other = ask(runtime, id, "world").await;
    assert_ne!(words[2], other.split(' ').nth(2).expect("random bytes"), "random bytes are random");
    for file in ["/etc/passwd", "../etc/passwd", "secrets"] {
        let answer = ask(runtime, id, &format!("read {file}")).await;
        assert!(answer.starts_with("error: "), "{file}: {answer}");
    }
    assert_eq!(ask(runtime, id, "print to the log").await, "ok");
    let events = events(runtime, id).await;
    for kind in [EventKind::WASI_WALL_CLOCK, EventKind::WASI_MONOTONIC_CLOCK, EventKind::WASI_RANDOM] {
        assert!(events.iter().any(|event| event.header.kind == kind), "{kind} is on the chain");
    }
    let logged: Vec<_> = events
        .iter()
        .filter(|event| event.header.kind == EventKind::LOG)
        .map(|event| match decode(&event.payload) {
            Ok(HostCall::Called { subject: Some(stream), data: Some(line) }) => {
                (stream, String::from_utf8_lossy(&line).into_owned())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let line = |stream: &str| (stream.to_owned(), "to the log".to_owned());
    assert_eq!(logged, [line("stdout"), line("stderr")]);
}

async fn its_chain_verifies_and_a_rerun_from_genesis_gives_the_same(worker: &Worker, runtime: &WasmRuntime) {
    let id = worker.supervised(runtime, 5).await;
    ask_err(runtime, id, "fail on purpose").await;
    for message in ["add 7", "world", "print hello", "outstanding", "world"] {
        ask(runtime, id, message).await;
    }
    ask_err(runtime, id, "crash").await;
    eventually("the worker is started again", || async { runtime.request(id, "world").await.ok() }).await;
    ask(runtime, id, "add 1").await;
    let before = state(runtime, id).await;
    let recorded = events(runtime, id).await;
    theater_chain::verify(&recorded).expect("a sound chain");
    let rerun = runtime.rerun(id, worker.manifest()).await;
    let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
    assert!(rerun.calls >= 8 && rerun.failed == 2, "{rerun:?}");
    assert_eq!(rerun.state.map(|state| String::from_utf8_lossy(&state).into_owned()), before);
    assert_eq!(events(runtime, id).await.len(), recorded.len(), "and nothing is written");
}

async fn it_does_not_start_without_the_handler_that_it_needs(_: &Worker, runtime: &WasmRuntime) {
    let refused =
        runtime.spawn(SpawnRequest::new(None, "ungranted.toml")).await.expect_err("it imports WASI");
    let text = theater_core::error::with_causes(&refused);
    assert!(text.contains("wasi:"), "{text}");
    assert!(text.contains("add `[[handlers]]` with `type = \"wasi\"` to the manifest"), "{text}");
}

/// Python's own functions for files; those of JavaScript have none.
#[test]
fn python_works_with_files_of_the_folder_that_it_is_granted_and_a_rerun_does_not_touch_them() {
    let Some(runtime) = PYTHON.runtime() else { return };
    TOKIO.block_on(async {
        let id = root(runtime, "files.toml").await;
        for (message, answer) in [
            ("folder notes/old", "ok"),
            ("write notes/one.txt hello", "5"),
            ("write /notes/one.txt  there", "6"),
            ("read notes/one.txt", "hello there"),
            ("write notes/old/two.txt x", "1"),
            ("files .", "./notes/one.txt 11\n./notes/old/two.txt 1"),
            ("move notes/one.txt three.txt", "ok"),
            ("remove notes/old/two.txt", "ok"),
            ("files /", "/three.txt 11"),
            ("read notes/one.txt", "error: FileNotFoundError"),
            ("read /etc/passwd", "error: FileNotFoundError"),
        ] {
            assert_eq!(ask(runtime, id, message).await, answer, "{message}");
        }
        let outside = ask(runtime, id, "read ../../etc/passwd").await;
        assert!(outside.starts_with("error: "), "{outside}");
        let before = state(runtime, id).await;
        let rerun = runtime.rerun(id, "files.toml").await;
        let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
        assert_eq!(rerun.state.map(|state| String::from_utf8_lossy(&state).into_owned()), before);
        assert_eq!(ask(runtime, id, "files /").await, "/three.txt 11");
    });
}

macro_rules! for_each_toolchain {
    ($($test:ident,)*) => {
        for_each_toolchain!(@module python, PYTHON, $($test,)*);
        for_each_toolchain!(@module javascript, JAVASCRIPT, $($test,)*);
    };
    (@module $name:ident, $worker:ident, $($test:ident,)*) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    if let Some(runtime) = super::$worker.runtime() {
                        super::TOKIO.block_on(super::$test(&super::$worker, runtime));
                    }
                }
            )*
        }
    };
}

for_each_toolchain! {
    it_starts_counts_and_knows_its_id,
    it_is_started_again_from_its_last_good_state_when_it_crashes,
    it_talks_to_workers_of_other_toolchains,
    what_it_sees_is_recorded_and_nothing_else_is_there,
    its_chain_verifies_and_a_rerun_from_genesis_gives_the_same,
    it_does_not_start_without_the_handler_that_it_needs,
}
