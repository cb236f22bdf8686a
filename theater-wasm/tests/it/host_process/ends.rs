//! Programs end with the life that started them, however that ends, with everything that they started.

use std::time::{Duration, Instant};

use theater_core::{ActorError, Authority, ExitReason, StopMode};

use super::*;

/// A program with a child that has this among its arguments, both in one process group.
async fn family(runtime: &WasmRuntime, id: ActorId, marker: &str) -> String {
    let words = ["spawn", "sh", "--", "-c", "sleep $1 & sleep $1 & echo ready; wait", "sh", marker];
    let pid = call(runtime, id, &words).await;
    heard(runtime, id, &format!("out {pid} ready\\n")).await;
    // The shell itself and two sleepers.
    runs(marker, 3).await;
    pid
}

/// How long a program sleeps, in seconds, that is told from all others by it: by those of other runs of these tests as well.
fn marker(number: u32) -> String {
    format!("9876{number}.{}", std::process::id())
}

/// Whether a child of this process has ended and not been reaped. Other tests have such ones for a moment.
fn has_zombies() -> bool {
    let ps = std::process::Command::new("ps").args(["-A", "-o", "ppid=", "-o", "stat="]).output();
    let ps = String::from_utf8_lossy(&ps.expect("ps runs").stdout).into_owned();
    let own = std::process::id().to_string();
    ps.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(&*own) && words.next().is_some_and(|state| state.starts_with('Z'))
    })
}

async fn no_zombies() {
    eventually("everything was reaped", || async { (!has_zombies()).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_the_whole_process_group_and_does_not_wait_for_it() {
    let (runtime, id) = usual().await;
    let pid = family(&runtime, id, &marker(1)).await;
    let begin = Instant::now();
    assert_eq!(call(&runtime, id, &["kill", &pid]).await, "ok");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    heard(&runtime, id, &format!("exit {pid} -9")).await;
    runs(&marker(1), 0).await;
    // What the leader of a group leaves behind ends with it.
    let words = ["spawn", "sh", "--", "-c", "sleep $1 & exit 5", "sh", &marker(2)];
    let pid = call(&runtime, id, &words).await;
    heard(&runtime, id, &format!("exit {pid} 5")).await;
    runs(&marker(2), 0).await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_end_when_the_actor_is_stopped_or_killed_or_the_runtime_shut_down() {
    for (how, marker) in [("stop", &marker(3)), ("kill", &marker(4)), ("shutdown", &marker(5))] {
        let (runtime, id) = usual().await;
        family(&runtime, id, marker).await;
        let begin = Instant::now();
        match how {
            "stop" => {
                let mode = StopMode::Graceful(Duration::from_secs(20));
                assert_eq!(runtime.stop(Authority::Operator, id, mode).await.unwrap(), ExitReason::Stopped);
            }
            "kill" => {
                let killed = runtime.stop(Authority::Operator, id, StopMode::Kill).await;
                assert_eq!(killed.unwrap(), ExitReason::Killed);
            }
            _ => runtime.shutdown().await,
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{how}: {:?}", begin.elapsed());
        runs(marker, 0).await;
        runtime.shutdown().await;
    }
    no_zombies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_in_a_handler_ends_the_life_and_the_next_one_has_no_programs_and_hears_of_none() {
    let desk = "name = \"desk\"\n[[children]]\nid = \"p\"\nmanifest = \"processes.toml\"";
    let settings = granted(Path::new("/"));
    let source = source(&[("desk.toml", desk), ("processes.toml", &manifest(&settings, ""))]);
    let runtime = builder(source).build().expect("a runtime");
    let desk = root(&runtime, "desk.toml").await;
    let id = runtime.children(desk).await.unwrap()[0].id;
    let old = family(&runtime, id, &marker(6)).await;
    // Waits for a word, and its end would be told.
    let trigger = call(&runtime, id, &["spawn", "cat"]).await;
    assert_eq!(call(&runtime, id, &["trap"]).await, "ok");
    assert_eq!(call(&runtime, id, &["write", &trigger, "x"]).await, "1");
    eventually("it lives again", || async {
        let info = runtime.info(Authority::Operator, id).await.unwrap();
        (info.incarnation.0 == 2 && !info.status.is_ended()).then_some(())
    })
    .await;
    runs(&marker(6), 0).await;
    no_zombies().await;
    for pid in [&old, &trigger] {
        let said = call(&runtime, id, &["status", pid]).await;
        assert_eq!(said, format!("error: no program {pid} of this life of the actor"));
    }
    // Its state is as it was, so an end that was told would trap again.
    let new = call(&runtime, id, &["spawn", "cat"]).await;
    assert!(new.parse::<u64>().unwrap() > trigger.parse().unwrap(), "numbers are not used again");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runtime.info(Authority::Operator, id).await.unwrap().incarnation.0, 2);
    assert_eq!(call(&runtime, id, &["heard"]).await, "trap");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_handler_costs_that_call_alone() {
    let (runtime, id) = usual().await;
    assert_eq!(call(&runtime, id, &["refuse"]).await, "ok");
    let pid = shell(&runtime, id, &["stdout=lines"], "echo one; echo two").await;
    eventually("it has ended", || async {
        call(&runtime, id, &["status", &pid]).await.starts_with("ended 0").then_some(())
    })
    .await;
    let told = eventually("three calls were made", || async {
        let calls = crate::messages::chain::accepted(&runtime, id).await;
        let of_it: Vec<_> = calls.into_iter().filter(|call| call.subject.as_deref() == Some(&*pid)).collect();
        (of_it.len() == 3).then_some(of_it)
    })
    .await;
    let names: Vec<_> = told.iter().map(|call| (&*call.function, &*call.text)).collect();
    assert_eq!(names, [("handle-stdout", "one"), ("handle-stdout", "two"), ("handle-exit", "0")]);
    for call in &told {
        let returned = eventually("it returned", || async {
            crate::messages::chain::returns_of(&runtime, id, call.seq).await.pop()
        });
        assert_eq!(returned.await.as_deref(), Some("told to refuse"));
    }
    assert_eq!(call(&runtime, id, &["heard"]).await, "refuse");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_init_starts_runs_and_one_of_an_init_that_fails_does_not_stay() {
    let (runtime, _) = usual().await;
    let spawn = |before: &str, marker: &str| {
        let state = format!("{before}spawn\tsh\t--\t-c\tsleep $0; :\t{marker}");
        let start = theater_core::StartFrom::Init(Some(state.into()));
        runtime.spawn(SpawnRequest::new(None, "processes.toml").start(start))
    };
    let id = spawn("", &marker(7)).await.expect("it starts").id;
    runs(&marker(7), 2).await;
    let pid = state(&runtime, id).await.expect("the number");
    assert!(call(&runtime, id, &["status", &pid]).await.starts_with("running"));
    let error = spawn("fail\t", &marker(8)).await.expect_err("its init fails").to_string();
    assert!(error.contains("told to fail after "), "{error}");
    runs(&marker(8), 0).await;
    runtime.kill().await;
    runs(&marker(7), 0).await;
}

#[test]
fn programs_end_when_the_tokio_runtime_is_dropped() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let theater = tokio.block_on(async {
        let (runtime, id) = usual().await;
        family(&runtime, id, &marker(9)).await;
        runtime
    });
    drop(tokio);
    drop(theater);
    let gone = |what: &str, done: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !done() {
            assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    gone("all are gone", &|| running(&marker(9)) == 0);
    gone("all were reaped", &|| !has_zombies());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_group_and_keeps_the_pipe_does_not_keep_the_end_from_being_told() {
    let settings = "allowed_programs = [\"setsid\", \"sh\"]";
    let (runtime, id) = with(settings, "").await;
    let begin = Instant::now();
    let path = "env:PATH=/usr/bin:/bin";
    let pid = shell(&runtime, id, &[path], "setsid sleep 20 & sleep 0.2; echo done").await;
    let lines = heard(&runtime, id, &format!("exit {pid} 0")).await;
    assert_eq!(lines, [format!("out {pid} done\\n"), format!("exit {pid} 0")]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_an_actor_that_ended_with_its_programs_says_so() {
    let (runtime, id) = usual().await;
    assert_eq!(call(&runtime, id, &["trap"]).await, "ok");
    shell(&runtime, id, &[], "echo x; sleep 60").await;
    let reason = exit_of(&runtime, id).await;
    assert!(matches!(reason, ExitReason::Trapped { .. }), "{reason}");
    let error = ask_err(&runtime, id, "heard").await;
    assert!(matches!(error, ActorError::Ended { .. }), "{error}");
    theater_chain::verify(&events(&runtime, id).await).expect("a sound chain");
    runtime.shutdown().await;
}
