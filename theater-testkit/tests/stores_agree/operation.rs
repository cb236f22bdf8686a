//! What is done to stores, at random.

use proptest::prelude::*;
use theater_chain::{Chain, Head, hash};
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventKind, EventRange};

use super::subject::Answer;

/// Chains that there may be.
const CHAINS: usize = 4;

/// What an operation is about, without saying yet of which events. Further operations of stores belong here, in [`operation`], in
/// [`Deed`] and in `Subject::perform`.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Begins a chain, which may be there already.
    Create {
        chain: usize,
    },
    /// Appends to a chain, which may not be there.
    Append {
        chain: usize,
        payload: Payload,
    },
    /// Appends so many events at once.
    AppendSome {
        chain: usize,
        count: u64,
    },
    /// Appends onto a head that was the chain's so many events ago.
    AppendToEarlierHead {
        chain: usize,
        ago: usize,
    },
    /// Says the right head, but gives an event that does not follow it.
    AppendWhatDoesNotFollow {
        chain: usize,
        how: Wrong,
    },
    Read {
        chain: usize,
        from: u64,
        limit: usize,
    },
    Head {
        chain: usize,
    },
    Chains,
    /// Waits until what was taken is durable.
    UntilDurable,
    /// Removes the payloads of a chain below a position, once everything is closed and opened again: a log keeps what is among its
    /// last events.
    Prune {
        chain: usize,
        before: u64,
    },
    /// Retires a chain with the head that it had so many events ago.
    Retire {
        chain: usize,
        ago: usize,
    },
    /// Closes and opens again what is on a disk.
    Reopen,
    /// Follows from here on.
    Follow,
    /// Hears what was followed so far.
    Hear,
    /// Reads all that is there.
    Everything,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Payload {
    pub(super) len: usize,
    pub(super) fill: u8,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    /// It is a later one.
    Position,
    /// It follows another event.
    Parent,
    /// It is another chain's.
    Chain,
    /// Its payload has another length than was sealed.
    Length,
    /// It is a first event.
    Genesis,
}

/// What exactly is done, the same to all stores.
#[derive(Debug)]
pub(super) enum Deed {
    Create(ChainEvent),
    /// Each event onto the head before it, which is the given one at first.
    Append(Head, Vec<ChainEvent>),
    Read(ChainId, EventRange),
    Head(ChainId),
    Chains,
    UntilDurable,
    Prune(ChainId, u64),
    Retire(Head),
    Reopen,
    Follow,
    Hear,
    Everything,
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let chain = || 0..CHAINS;
    let length = prop_oneof![
        20 => 0..40_usize,
        4 => 200..3_000_usize,
        // As long as a segment; the log keeps the longest in files of their own.
        1 => 8_000..10_000_usize,
        1 => 65_530..65_550_usize,
    ];
    let payload = (length, any::<u8>()).prop_map(|(len, fill)| Payload { len, fill });
    let wrong = prop_oneof![
        Just(Wrong::Position),
        Just(Wrong::Parent),
        Just(Wrong::Chain),
        Just(Wrong::Length),
        Just(Wrong::Genesis),
    ];
    let from = prop_oneof![8 => 0..40_u64, 1 => Just(u64::MAX)];
    let position = prop_oneof![8 => 0..40_u64, 1 => Just(u64::MAX)];
    let ago = prop_oneof![2 => Just(0_usize), 1 => 1..3_usize];
    let limit = prop_oneof![8 => 0..40_usize, 1 => Just(usize::MAX)];
    prop_oneof![
        4 => chain().prop_map(|chain| Operation::Create { chain }),
        12 => (chain(), payload).prop_map(|(chain, payload)| Operation::Append { chain, payload }),
        2 => (chain(), 2..30_u64).prop_map(|(chain, count)| Operation::AppendSome { chain, count }),
        3 => (chain(), 1..4_usize).prop_map(|(chain, ago)| Operation::AppendToEarlierHead { chain, ago }),
        3 => (chain(), wrong).prop_map(|(chain, how)| Operation::AppendWhatDoesNotFollow { chain, how }),
        6 => (chain(), from, limit).prop_map(|(chain, from, limit)| Operation::Read { chain, from, limit }),
        3 => chain().prop_map(|chain| Operation::Head { chain }),
        2 => Just(Operation::Chains),
        2 => Just(Operation::UntilDurable),
        1 => (chain(), position).prop_map(|(chain, before)| Operation::Prune { chain, before }),
        1 => (chain(), ago).prop_map(|(chain, ago)| Operation::Retire { chain, ago }),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Follow),
        2 => Just(Operation::Hear),
        1 => Just(Operation::Everything),
    ]
}

/// What is known of the chains: what was appended to each.
#[derive(Debug, Default)]
pub(super) struct World {
    written: [Vec<ChainEvent>; CHAINS],
    /// Counts events, so that no two are the same.
    time: u64,
}

fn genesis(chain: usize) -> ChainEvent {
    Chain::genesis(format!("chain {chain}").into(), 1, 1).1
}

impl World {
    /// The head of a chain so many events ago, or one that it will have if it is created.
    fn head(&self, chain: usize, ago: usize) -> Head {
        let written = &self.written[chain];
        match written.len().saturating_sub(ago).checked_sub(1) {
            Some(last) => Head::after(&written[last]),
            None => Head::after(&genesis(chain)),
        }
    }

    fn sealed(&mut self, head: Head, payload: Bytes) -> ChainEvent {
        self.time += 1;
        let kind = EventKind::ALL[self.time as usize % EventKind::ALL.len()];
        Chain::resume(head).append(kind, payload, self.time)
    }

    /// The operation, of the chains as they are now.
    pub(super) fn deed(&mut self, operation: &Operation) -> Deed {
        match *operation {
            Operation::Create { chain } => Deed::Create(genesis(chain)),
            Operation::Append { chain, payload: Payload { len, fill } } => {
                let head = self.head(chain, 0);
                Deed::Append(head, vec![self.sealed(head, vec![fill; len].into())])
            }
            Operation::AppendSome { chain, count } => {
                let first = self.head(chain, 0);
                let mut head = first;
                let events = (0..count).map(|n| {
                    let event = self.sealed(head, n.to_string().into());
                    head = Head::after(&event);
                    event
                });
                Deed::Append(first, events.collect())
            }
            Operation::AppendToEarlierHead { chain, ago } => {
                let head = self.head(chain, ago);
                Deed::Append(head, vec![self.sealed(head, "late".into())])
            }
            Operation::AppendWhatDoesNotFollow { chain, how } => {
                let head = self.head(chain, 0);
                let mut event = self.sealed(head, "wrong".into());
                match how {
                    Wrong::Position => event.header.seq += 1,
                    Wrong::Parent => event.header.prev = EventHash([7; 32]),
                    Wrong::Chain => event.header.chain_id = ChainId([7; 32]),
                    Wrong::Length => event.header.payload_len += 1,
                    Wrong::Genesis => event = genesis(chain),
                }
                event.hash = hash::event_hash(&event.header);
                Deed::Append(head, vec![event])
            }
            Operation::Read { chain, from, limit } => Deed::Read(self.id(chain), EventRange { from, limit }),
            Operation::Head { chain } => Deed::Head(self.id(chain)),
            Operation::Chains => Deed::Chains,
            Operation::UntilDurable => Deed::UntilDurable,
            Operation::Prune { chain, before } => Deed::Prune(self.id(chain), before),
            Operation::Retire { chain, ago } => Deed::Retire(self.head(chain, ago)),
            Operation::Reopen => Deed::Reopen,
            Operation::Follow => Deed::Follow,
            Operation::Hear => Deed::Hear,
            Operation::Everything => Deed::Everything,
        }
    }

    fn id(&self, chain: usize) -> ChainId {
        genesis(chain).header.chain_id
    }

    /// Takes note of what the stores took.
    pub(super) fn learn(&mut self, deed: Deed, answer: Option<Answer>) {
        let (Some(Answer::Taken(answers, _)), Deed::Create(_) | Deed::Append(..)) = (answer, &deed) else {
            return;
        };
        let events = match deed {
            Deed::Create(genesis) => vec![genesis],
            Deed::Append(_, events) => events,
            _ => return,
        };
        for (event, answer) in events.into_iter().zip(answers) {
            let chain = (0..CHAINS).find(|chain| self.id(*chain) == event.header.chain_id);
            if let (Some(chain), Ok(_)) = (chain, answer) {
                self.written[chain].push(event);
            }
        }
    }
}
