//! Damage to what is on a disk while no process runs: reported, or harmless.

use std::ops::Range;

use theater_chain::OpenError;
use theater_testkit::disk::SECTOR;

use crate::case::{Place, Rot};
use crate::check::{Check, Checked};
use crate::contents::{compare, contents, count, look};
use crate::image::{self, Entry, What};
use crate::world::World;

impl World {
    /// Damages a copy of the disk, and looks what a process says that opens it.
    pub(crate) fn check_rot(&mut self, rot: Rot) -> Checked {
        let names: Vec<_> = self
            .disk
            .names()
            .into_iter()
            .filter(|name| self.disk.content(name).is_some_and(|c| !c.is_empty()))
            .collect();
        let Some(name) = names.get(usize::from(rot.file) % names.len().max(1)) else { return Ok(()) };
        let bytes = self.disk.content(name).unwrap_or_default();
        let damaged = place(&bytes, rot);
        let copy = self.disk.copy();
        for at in damaged.clone() {
            let bits = if rot.sector { 0xa5 } else { 1 << (at % 8) };
            copy.rot(name, at, bits);
        }
        let Ok((baseline, _)) = look(&self.disk.copy(), &self.options) else { return Ok(()) };
        let Ok(baseline) = contents(&baseline) else { return Ok(()) };
        let there = count(&baseline);
        let told = |lost: usize, least: usize| {
            format!(
                "{name} was damaged at {damaged:?}: of {there} events {lost} are left, {least} are known to be durable"
            )
        };
        let found = match look(&copy, &self.options) {
            Err(OpenError::Damaged(_)) => {
                self.stats.damage_reported += 1;
                return Ok(());
            }
            Err(error) => return Err(Check::Damage.broken(format!("{name} was damaged: {error:?}"))),
            Ok((store, _)) => contents(&store),
        };
        let Ok(found) = found else {
            self.stats.damage_reported += 1;
            return Ok(());
        };
        let left = compare(&found, self.taken.iter().map(|taken| &taken.event), &self.cut)?;
        let least = self.least(name, &bytes, &damaged, there);
        if left < there {
            self.stats.damage_cut += 1;
        }
        Check::Damage.holds(left >= least, || told(left, least))
    }

    /// How many events must be there, or their loss be reported.
    fn least(&self, name: &str, bytes: &[u8], damaged: &Range<usize>, there: usize) -> usize {
        let names = self.disk.names();
        let newest = names.iter().rfind(|name| name.ends_with(".seg"));
        // A sidecar may be left of another segment that had the name; it says which checksum its segment's header has.
        let sidecar = self.disk.content(&name.replace(".seg", ".idx")).unwrap_or_default();
        let sealed = sidecar.get(12..16).is_some_and(|header| bytes.get(60..64) == Some(header));
        if newest.map(String::as_str) != Some(name) || sealed {
            return there;
        }
        let entries = image::entries(bytes);
        let whole = |entry: &Entry| entry.bytes.end <= damaged.start || entry.bytes.start >= damaged.end;
        let Some(at) = entries.iter().position(|entry| !whole(entry)) else { return there };
        let first = &entries[at];
        let before = match first.what {
            What::Event => first.lsn - 1,
            What::Mark => first.lsn,
        };
        let mut known = before;
        for (number, entry) in entries.iter().enumerate() {
            // Behind damage only marks are believed: anything else may be a part of a payload.
            if whole(entry) && (entry.what == What::Mark || number < at) {
                known = known.max(self.said_durable(entry));
            }
        }
        usize::try_from(known).expect("few").min(there)
    }

    /// How far everything was synced when this was written, as the world remembers it.
    fn said_durable(&self, entry: &Entry) -> u64 {
        match entry.what {
            What::Event => {
                let at = usize::try_from(entry.lsn - 1).expect("few");
                self.taken.get(at).map_or(0, |taken| taken.durable)
            }
            What::Mark => {
                let marks =
                    self.marks.iter().filter(|(lsn, _)| *lsn == entry.lsn).map(|(_, durable)| *durable);
                // One that was written with what came next says what that one says.
                let next = usize::try_from(entry.lsn).ok().and_then(|lsn| self.taken.get(lsn));
                marks.chain(next.map(|taken| taken.durable)).min().unwrap_or(0)
            }
        }
    }
}

/// Which bytes are damaged: in the used part of the file mostly.
fn place(bytes: &[u8], rot: Rot) -> Range<usize> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = match rot.place {
        Place::Used(place) => place as usize % used,
        Place::Any(place) => place as usize % bytes.len(),
        Place::At(place) => place,
    };
    if rot.sector {
        let start = at / SECTOR * SECTOR;
        start..(start + SECTOR).min(bytes.len())
    } else {
        at..at + 1
    }
}
