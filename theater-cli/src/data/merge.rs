//! Events of several chains in the order in which they were recorded.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

use theater_chain::Lsn;
use theater_core::{ChainEvent, ChainId, EventRange};

use super::archive::Archive;
use crate::failure::Failure;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    OldestFirst,
    NewestFirst,
}

/// Events that are held at once, of all chains together.
const HELD: usize = 16_384;

/// Goes through events. Which they are is known at the beginning: those that come meanwhile are not among them.
pub(crate) struct Merge<'a> {
    archive: &'a Archive,
    direction: Direction,
    page: usize,
    chains: Vec<Cursor>,
    /// The next event of each chain that has one: the order of the store, and the chain.
    next: BinaryHeap<(Reverse<i128>, usize)>,
}

struct Cursor {
    chain: ChainId,
    /// Positions that have not been read.
    left: Range<u64>,
    read: VecDeque<(Lsn, ChainEvent)>,
}

impl<'a> Merge<'a> {
    /// Begins with these positions of these chains.
    pub(crate) fn new(
        archive: &'a Archive,
        chains: Vec<(ChainId, Range<u64>)>,
        direction: Direction,
    ) -> Result<Self, Failure> {
        let page = (HELD / chains.len().max(1)).clamp(4, 512);
        let chains: Vec<_> =
            chains.into_iter().map(|(chain, left)| Cursor { chain, left, read: VecDeque::new() }).collect();
        let mut merge =
            Self { archive, direction, page, next: BinaryHeap::with_capacity(chains.len()), chains };
        for index in 0..merge.chains.len() {
            merge.advance(index)?;
        }
        Ok(merge)
    }

    /// The next event; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<(Lsn, ChainEvent)>, Failure> {
        let Some((_, index)) = self.next.pop() else { return Ok(None) };
        let event = self.chains[index].read.pop_front();
        self.advance(index)?;
        Ok(event)
    }

    /// Puts a chain's next event in line.
    fn advance(&mut self, index: usize) -> Result<(), Failure> {
        let cursor = &mut self.chains[index];
        if cursor.read.is_empty() && !cursor.left.is_empty() {
            let len = u64::try_from(self.page).unwrap_or(u64::MAX).min(cursor.left.end - cursor.left.start);
            let from = match self.direction {
                Direction::OldestFirst => cursor.left.start,
                Direction::NewestFirst => cursor.left.end - len,
            };
            let limit = usize::try_from(len).unwrap_or(usize::MAX);
            cursor.read = self.archive.read_places(cursor.chain, EventRange { from, limit })?.into();
            match self.direction {
                Direction::OldestFirst => cursor.left.start += len,
                Direction::NewestFirst => {
                    cursor.left.end -= len;
                    cursor.read.make_contiguous().reverse();
                }
            }
        }
        if let Some((lsn, _)) = cursor.read.front() {
            let key = match self.direction {
                Direction::OldestFirst => i128::from(lsn.0),
                Direction::NewestFirst => -i128::from(lsn.0),
            };
            self.next.push((Reverse(key), index));
        }
        Ok(())
    }
}
