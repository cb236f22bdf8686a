//! The shortest part of a log that shows a violation.

use crate::log::Log;

/// Removes what is not needed: first everything after the violation, then larger and smaller runs of entries, then single ones,
/// as long as the same is still found. What it keeps is minimal: every single entry is needed.
pub(super) fn shortest(log: &Log, at: usize, find: &dyn Fn(&Log) -> Option<String>, message: &str) -> Log {
    let mut kept: Vec<_> = log.entries()[..=at.min(log.len() - 1)].to_vec();
    let shows = |entries: &[crate::log::Entry]| {
        let log: Log = entries.iter().cloned().collect();
        find(&log).is_some_and(|found| found == message)
    };
    if !shows(&kept) {
        // What comes later is part of it.
        kept = log.entries().to_vec();
    }
    let mut run = kept.len() / 2;
    while run > 0 {
        let mut from = 0;
        while from < kept.len() {
            let to = (from + run).min(kept.len());
            let without: Vec<_> = kept[..from].iter().chain(&kept[to..]).cloned().collect();
            if !without.is_empty() && shows(&without) {
                kept = without;
            } else {
                from = to;
            }
        }
        run /= 2;
    }
    // What was needed at first may not be once something else is gone.
    loop {
        let before = kept.len();
        let mut index = 0;
        while index < kept.len() {
            let mut without = kept.clone();
            without.remove(index);
            if !without.is_empty() && shows(&without) {
                kept = without;
            } else {
                index += 1;
            }
        }
        if kept.len() == before {
            return kept.into_iter().collect();
        }
    }
}
