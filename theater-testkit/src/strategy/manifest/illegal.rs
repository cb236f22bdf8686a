//! Manifests that must be refused.

use std::time::Duration;

use proptest::strategy::Strategy;
use theater_core::manifest::{ManifestErrorKind, SupervisionRule};
use theater_core::{AutoShutdown, Backoff, ChildSpecKeys, RestartFrom, RestartPolicy};

use super::meaning::{ChildMeaning, Meaning};
use super::meaning_of_legal;
use super::text::Document;

/// What is wrong with an [`IllegalManifest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManifestFault {
    /// It is not TOML.
    Syntax,
    /// A key that nothing reads.
    UnknownKey,
    /// A key that nothing reads, in `[supervision]`.
    UnknownSupervisionKey,
    /// It has no name.
    NoName,
    /// A child has no id.
    NoId,
    /// A value of another type.
    WrongType,
    /// A word that is none of those that are allowed.
    UnknownWord,
    /// A time without a unit.
    NoUnit,
    /// A number beyond its range.
    OutOfRange,
    /// The same thing said by two keys.
    Conflict,
    /// A significant child that is permanent.
    SignificantPermanent,
    /// A significant child under a supervisor without auto-shutdown.
    SignificantNever,
    /// Two children with one id.
    DuplicateChild,
    /// A child that is nothing.
    NothingToStart,
    /// A child that has a manifest and is one.
    TwoManifests,
    /// A simple-one-for-one supervisor with two templates.
    Templates,
    /// A restart from a snapshot, where there is none.
    NoSnapshot,
    /// A pure supervisor with what only a component has a use for.
    PureSupervisor,
    /// A longest wait that is shorter than the first.
    BackoffRange,
}

impl ManifestFault {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::UnknownSupervisionKey,
        Self::NoName,
        Self::NoId,
        Self::WrongType,
        Self::UnknownWord,
        Self::NoUnit,
        Self::OutOfRange,
        Self::Conflict,
        Self::SignificantPermanent,
        Self::SignificantNever,
        Self::DuplicateChild,
        Self::NothingToStart,
        Self::TwoManifests,
        Self::Templates,
        Self::NoSnapshot,
        Self::PureSupervisor,
        Self::BackoffRange,
    ];

    /// Whether an error says that this is wrong.
    #[must_use]
    pub fn is_said_by(self, error: &ManifestErrorKind) -> bool {
        use ManifestErrorKind as Kind;
        use SupervisionRule as Rule;
        match (self, error) {
            (Self::Syntax, Kind::Syntax { .. }) | (Self::Conflict, Kind::Conflict { .. }) => true,
            (Self::UnknownKey | Self::UnknownSupervisionKey, Kind::UnknownKey { key, .. }) => key == "colour",
            (Self::NoName, Kind::MissingKey { key, .. }) => key == "name",
            (Self::NoId, Kind::MissingKey { key, .. }) => key == "id",
            (Self::WrongType, Kind::WrongType { key, .. }) => key == "save_chain",
            (Self::UnknownWord, Kind::InvalidValue { key, .. }) => key == "restart",
            (Self::NoUnit, Kind::InvalidValue { key, .. }) => key == "shutdown" || key == "call_deadline",
            (Self::OutOfRange, Kind::InvalidValue { key, .. }) => key == "mailbox",
            (Self::SignificantPermanent, Kind::Rule(Rule::SignificantPermanent))
            | (Self::SignificantNever, Kind::Rule(Rule::SignificantNever))
            | (Self::DuplicateChild, Kind::Rule(Rule::DuplicateChild { .. }))
            | (Self::NothingToStart, Kind::Rule(Rule::NothingToStart { .. }))
            | (Self::TwoManifests, Kind::Rule(Rule::TwoManifests { .. }))
            | (Self::Templates, Kind::Rule(Rule::Templates { .. }))
            | (Self::NoSnapshot, Kind::Rule(Rule::NoSnapshot))
            | (Self::PureSupervisor, Kind::Rule(Rule::PureSupervisor { .. }))
            | (Self::BackoffRange, Kind::Rule(Rule::BackoffRange)) => true,
            _ => false,
        }
    }
}

/// A manifest that must be refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IllegalManifest {
    /// The manifest.
    pub text: String,
    /// What is wrong with it. Everything else is right.
    pub fault: ManifestFault,
}

/// A manifest with one fault, and which.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_core::Manifest;
/// use theater_testkit::strategy;
///
/// proptest!(|(illegal in strategy::illegal_manifest())| {
///     let error = Manifest::parse("a.toml", &illegal.text).expect_err("it is illegal");
///     prop_assert!(illegal.fault.is_said_by(&error.kind), "{:?}: {error}\n{}", illegal.fault, illegal.text);
/// });
/// ```
pub fn illegal_manifest() -> impl Strategy<Value = IllegalManifest> {
    let fault = (0..ManifestFault::ALL.len()).prop_map(|n| ManifestFault::ALL[n]);
    (fault, meaning_of_legal())
        .prop_map(|(fault, means)| IllegalManifest { text: plant(fault, means), fault })
}

/// The text of a legal manifest with one fault.
fn plant(fault: ManifestFault, mut means: Meaning) -> String {
    let (mut top, mut end, mut without) = (String::new(), String::new(), Vec::new());
    let mut add =
        |keys: ChildSpecKeys, source: ChildMeaning| means.children.push(("last".to_owned(), keys, source));
    let reference = || ChildMeaning::Reference("last.toml".to_owned());
    let mut keys = ChildSpecKeys::default();
    match fault {
        ManifestFault::Syntax => top.push_str("version = = 1\n"),
        ManifestFault::UnknownKey => top.push_str("colour = 7\n"),
        ManifestFault::UnknownSupervisionKey => {
            // It has to be the only table of its name.
            means.supervision = Default::default();
            means.component.get_or_insert_with(|| "a.wasm".to_owned());
            end.push_str("[supervision]\ncolour = 7\n");
            legalize(&mut means);
        }
        ManifestFault::NoName => without.push("name"),
        ManifestFault::NoId => end.push_str("[[children]]\nmanifest = \"last.toml\"\n"),
        ManifestFault::WrongType => {
            means.save_chain = None;
            top.push_str("save_chain = \"yes\"\n");
        }
        ManifestFault::UnknownWord => {
            end.push_str("[[children]]\nid = \"last\"\nmanifest = \"last.toml\"\nrestart = \"always\"\n");
        }
        ManifestFault::NoUnit => {
            end.push_str("[[children]]\nid = \"last\"\nmanifest = \"last.toml\"\nshutdown = 5\n");
        }
        ManifestFault::OutOfRange => means.limits.mailbox = 0,
        ManifestFault::Conflict => {
            means.component.get_or_insert_with(|| "a.wasm".to_owned());
            top.push_str("package = \"b.wasm\"\n");
        }
        ManifestFault::SignificantPermanent => {
            (keys.restart, keys.significant) = (Some(RestartPolicy::Permanent), Some(true));
            add(keys, reference());
            ordered(&mut means);
        }
        ManifestFault::SignificantNever => {
            (keys.restart, keys.significant) = (Some(RestartPolicy::Transient), Some(true));
            add(keys, reference());
            ordered(&mut means);
            means.supervision.auto_shutdown = AutoShutdown::Never;
        }
        ManifestFault::DuplicateChild => {
            add(keys, reference());
            means.children.push(("last".to_owned(), keys, reference()));
            ordered(&mut means);
        }
        ManifestFault::NothingToStart => end.push_str("[[children]]\nid = \"last\"\n"),
        ManifestFault::TwoManifests => {
            end.push_str("[[children]]\nid = \"last\"\nmanifest = \"last.toml\"\ncomponent = \"a.wasm\"\n");
        }
        ManifestFault::Templates => {
            add(keys, reference());
            means.children.push(("another".to_owned(), keys, reference()));
            means.supervision.strategy = theater_core::Strategy::SimpleOneForOne;
        }
        ManifestFault::NoSnapshot => {
            means.snapshot = None;
            means.child_spec.restart_from = Some(RestartFrom::Snapshot);
        }
        ManifestFault::PureSupervisor => {
            means.component = None;
            (means.init_state, means.initial_state) = (Some("a.state".to_owned()), None);
            means.handlers.clear();
        }
        ManifestFault::BackoffRange => {
            means.supervision.backoff = Some(Backoff::new(Duration::from_secs(2), Duration::from_secs(1)));
        }
    }
    let document = Document { top: &top, end: &end, without: &without, ..Document::new(&means) };
    document.to_string()
}

/// Under a strategy that takes more than one child.
fn ordered(means: &mut Meaning) {
    means.supervision.strategy = theater_core::Strategy::OneForOne;
}

/// After a change of the supervision: no child may be significant now.
fn legalize(means: &mut Meaning) {
    for (_, keys, _) in &mut means.children {
        keys.significant = None;
    }
}
