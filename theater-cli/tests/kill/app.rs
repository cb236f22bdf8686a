//! The app that is killed, and a connection to it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// The workers that the app declares. The state of the last two is never small enough to go with an event.
pub(crate) const WORKERS: [&str; 4] = ["one", "two", "large", "often"];

/// An app in a folder, with its data beside it.
pub(crate) struct App {
    folder: tempfile::TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/components");
        for component in ["worker.wasm", "supervisor.wasm"] {
            std::fs::copy(components.join(component), folder.path().join(component)).expect("a component");
        }
        let worker = |name: &str, more: &str| {
            format!(
                "name = \"{name}\"\ncomponent = \"worker.wasm\"\nhandlers = [{{ type = \"message-server\" }}]\n{more}"
            )
        };
        // Three crashes in a row, which the load asks for now and then, would make a worker begin anew.
        let mut app = "name = \"app\"\ncomponent = \"supervisor.wasm\"\n\
            handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n\
            [supervision]\nintensity = 100000\nperiod = \"1s\"\npoison_after = \"never\"\n"
            .to_owned();
        for name in WORKERS {
            let more = match name {
                "large" => "[snapshots]\ninline = 0\n",
                "often" => "[snapshots]\ninline = 0\nevents = 25\n",
                _ => "",
            };
            let file = format!("{name}.toml");
            std::fs::write(folder.path().join(&file), worker(name, more)).expect("room on the disk");
            app += &format!("[[children]]\nid = \"{name}\"\nmanifest = \"{file}\"\n");
        }
        let spawned = worker("spawned", "[child_spec]\nrestart = \"permanent\"\n");
        std::fs::write(folder.path().join("spawned.toml"), spawned).expect("room on the disk");
        std::fs::write(folder.path().join("app.toml"), app).expect("room on the disk");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self) -> Running {
        let log = std::fs::File::create(self.path().join("stderr")).expect("a file");
        let process = Command::new(env!("CARGO_BIN_EXE_theater"))
            .env("THEATER_CACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled"))
            .arg("run")
            .arg(self.path().join("app.toml"))
            .arg("--data")
            .arg(self.data())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the command starts");
        let mut running = Running {
            process,
            socket: self.data().join("control.sock"),
            next: AtomicU64::new(0),
            log: self.path().join("stderr"),
        };
        let begun = Instant::now();
        loop {
            if let Ok(status) = running.ask(r#""op":"status""#)
                && status["ok"]["actors"].as_array().is_some_and(|actors| actors.len() > WORKERS.len())
            {
                return running;
            }
            if let Some(ended) = running.process.try_wait().expect("a child") {
                panic!("it ended with {ended}: {}", running.said());
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not answer: {}", running.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The app while it runs.
pub(crate) struct Running {
    process: Child,
    socket: PathBuf,
    next: AtomicU64,
    log: PathBuf,
}

impl Running {
    /// What it said on standard error.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// One question over a connection of its own.
    pub(crate) fn ask(&self, operation: &str) -> io::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.connect()?.ask(id, operation)
    }

    /// The answer of an actor, which must come.
    pub(crate) fn answer(&self, actor: &str, message: &str) -> String {
        let answered = self.ask(&request(actor, message)).unwrap_or_else(|error| {
            panic!("{actor}: {message}: {error}: {}", self.said());
        });
        text(&answered).unwrap_or_else(|| panic!("{actor}: {message}: {answered}"))
    }

    /// In which life each actor is.
    pub(crate) fn lives(&self) -> BTreeMap<String, u64> {
        let status = self.ask(r#""op":"status""#).expect("a status");
        let actors = status["ok"]["actors"].as_array().expect("a list").clone();
        let life = |actor: Value| {
            let id = actor["id"].as_str().expect("an id").to_owned();
            (id, actor["incarnation"].as_u64().expect("a number"))
        };
        actors.into_iter().filter(|actor| actor["status"] != "ended").map(life).collect()
    }

    /// SIGKILL: nobody in there notices.
    pub(crate) fn kill(mut self) {
        if let Some(ended) = self.process.try_wait().expect("a child") {
            panic!("it ended by itself with {ended}: {}", self.said());
        }
        self.process.kill().expect("it is killed");
        self.process.wait().expect("a child");
    }

    /// Waits for its own end.
    pub(crate) fn ended(mut self) {
        let begun = Instant::now();
        while self.process.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where a check failed it must not stay.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(crate) fn ask(&mut self, id: u64, operation: &str) -> io::Result<Value> {
        let line = format!("{{\"v\":1,\"id\":{id},{operation}}}\n");
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer)?;
        if !answer.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

pub(crate) fn request(actor: &str, message: &str) -> String {
    format!(r#""op":"request","actor":"{actor}","data":"{}""#, BASE64.encode(message))
}

pub(crate) fn send(actor: &str, message: &str) -> String {
    format!(r#""op":"send","actor":"{actor}","data":"{}""#, BASE64.encode(message))
}

/// What the actor answered; `None` if it did not.
pub(crate) fn text(answer: &Value) -> Option<String> {
    let data = BASE64.decode(answer["ok"]["data"].as_str()?).ok()?;
    String::from_utf8(data).ok()
}
