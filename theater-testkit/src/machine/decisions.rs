//! What an action must have as its cause.

use std::time::Duration;

use theater_core::{ActorId, AutoShutdown, ExitReason, RestartFrom, RestartPolicy, Shutdown, StopMode};
use theater_supervisor::{Action, ChildKey, ChildState, Decision, GiveUpCause, Input, Report, Request};

use super::group::{Group, Who};
use super::property::Property;
use super::rules::{Because, Doing, Rules, Seen};
use super::world::lives;

/// OTP's table, once more.
fn policy_restarts(policy: RestartPolicy, reason: &ExitReason) -> bool {
    let clean = match reason {
        ExitReason::Completed { .. }
        | ExitReason::Stopped
        | ExitReason::ParentStopped
        | ExitReason::AutoShutdown { .. } => true,
        ExitReason::Escalated { clean, .. } => *clean,
        _ => false,
    };
    match policy {
        RestartPolicy::Permanent => true,
        RestartPolicy::Transient => !clean,
        RestartPolicy::Temporary => false,
    }
}

fn mode_of(shutdown: Shutdown) -> StopMode {
    match shutdown {
        Shutdown::Kill => StopMode::Kill,
        Shutdown::After(grace) => StopMode::Graceful(grace),
        Shutdown::Infinity => StopMode::Infinity,
    }
}

impl Rules {
    pub(super) fn actions(&mut self, seen: &Seen<'_>) {
        // A decision to restart is followed by the restart, at once.
        let mut decided: Option<Who> = None;
        for action in seen.actions {
            if let Some(who) = decided.take() {
                let done = match action {
                    Action::Restart { id, .. } => who.0 == Some(*id),
                    Action::Start { id, call: None, .. } => who.1.is_some() && who.1 == *id,
                    Action::Stop { .. } => self.is_group(),
                    _ => false,
                };
                self.demand(done || self.is_group(), Property::NoLostChild, || {
                    format!("the decision to restart {who:?} led to {action:?}")
                });
                self.operated(seen, action, Some(&who));
                continue;
            }
            match action {
                Action::Report(report) => decided = self.reported(report, seen),
                Action::Reply { call, verdict } => {
                    let starts = self.calls.get(call).is_some_and(|call| {
                        matches!(
                            call.request,
                            Request::Start { .. } | Request::Restart(_) | Request::Renew(_)
                        )
                    });
                    let runs = match (seen.input, verdict) {
                        (Input::Started { id, .. }, Ok(Some(actor))) => !starts || id == actor,
                        (_, Ok(Some(_))) => !starts,
                        _ => true,
                    };
                    self.demand(runs, Property::Handles, || {
                        format!("{verdict:?} for a child that does not run")
                    });
                    self.answered(action, seen);
                }
                Action::Notify { id, incarnation, .. } => {
                    self.notice.take_if(|notice| *notice == (*id, incarnation.0));
                    let again =
                        self.facts.get_mut(id).is_some_and(|facts| !facts.notified.insert(incarnation.0));
                    let listed = self.view(*id).is_some() && !self.phantoms.contains(id);
                    self.demand(!again || !listed, Property::Notices, || {
                        format!("{id}.{incarnation} is told to the guest twice")
                    });
                }
                Action::RetryLater { child, attempt, delay } => self.waited(*child, *attempt, *delay),
                _ => {
                    self.operated(seen, action, None);
                    self.answered(action, seen);
                }
            }
        }
        if let Some((id, life)) = self.notice {
            self.violate(Property::Notices, || format!("the guest does not hear of the end of {id}.{life}"));
        }
        if let Some(who) = decided {
            self.violate(Property::NoLostChild, || format!("the decision to restart {who:?} led to nothing"));
        }
    }

    /// A decision. Returns who has to be restarted now.
    fn reported(&mut self, report: &Report, seen: &Seen<'_>) -> Option<Who> {
        let (now, decision) = (seen.now, &report.decision);
        let life = report.incarnation.0;
        self.demand(!self.ending, Property::StopOrder, || format!("{report:?} while the supervisor ends"));
        if let Some(child) = report.child {
            if self.fresh.remove(&(child, life)) {
                self.decided(child, life, report, seen);
            } else {
                let retried = self.waits.keys().any(|key| self.actor_of.get(key) == Some(&child));
                let failed = matches!(seen.input, Input::StartFailed { .. });
                let leaves = matches!(decision, Decision::Leave | Decision::AutoShutdown { .. });
                let known = !self.phantoms.contains(&child);
                self.demand(!known || ((retried || failed) && !leaves), Property::Policy, || {
                    format!("a decision about nothing: {report:?}")
                });
            }
        }
        match decision {
            Decision::Restart { count, .. } => {
                self.label("restart");
                let allowed = self.attempt(now);
                let within = self.within(now);
                self.demand(allowed && *count as usize == within, Property::Intensity, || {
                    format!("restart {within} within the period at {now}: {report:?}")
                });
                let who = (report.child, report.child_id.clone());
                if self.is_group() {
                    self.group = Some(Group::of(who.clone()));
                }
                Some(who)
            }
            Decision::GiveUp { cause } => {
                self.ending = true;
                if let GiveUpCause::Intensity { .. } = cause {
                    self.label("gave up");
                    let allowed = self.attempt(now);
                    self.demand(!allowed, Property::Intensity, || format!("gave up too early at {now}"));
                } else {
                    self.label("poisoned");
                }
                None
            }
            Decision::AutoShutdown { .. } => {
                self.label("auto-shutdown");
                self.ending = true;
                None
            }
            _ => None,
        }
    }

    /// Counts an attempt. `false` if it is one too many.
    fn attempt(&mut self, now: u64) -> bool {
        self.attempts.push(now);
        self.within(now) <= self.spec.intensity as usize
    }

    fn within(&self, now: u64) -> usize {
        let period = u128::from(now).saturating_sub(self.spec.period.as_millis());
        self.attempts.iter().filter(|attempt| u128::from(**attempt) >= period).count()
    }

    /// The decision about the end of a life.
    fn decided(&mut self, child: ActorId, life: u64, report: &Report, seen: &Seen<'_>) {
        let Some(facts) = self.facts.get_mut(&child) else { return };
        let Some((reason, progressed)) = facts.told.get(&life).cloned() else { return };
        if let Some(backoff) = self.spec.backoff
            && Duration::from_millis(seen.now - facts.since) >= backoff.reset_after
        {
            facts.failures = 0;
        }
        let restarts = policy_restarts(facts.spec.restart, &reason);
        let mut poisoned = false;
        if let Some(limit) = self.spec.poison_after
            && restarts
            && facts.spec.restart_from != RestartFrom::Initial
        {
            if progressed != Some(false) {
                (facts.crashes, facts.initial) = (0, false);
            } else if facts.restored && !reason.is_clean() {
                facts.crashes += 1;
                if facts.crashes >= limit && facts.initial {
                    poisoned = true;
                } else if facts.crashes >= limit {
                    (facts.crashes, facts.initial) = (0, true);
                }
            }
        }
        let spec = facts.spec;
        let alone = matches!(seen.input, Input::Exited { id, .. } if *id == child);
        let others = self.views.iter().filter(|view| {
            view.child_spec.significant && view.state != ChildState::Down && view.actor != Some(child)
        });
        let last = match self.spec.auto_shutdown {
            AutoShutdown::AnySignificant => Some(spec.significant),
            // What else happened in this step may have changed it.
            AutoShutdown::AllSignificant => alone.then_some(spec.significant && others.count() == 0),
            _ => Some(false),
        };
        let ends = matches!(report.decision, Decision::AutoShutdown { .. });
        let poison = matches!(report.decision, Decision::GiveUp { cause: GiveUpCause::Poison { .. } });
        self.demand(poison == poisoned, Property::State, || {
            format!("poisoned: {poisoned}, and the decision is {report:?}")
        });
        let right = match report.decision {
            Decision::Restart { .. } | Decision::Wait { .. } | Decision::GiveUp { .. } => restarts,
            Decision::Leave | Decision::AutoShutdown { .. } => {
                !restarts && last.is_none_or(|last| last == ends)
            }
            _ => false,
        };
        self.demand(right, Property::Policy, || format!("{:?} {reason:?}: {report:?}", spec.restart));
    }

    /// A wait before a restart.
    fn waited(&mut self, child: ChildKey, attempt: u32, delay: Duration) {
        self.label("wait");
        self.demand(!self.ending, Property::StopOrder, || "a wait while the supervisor ends".to_owned());
        self.waits.insert(child, attempt);
        let facts = self.actor_of.get(&child).and_then(|actor| self.facts.get_mut(actor));
        let failures = facts.map(|facts| {
            facts.failures += 1;
            facts.failures - 1
        });
        let (least, most) = match self.spec.backoff {
            None => (Duration::ZERO, Duration::ZERO),
            Some(backoff) => {
                let factor = f64::from(backoff.factor.0) / 1_000.0;
                let jitter = f64::from(backoff.jitter.0) / 1_000.0;
                let (min, max) = (backoff.min.as_secs_f64(), backoff.max.as_secs_f64());
                let wait = |n: u32| (min * factor.powi(i32::try_from(n.min(1_000)).expect("small"))).min(max);
                // Nothing is known of a child that has no actor yet.
                let (least, most) = failures.map_or((min.min(max), max), |n| (wait(n), wait(n)));
                let most = (most * (1.0 + jitter)).min(max);
                // Floating point is not exact.
                (Duration::from_secs_f64((least - 1e-6).max(0.0)), Duration::from_secs_f64(most + 1e-6))
            }
        };
        self.demand((least..=most).contains(&delay), Property::Backoff, || {
            format!("wait {failures:?} in a row is {delay:?}, not from {least:?} to {most:?}")
        });
    }

    /// Something is done with a child: `rule` is who was to be restarted as the action before says.
    fn operated(&mut self, seen: &Seen<'_>, action: &Action, rule: Option<&Who>) {
        let (key, actor, stops) = match action {
            Action::Start { child, .. } => (*child, None, false),
            Action::Restart { child, id, .. } => (*child, Some(*id), false),
            Action::Stop { child, id, .. } => (*child, Some(*id), true),
            _ => return,
        };
        if let Action::Start { id, call, .. } = action {
            self.name_of.extend(id.clone().map(|id| (key, id)));
            // A first life, also of a child whose former actor was lost, is restored from nothing.
            if let Some(facts) = self.actor_of.get(&key).and_then(|actor| self.facts.get_mut(actor)) {
                facts.restored = false;
                if call.is_some() {
                    (facts.failures, facts.crashes, facts.initial) = (0, 0, false);
                }
            }
        }
        let name = match action {
            Action::Start { id, .. } => id.clone(),
            _ => self.name_of.get(&key).cloned().or_else(|| {
                self.views
                    .iter()
                    .find(|view| actor.is_some() && view.actor == actor)
                    .and_then(|view| view.id.clone())
            }),
        };
        let who = (actor, name.clone());
        self.demand(stops || !self.ending, Property::StopOrder, || {
            format!("{action:?} while the supervisor ends")
        });
        let because = if self.ending {
            Because::Ending
        } else if self.operation_of_group(seen, &who, action) {
            Because::Group
        } else if rule.is_some() {
            Because::Rule
        } else if let Action::Start { call: Some(call), .. } = action {
            let open = self.calls.get(call).filter(|call| call.replies == 0).map(|call| call.by);
            self.demand(open.is_some(), Property::Policy, || format!("{action:?} for nobody"));
            open.map_or(Because::Rule, Because::Call)
        } else if self.beginning() && name.as_ref().is_some_and(|name| self.declared.contains(name)) {
            self.demand(!stops, Property::Policy, || format!("{action:?} before it has begun"));
            Because::Begin
        } else {
            let by = self.asked(actor, name.as_ref(), stops);
            self.demand(by.is_some(), Property::Policy, || format!("nobody wanted {action:?}"));
            by.map_or(Because::Rule, Because::Call)
        };
        let ran = self
            .views
            .iter()
            .any(|view| actor.is_some() && view.actor == actor && view.state == ChildState::Running);
        if let Some(actor) = actor {
            if self.actor_of.iter().any(|(other, known)| *known == actor && *other != key) {
                self.phantoms.insert(actor);
            }
            let former = self.actor_of.insert(key, actor);
            self.demand(former.is_none_or(|former| former == actor), Property::OneParent, || {
                format!("{key:?} is {former:?} and {actor}")
            });
            self.operated_on(actor, because, action, seen);
        }
        self.waits.remove(&key);
        let doing = Doing { actor, name, because, stops, ran };
        let before = self.busy.insert(key, doing);
        self.demand(before.is_none(), Property::OneIncarnation, || format!("{action:?} during {before:?}"));
        if self.ending && !self.is_dynamic() && stops {
            let last = seen.views.last().and_then(|view| view.actor);
            self.demand(last == actor, Property::StopOrder, || {
                format!("{actor:?} is stopped while {last:?}, which was started later, is there")
            });
        }
        if self.is_group() && !self.ending {
            let one = self.busy.len() == 1;
            self.demand(one, Property::StopOrder, || {
                format!("two things at a time, the second is {action:?}")
            });
        }
    }

    /// What an operation on an actor has to be like.
    fn operated_on(&mut self, actor: ActorId, because: Because, action: &Action, seen: &Seen<'_>) {
        let life = self.facts.get(&actor).map_or(0, |facts| facts.life);
        self.fresh.remove(&(actor, life));
        let again = matches!((self.refused, action), (Some((child, Because::Group | Because::Ending)), Action::Stop { child: stopped, .. })
            if child == *stopped);
        let Some(facts) = self.facts.get_mut(&actor) else { return };
        let spec = facts.spec;
        match action {
            Action::Restart { from, mode, .. } => {
                facts.restored = true;
                let by_rule = !matches!(because, Because::Call(_));
                if !by_rule {
                    (facts.failures, facts.crashes, facts.initial) = (0, 0, false);
                }
                let expected = if facts.initial { RestartFrom::Initial } else { spec.restart_from };
                let kept = mode_of(spec.shutdown);
                self.demand(*from == expected, Property::State, || {
                    format!("{action:?}, not from {expected:?}")
                });
                self.demand(
                    *mode == StopMode::Kill || (*mode == kept && !by_rule),
                    Property::StopOrder,
                    || format!("{action:?} of a child with {:?}", spec.shutdown),
                );
                let temporary = by_rule && spec.restart == RestartPolicy::Temporary;
                self.demand(!temporary, Property::Policy, || format!("a temporary child: {action:?}"));
                let alive = by_rule && lives(seen.truth, actor);
                self.demand(!alive, Property::OneIncarnation, || format!("{action:?} of a child that runs"));
            }
            Action::Stop { mode, halt, .. } => {
                let asks = mode_of(spec.shutdown);
                let expected = if again { StopMode::Kill } else { asks };
                self.demand(*mode == expected, Property::StopOrder, || {
                    format!("{action:?}, not {expected:?}")
                });
                let comes_back = because == Because::Group && spec.restart != RestartPolicy::Temporary;
                // A stop for a group's restart stays one when the supervisor begins to end.
                let began = again && matches!(self.refused, Some((_, Because::Group)));
                self.demand(*halt == comes_back || began, Property::State, || {
                    format!("{action:?} for {because:?}")
                });
            }
            _ => {}
        }
    }

    /// After a step: nothing may be left undone.
    pub(super) fn after(&mut self, began_to_end: bool) {
        self.group_at_rest();
        if self.ending {
            self.fresh.clear();
            let all = self.is_dynamic() && began_to_end;
            let left = self.views.iter().find(|view| all && view.state == ChildState::Running);
            let left = left.map(|view| format!("{view:?} is not stopped with the others"));
            if let Some(left) = left {
                self.violate(Property::StopOrder, || left);
            }
            return;
        }
        if self.must_wait() {
            return;
        }
        let lost = self.fresh.iter().find(|(actor, life)| {
            let runs = self.view(*actor).is_some_and(|view| view.state == ChildState::Running);
            runs && self.facts.get(actor).is_some_and(|facts| facts.life == *life)
        });
        let lost = lost.copied();
        self.demand(lost.is_none(), Property::NoLostChild, || format!("an exit led to nothing: {lost:?}"));
        self.fresh.clear();
        let waiting = self.views.iter().filter(|view| view.state == ChildState::Restarting).count();
        let restarts =
            self.busy.values().filter(|doing| matches!(doing.because, Because::Rule | Because::Group));
        let (waits, restarts) = (self.waits.len(), restarts.count());
        self.demand(waiting <= waits + restarts, Property::NoLostChild, || {
            format!("{waiting} wait for a restart, and {waits} and {restarts} are coming")
        });
    }
}
