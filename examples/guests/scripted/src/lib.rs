//! Does what a script says, life by life: the actor that the testkit's conformance suite is run with.
//!
//! The script is in the name of the manifest, `script[..]`, where the actor finds it through its own chain. Its words are the ways
//! in which successive starts go: `ok`, `error`, `trap`, `hang`, `ignore` and `slow`, and `ok` ever after. Other words mean
//! nothing.
//!
//! A message is a word and bytes:
//!
//! | Message | What it does |
//! |---|---|
//! | `set <bytes>` | makes them the state |
//! | `crash` | panics |
//! | `complete` | ends the actor |
//! | `finish <bytes>` | ends the actor with this result |
//! | `busy` | works until a record `wake` stands on the actor's chain after the message's own |
//!
//! Its `init` keeps the bytes that it is given as the state.

use std::hint::{black_box, spin_loop};

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use guest_kit as _;
use theater::simple::runtime::{get_chain, shutdown};

wit_bindgen::generate!({ world: "messenger", path: "../../../wit" });

struct Scripted;

export!(Scripted);

type State = Option<Vec<u8>>;

impl Actor for Scripted {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        let chain = get_chain();
        let lives = chain.events.iter().filter(|event| event.event.event_type == "theater/started").count();
        let genesis = chain.events.first().ok_or("a chain without a genesis event")?;
        let script = script(&genesis.event.data).ok_or("the manifest's name has no script")?;
        match script.split(' ').filter(|word| is_start(word)).nth(lives - 1) {
            Some("error") => return Err("told to fail in init".to_owned()),
            Some("trap") => panic!("told to crash in init"),
            Some("ignore") => shutdown(None)?,
            Some("hang") => loop {
                spin_loop();
            },
            // There is no clock here: about a second.
            Some("slow") => work(2_000_000_000),
            _ => {}
        }
        Ok((state,))
    }
}

/// What stands in the brackets of `script[..]`.
fn script(genesis: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(genesis);
    let (_, rest) = text.split_once("script[")?;
    rest.split_once(']').map(|(script, _)| script.to_owned())
}

fn is_start(word: &str) -> bool {
    matches!(word, "ok" | "error" | "trap" | "ignore" | "hang" | "slow")
}

fn work(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

impl MessageServerClient for Scripted {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        obey(state, &message).map(|state| (state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        obey(state, &message).map(|state| (state, (Some(Vec::new()),)))
    }

    guest_kit::refuse_channels!();
}

fn obey(state: State, message: &[u8]) -> Result<State, String> {
    let space = message.iter().position(|byte| *byte == b' ').unwrap_or(message.len());
    let bytes = message.get(space + 1..).unwrap_or_default();
    match &message[..space] {
        b"set" => return Ok(Some(bytes.to_vec())),
        b"crash" => panic!("told to crash"),
        b"complete" => shutdown(None)?,
        b"finish" => shutdown(Some(bytes))?,
        b"busy" => {
            let begun = get_chain().events.len();
            let woken = || {
                let events = get_chain().events;
                events[begun..].iter().any(|event| event.event.data == b"wake")
            };
            while !woken() {
                work(20_000_000);
            }
        }
        _ => return Err("unknown message".to_owned()),
    }
    Ok(state)
}
