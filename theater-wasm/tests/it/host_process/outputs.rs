//! What comes of a program: its output, in each mode, and its end.

use super::*;

/// What the actor hears of a script whose standard output comes in this mode.
async fn said(settings: &[&str], script: &str) -> Vec<String> {
    let (runtime, id) = usual().await;
    let pid = shell(&runtime, id, settings, script).await;
    let lines = heard(&runtime, id, &format!("exit {pid} 0")).await;
    runtime.shutdown().await;
    let named = |line: &String| line.replace(&format!(" {pid} "), " ");
    lines.iter().map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_one_by_one_and_a_long_one_in_pieces() {
    let heard = said(&["stdout=lines", "buffer=8"], "printf 'one\\n\\n12345678\\n123456789\\nlast'").await;
    assert_eq!(heard, ["out one", "out ", "out 12345678", "out 12345678", "out 9", "out last", "exit 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_comes_value_by_value() {
    let script = "printf ' {\"a\":1} \\n\\n[2]\\r\\nnone\\n'";
    let heard = said(&["stdout=json"], script).await;
    assert_eq!(heard, ["out {\\\"a\\\":1}", "out [2]", "out none", "exit 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_have_their_size() {
    let heard = said(&["stdout=chunked", "chunk=3"], "printf 12; sleep 0.1; printf 34567").await;
    assert_eq!(heard, ["out 123", "out 456", "out 7", "exit 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_output_comes_as_it_is_and_both_streams_each_in_its_order() {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do printf a$i; printf b$i >&2; done; printf '\\377'";
    let heard = said(&["buffer=5"], script).await;
    let of = |stream: &str| -> String { heard.iter().filter_map(|line| line.strip_prefix(stream)).collect() };
    assert_eq!(of("out "), "a1a2a3a4a5a6a7a8a9\u{fffd}");
    assert_eq!(of("err "), "b1b2b3b4b5b6b7b8b9");
    assert!(heard.iter().all(|line| line.len() <= "out ".len() + 5 + 2), "no piece is too long: {heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("exit 0"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_comes_once_after_all_output_with_the_exit_code_or_the_signal() {
    let (runtime, id) = usual().await;
    for (script, code) in [("echo x; exit 3", 3), ("echo x; kill -9 $$", -9), ("echo x; kill -TERM $$", -15)]
    {
        let pid = shell(&runtime, id, &[], script).await;
        let exit = format!("exit {pid} {code}");
        let lines = heard(&runtime, id, &exit).await;
        let about: Vec<_> = lines.iter().filter(|line| line.contains(&format!(" {pid} "))).collect();
        assert_eq!(about, [&format!("out {pid} x\\n"), &exit]);
        let status = call(&runtime, id, &["status", &pid]).await;
        assert!(status.starts_with(&format!("ended {code} since ")), "{status}");
    }
    let heard = call(&runtime, id, &["heard"]).await;
    assert_eq!(heard.lines().filter(|line| line.starts_with("exit ")).count(), 3, "{heard}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_a_program_reaches_it_and_a_signal_and_a_kill_end_it() {
    let (runtime, id) = usual().await;
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    for (how, code) in [(&["signal", "PID", "15"][..], -15), (&["kill", "PID"], -9)] {
        let pid = call(&runtime, id, &["spawn", "cat", "stdout=lines"]).await;
        assert_eq!(call(&runtime, id, &["write", &pid, "hello\n"]).await, "6");
        heard(&runtime, id, &format!("out {pid} hello")).await;
        let status = call(&runtime, id, &["status", &pid]).await;
        let since: u128 = status.strip_prefix("running since ").expect("it runs").parse().unwrap();
        assert!((before..before + 60_000).contains(&since), "{status}");
        let words: Vec<_> = how.iter().map(|word| word.replace("PID", &pid)).collect();
        assert_eq!(ask(&runtime, id, &words.join("\t")).await, "ok");
        heard(&runtime, id, &format!("exit {pid} {code}")).await;
        let late =
            [call(&runtime, id, &["write", &pid, "x"]).await, ask(&runtime, id, &words.join("\t")).await];
        assert_eq!(
            late,
            [format!("error: program {pid} has ended"), format!("error: program {pid} has ended")]
        );
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_no_variables_but_those_it_is_given_and_runs_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    let (runtime, id) = with(&granted(folder.path()), "").await;
    let root = folder.path().canonicalize().unwrap();
    let below = folder.path().join("a/b");
    for (settings, place) in [
        (vec![], root.clone()),
        (vec![format!("cwd={}", folder.path().display())], root.clone()),
        (vec![format!("cwd={}//a/./b/", folder.path().display())], below.canonicalize().unwrap()),
    ] {
        let mut settings: Vec<_> = settings.iter().map(String::as_str).collect();
        settings.extend(["stdout=lines", "env:COLOUR=red and blue"]);
        // `export -p` has what the shell was given, and what it makes itself.
        let script = "/bin/pwd; echo \"$COLOUR\"; echo \"${HOME-none} ${USER-none} $0 $1\"";
        let words =
            [&["spawn", "/bin/sh"], &settings[..], &["--", "-c", script, "zero", "$HOME; *"]].concat();
        let pid = call(&runtime, id, &words).await;
        let lines = heard(&runtime, id, &format!("exit {pid} 0")).await;
        let about: Vec<_> =
            lines.iter().filter_map(|line| line.strip_prefix(&format!("out {pid} "))).collect();
        assert_eq!(about, [place.to_str().unwrap(), "red and blue", "none none zero $HOME; *"]);
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_june_2025_without_handlers_starts_programs_as_well() {
    let june = "name = \"june\"\ncomponent = \"processes-june.wasm\"\n\
        handlers = [{ type = \"process\", allowed_programs = [\"sh\", \"cat\"], max_processes = 2 }]";
    let runtime = builder(source(&[("june.toml", june)])).build().expect("a runtime");
    let id = root(&runtime, "june.toml").await;
    // More output than may wait, and nobody who hears it: it is read and dropped.
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo 'the quick brown fox'; done; exit 7";
    for _ in 0..4 {
        let pid = eventually("there is a place", || async {
            call(&runtime, id, &["spawn", "sh", "-c", script]).await.parse::<u64>().ok()
        })
        .await
        .to_string();
        eventually("it ends", || async {
            (call(&runtime, id, &["status", &pid]).await == "ended 7").then_some(())
        })
        .await;
    }
    let pid = call(&runtime, id, &["spawn", "cat"]).await;
    assert_eq!(call(&runtime, id, &["write", &pid, "x"]).await, "1");
    assert_eq!(call(&runtime, id, &["signal", &pid, "15"]).await, "ok");
    eventually("it ends", || async {
        (call(&runtime, id, &["status", &pid]).await == "ended -15").then_some(())
    })
    .await;
    runtime.shutdown().await;
}
