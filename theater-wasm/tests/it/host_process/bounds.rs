//! What a program cannot make grow, and what it cannot hold up.

use std::time::{Duration, Instant};

use theater_chain::{LogOptions, SegmentedStore};
use theater_core::{Authority, ExitReason, StopMode};

use super::*;

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_writes_100_mb_to_a_slow_actor_waits_and_all_of_it_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentedStore::open(folder.path().join("log"), LogOptions::default()).expect("a log");
    let settings = format!("{}, max_output_buffer = 262144", granted(folder.path()));
    let source = source(&[("processes.toml", &manifest(&settings, ""))]);
    let runtime = builder(source).chain_store(Arc::new(log.0)).build().expect("a runtime");
    let id = root(&runtime, "processes.toml").await;
    assert_eq!(call(&runtime, id, &["count"]).await, "ok");
    // It says in a file how far it has come: a hundred times a megabyte.
    let script =
        "i=0; while [ $i -lt 100 ]; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > progress; done";
    let written = || {
        let progress = std::fs::read_to_string(folder.path().join("progress")).unwrap_or_default();
        progress.trim().parse::<u64>().unwrap_or(0)
    };
    let path = "env:PATH=/usr/bin:/bin";
    let pid = shell(&runtime, id, &["stdout=chunked", "chunk=65536", "buffer=65536", path], script).await;
    let handled = || async {
        let counts = state(&runtime, id).await.expect("counts");
        counts.split([' ', '\n']).nth(2).and_then(|bytes| bytes.parse::<u64>().ok()).expect("bytes")
    };
    // It handles nothing while it sleeps, and the program gets no further than what may wait: so nobody keeps more.
    let mut most = 0;
    for _ in 0..3 {
        runtime.send(id, "sleep\t800").await.unwrap();
        let bytes = eventually("it sleeps", || async {
            let before = handled().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            (handled().await == before).then_some(before)
        })
        .await;
        most = written();
        assert!(most <= bytes / MIB + 1, "{most} MiB were written, and {bytes} bytes handled");
    }
    assert!(most < 100, "the program waited while it was looked at");
    let end = "exit 0";
    let counted = eventually_long("all of it was handled", || async {
        let state = call(&runtime, id, &["heard"]).await;
        state.ends_with(end).then_some(state)
    })
    .await;
    assert_eq!(counted, format!("count {} {}\n{end}", 100 * MIB / 65_536, 100 * MIB));
    assert!(call(&runtime, id, &["status", &pid]).await.starts_with("ended 0"));
    runtime.shutdown().await;
}

/// As `eventually`, for two minutes.
async fn eventually_long<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(120) {
        if let Some(value) = check().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within two minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_holds_up_neither_messages_nor_other_actors() {
    let (runtime, id) = usual().await;
    let other = root(&runtime, "processes.toml").await;
    assert_eq!(call(&runtime, id, &["count"]).await, "ok");
    let pid = shell(&runtime, id, &["stdout=lines", "buffer=16"], "while :; do echo y; done").await;
    for actor in [id, other] {
        for _ in 0..20 {
            let begin = Instant::now();
            call(&runtime, actor, &["heard"]).await;
            assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        }
    }
    assert_eq!(call(&runtime, id, &["kill", &pid]).await, "ok");
    eventually("its end is told", || async {
        call(&runtime, id, &["heard"]).await.ends_with("exit -9").then_some(())
    })
    .await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_program_that_does_not_read_ends_at_the_deadline_or_when_the_actor_is_to_end() {
    let (runtime, id) = with(&granted(Path::new("/")), "limits = { host_deadline = \"500ms\" }").await;
    let pid = shell(&runtime, id, &[], "sleep 60").await;
    let much = "x".repeat(300_000);
    // Asked for with a message of its own: a request has the same deadline.
    runtime.send(id, format!("write\t{pid}\t{much}")).await.unwrap();
    let said = eventually("it was answered", || async {
        let told = super::replay::answers(&runtime, id, theater_core::EventKind::PROCESS_WRITE_STDIN).await;
        told.first().cloned()
    });
    let written: u64 = said.await.parse().expect("a part was written");
    assert!((4_096..300_000).contains(&written), "{written}");
    runtime.send(id, format!("write\t{pid}\tmore")).await.unwrap();
    let told = eventually("it was refused", || async {
        let kind = theater_core::EventKind::PROCESS_WRITE_STDIN;
        crate::messages::chain::refusals(&runtime, id, kind).await.first().cloned()
    })
    .await;
    assert_eq!(told, format!("program {pid} read nothing within limits.host_deadline, which is 500ms"));
    runtime.shutdown().await;

    let (runtime, id) = usual().await;
    let pid = shell(&runtime, id, &[], "sleep 60").await;
    runtime.send(id, format!("write\t{pid}\t{much}")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    let stopped = runtime.stop(Authority::Operator, id, StopMode::Graceful(Duration::from_secs(20))).await;
    assert_eq!(stopped.unwrap(), ExitReason::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_run_as_are_granted_and_a_place_is_free_when_the_end_was_handled() {
    let settings = format!("{}, max_processes = 2", granted(Path::new("/")));
    let (runtime, id) = with(&settings, "").await;
    let first = call(&runtime, id, &["spawn", "cat"]).await;
    let second = call(&runtime, id, &["spawn", "cat"]).await;
    assert_ne!(first, second);
    let refused = call(&runtime, id, &["spawn", "cat"]).await;
    assert!(refused.contains("2 programs run or have not been told to have ended"), "{refused}");
    assert_eq!(call(&runtime, id, &["kill", &first]).await, "ok");
    heard(&runtime, id, &format!("exit {first} -9")).await;
    let third = call(&runtime, id, &["spawn", "cat"]).await;
    assert!(third.parse::<u64>().is_ok_and(|pid| pid > second.parse().unwrap()), "{third}");
    // As many as may run are remembered when they have ended.
    assert_eq!(call(&runtime, id, &["kill", &third]).await, "ok");
    for _ in 0..3 {
        let pid = eventually("there is a place", || async {
            call(&runtime, id, &["spawn", "sh", "--", "-c", ":"]).await.parse::<u64>().ok()
        })
        .await;
        heard(&runtime, id, &format!("exit {pid} 0")).await;
    }
    let forgotten = call(&runtime, id, &["status", &first]).await;
    assert_eq!(forgotten, format!("error: no program {first} of this life of the actor"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_killed_when_its_time_is_over() {
    let (runtime, id) = usual().await;
    let begin = Instant::now();
    let pid = shell(&runtime, id, &["timeout=1"], "echo x; sleep 60 & wait").await;
    heard(&runtime, id, &format!("exit {pid} -9")).await;
    let took = begin.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(8)).contains(&took), "{took:?}");
    // One that is quicker is not.
    let quick = shell(&runtime, id, &["timeout=18446744073709551615"], "exit 4").await;
    heard(&runtime, id, &format!("exit {quick} 4")).await;
    runtime.shutdown().await;
}
