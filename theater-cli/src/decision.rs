//! What supervisors decided, out of their records.

use std::time::Duration;

use serde::Serialize;
use theater_core::event::payload;
use theater_core::{ActorId, AutoShutdown, Bytes, Incarnation, RestartFrom, Strategy};
use theater_supervisor::{Decision as Verdict, GiveUpCause, SupervisionReport, SupervisorEvent};

use crate::text::count;

/// A supervisor's decision about a child, as `docs/cli.md` documents it: fields are added to, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Decision {
    kind: &'static str,
    /// About whom.
    pub(crate) child: Option<ActorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) child_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incarnation: Option<Incarnation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intensity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    siblings: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<RestartFrom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crashes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_shutdown: Option<AutoShutdown>,
}

impl Decision {
    /// Reads a record. One that cannot be read is shown as such: a later version may write others.
    pub(crate) fn read(record: &Bytes) -> Self {
        let mut decision = Self {
            kind: "unknown",
            child: None,
            child_id: None,
            incarnation: None,
            reason: None,
            count: None,
            intensity: None,
            period_ms: None,
            strategy: None,
            siblings: None,
            from: None,
            delay_ms: None,
            crashes: None,
            auto_shutdown: None,
        };
        let Ok(event) = payload::decode::<SupervisorEvent>(record) else { return decision };
        decision.child = event.actor_id.parse().ok();
        let data = event.data.unwrap_or_default();
        let Ok(report) = payload::decode::<SupervisionReport>(&data) else { return decision };
        decision.child = Some(report.child);
        decision.child_id = report.child_id;
        decision.incarnation = Some(report.incarnation);
        decision.reason = Some(report.reason);
        match report.decision {
            Verdict::Restart { count, intensity, period_ms, strategy, siblings, from } => {
                decision.kind = "restart";
                decision.count = Some(count);
                (decision.intensity, decision.period_ms) = (Some(intensity), Some(period_ms));
                (decision.strategy, decision.siblings, decision.from) =
                    (Some(strategy), Some(siblings), Some(from));
            }
            Verdict::Wait { delay_ms } => {
                decision.kind = "wait";
                decision.delay_ms = Some(delay_ms);
            }
            Verdict::Leave => decision.kind = "leave",
            Verdict::AutoShutdown { mode } => {
                decision.kind = "auto-shutdown";
                decision.auto_shutdown = Some(mode);
            }
            Verdict::GiveUp { cause } => {
                decision.kind = "give-up";
                match cause {
                    GiveUpCause::Intensity { intensity, period_ms } => {
                        (decision.intensity, decision.period_ms) = (Some(intensity), Some(period_ms));
                    }
                    GiveUpCause::Poison { crashes } => decision.crashes = Some(crashes),
                    _ => {}
                }
            }
            _ => {}
        }
        decision
    }

    /// Whether the supervisor ends because it gave up on this child.
    pub(crate) fn gives_up(&self) -> bool {
        self.kind == "give-up"
    }

    /// The decision in words. The reason is left out: the line of the child's end has it.
    pub(crate) fn text(&self) -> String {
        let intensity = self.intensity.unwrap_or_default();
        let duration = |millis: Option<u64>| {
            humantime::format_duration(Duration::from_millis(millis.unwrap_or_default())).to_string()
        };
        let period = duration(self.period_ms);
        match self.kind {
            "restart" => {
                let used = self.count.unwrap_or_default();
                let mut text = format!("restart {used} of {intensity} within {period}");
                if let (Some(siblings @ 1..), Some(strategy)) = (self.siblings, self.strategy) {
                    let with = count(siblings.into(), "sibling", "siblings");
                    text.push_str(&format!(", with {with} ({})", name(&strategy)));
                }
                match self.from {
                    Some(RestartFrom::Initial) => text.push_str(", from init"),
                    Some(RestartFrom::Snapshot) => text.push_str(", from its snapshot"),
                    _ => {}
                }
                text.push_str(&match intensity.saturating_sub(used) {
                    0 => "; the next one ends the supervisor".to_owned(),
                    left => format!("; {} left", count(left.into(), "restart", "restarts")),
                });
                text
            }
            "wait" => format!("restart in {}", duration(self.delay_ms)),
            "leave" => "not restarted: its child spec says so".to_owned(),
            "auto-shutdown" => {
                let mode = self.auto_shutdown.as_ref().map(name).unwrap_or_default();
                format!("significant, and has ended: the supervisor shuts down (auto_shutdown is {mode})")
            }
            "give-up" => self.rule(),
            _ => "a decision that this version cannot read".to_owned(),
        }
    }

    /// Why a supervisor gives up.
    pub(crate) fn rule(&self) -> String {
        if let Some(crashes) = self.crashes {
            return format!(
                "gives up: {} in a row from its initial state, without a call that succeeded",
                count(crashes.into(), "crash", "crashes")
            );
        }
        let period = humantime::format_duration(Duration::from_millis(self.period_ms.unwrap_or_default()));
        let intensity = count(self.intensity.unwrap_or_default().into(), "restart", "restarts");
        format!("gives up: more than {intensity} within {period}")
    }
}

/// The name of a rule as manifests write it.
pub(crate) fn name(rule: &impl Serialize) -> String {
    serde_json::to_value(rule)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(decision: Verdict) -> Bytes {
        let child = ActorId::from_parts(1, [1; 10]);
        let report = SupervisionReport::new(child, Incarnation(2), "trapped".into(), decision);
        let data = Some(payload::encode(&report).to_vec());
        let event = SupervisorEvent {
            event_type: "theater/supervision".into(),
            actor_id: report.child.to_string(),
            data,
        };
        payload::encode(&event)
    }

    #[test]
    fn a_decision_is_told_in_words_and_in_fields() {
        let restart = Decision::read(&record(Verdict::Restart {
            count: 2,
            intensity: 10,
            period_ms: 5_000,
            strategy: Strategy::RestForOne,
            siblings: 1,
            from: RestartFrom::LastGood,
        }));
        assert_eq!(
            restart.text(),
            "restart 2 of 10 within 5s, with 1 sibling (rest-for-one); 8 restarts left"
        );
        let object = serde_json::to_value(&restart).unwrap();
        let child = ActorId::from_parts(1, [1; 10]).to_string();
        let expected = serde_json::json!({
            "kind": "restart", "child": child, "incarnation": 2, "reason": "trapped",
            "count": 2, "intensity": 10, "period_ms": 5000,
            "strategy": "rest-for-one", "siblings": 1, "from": "last-good",
        });
        assert_eq!(object, expected);
        let cause = GiveUpCause::Intensity { intensity: 1, period_ms: 1_500 };
        let give_up = Decision::read(&record(Verdict::GiveUp { cause }));
        assert_eq!(give_up.text(), "gives up: more than 1 restart within 1s 500ms");
        let cause = GiveUpCause::Poison { crashes: 3 };
        let give_up = Decision::read(&record(Verdict::GiveUp { cause })).text();
        assert!(give_up.starts_with("gives up: 3 crashes in a row"), "{give_up}");
        assert!(Decision::read(&record(Verdict::Leave)).text().starts_with("not restarted"));
        assert_eq!(Decision::read(&record(Verdict::Wait { delay_ms: 250 })).text(), "restart in 250ms");
        let mode = AutoShutdown::AnySignificant;
        let ends = Decision::read(&record(Verdict::AutoShutdown { mode })).text();
        assert!(ends.ends_with("(auto_shutdown is any-significant)"), "{ends}");
    }

    #[test]
    fn the_last_restart_that_is_allowed_says_what_comes_next() {
        let restart = Decision::read(&record(Verdict::Restart {
            count: 1,
            intensity: 1,
            period_ms: 5_000,
            strategy: Strategy::OneForOne,
            siblings: 0,
            from: RestartFrom::Initial,
        }));
        assert_eq!(restart.text(), "restart 1 of 1 within 5s, from init; the next one ends the supervisor");
    }

    #[test]
    fn a_record_of_a_later_version_is_no_error() {
        assert_eq!(
            Decision::read(&Bytes::from_static(b"\xff")).text(),
            "a decision that this version cannot read"
        );
    }
}
