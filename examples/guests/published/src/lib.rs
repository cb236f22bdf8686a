//! Uses everything that an actor of mid-2025 could import, through the package as it was published then.
//!
//! A message is one line of text, a command and its arguments. The last argument takes the rest of the line.
//!
//! | Command | What it answers |
//! |---|---|
//! | `add <n>` | the total |
//! | `crash` | nothing: it panics |
//! | `quit <text>` | `ok`, and ends with the text as its result |
//! | `spawn <manifest>`, `resume <manifest> <state>` | the id of the child |
//! | `children` | the ids of the children |
//! | `stop <child>`, `restart <child>` | `ok` |
//! | `state <child>`, `events <child>` | the child's state; how many events it has |
//! | `ask <actor> <text>`, `send <actor> <text>` | what the actor answers; `ok` |
//! | `notices` | a line for each child's end that this actor was told of |
//! | `chain` | how many events it has itself |
//! | `keep <text>` | the text, stored under a label and read back |
//! | `sleep` | whether the time went on over a sleep of a millisecond |
//! | `random` | how many bytes of 16 it got, whether a range was kept, how long a UUID is |
//!
//! The state is the total, and a line for each notice.

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as MessageServerClient};
use exports::theater::simple::supervisor_handlers::{Guest as SupervisorHandlers, WitActorError};
use guest_kit as _;
use theater::simple::{message_server_host as messages, random, runtime, store, supervisor, timing};

wit_bindgen::generate!({ world: "published", path: "wit" });

struct Published;

export!(Published);

type State = Option<Vec<u8>>;

/// The total, and what it was told of its children.
struct Kept {
    total: u64,
    notices: String,
}

impl Kept {
    fn read(state: State) -> Result<Self, String> {
        let text = String::from_utf8(state.unwrap_or_default()).map_err(|error| error.to_string())?;
        let (total, notices) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Self { total: total.parse().unwrap_or(0), notices: notices.to_owned() })
    }

    fn written(self) -> State {
        Some(format!("{}\n{}", self.total, self.notices).into_bytes())
    }

    fn noticed(state: State, notice: &str) -> Result<(State,), String> {
        let mut kept = Self::read(state)?;
        kept.notices += notice;
        kept.notices.push('\n');
        Ok((kept.written(),))
    }
}

impl Actor for Published {
    fn init(state: State, (id,): (String,)) -> Result<(State,), String> {
        runtime::log(&format!("{id} has started"));
        Ok((Kept::read(state)?.written(),))
    }
}

impl MessageServerClient for Published {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        obey(state, message).map(|(state, _)| (state,))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        obey(state, message).map(|(state, answer)| (state, (Some(answer.into_bytes()),)))
    }

    fn handle_channel_open(state: State, _: (String, Vec<u8>)) -> Result<(State, (ChannelAccept,)), String> {
        Ok((state, (ChannelAccept { accepted: false, message: None },)))
    }

    fn handle_channel_message(state: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl SupervisorHandlers for Published {
    fn handle_child_error(state: State, (child, error): (String, WitActorError)) -> Result<(State,), String> {
        Kept::noticed(state, &format!("error {child} {:?}", error.error_type))
    }

    fn handle_child_exit(state: State, (child, result): (String, State)) -> Result<(State,), String> {
        let result = String::from_utf8(result.unwrap_or_default()).map_err(|error| error.to_string())?;
        Kept::noticed(state, &format!("exit {child} {result}"))
    }
}

fn obey(state: State, message: Vec<u8>) -> Result<(State, String), String> {
    let mut kept = Kept::read(state)?;
    let message = String::from_utf8(message).map_err(|error| error.to_string())?;
    let (command, rest) = message.split_once(' ').unwrap_or((&message, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let answer = match command {
        "add" => {
            kept.total += rest.parse::<u64>().map_err(|error| error.to_string())?;
            Ok(kept.total.to_string())
        }
        "crash" => panic!("told to crash"),
        "notices" => Ok(kept.notices.clone()),
        "ask" => {
            messages::request(first, second.as_bytes()).map(|answer| String::from_utf8_lossy(&answer).into())
        }
        "send" => messages::send(first, second.as_bytes()).map(|()| "ok".to_owned()),
        "quit" => runtime::shutdown(Some(rest.as_bytes())).map(|()| "ok".to_owned()),
        "chain" => Ok(runtime::get_chain().events.len().to_string()),
        "keep" => keep(rest),
        "sleep" => sleep(),
        "random" => numbers(),
        _ => supervise(command, first, second),
    };
    let answer = answer.unwrap_or_else(|error| format!("error: {error}"));
    Ok((kept.written(), answer))
}

fn supervise(command: &str, first: &str, second: &str) -> Result<String, String> {
    match command {
        "spawn" => supervisor::spawn(first, None),
        "resume" => supervisor::resume(first, Some(second.as_bytes())),
        "children" => Ok(supervisor::list_children().join("\n")),
        "stop" => supervisor::stop_child(first).map(|()| "ok".to_owned()),
        "restart" => supervisor::restart_child(first).map(|()| "ok".to_owned()),
        "state" => supervisor::get_child_state(first)
            .map(|state| String::from_utf8_lossy(&state.unwrap_or_default()).into()),
        "events" => {
            let events = supervisor::get_child_events(first)?;
            let linked = events.windows(2).all(|pair| pair[1].parent_hash.as_ref() == Some(&pair[0].hash));
            if linked { Ok(events.len().to_string()) } else { Err("the events are not linked".to_owned()) }
        }
        _ => Err(format!("unknown command: {command}")),
    }
}

fn keep(text: &str) -> Result<String, String> {
    let place = store::new()?;
    let kept = store::store_at_label(&place, "kept", text.as_bytes())?;
    if store::get_by_label(&place, "kept")?.map(|found| found.hash) != Some(kept.hash.clone()) {
        return Err("the label names something else".to_owned());
    }
    store::remove_from_label(&place, "kept", &kept)?;
    Ok(String::from_utf8_lossy(&store::get(&place, &kept)?).into())
}

fn sleep() -> Result<String, String> {
    let before = timing::now();
    timing::sleep(2)?;
    Ok((timing::now() > before).to_string())
}

fn numbers() -> Result<String, String> {
    let bytes = random::random_bytes(16)?.len();
    let number = random::random_range(5, 8)?;
    let float = random::random_float()?;
    let uuid = random::generate_uuid()?.len();
    Ok(format!("{bytes} {} {uuid}", (5..8).contains(&number) && (0.0..1.0).contains(&float)))
}
