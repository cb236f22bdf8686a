//! A restart of several children, as it has to go: stopped in reverse start order, then started in start order.

use std::sync::Arc;

use theater_core::{ActorId, RestartPolicy, Strategy};
use theater_supervisor::{Action, ChildState, ChildView};

use super::property::Property;
use super::rules::{Rules, Seen};

/// Who somebody is: an actor, a name, or both.
pub(super) type Who = (Option<ActorId>, Option<Arc<str>>);

/// A group that is being restarted.
#[derive(Debug)]
pub(super) struct Group {
    culprit: Who,
    /// Those that will be started, in start order. Known after the first step.
    members: Option<Vec<Who>>,
    /// How many of them have been asked to start; `None` while children are being stopped.
    started: Option<usize>,
    /// Whether one did not start: then the rest waits for its retry.
    failed: bool,
}

impl Group {
    /// Whether all that belong to it have been started, or one of them has failed.
    fn is_over(&self) -> bool {
        let all = self.members.as_ref().map(Vec::len);
        self.failed || (self.started.is_some() && self.started == all)
    }

    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    pub(super) fn of(culprit: Who) -> Self {
        Self { culprit, members: None, started: None, failed: false }
    }
}

fn is(view: &ChildView, who: &Who) -> bool {
    same(&(view.actor, view.id.clone()), who)
}

fn same(one: &Who, other: &Who) -> bool {
    (one.0.is_some() && one.0 == other.0) || (one.1.is_some() && one.1 == other.1)
}

impl Rules {
    /// The children of the group as they are listed after this step.
    fn group_views(&self, seen: &Seen<'_>, group: &Group) -> Vec<ChildView> {
        // Its first child may have been lost meanwhile.
        let belongs = |view: &ChildView| {
            is(view, &group.culprit) || group.members.iter().flatten().any(|member| is(view, member))
        };
        let first = match self.spec.strategy {
            Strategy::OneForAll => 0,
            _ => seen.views.iter().position(belongs).unwrap_or(seen.views.len()),
        };
        seen.views[first..].to_vec()
    }

    /// An operation while a group is being restarted. `false` if there is none.
    pub(super) fn operation_of_group(&mut self, seen: &Seen<'_>, who: &Who, action: &Action) -> bool {
        let Some(mut group) = self.group.take() else { return false };
        if group.is_over() && self.busy.is_empty() {
            // Something else, in the step in which the group was complete.
            return false;
        }
        let views = self.group_views(seen, &group);
        let place = views.iter().position(|view| is(view, who));
        self.demand(place.is_some(), Property::Policy, || format!("{who:?} does not belong to the group"));
        let runs = |view: &ChildView| matches!(view.state, ChildState::Running | ChildState::Stopping);
        let members = group.members.get_or_insert_with(|| {
            let stays = |view: &&ChildView| view.child_spec.restart != RestartPolicy::Temporary;
            views.iter().filter(stays).map(|view| (view.actor, view.id.clone())).collect()
        });
        if let Action::Stop { .. } = action {
            let stopping = group.started.is_none();
            let rest = &views[place.map_or(0, |place| place + 1)..];
            let running: Vec<_> = rest.iter().filter(|view| runs(view)).collect();
            self.demand(stopping, Property::StopOrder, || format!("{who:?} is stopped after starts"));
            self.demand(running.is_empty(), Property::StopOrder, || {
                format!("{who:?} is stopped before {running:?}, which was started later")
            });
        } else {
            let next = group.started.unwrap_or(0);
            if next == 0 {
                let running: Vec<_> = views.iter().filter(|view| runs(view)).collect();
                self.demand(running.is_empty(), Property::Policy, || {
                    format!("the group is started while {running:?} run")
                });
            }
            let expected = members.get(next);
            let right = expected.is_some_and(|expected| same(expected, who));
            let text = || format!("{who:?} is started instead of {expected:?}");
            if !right {
                self.violate(Property::Policy, text);
            }
            group.started = Some(next + 1);
        }
        self.group = Some(group);
        true
    }

    /// Nothing is under way: then the group is complete.
    pub(super) fn group_at_rest(&mut self) {
        let Some(group) = self.group.take_if(|_| self.busy.is_empty()) else { return };
        self.demand(group.is_over() || self.ending, Property::NoLostChild, || {
            format!("the restart of a group ended before its end: {group:?}")
        });
    }
}
