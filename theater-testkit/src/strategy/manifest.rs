//! Manifests, legal and illegal, as texts.

mod illegal;
mod meaning;
mod text;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;
use proptest::{option, prop_oneof};
use std::time::Duration;
use theater_core::{
    ChildSpecKeys, HandlerKind, Limits, MailboxOverflow, RestartFrom, RestartPolicy, SupervisionSpec,
};

use super::spec::{child_spec, supervision_spec};
use super::weighted::weighted;

pub use illegal::{IllegalManifest, ManifestFault, illegal_manifest};
pub use meaning::{ChildMeaning, Meaning};
use text::Document;

/// A legal manifest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LegalManifest {
    /// The manifest.
    pub text: String,
    /// What it says.
    pub means: Meaning,
}

/// A legal manifest, and what it means: of a component or a pure supervisor, with every key that this version reads given or
/// left out, and up to three declared children, which may declare children of their own.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_core::Manifest;
/// use theater_testkit::strategy::{self, Meaning};
///
/// proptest!(|(legal in strategy::manifest())| {
///     let manifest = Manifest::parse("a.toml", &legal.text).expect("it is legal");
///     prop_assert_eq!(Meaning::of(&manifest), legal.means);
/// });
/// ```
pub fn manifest() -> impl Strategy<Value = LegalManifest> {
    meaning_of_legal().prop_map(|means| {
        let text = Document::new(&means).to_string();
        LegalManifest { text, means }
    })
}

/// What a legal manifest may say.
fn meaning_of_legal() -> impl Strategy<Value = Meaning> {
    let child = (any::<bool>(), keys(), inner(vec(leaf(), 0..2)));
    let children = vec(child, 0..4).prop_map(|children| {
        let numbered = children.into_iter().zip(1..);
        let child = |((inline, keys, means), n): ((bool, ChildSpecKeys, Meaning), i32)| {
            let id = format!("child-{n}");
            let source = if inline {
                ChildMeaning::Inline(Box::new(Meaning { name: id.clone(), ..means }))
            } else {
                ChildMeaning::Reference(format!("{id}.toml"))
            };
            (id, keys, source)
        };
        numbered.map(child).collect::<Vec<_>>()
    });
    (inner(children), keys()).prop_map(|(means, child_spec)| Meaning { child_spec, ..means }.legal())
}

fn leaf() -> impl Strategy<Value = (String, ChildSpecKeys, ChildMeaning)> {
    keys().prop_map(|keys| ("leaf".to_owned(), keys, ChildMeaning::Reference("leaf.toml".to_owned())))
}

/// What stands in a manifest and in an inline child alike.
fn inner(
    children: impl Strategy<Value = Vec<(String, ChildSpecKeys, ChildMeaning)>>,
) -> impl Strategy<Value = Meaning> {
    let texts = (name(), option::of(text()), option::of(text()), option::of(text()));
    let state = option::of(prop_oneof![path().prop_map(Ok), text().prop_map(Err)]);
    let files = (option::weighted(0.8, path()), state, option::of(path()), option::of(any::<bool>()));
    let supervision = option::of(supervision());
    (texts, files, handlers(), option::of(limits()), supervision, children).prop_map(
        |(texts, files, handlers, limits, supervision, children)| {
            let (name, version, description, long_description) = texts;
            let (component, state, snapshot, save_chain) = files;
            let (init_state, initial_state) =
                state.map_or((None, None), |state| (state.clone().ok(), state.err()));
            let supervision = supervision.unwrap_or_default();
            let limits = limits.unwrap_or_default();
            let child_spec = ChildSpecKeys::default();
            Meaning {
                name,
                version,
                component,
                description,
                long_description,
                save_chain,
                init_state,
                initial_state,
                snapshot,
                handlers,
                limits,
                child_spec,
                supervision,
                children,
            }
        },
    )
}

/// Names, with what TOML has to escape.
fn name() -> impl Strategy<Value = String> {
    weighted(&[
        (6, "worker"),
        (2, "a"),
        (1, "with space"),
        (1, "quo\"te"),
        (1, "back\\slash"),
        (1, "ünïcode 名"),
    ])
    .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    weighted(&[
        (4, "one line"),
        (1, ""),
        (2, "two\nlines"),
        (1, "a \"quote\" and a tab\t"),
        (1, "# no comment"),
    ])
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    const PINNED: &str =
        "https://host/e.wasm#blake3=af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    weighted(&[
        (4, "a.wasm"),
        (1, "../up/b.wasm"),
        (1, "/abs/path c.wasm"),
        (1, "https://host/d.wasm"),
        (1, PINNED),
    ])
    .prop_map(str::to_owned)
}

fn handlers() -> impl Strategy<Value = Vec<HandlerKind>> {
    proptest::sample::subsequence(HandlerKind::ALL.to_vec(), 0..=HandlerKind::ALL.len())
}

fn supervision() -> impl Strategy<Value = SupervisionSpec> {
    (supervision_spec(), weighted(&[(1, 1_u64), (2, 999), (2, 1_000), (1, 3_600_000)])).prop_map(
        |(mut spec, period)| {
            spec.period = Duration::from_millis(period);
            // A manifest's wait is above zero.
            let least = Duration::from_millis(1);
            if let Some(backoff) = &mut spec.backoff {
                (backoff.min, backoff.max) = (backoff.min.max(least), backoff.max.max(least));
            }
            spec
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let times = (1..10_000_u64, 1..10_000_u64);
    let sizes = (64..4_096_u64, 1..4_096_u64, 1..4_096_u64, 1..4_096_u64);
    let counts = (1..1_000_000_u32, 0..1_000_000_u32, any::<bool>());
    (times, sizes, counts).prop_map(|((call, host), (memory, message, state, event), counts)| {
        let mut limits = Limits::default();
        limits.call_deadline = Duration::from_millis(call);
        limits.host_deadline = Duration::from_millis(host);
        (limits.memory, limits.message) = (memory << 10, message << 10);
        (limits.state, limits.event) = (state << 10, event << 10);
        (limits.mailbox, limits.children) = (counts.0, counts.1);
        limits.mailbox_overflow = if counts.2 { MailboxOverflow::Exit } else { MailboxOverflow::Refuse };
        limits
    })
}

/// Each key of a child spec, given or left out.
fn keys() -> impl Strategy<Value = ChildSpecKeys> {
    (child_spec(), 0..32_u8).prop_map(|(spec, given)| {
        let mut keys = ChildSpecKeys::default();
        let given = |bit: u8| given & (1 << bit) != 0;
        keys.restart = given(0).then_some(spec.restart);
        keys.shutdown = given(1).then_some(spec.shutdown);
        keys.child_type = given(2).then_some(spec.child_type);
        keys.significant = given(3).then_some(spec.significant);
        keys.restart_from = given(4).then_some(spec.restart_from);
        keys
    })
}

impl Meaning {
    /// The same without what does not go together.
    fn legal(self) -> Self {
        // First: it may take the snapshot away.
        let mut means = self.legal_within();
        let keys = &mut means.child_spec;
        if keys.significant == Some(true) && keys.restart == Some(RestartPolicy::Permanent) {
            keys.significant = None;
        }
        if keys.restart_from == Some(RestartFrom::Snapshot) && means.snapshot.is_none() {
            keys.restart_from = None;
        }
        means
    }

    fn legal_within(mut self) -> Self {
        if self.component.is_none() {
            // A pure supervisor has no use for them.
            self.handlers.clear();
            (self.init_state, self.initial_state, self.snapshot) = (None, None, None);
        }
        if self.supervision.strategy == theater_core::Strategy::SimpleOneForOne {
            self.children.truncate(1);
        }
        let never = self.supervision.auto_shutdown == theater_core::AutoShutdown::Never;
        for (_, keys, source) in &mut self.children {
            let (inline, snapshot) = match source {
                ChildMeaning::Inline(means) => {
                    **means = std::mem::take(&mut **means).legal_within();
                    (true, means.snapshot.is_some())
                }
                ChildMeaning::Reference(_) => (false, true),
            };
            if keys.restart_from == Some(RestartFrom::Snapshot) && !snapshot {
                keys.restart_from = None;
            }
            let permanent =
                keys.restart == Some(RestartPolicy::Permanent) || (keys.restart.is_none() && inline);
            if permanent || never {
                keys.significant = keys.significant.and(Some(false));
            }
        }
        self
    }
}
