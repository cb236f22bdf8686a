//! What is ready to happen and waits for its turn.

use std::fmt;

use theater_core::{ActorId, ChildExit, ExitQueue, Incarnation};
use tokio::sync::oneshot;

use super::schedule::Chooser;

/// Something that is ready to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// A start ends.
    StartEnds(ActorId),
    /// A stop ends.
    StopEnds(ActorId),
    /// Whoever asked for an operation gets its answer.
    Answer(ActorId),
    /// A parent's supervisor hears of an end.
    Exit(ActorId, Incarnation),
    /// An actor handles a message.
    Message(ActorId),
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartEnds(id) => write!(f, "the end of a start of {id}"),
            Self::StopEnds(id) => write!(f, "the end of a stop of {id}"),
            Self::Answer(id) => write!(f, "an answer about {id}"),
            Self::Exit(id, life) => write!(f, "the exit of life {life} of {id}"),
            Self::Message(id) => write!(f, "a message for {id}"),
        }
    }
}

#[derive(Debug)]
enum Fire {
    /// Somebody waits for it; nobody any more if the other end is gone.
    Wake(oneshot::Sender<()>),
    Tell(ExitQueue, ChildExit),
}

#[derive(Debug)]
struct Item {
    ready: Ready,
    fire: Fire,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    items: Vec<Item>,
    pub(super) chooser: Chooser,
    /// Whether things happen only when the test says so.
    pub(super) manual: bool,
    /// Whether a task is working the queue off.
    pub(super) pumping: bool,
}

impl Queue {
    /// Whether what is ready happens at once, without waiting for a turn.
    pub(super) fn is_direct(&self) -> bool {
        !self.manual && self.items.is_empty() && self.chooser.is_fifo()
    }

    /// Waits for a turn.
    pub(super) fn wait(&mut self, ready: Ready) -> oneshot::Receiver<()> {
        let (fire, fired) = oneshot::channel();
        self.items.push(Item { ready, fire: Fire::Wake(fire) });
        fired
    }

    /// An exit waits to be told.
    pub(super) fn tell(&mut self, exits: ExitQueue, exit: ChildExit) {
        let ready = Ready::Exit(exit.id, exit.incarnation);
        self.items.push(Item { ready, fire: Fire::Tell(exits, exit) });
    }

    /// Forgets the exits of an actor that nobody was told: its record is gone, or those of an actor's children.
    pub(super) fn forget_exits(&mut self, of: impl Fn(ActorId) -> bool) {
        self.items.retain(|item| !matches!(item.ready, Ready::Exit(id, _) if of(id)));
    }

    /// Lets one thing happen. `None` if nothing is ready.
    pub(super) fn fire(&mut self) -> Option<Ready> {
        // Whoever waited may have given up.
        self.items.retain(|item| !matches!(&item.fire, Fire::Wake(fire) if fire.is_closed()));
        let open: Vec<_> = (0..self.items.len()).filter(|index| self.is_open(*index)).collect();
        if open.is_empty() {
            return None;
        }
        let index = open[self.chooser.choose(open.len())];
        let Item { ready, fire } = self.items.remove(index);
        match fire {
            Fire::Wake(fire) => drop(fire.send(())),
            Fire::Tell(exits, exit) => exits.push(exit),
        }
        Some(ready)
    }

    /// Exits of one child are told in their order.
    fn is_open(&self, index: usize) -> bool {
        let Ready::Exit(id, _) = self.items[index].ready else { return true };
        !self.items[..index].iter().any(|item| matches!(item.ready, Ready::Exit(other, _) if other == id))
    }

    pub(super) fn ready(&self) -> Vec<Ready> {
        self.items.iter().map(|item| item.ready).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
