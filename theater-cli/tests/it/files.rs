//! Folders that actors have of their own, under `theater run`.

use std::time::{Duration, Instant};

use crate::support::*;

/// An actor with a folder of its own.
fn app() -> Folder {
    Folder::new().with_example("components/files.wasm").with(
        "app.toml",
        "name = \"files\"\ncomponent = \"files.wasm\"\n[[handlers]]\ntype = \"message-server\"\n\
         [[handlers]]\ntype = \"filesystem\"\nnew_dir = true\n",
    )
}

/// What the actor answers, once it can be asked.
fn asked(folder: &Folder, words: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let mut command = theater();
        command.arg("request").arg("--data").arg(folder.path("data")).args(["files", &words.join("\t")]);
        let ended = ended(&mut command);
        if ended.code == Some(0) {
            return ended.stdout;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{ended}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The folders that the runtime made for actors.
fn made(folder: &Folder) -> usize {
    std::fs::read_dir(folder.path("data/folders")).map_or(0, Iterator::count)
}

fn started(folder: &Folder, told: &str, more: &[&str]) -> Running {
    let mut command = theater();
    command.arg("run").arg(folder.path("app.toml")).arg("--data").arg(folder.path("data")).args(more);
    let mut running = Running::start(&mut command);
    running.wait_for(told, 1);
    running
}

#[test]
fn the_folder_of_an_actor_outlives_a_kill_of_the_runtime_and_goes_when_the_actor_cannot_come_back() {
    let folder = app();
    let running = started(&folder, "  started  ", &[]);
    assert_eq!(asked(&folder, &["write", "note", "kept"]), "ok");
    running.signal("KILL");
    running.end_within(Duration::from_secs(20));
    assert_eq!(made(&folder), 1);
    let again = started(&folder, "  restarted  ", &[]);
    assert_eq!(asked(&folder, &["read", "note"]), "kept", "the actor comes back with its files");
    again.signal("INT");
    again.end_within(Duration::from_secs(20));
    let fresh = started(&folder, "  started  ", &["--fresh"]);
    assert_eq!(asked(&folder, &["list", "."]), "", "another actor has a folder of its own");
    assert_eq!(made(&folder), 2, "and what there was is left");
    fresh.signal("INT");
    fresh.end_within(Duration::from_secs(20));
    let last = started(&folder, "  restarted  ", &[]);
    assert_eq!(asked(&folder, &["list", "."]), "");
    let begun = Instant::now();
    while made(&folder) > 1 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the folder of an actor that cannot come back goes"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    last.signal("INT");
    last.end_within(Duration::from_secs(20));
}
