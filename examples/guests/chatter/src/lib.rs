//! Opens, accepts and refuses channels when it is told to, and remembers what came over them: an actor to try channels on.
//!
//! A message is one line of text, a command and its arguments. The last argument takes the rest of the line.
//!
//! | Command | What it answers |
//! |---|---|
//! | `open <actor> <text>` | offers a channel with this first message; the channel's id |
//! | `say <channel> <text>` | sends on a channel; `ok` |
//! | `close <channel>` | closes a channel; `ok` |
//! | `heard` | what came over channels, a line each, oldest first |
//! | `ask <actor> <text>` | makes a request; what came back |
//! | `send <actor> <text>` | sends a message; `ok` |
//! | `count` | how many messages it has handled that say `count` |
//! | `slow <n>` | loops n million times; `ok` |
//! | `crash` | panics |
//! | `quit` | ends the actor; `ok` |
//!
//! What a host function refuses is the answer, after `error: `.
//!
//! The first message of a channel that is offered says what becomes of it: `refuse [text]` refuses it, with this message; `accept <text>`
//! accepts it, with this message; `say <text>` sends that on the channel and accepts it; `slow <n>` loops first; `crash` panics; anything else
//! is accepted. A message on a channel that says `crash` panics.
//!
//! The state is what was heard, so a restart does not forget it:
//!
//! ```text
//! open <channel> <text>
//! message <channel> <text>
//! close <channel>
//! ```

use std::hint::black_box;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as MessageServerClient};
use guest_kit as _;
use theater::simple::message_server_host::{close_channel, open_channel, request, send, send_on_channel};
use theater::simple::runtime::shutdown;

wit_bindgen::generate!({ world: "messenger", path: "../../../wit" });

struct Chatter;

export!(Chatter);

type State = Option<Vec<u8>>;

impl Actor for Chatter {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl MessageServerClient for Chatter {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        let (state, _) = obey(state, message)?;
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let (state, answer) = obey(state, message)?;
        Ok((state, (Some(answer.into_bytes()),)))
    }

    fn handle_channel_open(
        state: State,
        (channel, message): (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        let message = text(message)?;
        let (command, rest) = first_word(&message);
        let mut accept = ChannelAccept { accepted: command != "refuse", message: None };
        match command {
            "refuse" | "accept" if !rest.is_empty() => accept.message = Some(rest.as_bytes().to_vec()),
            "say" => send_on_channel(&channel, rest.as_bytes())?,
            "slow" => slow(number(rest)?),
            "crash" => panic!("told to crash"),
            _ => {}
        }
        Ok((note(state, &format!("open {channel} {message}")), (accept,)))
    }

    fn handle_channel_message(
        state: State,
        (channel, message): (String, Vec<u8>),
    ) -> Result<(State,), String> {
        let message = text(message)?;
        assert!(message != "crash", "told to crash");
        Ok((note(state, &format!("message {channel} {message}")),))
    }

    fn handle_channel_close(state: State, (channel,): (String,)) -> Result<(State,), String> {
        Ok((note(state, &format!("close {channel}")),))
    }
}

/// Does what the message says. Returns the next state and the answer.
fn obey(state: State, message: Vec<u8>) -> Result<(State, String), String> {
    let message = text(message)?;
    let (command, rest) = first_word(&message);
    let (target, said) = first_word(rest);
    let done = |()| "ok".to_owned();
    let answer = match command {
        "open" => open_channel(target, said.as_bytes()),
        "say" => send_on_channel(target, said.as_bytes()).map(done),
        "close" => close_channel(rest).map(done),
        "heard" => text(state.clone().unwrap_or_default()),
        "ask" => request(target, said.as_bytes()).and_then(text),
        "send" => send(target, said.as_bytes()).map(done),
        "count" => {
            let state = note(state, "count");
            let lines = text(state.clone().unwrap_or_default())?;
            let count = lines.lines().filter(|line| *line == "count").count();
            return Ok((state, count.to_string()));
        }
        "slow" => {
            slow(number(rest)?);
            Ok(done(()))
        }
        "crash" => panic!("told to crash"),
        "quit" => shutdown(None).map(done),
        _ => return Err(format!("unknown command: {message}")),
    };
    Ok((state, answer.unwrap_or_else(|error| format!("error: {error}"))))
}

/// Adds a line to what was heard.
fn note(state: State, line: &str) -> State {
    let mut heard = state.unwrap_or_default();
    heard.extend_from_slice(line.as_bytes());
    heard.push(b'\n');
    Some(heard)
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("not a text: {error}"))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|error| format!("`{text}` is not a number here: {error}"))
}

fn slow(millions: u64) {
    // The compiler sees through a loop without effect.
    for n in 0..millions * 1_000_000 {
        black_box(n);
    }
}
