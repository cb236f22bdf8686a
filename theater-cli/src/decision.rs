//! What supervisors decided, out of their records.

use std::time::Duration;

use serde::Serialize;
use theater_core::event::payload;
use theater_core::{ActorId, Bytes, Incarnation};
use theater_supervisor::{Decision as Verdict, SupervisionReport, SupervisorEvent};

use crate::text::count;

/// A supervisor's decision about a child, as `docs/cli.md` documents it: fields are added to, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Decision {
    kind: &'static str,
    /// About whom.
    pub(crate) child: Option<ActorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incarnation: Option<Incarnation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intensity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_ms: Option<u64>,
}

impl Decision {
    /// Reads a record. One that cannot be read is shown as such: a later version may write others.
    pub(crate) fn read(record: &Bytes) -> Self {
        let mut decision = Self {
            kind: "unknown",
            child: None,
            incarnation: None,
            reason: None,
            count: None,
            intensity: None,
            period_ms: None,
        };
        let Ok(event) = payload::decode::<SupervisorEvent>(record) else { return decision };
        decision.child = event.actor_id.parse().ok();
        let data = event.data.unwrap_or_default();
        let Ok(report) = payload::decode::<SupervisionReport>(&data) else { return decision };
        decision.child = Some(report.child);
        decision.incarnation = Some(report.incarnation);
        decision.reason = Some(report.reason);
        match report.decision {
            Verdict::Restart { count, intensity, period_ms } => {
                decision.kind = "restart";
                decision.count = Some(count);
                (decision.intensity, decision.period_ms) = (Some(intensity), Some(period_ms));
            }
            Verdict::Leave => decision.kind = "leave",
            Verdict::GiveUp { intensity, period_ms } => {
                decision.kind = "give-up";
                (decision.intensity, decision.period_ms) = (Some(intensity), Some(period_ms));
            }
            _ => {}
        }
        decision
    }

    /// The decision in words. The reason is left out: the line of the child's end has it.
    pub(crate) fn text(&self) -> String {
        let intensity = self.intensity.unwrap_or_default();
        let period = humantime::format_duration(Duration::from_millis(self.period_ms.unwrap_or_default()));
        match self.kind {
            "restart" => format!("restart {} of {intensity} within {period}", self.count.unwrap_or_default()),
            "leave" => "not restarted: its child spec says so".to_owned(),
            "give-up" => format!(
                "gives up: more than {} within {period}",
                count(intensity.into(), "restart", "restarts")
            ),
            _ => "a decision that this version cannot read".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(decision: Verdict) -> Bytes {
        let report = SupervisionReport {
            child: ActorId::from_parts(1, [1; 10]),
            incarnation: Incarnation(2),
            reason: "trapped".into(),
            decision,
        };
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
        let restart = Decision::read(&record(Verdict::Restart { count: 2, intensity: 10, period_ms: 5_000 }));
        assert_eq!(restart.text(), "restart 2 of 10 within 5s");
        let object = serde_json::to_value(&restart).unwrap();
        let child = ActorId::from_parts(1, [1; 10]).to_string();
        let expected = serde_json::json!({
            "kind": "restart", "child": child, "incarnation": 2, "reason": "trapped",
            "count": 2, "intensity": 10, "period_ms": 5000,
        });
        assert_eq!(object, expected);
        let give_up = Decision::read(&record(Verdict::GiveUp { intensity: 1, period_ms: 1_500 }));
        assert_eq!(give_up.text(), "gives up: more than 1 restart within 1s 500ms");
        assert!(Decision::read(&record(Verdict::Leave)).text().starts_with("not restarted"));
    }

    #[test]
    fn a_record_of_a_later_version_is_no_error() {
        assert_eq!(
            Decision::read(&Bytes::from_static(b"\xff")).text(),
            "a decision that this version cannot read"
        );
    }
}
