//! `theater status`: how a running app is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::args::StatusArgs;
use crate::control::client::{Client, refused};
use crate::control::protocol::{Answer, Operation, Refusal, RefusalKind, Status};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::output::{self, json_line};
use crate::text::{count, printable};

/// Asks the app and prints what it says.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let status = match Client::to(&args.data.folder)?.ask(Operation::Status)? {
        Ok(Answer::Status(status)) => status,
        Ok(_) => return Err(refused(Refusal::new(RefusalKind::BadRequest, "the app gave another answer"))),
        Err(refusal) => return Err(refused(refusal)),
    };
    let text = if args.json { json_line(&status) } else { text(&status) };
    super::written(output::data(&text))
}

fn text(status: &Status) -> String {
    let durable = match (status.durable, &status.failed) {
        (Some(durable), _) => format!("{durable} of {} events", status.accepted),
        (None, failed) => format!("unknown: {}", failed.as_deref().unwrap_or("the event store has failed")),
    };
    let since = UNIX_EPOCH + Duration::from_millis(status.since_ms);
    let runs = SystemTime::now().duration_since(since).unwrap_or_default();
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<11} {value}\n"));
    line("app", &printable(&status.app));
    line(
        "process",
        &format!("{}, for {}", status.pid, humantime::format_duration(Duration::from_secs(runs.as_secs()))),
    );
    line("data", &format!("{}; store: {}; term {}", printable(&status.data), status.store, status.epoch));
    line("durability:", &status.durability_text);
    line("durable", &durable);
    line("actors", &count(status.actors_total, "actor", "actors"));
    for actor in &status.actors {
        let reason =
            actor.reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
        let registered = actor.registered.as_ref().map(|name| format!(" @{name}")).unwrap_or_default();
        let level = actor.path.matches('/').count();
        let own = actor.path.rsplit('/').next().unwrap_or_default();
        line(
            "",
            &format!(
                "{:indent$}{}{registered}  {}  life {}  {}{reason}",
                "",
                printable(own),
                actor.id,
                actor.incarnation,
                actor.status,
                indent = 2 * level
            ),
        );
    }
    let hidden = status.actors_total - status.actors.len() as u64;
    if hidden > 0 {
        line("", &format!("and {hidden} more"));
    }
    text
}
