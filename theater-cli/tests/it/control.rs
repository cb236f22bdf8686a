//! A running app, asked from outside.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

fn ask(command: &str, data: &Path, arguments: &[&str]) -> Ended {
    ended(theater().arg(command).args(arguments).arg("--data").arg(data))
}

fn request(data: &Path, actor: &str, message: &str) -> Ended {
    ask("request", data, &[actor, message])
}

fn status(data: &Path) -> Value {
    let shown = ask("status", data, &["--json"]);
    assert_eq!(shown.code, Some(0), "{shown}");
    serde_json::from_str(&shown.stdout).unwrap()
}

fn connect(data: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(data.join("control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    BufReader::new(stream)
}

fn say(client: &mut BufReader<UnixStream>, line: &str) {
    client.get_mut().write_all(line.as_bytes()).unwrap();
    client.get_mut().write_all(b"\n").unwrap();
}

fn hear(client: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn status_says_what_is_kept_and_how_far_and_who_is_there() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let status = status(&data);
    assert_eq!(status["pid"], tree.id());
    assert_eq!((&status["store"], &status["durability"]), (&"log".into(), &"full".into()));
    assert_eq!(status["accepted"], status["durable"]);
    assert_eq!(status["actors_total"], 9);
    let paths: Vec<_> = status["actors"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths[..4], ["tree", "tree/data", "tree/data/store", "tree/data/index"]);
    let shown = ask("status", &data, &[]);
    assert!(shown.stdout.contains("durability: full: what was told survives a loss of power\n"), "{shown}");
}

#[test]
fn a_relaxed_app_says_so_in_every_status() {
    let (_tree, folder) = live_tree(&["--durability", "relaxed"]);
    let data = folder.path("data");
    let shown = ask("status", &data, &[]);
    assert!(
        shown.stdout.contains("durability: relaxed: a loss of power may lose the last 100 ms\n"),
        "{shown}"
    );
}

#[test]
fn an_actor_is_asked_by_its_name_its_path_and_its_ids_and_answers_raw() {
    let (_tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let store = status(&data)["actors"][2]["id"].as_str().unwrap().to_owned();
    for (n, actor) in ["store", "data/store", "tree/data/store", &store, &store[28..]].iter().enumerate() {
        let answer = request(&data, actor, "add 2");
        assert_eq!(
            (answer.code, &*answer.stdout),
            (Some(0), &*format!("{}", 2 * (n + 1))),
            "{actor} {answer}"
        );
    }
    let object = ask("request", &data, &["store", "total", "--json"]);
    let object: Value = serde_json::from_str(&object.stdout).unwrap();
    assert_eq!(
        (&object["type"], &object["actor"], &object["data"]),
        (&"answer".into(), &store.into(), &"MTA=".into())
    );
}

#[test]
fn an_actor_is_asked_by_the_name_that_it_registers_and_status_shows_that() {
    let folder = Folder::new();
    let component = std::fs::read(examples().join("components/worker.wasm")).unwrap();
    std::fs::write(folder.path("worker.wasm"), component).unwrap();
    let manifest = "name = \"app\"\ncomponent = \"worker.wasm\"\nregister = \"counter.main\"\n\
        handlers = [{ type = \"message-server\" }]\n";
    std::fs::write(folder.path("app.toml"), manifest).unwrap();
    let data = folder.path("data");
    let mut command = theater();
    command.arg("run").arg(folder.path("app.toml")).arg("--data").arg(&data).stdout(Stdio::null());
    let mut app = command.stderr(Stdio::null()).spawn().unwrap();
    let started = std::time::Instant::now();
    let answer = loop {
        let answer = request(&data, "counter.main", "add 2");
        if answer.code == Some(0) || started.elapsed() > Duration::from_secs(60) {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((answer.code, &*answer.stdout), (Some(0), "2"), "{answer}");
    assert_eq!(status(&data)["actors"][0]["registered"], "counter.main");
    let shown = ask("status", &data, &[]);
    assert!(shown.stdout.contains(" app @counter.main  "), "{shown}");
    app.kill().unwrap();
    app.wait().unwrap();
}

#[test]
fn a_message_may_come_from_standard_input_and_is_handled() {
    let (_tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let mut command = theater();
    command.args(["send", "index", "-", "--data"]).arg(&data).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"add 7").unwrap();
    let sent = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((sent.code, &*sent.stdout, &*sent.stderr), (Some(0), "", ""), "{sent}");
    // The mailbox is in order.
    assert_eq!(request(&data, "index", "total").stdout, "7");
}

#[test]
fn what_cannot_be_answered_is_told_with_its_own_code() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    for (actor, message, part) in [
        ("stoer", "total", "there is no actor `stoer`; the nearest: `store`"),
        ("worker", "total", "actors are called `worker`; say which by its id:"),
        ("store", "no such command", "unknown command"),
        ("store", "crash", "is not running: trapped"),
    ] {
        let refused = request(&data, actor, message);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(8), ""), "{refused}");
        assert!(refused.stderr.contains(part), "{part}\n{refused}");
    }
    tree.signal("INT");
    assert_eq!(tree.end_within(Duration::from_secs(20)).code, Some(130));
    for command in ["send", "request"] {
        let gone = ask(command, &data, &["store", "total"]);
        assert_eq!(gone.code, Some(7), "{gone}");
        assert!(gone.stderr.contains("no app runs with the data folder"), "{gone}");
    }
    let gone = ask("status", &data.join("gone"), &[]);
    assert_eq!(gone.code, Some(7), "{gone}");
    assert!(gone.stderr.contains("there is no data folder"), "{gone}");
}

#[test]
fn requests_are_answered_as_soon_as_they_can_be_and_by_their_ids() {
    let (_tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let mut client = connect(&data);
    let defer = json!({"v": 1, "id": 7, "op": "request", "actor": "store", "data": "ZGVmZXI="});
    say(&mut client, &defer.to_string());
    say(&mut client, &json!({"v": 1, "id": 8, "op": "durable"}).to_string());
    let answer = hear(&mut client);
    assert_eq!(answer["id"], 8);
    assert!(answer["ok"]["durable"].as_u64().unwrap() <= answer["ok"]["accepted"].as_u64().unwrap());
}

#[test]
fn an_app_can_be_asked_to_end() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let mut client = connect(&data);
    say(&mut client, &json!({"v": 1, "id": 1, "op": "stop"}).to_string());
    assert_eq!(hear(&mut client), json!({"v": 1, "id": 1, "ok": {"stopping": true}}));
    let ended = tree.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!data.join("control.sock").exists());
}

#[test]
fn what_is_no_request_is_refused_and_the_next_one_is_answered() {
    let (_tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let mut client = connect(&data);
    for (line, id, part) in [
        ("hello", Value::Null, "not a request"),
        ("{\"v\":1,\"id\":3,\"op\":\"fly\"}", 3.into(), "not a request"),
        ("{\"v\":2,\"id\":4,\"op\":\"status\"}", 4.into(), "version 2"),
        ("{\"v\":1,\"id\":5,\"op\":\"send\",\"actor\":\"store\",\"data\":\"%\"}", 5.into(), "not base64"),
    ] {
        say(&mut client, line);
        let answer = hear(&mut client);
        assert_eq!((&answer["id"], &answer["error"]["kind"]), (&id, &"bad-request".into()), "{answer}");
        assert!(answer["error"]["text"].as_str().unwrap().contains(part), "{answer}");
    }
    say(&mut client, &json!({"v": 1, "id": 6, "op": "durable"}).to_string());
    assert!(hear(&mut client)["ok"].is_object());
}

#[test]
fn slow_and_hostile_clients_do_not_disturb_the_app_or_others() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    // One that never ends its line, one that never reads, and one whose line is too long.
    let mut slow = connect(&data);
    slow.get_mut().write_all(b"{\"v\":1,").unwrap();
    let mut deaf = connect(&data);
    deaf.get_mut().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let asks = format!("{}\n", json!({"v": 1, "id": 1, "op": "status"})).repeat(200);
    // It may block: nobody takes what is not answered.
    let _ = deaf.get_mut().write_all(asks.as_bytes());
    let mut long = connect(&data);
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..25 {
        // It may be left before the end.
        if long.get_mut().write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _ = long.read_line(&mut answer);
    assert!(answer.is_empty() || answer.contains("longer than"), "{answer}");

    assert_eq!(request(&data, "store", "add 1").stdout, "1");

    // More clients than there are places for, and for being told so.
    // One of before may leave its place only after they came: then it is the next 30 who take it.
    let mut idle = Vec::new();
    let refused = loop {
        idle.extend((0..30).map(|_| connect(&data)));
        let asked = request(&data, "store", "total");
        if asked.code != Some(0) {
            break asked;
        }
        assert!(idle.len() < 300, "there is a place for everybody");
    };
    assert_eq!(refused.code, Some(7), "{refused}");
    drop((idle, slow, deaf, long));
    let mut tries = 0;
    while request(&data, "store", "add 1").code != Some(0) {
        tries += 1;
        assert!(tries < 100, "places are not given back");
        std::thread::sleep(Duration::from_millis(50));
    }
    tree.signal("INT");
    assert_eq!(tree.end_within(Duration::from_secs(20)).code, Some(130));
}

#[test]
fn only_the_user_may_connect_and_what_was_left_is_replaced() {
    let folder = Folder::new();
    let data = folder.path("data");
    std::fs::create_dir(&data).unwrap();
    let socket = data.join("control.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let left = ask("status", &data, &[]);
    assert_eq!(left.code, Some(7), "{left}");

    let _tree = live(&data, &[]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(status(&data)["actors_total"], 9);
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_told_and_the_app_runs() {
    let folder = Folder::new();
    let data: PathBuf = folder.path(&"d".repeat(120));
    let tree = live(&data, &[]);
    let refused = ask("status", &data, &[]);
    assert_eq!(refused.code, Some(7), "{refused}");
    assert!(refused.stderr.contains("name a shorter data folder with --data"), "{refused}");
    tree.signal("INT");
    let ended = tree.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(ended.stderr.contains("warning: no control socket "), "{ended}");
    assert_eq!(chain("verify", &data, &[]).code, Some(0));
}

#[test]
fn a_client_that_goes_away_before_its_answer_is_no_trouble() {
    let (_tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    for _ in 0..20 {
        let mut client = connect(&data);
        say(&mut client, &json!({"v": 1, "id": 1, "op": "status"}).to_string());
    }
    // Their places are given back soon.
    let answers = loop {
        let mut client = connect(&data);
        say(&mut client, &json!({"v": 1, "id": 2, "op": "status"}).to_string());
        client.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).unwrap();
        if !answers.contains("\"busy\"") {
            break answers;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(answers.lines().count(), 1, "what was asked before the end is answered: {answers}");
    assert!(answers.contains("\"id\":2") && answers.contains("\"actors_total\":9"), "{answers}");
}
