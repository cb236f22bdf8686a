//! What programs said is on the chain: calls are run again without any.

use theater_chain::{LogOptions, MemoryStore, SegmentedStore};
use theater_core::EventKind;
use theater_core::event::payload::{HostCall, decode};
use theater_testkit::disk::SimDisk;

use super::*;

/// What the calls of one function were answered.
pub(super) async fn answers(runtime: &WasmRuntime, id: ActorId, kind: EventKind) -> Vec<String> {
    let events = events(runtime, id).await;
    let of_kind = events.iter().filter(|event| event.header.kind == kind);
    let answer = |event: &theater_core::ChainEvent| match decode(&event.payload) {
        Ok(HostCall::Answered { data, .. }) => {
            Some(String::from_utf8_lossy(&data.unwrap_or_default()).into_owned())
        }
        _ => None,
    };
    of_kind.filter_map(answer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_and_every_call_of_a_program_comes_out_again_without_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let chains = Arc::new(MemoryStore::new());
    let files = || source(&[("processes.toml", &manifest(&granted(folder.path()), ""))]);
    let runtime = builder(files()).chain_store(chains.clone()).build().expect("a runtime");
    let id = root(&runtime, "processes.toml").await;
    let cat = call(&runtime, id, &["spawn", "cat", "stdout=lines"]).await;
    assert_eq!(call(&runtime, id, &["write", &cat, "hello\n"]).await, "6");
    heard(&runtime, id, &format!("out {cat} hello")).await;
    call(&runtime, id, &["status", &cat]).await;
    assert_eq!(call(&runtime, id, &["signal", &cat, "15"]).await, "ok");
    heard(&runtime, id, &format!("exit {cat} -15")).await;
    let other = shell(&runtime, id, &[], "touch was-here; echo out; echo err >&2; exec sleep 60").await;
    heard(&runtime, id, &format!("err {other} err\\n")).await;
    heard(&runtime, id, &format!("out {other} out\\n")).await;
    assert_eq!(call(&runtime, id, &["kill", &other]).await, "ok");
    heard(&runtime, id, &format!("exit {other} -9")).await;
    assert!(call(&runtime, id, &["kill", "7"]).await.starts_with("error: "));
    assert!(call(&runtime, id, &["spawn", "rm"]).await.starts_with("error: "));
    let last = state(&runtime, id).await;
    let seen: std::collections::BTreeSet<_> = events(&runtime, id)
        .await
        .iter()
        .map(|event| event.header.kind.0)
        .filter(|kind| (150..160).contains(kind))
        .collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [150, 151, 152, 153, 154], "each function is there");
    runtime.shutdown().await;

    // Neither the folder nor a PATH is there any more.
    std::fs::remove_file(folder.path().join("was-here")).expect("the program ran");
    let again = builder(files()).chain_store(chains).config(|config| config.environment = Arc::default());
    let again = again.build().expect("a runtime");
    let rerun = again.rerun(id, "processes.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    assert_eq!(rerun.state.map(|state| String::from_utf8(state.to_vec()).unwrap()), last);
    // 2 programs that started, a refused one, a write, a signal and 3 kills with two records each, a status with one.
    assert_eq!(rerun.host_records, 2 * (3 + 1 + 1 + 2) + 1);
    assert_eq!(rerun.failed, 0);
    assert!(!folder.path().join("was-here").exists(), "no program ran again");
}

/// A process on this disk.
fn process(disk: &SimDisk) -> WasmRuntime {
    let (store, _) =
        SegmentedStore::open_on(Arc::new(disk.clone()), LogOptions::default()).expect("a sound log");
    let source = source(&[("processes.toml", &manifest(&granted(Path::new("/")), ""))]);
    builder(source).chain_store(Arc::new(store)).build().expect("a runtime")
}

/// A copy of the disk as it is when all that was written so far is on it; the process ends then.
async fn pulled(runtime: WasmRuntime, disk: &SimDisk) -> SimDisk {
    let store = runtime.chain_store();
    store.until_durable(store.accepted()).await.expect("a disk that works");
    let copy = disk.copy();
    runtime.kill().await;
    copy
}

async fn revive(runtime: &WasmRuntime) -> ActorId {
    let revived = runtime.revive("processes.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    revived.expect("there is a tree").root.id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_comes_back_remembers_what_it_heard_and_has_no_programs() {
    let disk = SimDisk::new();
    let before = process(&disk);
    let id = root(&before, "processes.toml").await;
    let pid = shell(&before, id, &["stdout=lines"], "echo one; exec sleep 60").await;
    heard(&before, id, &format!("out {pid} one")).await;
    let after = process(&pulled(before, &disk).await);
    assert_eq!(revive(&after).await, id);
    let said = call(&after, id, &["status", &pid]).await;
    assert_eq!(said, format!("error: no program {pid} of this life of the actor"));
    // Its number is not given again, and its end is told to nobody.
    let new = call(&after, id, &["spawn", "cat"]).await;
    assert!(new.parse::<u64>().unwrap() > pid.parse().unwrap());
    assert_eq!(call(&after, id, &["heard"]).await, format!("out {pid} one\n"));
    after.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_the_end_of_the_process_interrupted_is_not_called_again() {
    let disk = SimDisk::new();
    let before = process(&disk);
    let id = root(&before, "processes.toml").await;
    assert_eq!(call(&before, id, &["linger"]).await, "ok");
    let pid = shell(&before, id, &["stdout=lines"], "echo one; exec sleep 60").await;
    eventually("the handler has made a host call", || async {
        (!answers(&before, id, EventKind::PROCESS_STATUS).await.is_empty()).then_some(())
    })
    .await;
    // Waits behind it.
    before.send(id, "refuse").await.unwrap();
    let after = process(&pulled(before, &disk).await);
    assert_eq!(revive(&after).await, id);
    eventually("what waited was handled", || async {
        (state(&after, id).await.as_deref() == Some("refuse")).then_some(())
    })
    .await;
    let calls = crate::messages::chain::accepted(&after, id).await;
    let of_it = calls.iter().filter(|call| call.subject.as_deref() == Some(&*pid)).count();
    assert_eq!(of_it, 1, "{calls:?}");
    after.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_had_started_a_program_goes_on_with_its_number_and_without_it() {
    let disk = SimDisk::new();
    let before = process(&disk);
    let id = root(&before, "processes.toml").await;
    before.send(id, "start\t1500\tsh\t--\t-c\techo one; exec sleep 60").await.unwrap();
    let started = eventually("it has started one", || async {
        answers(&before, id, EventKind::PROCESS_SPAWN).await.pop()
    })
    .await;
    let after = process(&pulled(before, &disk).await);
    assert_eq!(revive(&after).await, id);
    let heard = eventually("the message was handled", || async { state(&after, id).await }).await;
    assert_eq!(heard, format!("started {started} error: no program {started} of this life of the actor\n"));
    assert_eq!(answers(&after, id, EventKind::PROCESS_SPAWN).await.len(), 1, "nothing was started again");
    after.kill().await;
}
