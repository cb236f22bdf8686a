//! What scripted actors do.

use std::time::Duration;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use theater_core::{Bytes, ChildSpec, Shutdown, SupervisionSpec};

use super::spec::{child_spec, fit, supervision_spec};
use super::weighted::weighted;
use crate::act::Act;
use crate::program::{Program, StartOutcome, StopBehaviour, crash};

/// How a start goes: well in most cases, and in every way that the contract of a runtime allows.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::{Program, StartOutcome, strategy};
///
/// proptest!(|(outcome in strategy::start_outcome())| {
///     prop_assert_ne!(&outcome, &StartOutcome::Panic);
///     let program = Program::default().named("a").starts([outcome]);
///     prop_assert_eq!(Program::read(&program.reference()), program);
/// });
/// ```
pub fn start_outcome() -> impl Strategy<Value = StartOutcome> + Clone {
    let kinds = weighted(&[
        (8, Kind::Ok),
        (3, Kind::Fail),
        (2, Kind::Ignore),
        (1, Kind::Trap),
        (2, Kind::Die),
        (2, Kind::Slow),
        (1, Kind::Hang),
    ]);
    (kinds, time()).prop_map(|(kind, time)| match kind {
        Kind::Ok => StartOutcome::Ok,
        Kind::Fail => StartOutcome::Fail,
        Kind::Ignore => StartOutcome::Ignore,
        Kind::Trap => StartOutcome::Trap,
        Kind::Die => StartOutcome::Die(crash()),
        Kind::Slow => StartOutcome::Slow(time),
        Kind::Hang => StartOutcome::Hang,
    })
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ok,
    Fail,
    Ignore,
    Trap,
    Die,
    Slow,
    Hang,
}

/// Whole milliseconds, up to a second.
fn time() -> impl Strategy<Value = Duration> + Clone {
    weighted(&[(1, 1_u64), (1, 10), (1, 100), (1, 1_000)]).prop_map(Duration::from_millis)
}

/// What an actor does when it is asked to stop: it stops, in most cases; or late, or never.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::{Program, strategy};
///
/// proptest!(|(stop in strategy::stop_behaviour())| {
///     let program = Program::default().named("a").stop(stop);
///     prop_assert_eq!(Program::read(&program.reference()), program);
/// });
/// ```
pub fn stop_behaviour() -> impl Strategy<Value = StopBehaviour> + Clone {
    (weighted(&[(6, 0), (2, 1), (1, 2)]), time()).prop_map(|(kind, time)| match kind {
        0 => StopBehaviour::Clean,
        1 => StopBehaviour::Slow(time),
        _ => StopBehaviour::Refuse,
    })
}

/// What an actor does: its starts, of which the first goes well in most cases, how it is treated, and how it stops.
///
/// Each can be spelled out in a manifest's reference: [`Program::read`] reads it back. None goes on for ever: whoever does
/// not stop when asked may be killed, so its shutdown is not infinity. But a start may hang until it is given up.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::{Program, strategy};
///
/// proptest!(|(program in strategy::program())| {
///     prop_assert_eq!(Program::read(&program.reference()), program);
/// });
/// ```
pub fn program() -> impl Strategy<Value = Program> + Clone {
    let first = weighted(&[(4, true), (1, false)]);
    (0..10_u8, first, vec(start_outcome(), 0..4), child_spec(), stop_behaviour()).prop_map(
        |(name, first, mut starts, child_spec, stop)| {
            if let (true, Some(start)) = (first, starts.first_mut()) {
                *start = StartOutcome::Ok;
            }
            Program::new(child_spec).named(format!("p{name}")).starts(starts).stop(ends(stop, &child_spec))
        },
    )
}

fn ends(stop: StopBehaviour, child_spec: &ChildSpec) -> StopBehaviour {
    match (stop, child_spec.shutdown) {
        (StopBehaviour::Refuse, Shutdown::Infinity) => StopBehaviour::Clean,
        (stop, _) => stop,
    }
}

/// Something that an actor does in one call, other than calling the host.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::{Act, strategy};
///
/// proptest!(|(act in strategy::act())| {
///     prop_assert!(!matches!(act, Act::Call(_)));
/// });
/// ```
pub fn act() -> impl Strategy<Value = Act> + Clone {
    (weighted(&[(6, 0), (2, 1), (1, 2), (1, 3)]), 0..8_u8, time()).prop_map(|(kind, n, time)| match kind {
        0 => Act::SetState(Bytes::from(vec![n])),
        1 => Act::Crash,
        2 => Act::Complete((n > 0).then(|| Bytes::from(vec![n]))),
        _ => Act::Busy(time),
    })
}

/// A supervision tree of programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// What the actor does.
    pub program: Program,
    /// Its children, in start order.
    pub children: Vec<Tree>,
}

impl Tree {
    /// How many actors there are, this one included.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + self.children.iter().map(Self::size).sum::<usize>()
    }

    /// How many levels there are: 1 for an actor without children.
    #[must_use]
    pub fn depth(&self) -> usize {
        1 + self.children.iter().map(Self::depth).max().unwrap_or(0)
    }

    /// All programs, each after its parent's.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let tree = left.pop()?;
            left.extend(tree.children.iter().rev());
            Some(&tree.program)
        })
    }

    fn supervising(program: Program, supervision: SupervisionSpec, children: Vec<Self>) -> Self {
        let mut tree = Self { program: program.supervises(supervision), children };
        for child in &mut tree.children {
            let spec = &mut child.program.child_spec;
            *spec = fit(*spec, &supervision);
        }
        tree
    }
}

/// A supervision tree: at most `depth` levels, and at most `width` children each. The actors above the lowest level
/// supervise, and each child is one that its supervisor takes.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// proptest!(|(tree in strategy::tree(3, 2))| {
///     prop_assert!(tree.depth() <= 3 && tree.size() <= 7);
///     prop_assert_eq!(tree.programs().count(), tree.size());
/// });
/// ```
///
/// # Panics
/// If `depth` is 0.
pub fn tree(depth: u32, width: usize) -> impl Strategy<Value = Tree> + Clone {
    assert!(depth > 0, "a tree has at least one level");
    let leaf = program().prop_map(|program| Tree { program, children: Vec::new() });
    let mut tree = leaf.boxed();
    for _ in 1..depth {
        let children = vec(tree, 0..=width);
        tree = (program(), supervision_spec(), children)
            .prop_map(|(program, supervision, children)| Tree::supervising(program, supervision, children))
            .boxed();
    }
    tree
}
