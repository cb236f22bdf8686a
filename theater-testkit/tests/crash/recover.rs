//! Opening a log, again and again if need be, and what is found then.

use theater_chain::{ChainStore, Lsn, OpenError, Recovery, SteppedStore};

use crate::case::Opening;
use crate::check::{Check, Checked};
use crate::contents::{Contents, compare, contents, look};
use crate::world::World;

impl World {
    /// Opens the log. What goes wrong meanwhile costs a try and ends with a loss of power.
    pub(crate) fn open(&mut self, openings: &[Opening]) -> Checked {
        self.vfs.set_opening(true);
        for opening in openings {
            self.inject(opening.trouble);
            let opened = SteppedStore::open(self.dyn_vfs(), self.options.clone());
            match opened {
                Ok((store, recovery)) if !self.disk.is_dark() => {
                    self.disk.heal();
                    return self.opened(store, &recovery);
                }
                Err(error @ OpenError::Damaged(_)) => {
                    return Err(Check::FalseAlarm.broken(format!("while {:?}: {error}", opening.trouble)));
                }
                // Whatever answers once the power is gone reaches nobody.
                Ok(_) | Err(_) => {}
            }
            self.stats.crashes_in_recovery += 1;
            self.lose_power(opening.seed);
        }
        let (store, recovery) = SteppedStore::open(self.dyn_vfs(), self.options.clone())
            .map_err(|error| Check::FalseAlarm.broken(format!("{error:?}")))?;
        self.opened(store, &recovery)
    }

    fn opened(&mut self, store: SteppedStore, recovery: &Recovery) -> Checked {
        self.vfs.set_opening(false);
        let found = contents(&store).map_err(|error| {
            Check::FalseAlarm.broken(format!("what was recovered cannot be read: {error}"))
        })?;
        let there = compare(&found, self.taken.iter().map(|taken| &taken.event), &self.cut)?;
        let told = self.told;
        Check::Acknowledged
            .holds(there >= told, || format!("{told} were acknowledged, {there} are there"))?;
        let same = recovery.events == there as u64 && recovery.chains == found.len();
        Check::Reopening.holds(same, || format!("{recovery:?}, but {there} events are there"))?;
        let new = recovery.epoch > self.epoch || !self.thorough;
        Check::Reopening.holds(new, || format!("term {} again", recovery.epoch))?;
        self.epoch = recovery.epoch;
        self.stats.cuts += usize::from(recovery.cut.is_some());
        self.stats.segments = self.stats.segments.max(recovery.segments);
        self.stats.events_cut += self.taken.len() - there;
        self.cut.extend(self.taken.drain(there..).map(|taken| taken.event.hash));
        self.marks.retain(|(lsn, _)| *lsn <= there as u64);
        (self.told, self.safe) = (there, there);
        let durable = store.durable();
        Check::Acknowledged.holds(durable == Ok(Lsn(there as u64)), || format!("durable is {durable:?}"))?;
        if self.thorough {
            self.check_reopening(&found)?;
        }
        self.begin(store);
        Ok(())
    }

    /// Whatever happens to the process right after it has opened the log, the next one finds the same.
    fn check_reopening(&self, first: &Contents) -> Checked {
        for (end, disk) in [("a kill", self.disk.copy()), ("a loss of power", self.disk.synced())] {
            let broken = |told: String| Check::Reopening.broken(format!("after {end}: {told}"));
            let (store, recovery) =
                look(&disk, &self.options).map_err(|error| broken(format!("{error:?}")))?;
            Check::Reopening.holds(recovery.cut.is_none(), || format!("after {end}: {recovery:?}"))?;
            let again = contents(&store).map_err(|error| broken(error.to_string()))?;
            Check::Reopening.holds(again == *first, || format!("after {end}: not what was there"))?;
        }
        Ok(())
    }
}
