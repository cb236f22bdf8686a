//! Supervises children on request: one request for each of the seven functions of `theater:simple/supervisor`.
//!
//! A message is one line of text, a command and its arguments. The last argument takes the rest of the line.
//!
//! | Command | What it answers |
//! |---|---|
//! | `spawn <manifest> [initial state]` | the id of the new child |
//! | `resume <manifest> [state]` | the id of the new child |
//! | `list` | the ids of the children, one a line |
//! | `restart <child>` | `ok` |
//! | `stop <child>` | `ok` |
//! | `state <child>` | the child's state, or `none` |
//! | `events <child>` | a line for each event: its type, its hash, the hash of the event before or `-` |
//! | `notices` | a line for each child's end that this actor was told of, oldest first |
//! | `ask <actor> <text>` | what the actor answers |
//! | `send <actor> <text>` | `ok` |
//! | `log <text>` | `ok` |
//! | `chain` | how many events this actor has itself |
//! | `quit [text]` | `ok`, and ends, perhaps with a result |
//!
//! What a host function refuses is the answer, after `error: `.
//!
//! The state is the notices, so a restart does not forget them:
//!
//! ```text
//! error <child> <error type> <more about it>
//! exit <child> <result>
//! external-stop <child>
//! ```

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use exports::theater::simple::supervisor_handlers::{Guest as SupervisorHandlers, WitActorError};
use theater::simple::message_server_host::{request, send};
use theater::simple::runtime::{get_chain, log, shutdown};
use theater::simple::supervisor::{
    get_child_events, get_child_state, list_children, restart_child, resume, spawn, stop_child,
};
use theater::simple::types::{ChainEvent, WitErrorType};

wit_bindgen::generate!({ world: "supervising-with-handlers", path: "../../../wit" });

struct Supervisor;

export!(Supervisor);

type State = Option<Vec<u8>>;

impl Actor for Supervisor {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl MessageServerClient for Supervisor {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        obey(&state, message)?;
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let answer = obey(&state, message)?;
        Ok((state, (Some(answer),)))
    }

    guest_kit::refuse_channels!();
}

impl SupervisorHandlers for Supervisor {
    fn handle_child_error(state: State, (child, error): (String, WitActorError)) -> Result<(State,), String> {
        let kind = type_name(error.error_type);
        Ok((note(state, &format!("error {child} {kind} {}", one_line(error.data))),))
    }

    fn handle_child_exit(
        state: State,
        (child, result): (String, Option<Vec<u8>>),
    ) -> Result<(State,), String> {
        Ok((note(state, &format!("exit {child} {}", one_line(result))),))
    }

    fn handle_child_external_stop(state: State, (child,): (String,)) -> Result<(State,), String> {
        Ok((note(state, &format!("external-stop {child}")),))
    }
}

/// Does what the message says and returns the answer. What the host refuses is an answer as well: the actor is well.
fn obey(state: &State, message: Vec<u8>) -> Result<Vec<u8>, String> {
    let message = String::from_utf8(message).map_err(|error| format!("not a text: {error}"))?;
    let (command, rest) = first_word(&message);
    let (target, text) = first_word(rest);
    let bytes = some_if_any(text);
    let done = |()| b"ok".to_vec();
    let answer = match command {
        "spawn" => spawn(target, bytes).map(String::into_bytes),
        "resume" => resume(target, bytes).map(String::into_bytes),
        "list" => Ok(list_children().join("\n").into_bytes()),
        "restart" => restart_child(rest).map(done),
        "stop" => stop_child(rest).map(done),
        "state" => get_child_state(rest).map(|state| state.unwrap_or_else(|| b"none".to_vec())),
        "events" => get_child_events(rest).map(|events| event_lines(&events).into_bytes()),
        "notices" => Ok(state.clone().unwrap_or_default()),
        "ask" => request(target, text.as_bytes()),
        "send" => send(target, text.as_bytes()).map(done),
        "log" => {
            log(rest);
            Ok(done(()))
        }
        "chain" => Ok(get_chain().events.len().to_string().into_bytes()),
        "quit" => shutdown(some_if_any(rest)).map(done),
        _ => return Err(format!("unknown command: {message}")),
    };
    Ok(answer.unwrap_or_else(|error| format!("error: {error}").into_bytes()))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn some_if_any(text: &str) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text.as_bytes())
}

/// Adds a line to the notices.
fn note(state: State, notice: &str) -> State {
    let mut notices = state.unwrap_or_default();
    notices.extend_from_slice(notice.trim_end().as_bytes());
    notices.push(b'\n');
    Some(notices)
}

fn one_line(data: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&data.unwrap_or_default()).escape_debug().to_string()
}

fn event_lines(events: &[ChainEvent]) -> String {
    let line = |event: &ChainEvent| {
        let parent = event.parent_hash.as_deref().map_or("-".to_owned(), hex);
        format!("{} {} {parent}", event.event_type, hex(&event.hash))
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that the type has in the WIT package.
fn type_name(error_type: WitErrorType) -> &'static str {
    match error_type {
        WitErrorType::OperationTimeout => "operation-timeout",
        WitErrorType::ChannelClosed => "channel-closed",
        WitErrorType::ShuttingDown => "shutting-down",
        WitErrorType::FunctionNotFound => "function-not-found",
        WitErrorType::TypeMismatch => "type-mismatch",
        WitErrorType::Internal => "internal",
        WitErrorType::SerializationError => "serialization-error",
        WitErrorType::UpdateComponentError => "update-component-error",
        WitErrorType::Paused => "paused",
    }
}
