//! Host functions and their records: of one that only looks, the answer; of one that does something, the call before it and
//! the outcome after it. When a call is run again, the records answer.

use std::sync::Arc;

use theater_core::Bytes;
use theater_core::EventKind;
use theater_core::ExitReason;
use theater_core::event::payload::{HostCall, HttpResponse, decode, encode};

use super::services::{Refusal, Services};
use crate::script::{Scripted, UNKNOWN};
use crate::store::ActorStore;

/// What of an answer goes into the record, and how it comes out again.
pub(super) trait Answer: Sized {
    fn record(&self) -> Option<Bytes>;
    /// Gives `write` what goes into the record, without a copy where there need be none.
    fn recorded<T>(&self, write: impl FnOnce(Option<&[u8]>) -> T) -> T {
        write(self.record().as_deref())
    }
    /// `None` for a record that no answer of this type makes.
    fn read(recorded: Option<Bytes>) -> Option<Self>;
}

impl Answer for () {
    fn record(&self) -> Option<Bytes> {
        None
    }

    fn read(recorded: Option<Bytes>) -> Option<Self> {
        recorded.is_none().then_some(())
    }
}

impl Answer for Bytes {
    fn record(&self) -> Option<Bytes> {
        Some(self.clone())
    }

    fn recorded<T>(&self, write: impl FnOnce(Option<&[u8]>) -> T) -> T {
        write(Some(self))
    }

    fn read(recorded: Option<Bytes>) -> Option<Self> {
        recorded
    }
}

/// What is shown as text, and read from it without loss.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Answer for $type {
            fn record(&self) -> Option<Bytes> {
                Some(Bytes::from(self.to_string()))
            }

            fn read(recorded: Option<Bytes>) -> Option<Self> {
                std::str::from_utf8(&recorded?).ok()?.parse().ok()
            }
        }
    )*};
}

as_text!(String, u32, u64, f64, bool);

impl Answer for Option<String> {
    fn record(&self) -> Option<Bytes> {
        self.clone().map(Bytes::from)
    }

    fn read(recorded: Option<Bytes>) -> Option<Self> {
        recorded.map(|text| String::from_utf8(text.into())).transpose().ok()
    }
}

/// What has parts is CBOR.
macro_rules! as_cbor {
    ($($type:ty),*) => {$(
        impl Answer for $type {
            fn record(&self) -> Option<Bytes> {
                Some(encode(self))
            }

            fn read(recorded: Option<Bytes>) -> Option<Self> {
                decode(&recorded?).ok()
            }
        }
    )*};
}

as_cbor!(
    Vec<String>,
    Vec<(String, String)>,
    Vec<u32>,
    (bool, Option<i32>, u64),
    (u64, u64),
    HttpResponse,
    super::wasi::Stat,
    Vec<super::wasi::Entry>
);

/// What a guest gave, as a record names it: cut where it is longer than anything that is valid.
pub(super) fn subject(parts: &[&str]) -> String {
    const LONGEST: usize = 300;
    parts.iter().map(|text| cut(text, LONGEST)).collect::<Vec<_>>().join(" ")
}

/// The same for a path, of which longer ones are valid.
pub(super) fn path_subject(path: &str) -> String {
    cut(path, crate::folder::LONGEST_PATH)
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).flat_map(char::escape_debug).collect()
}

impl ActorStore {
    /// Runs a function that changes nothing: its answer is recorded.
    pub(super) async fn observed<T: Answer, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        kind: EventKind,
        subject: String,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> wasmtime::Result<Result<T, String>> {
        if let Some(outcome) = self.scripted_answer(kind)? {
            return self.recorded_outcome(kind, Some(&subject), &outcome);
        }
        let result = self.perform(work).await;
        self.must_record(kind, outcome(subject, &result)).await?;
        Ok(result)
    }

    /// Runs a function that changes something between the record of its call and that of its outcome. `given` are bytes that it
    /// was given.
    pub(super) async fn effected<T: Answer, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        kind: EventKind,
        subject: String,
        given: Option<Bytes>,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> wasmtime::Result<Result<T, String>> {
        self.effected_at(kind, subject, given, |services, _| work(services)).await
    }

    /// The same of a function that needs to know where the record of its call stands.
    pub(super) async fn effected_at<T: Answer, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        kind: EventKind,
        subject: String,
        given: Option<Bytes>,
        work: impl FnOnce(Arc<Services>, u64) -> F,
    ) -> wasmtime::Result<Result<T, String>> {
        // What is too large is refused; it need not be recorded in full for that.
        let limit = self.limits().message;
        let data = given.filter(|given| given.len() as u64 <= limit);
        let called = encode(&HostCall::Called { subject: Some(subject.clone()), data });
        let result = match self.scripted(kind, &called)? {
            Scripted::Answered(outcome) => return self.recorded_outcome(kind, Some(&subject), &outcome),
            Scripted::Unknown => Err(UNKNOWN.to_owned()),
            Scripted::Live => {
                let seq = self.must_record_at(kind, called).await?;
                self.perform(|services| work(services, seq)).await
            }
        };
        self.must_record(kind, outcome(subject, &result)).await?;
        Ok(result)
    }

    async fn perform<T, F: Future<Output = Result<T, Refusal>>>(
        &mut self,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> Result<T, String> {
        match self.services() {
            Some(services) => super::to_guest(work(Arc::clone(services)).await),
            None => super::to_guest(Err(Refusal::NotGranted)),
        }
    }

    /// What a record says that the guest was answered, when it asked for the same.
    pub(super) fn recorded_outcome<T: Answer>(
        &mut self,
        kind: EventKind,
        asked: Option<&str>,
        outcome: &Bytes,
    ) -> wasmtime::Result<Result<T, String>> {
        let (subject, answer) = match decode(outcome) {
            Ok(HostCall::Answered { subject, data }) => (subject, T::read(data).map(Ok)),
            Ok(HostCall::Refused { subject, error }) => (subject, Some(Err(error))),
            _ => return Err(self.not_an_outcome(kind)),
        };
        if subject.as_deref() != asked {
            let message = format!("it called {kind} with something else than before");
            return Err(self.fail(ExitReason::Diverged { event: None, message }));
        }
        answer.ok_or_else(|| self.not_an_outcome(kind))
    }
}

pub(super) fn outcome<T: Answer>(subject: String, result: &Result<T, String>) -> Bytes {
    let subject = Some(subject);
    encode(&match result {
        Ok(answer) => HostCall::Answered { subject, data: answer.record() },
        Err(error) => HostCall::Refused { subject, error: error.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: Answer + PartialEq + std::fmt::Debug>(answer: T) {
        assert_eq!(T::read(answer.record()), Some(answer));
    }

    #[test]
    fn answers_come_out_of_their_records_as_they_went_in() {
        back(());
        back(Bytes::from_static(b"\0\xff"));
        back(String::from("ä"));
        back(u64::MAX);
        back(u32::MAX);
        back((true, None::<i32>, u64::MAX));
        back((false, Some(-9), 1));
        back(0.1 + 0.2);
        back(f64::MIN_POSITIVE);
        back(true);
        back(None::<String>);
        back(Some(String::new()));
        back(vec![String::from("a\nb"), String::new()]);
        back(vec![(String::from("A"), String::from("1"))]);
        back(vec![0, u32::MAX]);
        assert_eq!(u64::read(Some(Bytes::from_static(b"-1"))), None);
        assert_eq!(<()>::read(Some(Bytes::new())), None);
    }

    #[test]
    fn a_subject_names_all_that_was_given_and_is_never_long() {
        assert_eq!(subject(&["a", "b\nc"]), "a b\\nc");
        assert!(subject(&[&"x".repeat(100_000), "y"]).len() < 400);
    }
}
