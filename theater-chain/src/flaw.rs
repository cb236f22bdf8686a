//! Wrong variants of the log, for the tests that have to notice them. Without the feature `flaws` there are none.

/// Something that a log must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "flaws"), expect(unreachable_pub, reason = "public where there are flaws"))]
pub enum Flaw {
    /// What was written is called durable before it is synced.
    WrittenIsDurable,
    /// A blob is written after the record that names it.
    BlobAfterRecord,
    /// A checksum does not go on from the one before.
    PlainChecksum,
    /// Whether a record has the next place in the store's order is not looked at.
    AnyOrder,
    /// A torn end stays where it is.
    TornEndStays,
    /// A process goes on behind the recovered end instead of in a segment of its own.
    SameSegment,
    /// Damage to what was durable is cut off as if it were a torn end.
    DamageCut,
    /// Records and marks do not say how far the log was durable.
    NothingCarried,
    /// A segment may get its name before what it follows is synced.
    SegmentBeforeItsPast,
    /// What a process wrote whose sync failed is trusted after one more sync.
    FailedSyncTrusted,
}

#[cfg(feature = "flaws")]
mod switched {
    use std::cell::Cell;

    use super::Flaw;

    thread_local! {
        static ON: Cell<u32> = const { Cell::new(0) };
    }

    fn bit(flaw: Flaw) -> u32 {
        1 << flaw as u32
    }

    pub(crate) fn has(flaw: Flaw) -> bool {
        ON.get() & bit(flaw) != 0
    }

    /// Runs something with wrong variants switched on for this thread, so for a log without threads.
    pub fn with_flaws<T>(flaws: &[Flaw], run: impl FnOnce() -> T) -> T {
        struct Off(u32);
        impl Drop for Off {
            fn drop(&mut self) {
                ON.set(self.0);
            }
        }
        let _off = Off(ON.get());
        ON.set(flaws.iter().fold(0, |on, flaw| on | bit(*flaw)));
        run()
    }
}

#[cfg(feature = "flaws")]
pub(crate) use switched::has;
#[cfg(feature = "flaws")]
pub use switched::with_flaws;

/// No log that is used has a flaw.
#[cfg(not(feature = "flaws"))]
#[inline(always)]
pub(crate) const fn has(_: Flaw) -> bool {
    false
}
