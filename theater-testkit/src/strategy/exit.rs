//! Why lives end.

use proptest::strategy::Strategy;
use std::time::Duration;
use theater_core::{ActorId, Bytes, ExitReason};

use super::weighted::weighted;

/// Why a life ended: every kind of reason, traps and clean ends more often than the rest.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_core::RestartPolicy::{Permanent, Temporary, Transient};
/// use theater_supervisor::restarts;
/// use theater_testkit::strategy;
///
/// proptest!(|(reason in strategy::exit_reason())| {
///     prop_assert!(restarts(Permanent, &reason) && !restarts(Temporary, &reason));
///     prop_assert_eq!(restarts(Transient, &reason), !reason.is_clean());
/// });
/// ```
pub fn exit_reason() -> impl Strategy<Value = ExitReason> + Clone {
    (weighted(KINDS), 0..4_u8).prop_map(|(kind, n)| reason(kind, n))
}

/// Names a kind of reason: what it carries is made up.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Trapped,
    Completed,
    Stopped,
    Killed,
    OutOfMemory,
    ParentStopped,
    InitFailed,
    StartFailed,
    TimedOut,
    StateTooLarge,
    MessageTooLarge,
    EventTooLarge,
    MailboxOverflow,
    HostPanicked,
    Escalated,
    AutoShutdown,
    ChainFailed,
}

const KINDS: &[(u32, Kind)] = &[
    (20, Kind::Trapped),
    (8, Kind::Completed),
    (4, Kind::Stopped),
    (4, Kind::Killed),
    (8, Kind::OutOfMemory),
    (1, Kind::ParentStopped),
    (1, Kind::InitFailed),
    (1, Kind::StartFailed),
    (1, Kind::TimedOut),
    (1, Kind::StateTooLarge),
    (1, Kind::MessageTooLarge),
    (1, Kind::EventTooLarge),
    (1, Kind::MailboxOverflow),
    (1, Kind::HostPanicked),
    (2, Kind::Escalated),
    (1, Kind::AutoShutdown),
    (1, Kind::ChainFailed),
];

fn reason(kind: Kind, n: u8) -> ExitReason {
    let (limit, size) = (1 << 10, (1 << 10) + 1 + u64::from(n));
    let child = ActorId::from_parts(u64::from(n) + 1, [0xee; 10]);
    match kind {
        Kind::Trapped => ExitReason::Trapped { message: "unreachable".to_owned(), backtrace: Vec::new() },
        Kind::Completed if n == 0 => ExitReason::Completed { data: None },
        Kind::Completed => ExitReason::Completed { data: Some(Bytes::from_static(b"done")) },
        Kind::Stopped => ExitReason::Stopped,
        Kind::Killed => ExitReason::Killed,
        Kind::OutOfMemory => ExitReason::OutOfMemory { limit },
        Kind::ParentStopped => ExitReason::ParentStopped,
        Kind::InitFailed => ExitReason::InitFailed { error: "no".to_owned() },
        Kind::StartFailed => ExitReason::StartFailed { error: "no component".to_owned() },
        Kind::TimedOut => ExitReason::TimedOut { limit: Duration::from_millis(limit) },
        Kind::StateTooLarge => ExitReason::StateTooLarge { size, limit },
        Kind::MessageTooLarge => ExitReason::MessageTooLarge { size, limit },
        Kind::EventTooLarge => ExitReason::EventTooLarge { size, limit },
        Kind::MailboxOverflow => ExitReason::MailboxOverflow { limit },
        Kind::HostPanicked => ExitReason::HostPanicked { message: "panicked".to_owned() },
        Kind::Escalated => {
            ExitReason::Escalated { child, reason: "too often".to_owned(), clean: n.is_multiple_of(2) }
        }
        Kind::AutoShutdown => ExitReason::AutoShutdown { child },
        Kind::ChainFailed => ExitReason::ChainFailed { error: "the disk is full".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn every_kind_of_reason_comes_up() {
        let mut runner = TestRunner::deterministic();
        let strategy = exit_reason();
        let name = |_| strategy.new_tree(&mut runner).expect("nothing is rejected").current().name();
        let names: BTreeSet<_> = (0..3_000).map(name).collect();
        assert_eq!(names.len(), KINDS.len(), "{names:?}");
    }
}
