//! The table `[supervision]`.

use super::super::read::{Reader, Value};
use super::super::{
    AutoShutdown, Backoff, Escalation, ManifestError, Strategy, SupervisionRule, SupervisionSpec,
};
use super::{optional, set};

pub(super) fn supervision(table: &mut Reader<'_>) -> Result<SupervisionSpec, ManifestError> {
    let mut spec = SupervisionSpec::default();
    let strategies = [
        ("one-for-one", Strategy::OneForOne),
        ("one-for-all", Strategy::OneForAll),
        ("rest-for-one", Strategy::RestForOne),
        ("simple-one-for-one", Strategy::SimpleOneForOne),
    ];
    set(&mut spec.strategy, optional(table, "strategy", |value| value.word(&strategies))?);
    set(&mut spec.intensity, optional(table, "intensity", |value| value.count(0..=u32::MAX))?);
    set(&mut spec.period, optional(table, "period", Value::positive_duration)?);
    let modes = [
        ("never", AutoShutdown::Never),
        ("any-significant", AutoShutdown::AnySignificant),
        ("all-significant", AutoShutdown::AllSignificant),
    ];
    set(&mut spec.auto_shutdown, optional(table, "auto_shutdown", |value| value.word(&modes))?);
    spec.max_children = optional(table, "max_children", |value| value.count(0..=1_000_000))?;
    set(&mut spec.poison_after, optional(table, "poison_after", poison_after)?);
    let escalations = [("abnormal", Escalation::Abnormal), ("shutdown", Escalation::Shutdown)];
    set(&mut spec.escalation, optional(table, "escalation", |value| value.word(&escalations))?);
    if let Some(value) = table.get("backoff") {
        let mut inner = value.table("[supervision.backoff]")?;
        spec.backoff = Some(backoff(&mut inner)?);
        inner.finish()?;
    }
    Ok(spec)
}

fn poison_after(value: &Value<'_>) -> Result<Option<u32>, ManifestError> {
    match value.string() {
        Ok("never") => Ok(None),
        Ok(_) => Err(value.invalid("must be a number of crashes, or \"never\"")),
        Err(_) => value.count(1..=10_000).map(Some),
    }
}

fn backoff(table: &mut Reader<'_>) -> Result<Backoff, ManifestError> {
    let min = table.require("min")?.positive_duration()?;
    let most = table.require("max")?;
    let max = most.positive_duration()?;
    if max < min {
        return Err(most.breaks(SupervisionRule::BackoffRange));
    }
    let mut backoff = Backoff::new(min, max);
    set(&mut backoff.factor, optional(table, "factor", |value| value.thousandths(1_000..=1_000_000))?);
    set(&mut backoff.jitter, optional(table, "jitter", |value| value.thousandths(0..=1_000))?);
    set(&mut backoff.reset_after, optional(table, "reset_after", Value::positive_duration)?);
    Ok(backoff)
}
