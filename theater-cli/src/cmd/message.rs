//! `theater send` and `theater request`: messages from outside to the actors of a running app.

use std::io::{self, Read};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use theater_core::ActorId;

use crate::args::MessageArgs;
use crate::control::client::{Client, refused};
use crate::control::protocol::{Answer, MAX_LINE, Operation, Refusal, RefusalKind};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};

/// Sends the message; says nothing if all went well.
pub(crate) fn send(args: &MessageArgs) -> Result<Exit, Failure> {
    let operation = Operation::Send { actor: args.actor.clone(), data: message(args)? };
    match ask(args, operation)? {
        Answer::Taken { actor } if args.json => {
            super::written(output::data(&json_line(&SentObject { r#type: "sent", actor })))
        }
        Answer::Taken { .. } => Ok(Exit::Success),
        _ => Err(other_answer()),
    }
}

/// Asks and prints the answer as it is.
pub(crate) fn request(args: &MessageArgs) -> Result<Exit, Failure> {
    let operation = Operation::Request { actor: args.actor.clone(), data: message(args)? };
    let Answer::Answered { actor, data } = ask(args, operation)? else { return Err(other_answer()) };
    if args.json {
        return super::written(output::data(&json_line(&AnswerObject {
            r#type: "answer",
            actor,
            data: &data,
        })));
    }
    let answer = BASE64.decode(data).context("the app's answer is not base64").or_exit(Exit::NotRunning)?;
    super::written(output::bytes(&answer))
}

fn ask(args: &MessageArgs, operation: Operation) -> Result<Answer, Failure> {
    Client::to(&args.data.folder)?.ask(operation)?.map_err(refused)
}

fn other_answer() -> Failure {
    refused(Refusal::new(RefusalKind::BadRequest, "the app gave another answer"))
}

/// The message in base64, from the command line or from standard input.
fn message(args: &MessageArgs) -> Result<String, Failure> {
    if args.message != "-" {
        return Ok(BASE64.encode(args.message.as_encoded_bytes()));
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_LINE as u64).read_to_end(&mut bytes);
    read.context("could not read the message from standard input").or_exit(Exit::Io)?;
    if bytes.len() == MAX_LINE {
        return Err(Failure::new(
            Exit::Refused,
            anyhow!("the message is too long: more than {MAX_LINE} bytes"),
        ));
    }
    Ok(BASE64.encode(bytes))
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct SentObject {
    r#type: &'static str,
    actor: ActorId,
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct AnswerObject<'a> {
    r#type: &'static str,
    actor: ActorId,
    /// In base64.
    data: &'a str,
}
