//! Cases: what processes do with a log, and how each of them ends.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use theater_chain::Durability;
use theater_testkit::disk::DiskOperation;

/// How long a payload is, and what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// So many bytes.
    Bytes(usize),
    /// Kept as a blob. There are few different ones, so that some are there already.
    Blob(u8),
}

/// What a process does, or what goes wrong while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Append {
        chain: u8,
        size: Size,
    },
    Step,
    Sync,
    Mark,
    /// The n-th such operation from now fails.
    Fail(DiskOperation, u64),
    /// The n-th write from now takes so many bytes at most.
    Short(u64, usize),
    /// The disk has room for so many bytes more.
    Room(u64),
    /// The disk has room again, and works.
    Heal,
    /// The power goes in the middle of the n-th operation from now.
    Dark(u64),
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a loss of power; what survives of what was not synced, the seed says.
    Power(u64),
    /// The process alone.
    Kill,
    /// Properly.
    Close,
}

/// What goes wrong while a log is being opened. The next try comes after a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) trouble: Op,
    pub(crate) seed: u64,
}

/// Which byte of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One before the zeros at its end.
    Used(u32),
    /// Any.
    Any(u32),
    /// This one.
    At(usize),
}

/// Where the disk forgets something while no process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rot {
    pub(crate) file: u16,
    pub(crate) place: Place,
    /// A whole sector instead of one bit.
    pub(crate) sector: bool,
}

/// One process: the tries to open the log that fail, what it does, and its end.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) openings: Vec<Opening>,
    pub(crate) ops: Vec<Op>,
    pub(crate) end: End,
    pub(crate) rot: Option<Rot>,
}

/// All that happens to a log.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) durability: Durability,
    pub(crate) first_segment: u64,
    pub(crate) lives: Vec<Life>,
}

impl Case {
    /// A case written down by hand: full durability, segments of 4 KiB, nothing but these lives.
    pub(crate) fn of(lives: &[(&[Op], End)]) -> Self {
        let life = |(ops, end): &(&[Op], End)| Life {
            openings: Vec::new(),
            ops: ops.to_vec(),
            end: *end,
            rot: None,
        };
        Self { durability: Durability::Full, first_segment: 4 << 10, lives: lives.iter().map(life).collect() }
    }
}

/// Cases in which little happens but torn ends, and events of one length that can stand exactly where others stood.
pub(crate) fn torn_ends() -> impl Strategy<Value = Case> {
    let appends = |most: usize| vec((0..6_u8).prop_map(append), 1..most);
    let torn = (appends(9), any::<u64>()).prop_map(|(mut ops, seed)| {
        ops.extend([Op::Dark(1), Op::Step]);
        Life { openings: Vec::new(), ops, end: End::Power(seed), rot: None }
    });
    let whole = (appends(6), any::<u64>()).prop_map(|(mut ops, seed)| {
        ops.push(Op::Step);
        Life { openings: Vec::new(), ops, end: End::Power(seed), rot: None }
    });
    vec((torn, whole), 2..4).prop_map(|lives| Case {
        durability: Durability::Full,
        first_segment: 16 << 10,
        lives: lives.into_iter().flat_map(|(torn, whole)| [torn, whole]).collect(),
    })
}

/// An event of a length that many others have, so that one can stand exactly where another stood.
pub(crate) fn append(chain: u8) -> Op {
    Op::Append { chain, size: Size::Bytes(24) }
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        12 => Just(Size::Bytes(24)),
        4 => (16..700_usize).prop_map(Size::Bytes),
        1 => (2_000..9_000_usize).prop_map(Size::Bytes),
        1 => (0..3_u8).prop_map(Size::Blob),
    ]
}

fn operation() -> impl Strategy<Value = DiskOperation> {
    use DiskOperation::{Name, Read, Sync, Write};
    prop_oneof![2 => Just(Write), 3 => Just(Sync), 1 => Just(Read), 1 => Just(Name)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        24 => (0..3_u8, size()).prop_map(|(chain, size)| Op::Append { chain, size }),
        9 => Just(Op::Step),
        2 => Just(Op::Sync),
        3 => Just(Op::Mark),
        2 => (operation(), 1..8_u64).prop_map(|(operation, nth)| Op::Fail(operation, nth)),
        1 => (1..6_u64, 0..300_usize).prop_map(|(nth, most)| Op::Short(nth, most)),
        2 => (0..20_000_u64).prop_map(Op::Room),
        2 => Just(Op::Heal),
        3 => (1..10_u64).prop_map(Op::Dark),
    ]
}

fn opening() -> impl Strategy<Value = Opening> {
    let trouble = prop_oneof![
        5 => (1..28_u64).prop_map(Op::Dark),
        1 => (operation(), 1..10_u64).prop_map(|(operation, nth)| Op::Fail(operation, nth)),
        1 => (0..3_000_u64).prop_map(Op::Room),
    ];
    (trouble, any::<u64>()).prop_map(|(trouble, seed)| Opening { trouble, seed })
}

fn rot() -> impl Strategy<Value = Rot> {
    let place = prop_oneof![7 => any::<u32>().prop_map(Place::Used), 1 => any::<u32>().prop_map(Place::Any)];
    (any::<u16>(), place, proptest::bool::weighted(0.3)).prop_map(|(file, place, sector)| Rot {
        file,
        place,
        sector,
    })
}

fn life(end: impl Strategy<Value = End>) -> impl Strategy<Value = Life> {
    let openings = prop_oneof![3 => Just(Vec::new()), 1 => vec(opening(), 1..3)];
    (openings, vec(op(), 0..10), end, option::weighted(0.5, rot()))
        .prop_map(|(openings, ops, end, rot)| Life { openings, ops, end, rot })
}

/// A life that ends with a loss of power, in the middle of writing more often than not.
fn life_to_a_crash() -> impl Strategy<Value = Life> {
    let last = (vec((0..3_u8, size()), 1..8), 1..5_u64);
    (life(any::<u64>().prop_map(End::Power)), option::weighted(0.6, last)).prop_map(|(mut life, last)| {
        if let Some((appends, nth)) = last {
            life.ops.extend(appends.into_iter().map(|(chain, size)| Op::Append { chain, size }));
            life.ops.extend([Op::Dark(nth), Op::Step]);
        }
        life
    })
}

fn gentle() -> impl Strategy<Value = End> {
    prop_oneof![1 => Just(End::Kill), 1 => Just(End::Close)]
}

/// Random cases with three losses of power at least, and other ends of processes between them.
pub(crate) fn case(durability: Durability) -> impl Strategy<Value = Case> {
    let lives = vec((option::weighted(0.4, life(gentle())), life_to_a_crash()), 3..5);
    (prop_oneof![Just(512_u64), Just(1 << 10), Just(2 << 10), Just(4 << 10)], lives).prop_map(
        move |(first_segment, lives)| Case {
            durability,
            first_segment,
            lives: lives.into_iter().flat_map(|(gentle, power)| gentle.into_iter().chain([power])).collect(),
        },
    )
}
