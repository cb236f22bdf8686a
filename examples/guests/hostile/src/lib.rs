//! Does what an actor should not do: what a runtime must survive, one mode a message.
//!
//! A message is a mode, which is one byte, and a text. What host functions answer is the answer, a line each: `ok`, `ok` and what came,
//! or `error: ` and what was refused.
//!
//! | Mode | Text | What it does |
//! |---|---|---|
//! | `i` | words | takes each word for the id of a child, an actor, a request and a channel that it has nothing to do with |
//! | `c` | manifest | spawns children until one is refused |
//! | `m` | actor | sends a message of a billion bytes |
//! | `M` | actor | sends a message that says to be a billion bytes long |
//! | `l` | | logs for ever |
//! | `L` | | logs a line of two million bytes |
//! | `j` | channel | sends on it and closes it |
//! | `r` | manifest | spawns itself, whose `init` does the same |
//! | `o` | actor | offers it channels until one is refused |
//! | `e` | | loops for ever |
//! | `s` | actor | asks it, which may be itself |
//! | `b` | manifest, actor | spawns and asks until both are refused because it is being stopped, and keeps that as its state |
//! | `B` | manifest, actor | the same, and loops for ever then |
//! | `p` | | panics |
//! | `P` | | makes a state with which every export panics |
//! | `g` | n | returns a state of n bytes |
//! | `G` | | returns a state that says to be a billion bytes long |
//! | `u` | | returns an error that is no text |
//! | `x` | n | returns an error of n bytes |
//! | `z` | n | sleeps n milliseconds again and again until that is refused |
//! | `Z` | n | the same, and goes on when it is refused |
//! | `n` | | answers `ok` |
//!
//! The initial state is a mode and its text, and `init` does that. Where a state begins with `p`, every export panics.

use std::hint::spin_loop;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as MessageServerClient};
use exports::theater::simple::supervisor_handlers::{Guest as SupervisorHandlers, WitActorError};
use guest_kit as _;
use theater::simple::message_server_host::{
    cancel_request, close_channel, open_channel, request, respond_to_request, send, send_on_channel,
};
use theater::simple::runtime::log;
use theater::simple::supervisor::{
    get_child_events, get_child_state, restart_child, resume, spawn, stop_child,
};
use theater::simple::timing::sleep;

wit_bindgen::generate!({
    inline: "
        package example:hostile;

        world hostile {
            include theater:simple/supervising-with-handlers;
            import theater:simple/timing;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Hostile;

export!(Hostile);

type State = Option<Vec<u8>>;

const BILLION: usize = 1_000_000_000;

impl Actor for Hostile {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        check(&state);
        match state {
            Some(message) if !message.is_empty() => {
                let (state, answer) = attack(None, &message)?;
                // What a child's `init` was refused is its parent's to know.
                if answer.starts_with("error: ") { Err(answer) } else { Ok((state,)) }
            }
            state => Ok((state,)),
        }
    }
}

impl MessageServerClient for Hostile {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        check(&state);
        let (state, _) = attack(state, &message)?;
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        check(&state);
        let (state, answer) = attack(state, &message)?;
        Ok((state, (Some(answer.into_bytes()),)))
    }

    fn handle_channel_open(state: State, _: (String, Vec<u8>)) -> Result<(State, (ChannelAccept,)), String> {
        check(&state);
        Ok((state, (ChannelAccept { accepted: true, message: None },)))
    }

    fn handle_channel_message(state: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
        check(&state);
        Ok((state,))
    }

    fn handle_channel_close(state: State, _: (String,)) -> Result<(State,), String> {
        check(&state);
        Ok((state,))
    }
}

impl SupervisorHandlers for Hostile {
    fn handle_child_error(state: State, _: (String, WitActorError)) -> Result<(State,), String> {
        check(&state);
        Ok((state,))
    }

    fn handle_child_exit(state: State, _: (String, Option<Vec<u8>>)) -> Result<(State,), String> {
        check(&state);
        Ok((state,))
    }

    fn handle_child_external_stop(state: State, _: (String,)) -> Result<(State,), String> {
        check(&state);
        Ok((state,))
    }
}

fn check(state: &State) {
    assert!(!state.as_ref().is_some_and(|state| state.starts_with(b"p")), "told to panic in every export");
}

/// Does what the message says. Returns the next state and the answer.
fn attack(state: State, message: &[u8]) -> Result<(State, String), String> {
    let mode = *message.first().ok_or("an empty message")?;
    let text = str::from_utf8(&message[1..]).map_err(|error| format!("not a text: {error}"))?;
    let (manifest, actor) = text.split_once(' ').unwrap_or((text, ""));
    let answer = match mode {
        b'i' => text.split(' ').map(forge).collect(),
        b'c' => refused_after(|| spawn(text, None)),
        b'm' => said(send(text, &vec![b'x'; BILLION])),
        b'M' => said(send(text, &claim(BILLION))),
        b'l' => loop {
            log("the quick brown fox jumps over the lazy dog");
        },
        b'L' => {
            log(&"x".repeat(2_000_000));
            said(Ok(()))
        }
        b'j' => said(send_on_channel(text, b"injected")) + "\n" + &said(close_channel(text)),
        b'r' => said(spawn(text, Some(message))),
        b'o' => refused_after(|| open_channel(text, b"one more")),
        b'e' => spin(),
        b's' => said(request(text, b"n")),
        b'b' => return Ok((Some(until_stopped(manifest, actor).into_bytes()), said(Ok(())))),
        b'B' => {
            log(&until_stopped(manifest, actor));
            spin()
        }
        b'p' => panic!("told to panic"),
        b'P' => return Ok((Some(b"p".to_vec()), said(Ok(())))),
        b'g' => {
            let size = number(text)?;
            return Ok((Some(vec![b'g'; size]), said(Ok(()))));
        }
        b'G' => return Ok((Some(claim(BILLION)), said(Ok(())))),
        b'u' => return Err(no_text()),
        b'x' => return Err("x".repeat(number(text)?)),
        b'z' => {
            let time = number(text)?;
            refused_after(|| sleep(time))
        }
        b'Z' => {
            let time = number(text)?;
            loop {
                // However it is answered.
                let _ = sleep(time);
            }
        }
        b'n' => said(Ok(())),
        _ => return Err(format!("unknown mode: {mode}")),
    };
    Ok((state, answer))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// Everything that takes an id, with one that this actor has no right to.
fn forge(id: &str) -> String {
    let answers = [
        ("stop", said(stop_child(id))),
        ("restart", said(restart_child(id))),
        ("state", said(get_child_state(id).map(|_| ()))),
        ("events", said(get_child_events(id).map(|_| ()))),
        ("spawn", said(spawn(id, None))),
        ("resume", said(resume(id, None))),
        ("respond", said(respond_to_request(id, b"forged"))),
        ("cancel", said(cancel_request(id))),
        ("say", said(send_on_channel(id, b"forged"))),
        ("close", said(close_channel(id))),
    ];
    answers.into_iter().map(|(function, answer)| format!("{function} {answer}\n")).collect()
}

/// Does it again and again. How often it went well, and what was said then.
fn refused_after<T>(mut once: impl FnMut() -> Result<T, String>) -> String {
    let mut times = 0;
    loop {
        match once() {
            Ok(_) => times += 1,
            Err(error) => return format!("{times} error: {error}"),
        }
    }
}

/// Calls the runtime again and again until it says that this actor is being stopped.
fn until_stopped(manifest: &str, actor: &str) -> String {
    loop {
        let (spawned, asked) = (spawn(manifest, None), request(actor, b"n"));
        if let (Err(spawned), Err(asked)) = (spawned, asked)
            && asked.contains("shutting down")
        {
            return format!("spawn: {spawned}\nrequest: {asked}\n");
        }
    }
}

fn said<T: Said>(result: Result<T, String>) -> String {
    match result {
        Ok(answer) => answer.said(),
        Err(error) => format!("error: {error}"),
    }
}

trait Said {
    fn said(self) -> String;
}

impl Said for () {
    fn said(self) -> String {
        "ok".to_owned()
    }
}

impl Said for String {
    fn said(self) -> String {
        format!("ok {self}")
    }
}

impl Said for Vec<u8> {
    fn said(self) -> String {
        format!("ok {}", String::from_utf8_lossy(&self))
    }
}

fn spin() -> ! {
    loop {
        spin_loop();
    }
}

/// Bytes that say to be more than there are. Only the runtime looks at them, and must not believe it.
fn claim(size: usize) -> Vec<u8> {
    let some = Vec::leak(vec![b'x'; 16]);
    // SAFETY: there is none. The call traps before anything here reads or frees them.
    unsafe { Vec::from_raw_parts(some.as_mut_ptr(), size, size) }
}

fn no_text() -> String {
    // SAFETY: there is none. The call traps before anything here reads it.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }
}
