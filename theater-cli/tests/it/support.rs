//! Small apps on disk, and ways to run the command on them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The example apps of this repository.
pub(crate) fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))
}

/// The command, free of what the environment of the tests would change about its output.
pub(crate) fn theater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_theater"));
    command.env_remove("RUST_LOG").env_remove("NO_COLOR").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    // Nothing of the user's, neither read nor written.
    command.env("THEATER_CACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled"));
    command
}

/// A folder with files of an app.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Adds a file.
    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Adds a copy of an example's file, under the same name.
    pub(crate) fn with_example(self, example: &str) -> Self {
        let source = examples().join(example);
        let content = std::fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        let name = source.file_name().unwrap().to_str().unwrap().to_owned();
        self.with(&name, content)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// An order desk whose first worker never ends with its first order: a tree that runs until somebody ends it.
///
/// `shutdown` is how its workers are to be stopped.
pub(crate) fn busy_desk(shutdown: &str) -> Folder {
    let order = r#"{"quantity":1,"unit_price_cents":100,"markdown":{"percent":0,"until_cents":1}}"#;
    Folder::new()
        .with_example("orders/order-desk.wasm")
        .with_example("orders/order-worker.wasm")
        .with("orders.jsonl", format!("{order}\n"))
        .with(
            "app.toml",
            "name = \"desk\"\ncomponent = \"order-desk.wasm\"\ninit_state = \"orders.jsonl\"\n\
             [[handlers]]\ntype = \"message-server\"\n[[handlers]]\ntype = \"supervisor\"\n\
             [limits]\nhost_deadline = \"1h\"\n",
        )
        .with(
            "worker.toml",
            format!(
                "name = \"worker\"\ncomponent = \"order-worker.wasm\"\n[[handlers]]\ntype = \"message-server\"\n\
                 [limits]\ncall_deadline = \"1h\"\n[child_spec]\nrestart = \"transient\"\nshutdown = \"{shutdown}\"\n"
            ),
        )
}

/// What a command left behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?}\n-- stdout\n{}-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs the command to its end.
pub(crate) fn ended(command: &mut Command) -> Ended {
    command.output().unwrap().into()
}

/// Runs `theater run` to its end. An example keeps nothing in its own folder.
pub(crate) fn run(app: &Path, more: &[&str]) -> Ended {
    let data = Folder::new();
    let mut command = theater();
    command.arg("run").arg(app).args(more);
    if app.starts_with(examples()) && !more.contains(&"--data") && !more.contains(&"--store") {
        command.arg("--data").arg(data.path("data"));
    }
    ended(&mut command)
}

/// Runs `theater verify` to its end.
pub(crate) fn verify(file: &Path) -> Ended {
    ended(theater().arg("verify").arg(file))
}

/// Runs a command of `theater chain` to its end.
pub(crate) fn chain(command: &str, data: &Path, more: &[&str]) -> Ended {
    ended(theater().args(["chain", command, "--data"]).arg(data).args(more))
}

/// Changes a byte in the middle of what is in the first segment of a log.
pub(crate) fn damage(data: &Path) {
    let segment = data.join("log/0000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // Inside of an event, so that it is an actor's: between them are records that are nobody's.
    let name = b"handle-request";
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    bytes[places[places.len() / 2]] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

/// A tree of nine actors that stays, with its data there.
pub(crate) fn live(data: &Path, more: &[&str]) -> Running {
    live_until("  started  ", data, more)
}

/// The same tree, which goes on where it was.
pub(crate) fn live_again(data: &Path) -> Running {
    live_until("  restarted  ", data, &[])
}

fn live_until(told: &str, data: &Path, more: &[&str]) -> Running {
    let mut command = theater();
    command.arg("run").arg(examples().join("components/tree.toml")).arg("--data").arg(data).args(more);
    let mut running = Running::start(&mut command);
    running.wait_for(told, 9);
    // Its watchers are told that the root has started before whoever asks for its status is.
    let begun = Instant::now();
    while status_of(data).contains("\"actors_total\":0") {
        assert!(begun.elapsed() < PATIENCE, "no root yet: {}", status_of(data));
        std::thread::sleep(Duration::from_millis(10));
    }
    running
}

/// The answer to `theater status --json`, and what is said if there is none.
fn status_of(data: &Path) -> String {
    let output = theater().args(["status", "--json", "--data"]).arg(data).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The same, with its data in the folder `data` of a folder of its own.
pub(crate) fn live_tree(more: &[&str]) -> (Running, Folder) {
    let folder = Folder::new();
    let running = live(&folder.path("data"), more);
    (running, folder)
}

/// A command that runs, with its standard output read line by line. It does not outlive the test.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(1_000_000);
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).unwrap() > 0 && sender.send(std::mem::take(&mut line)).is_ok() {
            }
        });
        Self { child, lines, seen: String::new() }
    }

    /// Waits until `n` lines with `part` in them have been printed.
    pub(crate) fn wait_for(&mut self, part: &str, n: usize) {
        let begun = Instant::now();
        let mut found = 0;
        while found < n {
            let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) else {
                panic!("no {n} lines with {part:?}\n{}", self.seen);
            };
            found += usize::from(line.contains(part));
            self.seen.push_str(&line);
        }
    }

    /// Whether a line with `part` in it has been printed by now.
    pub(crate) fn has_printed(&mut self, part: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.lines().any(|line| line.contains(part))
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for the end, for at most `limit`.
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < limit, "still running after {limit:?}\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut stdout = std::mem::take(&mut self.seen);
        // The thread that reads ends with the pipe.
        stdout.extend(self.lines.iter());
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
