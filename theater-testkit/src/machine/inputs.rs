//! What an input has to lead to.

use theater_core::{ActorError, AutoShutdown};
use theater_supervisor::{Action, By, ChildError, ChildKey, ChildState, Decision, Input, Request, Target};

use super::group::Group;
use super::property::Property;
use super::rules::{Because, Call, Facts, Rules, Seen};

impl Rules {
    pub(super) fn input(&mut self, seen: &Seen<'_>) {
        match seen.input {
            Input::Call { call, by, request } => {
                self.called(request, seen);
                self.calls.insert(*call, Call { by: *by, request: request.clone(), replies: 0 });
            }
            Input::Shutdown => self.ending = true,
            Input::Started { child, id, incarnation, child_spec } => {
                self.busy.remove(child);
                let former = self.actor_of.insert(*child, *id);
                // A child whose record was lost has another actor, and is the same child.
                self.formerly.extend(former.filter(|former| former != id).map(|former| (*id, former)));
                let known =
                    former.filter(|former| former != id).and_then(|former| self.facts.remove(&former));
                let listed = seen.views.iter().find(|view| view.actor == Some(*id));
                let given = listed.map_or(*child_spec, |view| view.child_spec);
                let early = self.facts.get(id).map(|facts| facts.told.clone()).unwrap_or_default();
                let mut facts = match known {
                    Some(known) => {
                        Facts { told: early, notified: Default::default(), ended_by: None, ..known }
                    }
                    None => self.facts.remove(id).unwrap_or_else(|| Facts::new(given, 0, seen.now)),
                };
                (facts.spec, facts.life, facts.since) = (given, incarnation.0, seen.now);
                if facts.told.contains_key(&incarnation.0) && !self.ending {
                    self.fresh.insert((*id, incarnation.0));
                    self.notice = Some((*id, incarnation.0)).filter(|_| !self.phantoms.contains(id));
                    self.label("exit before its start was answered");
                }
                self.facts.insert(*id, facts);
            }
            Input::Ignored { child } => drop(self.busy.remove(child)),
            Input::StartFailed { child, error } => {
                let because = self.busy.remove(child).map(|doing| doing.because);
                let lost = matches!(error, ActorError::NotAChild { .. }) && !self.name_of.contains_key(child);
                match because {
                    Some(Because::Begin) => self.ending = true,
                    // A child that is lost is none any more, and the group goes on without it.
                    Some(Because::Group) if !lost => self.group.iter_mut().for_each(Group::fail),
                    _ => {}
                }
            }
            Input::StopEnded { child, error } => {
                let Some(doing) = self.busy.remove(child) else { return };
                let Some(facts) = doing.actor.and_then(|actor| self.facts.get_mut(&actor)) else { return };
                let refused =
                    error.as_ref().is_some_and(|error| !matches!(error, ActorError::NotAChild { .. }));
                let life = facts.life;
                if refused {
                    self.refused = Some((*child, doing.because));
                }
                if !refused {
                    facts.ended_by = Some((life, doing.because));
                } else if let Because::Call(_) = doing.because {
                    let crashed = facts.told.get(&life).is_some_and(|(reason, _)| !reason.is_requested());
                    let running = !matches!(facts.ended_by, Some((ended, _)) if ended == life);
                    if crashed
                        && running
                        && !self.ending
                        && let Some(actor) = doing.actor
                    {
                        self.fresh.insert((actor, life));
                        self.label("crash during a stop that was refused");
                    }
                }
            }
            Input::Exited { id, incarnation, reason, progressed } => {
                let (listed, life) = (self.view(*id).map(|view| view.state), incarnation.0);
                let doing = self.busy.values().find(|doing| doing.actor == Some(*id)).cloned();
                let on_it = doing.is_some();
                let starting = self.busy.values().any(|doing| doing.actor.is_none() && !doing.stops);
                if listed.is_none() && (!starting || self.facts.contains_key(id)) {
                    // A stranger: no rule is about it.
                    return;
                }
                let since = seen.now;
                let facts = self.facts.entry(*id).or_insert_with(|| Facts::new(Default::default(), 0, since));
                let twice = facts.told.contains_key(&life);
                let again = life < facts.life || twice;
                facts.told.entry(life).or_insert_with(|| (reason.clone(), *progressed));
                if again && !self.phantoms.contains(id) {
                    self.label("exit told again, or too late");
                    // The end of an older life may be news, once; it never has another effect.
                    let silent = match seen.actions {
                        [] => true,
                        [Action::Notify { incarnation, .. }] => !twice && incarnation.0 == life,
                        _ => false,
                    };
                    self.demand(silent, Property::OneIncarnation, || {
                        format!("an exit that was told again, or too late, led to {:?}", seen.actions)
                    });
                } else if life == facts.life {
                    let runs = listed == Some(ChildState::Running) && !on_it;
                    // Whoever asked for an end needs not be told that it came.
                    let news = doing.is_some_and(|doing| {
                        let asked = matches!(
                            doing.because,
                            Because::Call(By::Guest) | Because::Ending | Because::Begin
                        );
                        doing.ran && !(asked && reason.is_requested())
                    });
                    let first = !facts.notified.contains(&life) && !self.phantoms.contains(id);
                    self.notice = Some((*id, life)).filter(|_| first && (runs || news));
                    if runs && !self.ending {
                        self.fresh.insert((*id, life));
                    }
                }
            }
            Input::Retry { child, attempt } => self.retried(*child, *attempt, seen),
            _ => {}
        }
        if self.ending {
            self.fresh.clear();
        }
    }

    fn retried(&mut self, child: ChildKey, attempt: u32, seen: &Seen<'_>) {
        let name = self.name_of.get(&child);
        let actor = self.actor_of.get(&child);
        let waits = self.views.iter().any(|view| {
            let this = (actor.is_some() && view.actor.as_ref() == actor)
                || (name.is_some() && view.id.as_ref() == name);
            this && view.state == ChildState::Restarting
        });
        let due = waits && self.waits.get(&child) == Some(&attempt) && !self.ending;
        if !due {
            self.label("retry that was cancelled");
            let silent = seen.actions.is_empty();
            self.demand(silent || self.must_wait(), Property::NoLostChild, || {
                format!("a retry that was cancelled led to {:?}", seen.actions)
            });
        } else if !self.must_wait() {
            let decides = matches!(seen.actions.first(), Some(Action::Report(report))
                if matches!(report.decision, Decision::Restart { .. } | Decision::GiveUp { .. }));
            self.demand(decides, Property::NoLostChild, || format!("a retry led to {:?}", seen.actions));
        }
    }

    /// The answer to a call where nothing is in its way.
    fn called(&mut self, request: &Request, seen: &Seen<'_>) {
        if let Request::Terminate(Target::Actor(info))
        | Request::Restart(Target::Actor(info))
        | Request::Renew(Target::Actor(info))
        | Request::Delete(Target::Actor(info)) = request
            && self.view(info.id).is_none()
        {
            self.label("call about a child that is not listed");
            return self.adopt(info);
        }
        if self.must_wait() {
            return self.label("call while the supervisor is busy");
        }
        let view = match request {
            Request::Start { id, .. } => {
                let named = id.as_ref().filter(|_| !self.is_dynamic());
                named.and_then(|id| self.views.iter().find(|view| view.id.as_ref() == Some(id)))
            }
            Request::Terminate(target)
            | Request::Restart(target)
            | Request::Renew(target)
            | Request::Delete(target) => match target {
                Target::Id(id) => self.views.iter().find(|view| view.id.as_ref() == Some(id)),
                Target::Actor(info) => self.view(info.id),
                _ => None,
            },
            _ => None,
        };
        let view = view.cloned();
        let view = view.as_ref();
        let state = view.map(|view| view.state);
        let never_ran = view.is_some_and(|view| view.actor.is_none());
        if state == Some(ChildState::Restarting) {
            self.label("call while restarting");
        }
        let on_it = view.is_some_and(|view| {
            self.busy.values().any(|doing| {
                (doing.actor.is_some() && doing.actor == view.actor)
                    || (doing.name.is_some() && doing.name == view.id)
            })
        });
        if on_it {
            return self.label("call while something is done with the child");
        }
        let first = seen.actions.first();
        let error = match first {
            Some(Action::Reply { verdict: Err(error), .. }) => Some(error),
            _ => None,
        };
        let starts = matches!(first, Some(Action::Start { .. } | Action::Restart { .. }));
        let occupied = self.views.iter().filter(|view| view.state != ChildState::Down).count();
        let waiting = self.beginning();
        use ChildState::{Restarting, Running};
        let right = match (request, state) {
            _ if self.ending => matches!(error, Some(ChildError::Actor(ActorError::ShuttingDown))),
            (Request::Start { .. }, Some(Running)) => {
                matches!(error, Some(ChildError::AlreadyStarted { .. }))
            }
            (Request::Start { .. }, Some(_)) => matches!(error, Some(ChildError::AlreadyPresent { .. })),
            (Request::Start { child_spec: Some(spec), .. }, None)
                if spec.significant && self.spec.auto_shutdown == AutoShutdown::Never =>
            {
                matches!(error, Some(ChildError::Significant))
            }
            (Request::Start { .. }, None) => match self.spec.max_children {
                Some(limit) if occupied >= limit as usize => {
                    matches!(error, Some(ChildError::MaxChildren { .. }))
                }
                _ => starts,
            },
            (_, None) => matches!(error, Some(ChildError::NotFound { .. })),
            (Request::Renew(_), _) => starts,
            (Request::Terminate(_), Some(_)) if never_ran => {
                matches!(first, Some(Action::Reply { verdict: Ok(None), .. }))
            }
            (Request::Terminate(_), Some(_)) => matches!(first, Some(Action::Stop { .. })),
            _ if self.is_dynamic() => matches!(error, Some(ChildError::SimpleOneForOne)),
            (_, Some(Running)) => matches!(error, Some(ChildError::Running)),
            (_, Some(Restarting)) => matches!(error, Some(ChildError::Restarting)),
            (Request::Restart(_), Some(_)) => starts,
            (Request::Delete(_), Some(_)) => {
                matches!(first, Some(Action::Reap { .. } | Action::Reply { verdict: Ok(_), .. }))
            }
            _ => true,
        };
        // A declared child whose turn has not come is listed as one that does not run.
        self.demand(right || waiting, Property::Handles, || {
            format!("{request:?} of a child that is {state:?} led to {:?}", seen.actions)
        });
    }
}
