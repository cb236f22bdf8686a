//! The tree of actors at one moment.

use std::fmt;

use theater_core::{ActorId, ActorInfo, ActorStatus, Bytes};

use super::lives::Lives;

/// The actors that had a record at one moment. Shown as a tree, one line an actor.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TreeSnapshot {
    /// The root actors, in start order.
    pub roots: Vec<Node>,
}

/// One actor of a [`TreeSnapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// What is known about it.
    pub info: ActorInfo,
    /// Its last good state.
    pub state: Option<Bytes>,
    /// How many events its chain has.
    pub events: usize,
    /// Its children, in start order.
    pub children: Vec<Node>,
}

impl TreeSnapshot {
    pub(super) fn of(lives: &Lives) -> Self {
        let roots = lives.actors.iter().filter(|(_, actor)| actor.parent.is_none());
        Self { roots: roots.filter_map(|(id, _)| node(lives, *id)).collect() }
    }

    /// All actors, each before its children.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mut rest: Vec<_> = self.roots.iter().rev().collect();
        std::iter::from_fn(move || {
            let node = rest.pop()?;
            rest.extend(node.children.iter().rev());
            Some(node)
        })
    }

    /// One actor.
    #[must_use]
    pub fn find(&self, id: ActorId) -> Option<&Node> {
        self.nodes().find(|node| node.info.id == id)
    }
}

fn node(lives: &Lives, id: ActorId) -> Option<Node> {
    let actor = lives.actors.get(&id)?;
    Some(Node {
        info: lives.info(id)?,
        state: actor.state.clone(),
        events: actor.events.len(),
        children: lives.children(id).filter_map(|child| node(lives, child)).collect(),
    })
}

impl fmt::Display for TreeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest: Vec<_> = self.roots.iter().rev().map(|node| (0, node)).collect();
        while let Some((depth, node)) = rest.pop() {
            let info = &node.info;
            write!(f, "{:depth$}{} {} ", "", info.name, info.incarnation)?;
            match &info.status {
                ActorStatus::Ended(reason) => writeln!(f, "ended: {reason}")?,
                status => writeln!(f, "{}", format!("{status:?}").to_lowercase())?,
            }
            rest.extend(node.children.iter().rev().map(|child| (depth + 2, child)));
        }
        Ok(())
    }
}
