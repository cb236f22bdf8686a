//! The words of the recordings in those of this system, and back.

use std::time::Duration;

use theater_core::{ChildSpec, RestartPolicy, SupervisionSpec};

use super::scenario::{AutoShutdown, ChildPlan, ChildType, Flags, Restart, Shutdown, Strategy};

impl From<&Flags> for SupervisionSpec {
    fn from(flags: &Flags) -> Self {
        Self::new(flags.intensity, Duration::from_secs(flags.period))
            .with_strategy(match flags.strategy {
                Strategy::OneForOne => theater_core::Strategy::OneForOne,
                Strategy::OneForAll => theater_core::Strategy::OneForAll,
                Strategy::RestForOne => theater_core::Strategy::RestForOne,
            })
            .with_auto_shutdown(match flags.auto_shutdown {
                AutoShutdown::Never => theater_core::AutoShutdown::Never,
                AutoShutdown::AnySignificant => theater_core::AutoShutdown::AnySignificant,
                AutoShutdown::AllSignificant => theater_core::AutoShutdown::AllSignificant,
            })
    }
}

impl From<&SupervisionSpec> for Flags {
    /// What the recordings know of it: simple-one-for-one is one-for-one there, whole seconds are its period, and neither
    /// waits nor limits nor guards exist.
    fn from(spec: &SupervisionSpec) -> Self {
        Self {
            strategy: match spec.strategy {
                theater_core::Strategy::OneForAll => Strategy::OneForAll,
                theater_core::Strategy::RestForOne => Strategy::RestForOne,
                _ => Strategy::OneForOne,
            },
            intensity: spec.intensity,
            period: spec.period.as_secs(),
            auto_shutdown: match spec.auto_shutdown {
                theater_core::AutoShutdown::AnySignificant => AutoShutdown::AnySignificant,
                theater_core::AutoShutdown::AllSignificant => AutoShutdown::AllSignificant,
                _ => AutoShutdown::Never,
            },
        }
    }
}

impl From<&ChildPlan> for ChildSpec {
    fn from(plan: &ChildPlan) -> Self {
        let restart = match plan.restart {
            Restart::Permanent => RestartPolicy::Permanent,
            Restart::Transient => RestartPolicy::Transient,
            Restart::Temporary => RestartPolicy::Temporary,
        };
        let shutdown = match plan.shutdown {
            Shutdown::BrutalKill => theater_core::Shutdown::Kill,
            Shutdown::Infinity => theater_core::Shutdown::Infinity,
            Shutdown::After(millis) => theater_core::Shutdown::After(Duration::from_millis(millis)),
        };
        let child_type = match plan.child_type {
            ChildType::Worker => theater_core::ChildType::Worker,
            ChildType::Supervisor => theater_core::ChildType::Supervisor,
        };
        Self::new(restart).with_shutdown(shutdown).with_type(child_type).with_significant(plan.significant)
    }
}

impl From<&ChildSpec> for ChildPlan {
    /// A plan with the id 0, whose starts all go well.
    fn from(spec: &ChildSpec) -> Self {
        Self {
            id: 0,
            restart: match spec.restart {
                RestartPolicy::Permanent => Restart::Permanent,
                RestartPolicy::Transient => Restart::Transient,
                RestartPolicy::Temporary => Restart::Temporary,
            },
            shutdown: match spec.shutdown {
                theater_core::Shutdown::Kill => Shutdown::BrutalKill,
                theater_core::Shutdown::Infinity => Shutdown::Infinity,
                theater_core::Shutdown::After(time) => {
                    Shutdown::After(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
                }
            },
            child_type: spec.child_type.into(),
            significant: spec.significant,
            plan: Vec::new(),
            stubborn: false,
        }
    }
}

impl From<theater_core::ChildType> for ChildType {
    fn from(child_type: theater_core::ChildType) -> Self {
        match child_type {
            theater_core::ChildType::Worker => Self::Worker,
            theater_core::ChildType::Supervisor => Self::Supervisor,
        }
    }
}
