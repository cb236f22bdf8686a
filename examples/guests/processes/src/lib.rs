//! Starts the programs that a message names, and remembers what they said.
//!
//! A message is a word and what belongs to it, separated by tabs. What a host function refuses is the answer, after
//! `error: `.
//!
//! | Message | What it answers |
//! |---|---|
//! | `spawn <program> [settings] -- [arguments]` | the number of the program. Settings are `stdout=`, `stderr=` with `raw`, `lines`, `json` or `chunked`, `buffer=`, `chunk=`, `timeout=`, `cwd=`, and `env:NAME=` |
//! | `write <pid> <text>` | how many bytes were written |
//! | `status <pid>` | `running`, or `ended` and with what; and when it was started |
//! | `signal <pid> <number>` | `ok` |
//! | `kill <pid>` | `ok` |
//! | `sleep <ms>` | `ok`, after that time |
//! | `heard` | the state: what programs said and how they ended, a line each, oldest first |
//! | `count` | from now on the state is the number of calls with output and of bytes in them |
//! | `start <ms> <program> ..` | starts a program, sleeps, and adds to the state what the program's status is then |
//! | `trap`, `refuse`, `linger` | from now on whatever a program does makes this actor panic; makes it return an error; makes it ask for the program's status and sleep for a minute |
//!
//! What was heard is `out`, `err` or `exit`, the program's number, and what it was, with control characters escaped.
//! A message that is `spawn` and comes as the initial state is done in `init`; after `fail` and a tab, `init` fails then.

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use exports::theater::simple::process_handlers::Guest as ProcessHandlers;
use guest_kit as _;
use theater::simple::process::{
    OutputMode, ProcessConfig, os_kill, os_signal, os_spawn, os_status, os_write_stdin,
};
use theater::simple::timing;

wit_bindgen::generate!({
    inline: "
        package example:processes;

        world processes {
            include theater:simple/messenger;
            import theater:simple/timing;
            import theater:simple/process;
            export theater:simple/process-handlers;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Processes;

export!(Processes);

type State = Option<Vec<u8>>;

impl Actor for Processes {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        let message = state.as_deref().unwrap_or_default();
        let (message, fails) = match message.strip_prefix(b"fail\t") {
            Some(message) => (message, true),
            None => (message, false),
        };
        if !message.starts_with(b"spawn\t") {
            return Ok((state,));
        }
        let (_, answer) = obey(None, message)?;
        if fails { Err(format!("told to fail after {answer}")) } else { Ok((Some(answer.into_bytes()),)) }
    }
}

impl MessageServerClient for Processes {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        let (state, _) = obey(state, &message)?;
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let (state, answer) = obey(state, &message)?;
        Ok((state, (Some(answer.into_bytes()),)))
    }

    guest_kit::refuse_channels!();
}

impl ProcessHandlers for Processes {
    fn handle_stdout(state: State, (pid, data): (u64, Vec<u8>)) -> Result<(State,), String> {
        hear(state, "out", pid, &data)
    }

    fn handle_stderr(state: State, (pid, data): (u64, Vec<u8>)) -> Result<(State,), String> {
        hear(state, "err", pid, &data)
    }

    fn handle_exit(state: State, (pid, code): (u64, i32)) -> Result<(State,), String> {
        hear(state, "exit", pid, code.to_string().as_bytes())
    }
}

/// The next state: a line more, or a count that is higher.
fn hear(state: State, what: &str, pid: u64, data: &[u8]) -> Result<(State,), String> {
    let mut state = state.unwrap_or_default();
    assert!(!state.starts_with(b"trap"), "told to panic");
    if state.starts_with(b"refuse") {
        return Err("told to refuse".to_owned());
    }
    if state.starts_with(b"linger") {
        os_status(pid)?;
        timing::sleep(60_000)?;
        return Ok((Some(state),));
    }
    if let Some(counts) = state.strip_prefix(b"count ") {
        let counts = str::from_utf8(counts).unwrap_or_default();
        let (counts, end) = counts.split_once('\n').unwrap_or((counts, ""));
        let (calls, bytes) = counts.split_once(' ').ok_or("no counts")?;
        let (calls, bytes): (u64, usize) = (number(calls)?, number(bytes)?);
        let next = match what {
            "exit" => format!("count {calls} {bytes}\n{end}exit {}", String::from_utf8_lossy(data)),
            _ => format!("count {} {}\n{end}", calls + 1, bytes + data.len()),
        };
        return Ok((Some(next.into_bytes()),));
    }
    let said = String::from_utf8_lossy(data).escape_debug().to_string();
    state.extend_from_slice(format!("{what} {pid} {said}\n").as_bytes());
    Ok((Some(state),))
}

/// Does what the message says. Returns the next state and the answer.
fn obey(state: State, message: &[u8]) -> Result<(State, String), String> {
    let text = str::from_utf8(message).map_err(|_| "not text")?;
    let (command, rest) = text.split_once('\t').unwrap_or((text, ""));
    match command {
        "heard" => {
            let heard = String::from_utf8_lossy(state.as_deref().unwrap_or_default()).into_owned();
            return Ok((state, heard));
        }
        "count" => return Ok((Some(b"count 0 0\n".to_vec()), "ok".to_owned())),
        "start" => {
            let (time, order) = rest.split_once('\t').ok_or("no program")?;
            let pid = os_spawn(&program(order)?)?;
            timing::sleep(number(time)?)?;
            let status = call("status", &pid.to_string()).unwrap_or_else(|error| format!("error: {error}"));
            let mut state = state.unwrap_or_default();
            state.extend_from_slice(format!("started {pid} {status}\n").as_bytes());
            return Ok((Some(state), pid.to_string()));
        }
        "trap" | "refuse" | "linger" => return Ok((Some(command.into()), "ok".to_owned())),
        _ => {}
    }
    let answer = call(command, rest).unwrap_or_else(|error| format!("error: {error}"));
    Ok((state, answer))
}

fn call(command: &str, rest: &str) -> Result<String, String> {
    if command == "spawn" {
        return Ok(os_spawn(&program(rest)?)?.to_string());
    }
    let (first, second) = rest.split_once('\t').unwrap_or((rest, ""));
    let first = number(first)?;
    match command {
        "write" => os_write_stdin(first, second.as_bytes()).map(|written| written.to_string()),
        "status" => {
            let status = os_status(first)?;
            assert_eq!(status.pid, first, "it was asked for");
            Ok(match status.exit_code {
                None if status.running => format!("running since {}", status.start_time),
                code => format!("ended {} since {}", code.ok_or("no exit code")?, status.start_time),
            })
        }
        "signal" => os_signal(first, number(second)?).map(|()| "ok".to_owned()),
        "kill" => os_kill(first).map(|()| "ok".to_owned()),
        "sleep" => timing::sleep(first).map(|()| "ok".to_owned()),
        _ => Err(format!("unknown command: {command}")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn mode(text: &str) -> Result<OutputMode, String> {
    Ok(match text {
        "raw" => OutputMode::Raw,
        "lines" => OutputMode::LineByLine,
        "json" => OutputMode::Json,
        "chunked" => OutputMode::Chunked,
        _ => return Err(format!("no output mode {text}")),
    })
}

fn program(text: &str) -> Result<ProcessConfig, String> {
    let mut words = text.split('\t');
    let mut config = ProcessConfig {
        program: words.next().unwrap_or_default().to_owned(),
        args: Vec::new(),
        cwd: None,
        env: Vec::new(),
        buffer_size: 4_096,
        stdout_mode: OutputMode::Raw,
        stderr_mode: OutputMode::Raw,
        chunk_size: None,
        execution_timeout: None,
    };
    for word in words.by_ref() {
        if word == "--" {
            break;
        }
        let (key, value) = word.split_once('=').ok_or_else(|| format!("no setting: {word}"))?;
        match key {
            "stdout" => config.stdout_mode = mode(value)?,
            "stderr" => config.stderr_mode = mode(value)?,
            "buffer" => config.buffer_size = number(value)?,
            "chunk" => config.chunk_size = Some(number(value)?),
            "timeout" => config.execution_timeout = Some(number(value)?),
            "cwd" => config.cwd = Some(value.to_owned()),
            _ => {
                let name = key.strip_prefix("env:").ok_or_else(|| format!("no setting {key}"))?;
                config.env.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    config.args = words.map(ToOwned::to_owned).collect();
    Ok(config)
}
