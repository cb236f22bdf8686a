//! Asking a running app.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::protocol::{
    Answer, MAX_LINE, Operation, Outcome, Refusal, RefusalKind, Request, Response, VERSION,
};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};

/// How long an app may take to answer what it answers without asking an actor.
const QUICK: Duration = Duration::from_secs(10);

/// A connection to a running app.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    next: u64,
}

impl Client {
    /// Connects to the app that runs with this data folder; `None` if none does.
    pub(crate) fn connect(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = super::path(folder);
        super::check(&path).map_err(|text| Failure::new(Exit::NotRunning, anyhow!(text)))?;
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Some(Self { stream: BufReader::new(stream), next: 0 })),
            // A socket that nobody listens on was left by a process that has ended.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => {
                let context = format!("could not connect to {}", path.display());
                Err(Failure::new(Exit::NotRunning, anyhow!(error).context(context)))
            }
        }
    }

    /// The same where an app has to run.
    pub(crate) fn to(folder: &Path) -> Result<Self, Failure> {
        Self::connect(folder)?.ok_or_else(|| {
            let shown = folder.display();
            let error = match crate::data::existing(folder) {
                Ok(_) => anyhow!("no app runs with the data folder {shown}"),
                Err(failure) => failure.error,
            };
            Failure::new(Exit::NotRunning, error)
        })
    }

    /// Asks, and waits for the answer; not for longer than a moment, unless an actor has to give it.
    pub(crate) fn ask(&mut self, operation: Operation) -> Result<Result<Answer, Refusal>, Failure> {
        let patience = match &operation {
            Operation::Status | Operation::Durable | Operation::Stop => Some(QUICK),
            // The actor's own limit counts.
            _ => None,
        };
        self.exchange(operation, patience).context("the running app did not answer").or_exit(Exit::NotRunning)
    }

    fn exchange(
        &mut self,
        operation: Operation,
        patience: Option<Duration>,
    ) -> anyhow::Result<Result<Answer, Refusal>> {
        let id = self.next;
        self.next += 1;
        let line = crate::output::json_line(&Request { v: VERSION, id, operation });
        if line.len() > MAX_LINE {
            let text = format!("the message is too long: {} bytes of {MAX_LINE}", line.len());
            return Ok(Err(Refusal::new(RefusalKind::BadRequest, text)));
        }
        let stream = self.stream.get_mut();
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(Some(QUICK))?;
        stream.write_all(line.as_bytes())?;
        let mut answer = Vec::new();
        (&mut self.stream).take(MAX_LINE as u64).read_until(b'\n', &mut answer)?;
        if answer.last() != Some(&b'\n') {
            return Err(anyhow!("it closed the connection"));
        }
        let response: Response = serde_json::from_slice(&answer)
            .context("what it said cannot be read; it may be of another version")?;
        Ok(match response.outcome {
            Outcome::Ok(answer) => Ok(answer),
            Outcome::Error(refusal) => Err(refusal),
        })
    }
}

/// A refusal as a failure of the command.
pub(crate) fn refused(refusal: Refusal) -> Failure {
    let exit = match refusal.kind {
        RefusalKind::StoreFailed => Exit::Io,
        RefusalKind::Busy | RefusalKind::Starting => Exit::NotRunning,
        _ => Exit::Refused,
    };
    Failure::new(exit, anyhow!(refusal.text))
}
