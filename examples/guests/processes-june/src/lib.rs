//! Starts a program through the interface as it was in June 2025, without a time limit, and exports no handlers.
//!
//! A message is a word and what belongs to it, separated by tabs. What a host function refuses is the answer, after
//! `error: `.
//!
//! | Message | What it answers |
//! |---|---|
//! | `spawn <program> [arguments]` | the number of the program |
//! | `write <pid> <text>` | how many bytes were written |
//! | `status <pid>` | `running`, or `ended` and with what |
//! | `signal <pid> <number>` | `ok` |
//! | `kill <pid>` | `ok` |

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use theater::simple::process::{
    OutputMode, ProcessConfig, os_kill, os_signal, os_spawn, os_status, os_write_stdin,
};

wit_bindgen::generate!({ world: "processes-june", path: "wit" });

struct Processes;

export!(Processes);

type State = Option<Vec<u8>>;

impl Actor for Processes {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl MessageServerClient for Processes {
    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let text = String::from_utf8(message).map_err(|_| "not text")?;
        let answer = call(&text).unwrap_or_else(|error| format!("error: {error}"));
        Ok((state, (Some(answer.into_bytes()),)))
    }
}

fn call(text: &str) -> Result<String, String> {
    let mut words = text.split('\t');
    let (command, first) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if command == "spawn" {
        let config = ProcessConfig {
            program: first.to_owned(),
            args: words.map(ToOwned::to_owned).collect(),
            cwd: None,
            env: Vec::new(),
            buffer_size: 1_024,
            stdout_mode: OutputMode::LineByLine,
            stderr_mode: OutputMode::Raw,
            chunk_size: None,
        };
        return Ok(os_spawn(&config)?.to_string());
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("not a number: {text}"));
    let (pid, second) = (number(first)?, words.next().unwrap_or_default());
    match command {
        "write" => os_write_stdin(pid, second.as_bytes()).map(|written| written.to_string()),
        "status" => {
            let status = os_status(pid)?;
            Ok(match status.exit_code {
                Some(code) => format!("ended {code}"),
                None => "running".to_owned(),
            })
        }
        "signal" => {
            let signal = second.parse().map_err(|_| format!("not a number: {second}"))?;
            os_signal(pid, signal).map(|()| "ok".to_owned())
        }
        "kill" => os_kill(pid).map(|()| "ok".to_owned()),
        _ => Err(format!("unknown command: {command}")),
    }
}
