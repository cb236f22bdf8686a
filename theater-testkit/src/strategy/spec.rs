//! How supervisors and their children are set up.

use std::time::Duration;

use proptest::strategy::Strategy as Generate;
use theater_core::{
    AutoShutdown, Backoff, ChildSpec, ChildType, Escalation, RestartFrom, RestartPolicy, Shutdown, Strategy,
    SupervisionSpec, Thousandths,
};

use super::weighted::weighted;

/// The period of every generated supervisor's intensity: one second. [`time_jump`](super::time_jump) of it meets the
/// edges of their windows.
pub const PERIOD: Duration = Duration::from_secs(1);

/// How a supervisor treats its children: all four strategies, intensities that are reached after a restart or two and
/// some that never are, waits, the guard against poisoned states, limits of children, and auto-shutdown.
///
/// Its period is [`PERIOD`].
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_supervisor::Machine;
/// use theater_testkit::strategy;
///
/// proptest!(|(spec in strategy::supervision_spec())| {
///     prop_assert_eq!(spec.period, strategy::PERIOD);
///     prop_assert!(!Machine::new(spec).is_finished());
/// });
/// ```
pub fn supervision_spec() -> impl Generate<Value = SupervisionSpec> + Clone {
    let ends = (weighted(AUTO_SHUTDOWN), weighted(ESCALATION));
    (weighted(STRATEGY), weighted(INTENSITY), ends, backoff(), weighted(POISON_AFTER), weighted(MAX_CHILDREN))
        .prop_map(
            |(strategy, intensity, (auto_shutdown, escalation), backoff, poison_after, max_children)| {
                let mut spec = SupervisionSpec::new(intensity, PERIOD)
                    .with_strategy(strategy)
                    .with_auto_shutdown(auto_shutdown);
                (spec.backoff, spec.poison_after, spec.max_children) = (backoff, poison_after, max_children);
                spec.escalation = escalation;
                spec
            },
        )
}

const STRATEGY: &[(u32, Strategy)] = &[
    (1, Strategy::OneForOne),
    (1, Strategy::OneForAll),
    (1, Strategy::RestForOne),
    (1, Strategy::SimpleOneForOne),
];

const INTENSITY: &[(u32, u32)] = &[(1, 0), (1, 1), (1, 2), (1, 5), (2, 1_000)];

const AUTO_SHUTDOWN: &[(u32, AutoShutdown)] =
    &[(2, AutoShutdown::Never), (1, AutoShutdown::AnySignificant), (1, AutoShutdown::AllSignificant)];

const ESCALATION: &[(u32, Escalation)] = &[(3, Escalation::Abnormal), (1, Escalation::Shutdown)];

const POISON_AFTER: &[(u32, Option<u32>)] = &[(1, None), (2, Some(1)), (1, Some(2)), (1, Some(3))];

const MAX_CHILDREN: &[(u32, Option<u32>)] = &[(2, None), (1, Some(2)), (1, Some(4))];

fn backoff() -> impl Generate<Value = Option<Backoff>> + Clone {
    let waits = (
        weighted(&[(1, 0), (2, 50), (2, 200)]),
        weighted(&[(1, 200), (2, 400), (2, 3_000)]),
        weighted(&[(1, 1_000), (1, 1_500), (1, 2_000)]),
        weighted(&[(2, 0), (1, 200), (1, 1_000)]),
    );
    (weighted(&[(1, false), (1, true)]), waits).prop_map(|(waits, (min, max, factor, jitter))| {
        waits.then(|| {
            let mut backoff = Backoff::new(Duration::from_millis(min), Duration::from_millis(max));
            (backoff.factor, backoff.jitter) = (Thousandths(factor), Thousandths(jitter));
            backoff
        })
    })
}

/// How a child is treated: every restart policy, shutdown and type, significant or not, restarts from anywhere.
///
/// No permanent child is significant. Under a supervisor without auto-shutdown none may be: see [`fit`].
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_core::RestartPolicy;
/// use theater_testkit::strategy;
///
/// proptest!(|(child in strategy::child_spec())| {
///     prop_assert!(!child.significant || child.restart != RestartPolicy::Permanent);
/// });
/// ```
pub fn child_spec() -> impl Generate<Value = ChildSpec> + Clone {
    (weighted(RESTART), weighted(SHUTDOWN), weighted(TYPE), weighted(SIGNIFICANT), weighted(FROM)).prop_map(
        |(restart, shutdown, child_type, significant, from)| {
            ChildSpec::new(restart)
                .with_shutdown(shutdown)
                .with_type(child_type)
                .with_significant(significant && restart != RestartPolicy::Permanent)
                .with_restart_from(from)
        },
    )
}

const RESTART: &[(u32, RestartPolicy)] =
    &[(4, RestartPolicy::Permanent), (3, RestartPolicy::Transient), (3, RestartPolicy::Temporary)];

const SHUTDOWN: &[(u32, Shutdown)] = &[
    (4, Shutdown::After(Duration::from_secs(5))),
    (2, Shutdown::Kill),
    (2, Shutdown::Infinity),
    (1, Shutdown::After(Duration::ZERO)),
];

const TYPE: &[(u32, ChildType)] = &[(1, ChildType::Worker), (1, ChildType::Supervisor)];

const SIGNIFICANT: &[(u32, bool)] = &[(5, false), (3, true)];

const FROM: &[(u32, RestartFrom)] =
    &[(6, RestartFrom::LastGood), (1, RestartFrom::Initial), (1, RestartFrom::Snapshot)];

/// The child spec as this supervisor takes it: none is significant where [`AutoShutdown`] is `Never`.
///
/// # Examples
/// ```
/// use theater_core::{ChildSpec, RestartPolicy, SupervisionSpec};
/// use theater_testkit::strategy;
///
/// let child = ChildSpec::new(RestartPolicy::Transient).with_significant(true);
/// assert!(!strategy::fit(child, &SupervisionSpec::default()).significant);
/// ```
#[must_use]
pub fn fit(child: ChildSpec, supervision: &SupervisionSpec) -> ChildSpec {
    let never = supervision.auto_shutdown == AutoShutdown::Never;
    child.with_significant(child.significant && !never)
}
