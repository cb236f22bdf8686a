//! Counts, and crashes, loops or grows when it is told to: an actor to try a runtime on.
//!
//! A message is one line of text, a command and its arguments. The last argument takes the rest of the line.
//!
//! | Command | What it does |
//! |---|---|
//! | `add <n>` | adds to the total and answers the total |
//! | `total` | answers the total |
//! | `id` | answers the actor's id |
//! | `crash` | panics |
//! | `abort` | traps without a word |
//! | `recurse` | overflows the stack |
//! | `spin` | loops for ever |
//! | `slow <n>` | loops n million times |
//! | `grow` | allocates for ever |
//! | `fail <text>` | returns an error |
//! | `state <n>` | pads the state to n bytes, until the next command |
//! | `reply <n>` | answers n bytes |
//! | `defer` | leaves the request open |
//! | `outstanding` | answers the ids of the requests left open |
//! | `answer <request> <text>` | answers a request left open |
//! | `cancel <request>` | gives up a request left open |
//! | `ask <actor> <text>` | makes a request and answers what came back |
//! | `send <actor> <text>` | sends a message |
//! | `quit [text]` | ends the actor, perhaps with a result |
//!
//! What a host function refuses is the answer, after `error: `.
//!
//! The initial state is the number to start from, or one of `fail-init`, `trap-init`, `spin-init`, `quit-init` and
//! `ask-init <actor>`.

use std::hint::{black_box, spin_loop};
use std::process::abort;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use theater::simple::message_server_host::{
    cancel_request, list_outstanding_requests, request, respond_to_request, send,
};
use theater::simple::runtime::shutdown;

wit_bindgen::generate!({ world: "messenger", path: "../../../wit" });

struct Worker;

export!(Worker);

type State = Option<Vec<u8>>;

impl Actor for Worker {
    fn init(state: State, (id,): (String,)) -> Result<(State,), String> {
        let given = text(state.unwrap_or_default())?;
        let total = match first_word(&given) {
            ("fail-init", _) => return Err("told to fail in init".to_owned()),
            ("trap-init", _) => panic!("told to crash in init"),
            ("spin-init", _) => spin(),
            ("quit-init", _) => shutdown(None).map(|()| 0)?,
            ("ask-init", actor) => request(actor, b"total").map(|_| 0)?,
            ("", _) => 0,
            _ => number(&given)?,
        };
        Ok((Counter { total, id }.into_state(),))
    }
}

impl MessageServerClient for Worker {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        let (state, _) = obey(state, message)?;
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let (state, answer) = obey(state, message)?;
        Ok((state, (answer,)))
    }

    guest_kit::refuse_channels!();
}

/// Everything that has to outlive a crash. It is the state and nothing else is: what is kept in a `static` is gone after a
/// restart.
struct Counter {
    total: i64,
    id: String,
}

impl Counter {
    /// A restart and a resume do not call `init`, so the state may be one that this actor did not write.
    fn from_state(state: State) -> Result<Self, String> {
        let state = text(state.unwrap_or_default())?;
        let field = |name: &str| state.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        Ok(Self { total: number(field("total="))?, id: field("id=").to_owned() })
    }

    fn into_state(self) -> State {
        Some(format!("total={}\nid={}\n", self.total, self.id).into_bytes())
    }
}

/// Does what the message says. Returns the next state and the answer; no answer leaves a request open.
fn obey(state: State, message: Vec<u8>) -> Result<(State, Option<Vec<u8>>), String> {
    let mut counter = Counter::from_state(state)?;
    let message = text(message)?;
    let (command, rest) = first_word(&message);
    let mut padding = 0;
    let answer = match command {
        "add" => {
            counter.total += number::<i64>(rest)?;
            counter.total.to_string()
        }
        "total" => counter.total.to_string(),
        "id" => counter.id.clone(),
        "crash" => panic!("told to crash"),
        "abort" => abort(),
        "recurse" => recurse(0).to_string(),
        "spin" => spin(),
        "slow" => slow(number(rest)?),
        "grow" => grow(),
        "fail" => return Err(rest.to_owned()),
        "state" => {
            padding = number(rest)?;
            "ok".to_owned()
        }
        "reply" => "x".repeat(number(rest)?),
        "defer" => return Ok((counter.into_state(), None)),
        "outstanding" => list_outstanding_requests().join("\n"),
        "answer" => {
            let (request, answer) = first_word(rest);
            done(respond_to_request(request, answer.as_bytes()))
        }
        "cancel" => done(cancel_request(rest)),
        "ask" => {
            let (actor, question) = first_word(rest);
            match request(actor, question.as_bytes()) {
                Ok(answer) => text(answer)?,
                Err(error) => format!("error: {error}"),
            }
        }
        "send" => {
            let (actor, message) = first_word(rest);
            done(send(actor, message.as_bytes()))
        }
        "quit" => done(shutdown((!rest.is_empty()).then_some(rest.as_bytes()))),
        _ => return Err(format!("unknown command: {message}")),
    };
    let mut state = counter.into_state();
    if let Some(state) = &mut state {
        state.resize(state.len().max(padding), b'\n');
    }
    Ok((state, Some(answer.into_bytes())))
}

fn done(result: Result<(), String>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("not a text: {error}"))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error| format!("`{text}` is not a number here: {error}"))
}

// The compiler sees through a loop without effect, and a recursion; `black_box` keeps it from that.

fn spin() -> ! {
    loop {
        spin_loop();
    }
}

fn slow(millions: u64) -> String {
    for n in 0..millions * 1_000_000 {
        black_box(n);
    }
    "ok".to_owned()
}

fn grow() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 64 << 10]);
        black_box(&hoard);
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { depth } else { black_box(recurse(depth + 1)) + 1 }
}
