//! What goes over the control socket. `docs/cli.md` documents it: fields are added to, never renamed.

use serde::{Deserialize, Serialize};
use theater_core::{ActorId, ActorName, Incarnation};

/// The version of the protocol, in every line.
pub(crate) const VERSION: u32 = 1;

/// The longest line either way, in bytes.
pub(crate) const MAX_LINE: usize = 24 << 20;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// [`VERSION`].
    pub(crate) v: u32,
    /// Whatever the client chose: the answer has it too.
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) operation: Operation,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// How the app is.
    Status,
    /// How far everything is durable.
    Durable,
    /// A message for an actor.
    Send { actor: String, data: String },
    /// A question for an actor.
    Request { actor: String, data: String },
    /// Remove what old events say.
    Prune {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        older_than_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_last: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        actors: Vec<String>,
    },
    /// End the app in good order.
    Stop,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) v: u32,
    /// That of the request; `None` where it could not be read.
    pub(crate) id: Option<u64>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Ok(Answer),
    Error(Refusal),
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Status(Box<Status>),
    Durable(Durable),
    /// The answer of an actor, in base64.
    Answered {
        actor: ActorId,
        data: String,
    },
    /// A message is in the actor's mailbox.
    Taken {
        actor: ActorId,
    },
    /// What was removed.
    Pruned {
        chains: u64,
        pruned_events: u64,
        pruned_bytes: u64,
    },
    /// The app is being stopped.
    Stopping {
        stopping: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// For machines.
    pub(crate) kind: RefusalKind,
    /// For people.
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefusalKind {
    /// The line is no request, or of another version.
    BadRequest,
    /// There is no such actor.
    UnknownActor,
    /// Several actors are called so.
    Ambiguous,
    /// The actor did not take the message, or did not answer it.
    NotAnswered,
    /// The root actor has not started yet.
    Starting,
    /// This app cannot do it.
    Unsupported,
    /// The event store has failed.
    StoreFailed,
    /// Too many clients, or too many requests at once.
    Busy,
}

/// How a running app is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The process.
    pub(crate) pid: u32,
    /// The manifest.
    pub(crate) app: String,
    /// The data folder.
    pub(crate) data: String,
    pub(crate) store: String,
    pub(crate) durability: String,
    pub(crate) durability_text: String,
    /// The term of the process.
    pub(crate) epoch: u32,
    /// The last event that was taken.
    pub(crate) accepted: u64,
    /// Up to where events are durable; `None` if the store has failed.
    pub(crate) durable: Option<u64>,
    /// Why the store has failed.
    pub(crate) failed: Option<String>,
    /// Since when it runs, in milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// How many actors there are, ended ones that are still known included.
    pub(crate) actors_total: u64,
    /// The first of them, parents before children.
    pub(crate) actors: Vec<ActorStatus>,
}

/// How far a store is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Durable {
    pub(crate) accepted: u64,
    pub(crate) durable: u64,
}

/// One actor of a running app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActorStatus {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// The name that it registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registered: Option<ActorName>,
    pub(crate) parent: Option<ActorId>,
    pub(crate) incarnation: Incarnation,
    /// `starting`, `running`, `stopping` or `ended`.
    pub(crate) status: String,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), text);
        assert_eq!(&serde_json::from_str::<T>(text).unwrap(), value);
    }

    #[test]
    fn a_request_and_its_answers_are_flat_objects() {
        let operation = Operation::Send { actor: "a".into(), data: "eA==".into() };
        round(&Request { v: 1, id: 7, operation }, r#"{"v":1,"id":7,"op":"send","actor":"a","data":"eA=="}"#);
        let actor = ActorId::from_parts(1, [1; 10]);
        let outcome = Outcome::Ok(Answer::Taken { actor });
        round(
            &Response { v: 1, id: Some(7), outcome },
            &format!(r#"{{"v":1,"id":7,"ok":{{"actor":"{actor}"}}}}"#),
        );
        let outcome = Outcome::Error(Refusal::new(RefusalKind::UnknownActor, "none"));
        round(
            &Response { v: 1, id: None, outcome },
            r#"{"v":1,"id":null,"error":{"kind":"unknown-actor","text":"none"}}"#,
        );
        let durable = Outcome::Ok(Answer::Durable(Durable { accepted: 2, durable: 1 }));
        round(
            &Response { v: 1, id: Some(1), outcome: durable },
            r#"{"v":1,"id":1,"ok":{"accepted":2,"durable":1}}"#,
        );
    }

    #[test]
    fn the_empty_answer_of_an_actor_is_no_message_that_was_taken() {
        let actor = ActorId::from_parts(1, [1; 10]);
        let answered = Answer::Answered { actor, data: String::new() };
        round(&answered, &format!(r#"{{"actor":"{actor}","data":""}}"#));
    }
}
