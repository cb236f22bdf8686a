//! Whose chains are in a data folder.

use std::collections::HashMap;

use anyhow::anyhow;
use theater_core::event::payload::{self, Genesis};
use theater_core::{ActorId, ChainId, EventRange};

use super::archive::Archive;
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::select::{self, Called};

/// An actor by its first event.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) called: Called,
    pub(crate) chain: ChainId,
    pub(crate) parent: Option<ActorId>,
}

/// The actors of a data folder, in the order in which they were created: a parent before its children.
#[derive(Debug, Default)]
pub(crate) struct Census {
    actors: Vec<Actor>,
    places: HashMap<ChainId, usize>,
    paths: HashMap<ActorId, Vec<String>>,
}

impl Census {
    /// Reads the first event of every chain.
    pub(crate) async fn take(archive: &Archive) -> Result<Self, Failure> {
        let mut census = Self::default();
        census.update(archive).await?;
        Ok(census)
    }

    /// Adds the actors that have been created since; how many.
    pub(crate) async fn update(&mut self, archive: &Archive) -> Result<usize, Failure> {
        let before = self.actors.len();
        for chain in archive.chains().await? {
            if self.places.contains_key(&chain) {
                continue;
            }
            let first = archive.read_places(chain, EventRange { from: 0, limit: 1 })?;
            // A chain without events is none yet.
            let Some((_, first)) = first.first() else { continue };
            let genesis: Genesis = payload::decode(&first.payload).map_err(|error| {
                Failure::new(Exit::Data, anyhow!(error).context(format!("chain {chain} is of no actor")))
            })?;
            self.add(chain, genesis);
        }
        Ok(self.actors.len() - before)
    }

    fn add(&mut self, chain: ChainId, genesis: Genesis) {
        let parent = genesis.parent.map(|parent| parent.actor);
        let declared = genesis.placement.and_then(|placement| placement.child_id);
        let mut path = parent.and_then(|parent| self.paths.get(&parent).cloned()).unwrap_or_default();
        path.push(declared.unwrap_or_else(|| genesis.name.clone()));
        self.paths.insert(genesis.actor, path.clone());
        self.places.insert(chain, self.actors.len());
        let called = Called { id: genesis.actor, name: genesis.name, path };
        self.actors.push(Actor { called, chain, parent });
    }

    /// All of them.
    pub(crate) fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// Whose chain it is.
    pub(crate) fn of(&self, chain: ChainId) -> Option<&Actor> {
        self.places.get(&chain).map(|place| &self.actors[*place])
    }

    /// The actors that a user names; all, if none is named.
    pub(crate) fn select(&self, named: &[String]) -> Result<Vec<&Actor>, Failure> {
        if named.is_empty() {
            return Ok(self.actors.iter().collect());
        }
        let called: Vec<_> = self.actors.iter().map(|actor| actor.called.clone()).collect();
        let mut selected = Vec::new();
        for text in named {
            let found = select::find(&called, text)
                .map_err(|unclear| Failure::new(Exit::Refused, anyhow!(unclear.text().to_owned())))?;
            selected.extend(self.actors.iter().filter(|actor| actor.called.id == found.id));
        }
        // Named twice, it is meant once.
        selected.sort_by_key(|actor| self.places[&actor.chain]);
        selected.dedup_by_key(|actor| actor.chain);
        Ok(selected)
    }
}
