//! What actors store is in the data folder, and there for the next process.
#![cfg(unix)]

use std::path::Path;

use super::support::{Ended, Folder, Running, ended, theater};

const TOOLBOX: &str = "name = \"toolbox\"\ncomponent = \"toolbox.wasm\"\nhandlers = [{ type = \"message-server\" }, \
    { type = \"timing\" }, { type = \"random\" }, { type = \"environment\", allowed_vars = [\"THEATER_COLOUR\"] }, \
    { type = \"store\" }]\n";

fn start(app: &Path, data: &Path, told: &str) -> Running {
    let mut command = theater();
    command.arg("run").arg(app).arg("--data").arg(data).env("THEATER_COLOUR", "red");
    let mut running = Running::start(&mut command);
    running.wait_for(told, 1);
    running
}

/// What the actor answered to one call.
fn call(data: &Path, words: &[&str]) -> String {
    let said: Ended =
        ended(theater().arg("request").arg("--data").arg(data).arg("toolbox").arg(words.join("\t")));
    assert_eq!(said.code, Some(0), "{said}");
    said.stdout.trim_end().to_owned()
}

#[test]
fn contents_and_labels_outlive_a_process_that_was_killed() {
    let folder = Folder::new().with_example("components/toolbox.wasm").with("app.toml", TOOLBOX);
    let (app, data) = (folder.path("app.toml"), folder.path("data"));
    let running = start(&app, &data, "  started  ");
    assert_eq!(call(&data, &["environment", "get", "THEATER_COLOUR"]), "red");
    assert_eq!(call(&data, &["environment", "get", "PATH"]), "none");
    assert!(!data.join("contents").exists(), "nobody has stored anything");
    let store = call(&data, &["store", "new"]);
    let hash = call(&data, &["store", "store-at-label", &store, "../latest", "kept"]);
    running.signal("KILL");
    drop(running);

    let running = start(&app, &data, "  restarted  ");
    assert_eq!(call(&data, &["store", "get-by-label", &store, "../latest"]), hash);
    assert_eq!(call(&data, &["store", "get", &store, &hash]), "kept");
    assert!(data.join("contents").join(&store).join("data").join(&hash).exists());
    drop(running);
}
