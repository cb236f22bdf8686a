//! The properties, checked on everything that goes into a machine and comes out.
//!
//! They are stated about what can be seen: inputs, actions, and the list of children after each step. Of the machine's
//! inside nothing is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use theater_core::{
    ActorId, ActorInfo, ChildSpec, ChildType, ExitReason, RestartPolicy, Strategy, SupervisionSpec,
};
use theater_supervisor::{
    Action, By, CallId, ChildCounts, ChildKey, ChildState, ChildView, Input, Request, Target,
};

use super::group::Group;
use super::property::Property;
use super::run::Violation;
use super::world::{Truth, lives};

/// One step of a machine.
pub(super) struct Seen<'a> {
    pub(super) now: u64,
    pub(super) input: &'a Input,
    pub(super) actions: &'a [Action],
    /// In start order.
    pub(super) views: Vec<ChildView>,
    pub(super) counts: ChildCounts,
    pub(super) truth: &'a Truth,
}

/// Who wanted an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    Call(By),
    Begin,
    Rule,
    Group,
    Ending,
}

/// An operation under way.
#[derive(Debug, Clone)]
pub(super) struct Doing {
    pub(super) actor: Option<ActorId>,
    pub(super) name: Option<Arc<str>>,
    pub(super) because: Because,
    pub(super) stops: bool,
    /// Whether the child ran when this was begun.
    pub(super) ran: bool,
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) by: By,
    pub(super) request: Request,
    pub(super) replies: u32,
}

/// What the machine was told of one actor, and what follows from that.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) spec: ChildSpec,
    pub(super) life: u64,
    pub(super) since: u64,
    /// The exits that the machine was told.
    pub(super) told: BTreeMap<u64, (Arc<ExitReason>, Option<bool>)>,
    pub(super) notified: BTreeSet<u64>,
    /// Waits in a row.
    pub(super) failures: u32,
    pub(super) crashes: u32,
    pub(super) initial: bool,
    pub(super) restored: bool,
    /// Who ended it last, if somebody did.
    pub(super) ended_by: Option<(u64, Because)>,
}

impl Facts {
    pub(super) fn new(spec: ChildSpec, life: u64, since: u64) -> Self {
        Self {
            spec,
            life,
            since,
            told: BTreeMap::new(),
            notified: BTreeSet::new(),
            failures: 0,
            crashes: 0,
            initial: false,
            restored: false,
            ended_by: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) spec: SupervisionSpec,
    /// The number of the step that is being checked.
    pub(super) step: usize,
    pub(super) violations: BTreeMap<Property, Violation>,
    /// What came up, to see whether the random commands are worth something.
    pub(super) labels: BTreeMap<&'static str, u32>,
    /// The children after the last step, in start order.
    pub(super) views: Vec<ChildView>,
    pub(super) busy: BTreeMap<ChildKey, Doing>,
    pub(super) facts: BTreeMap<ActorId, Facts>,
    pub(super) actor_of: BTreeMap<ChildKey, ActorId>,
    /// What a child was before its record was lost, by what it is now.
    pub(super) formerly: BTreeMap<ActorId, ActorId>,
    pub(super) name_of: BTreeMap<ChildKey, Arc<str>>,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// Exits that call for a decision.
    pub(super) fresh: BTreeSet<(ActorId, u64)>,
    pub(super) waits: BTreeMap<ChildKey, u32>,
    pub(super) attempts: Vec<u64>,
    pub(super) group: Option<Group>,
    /// The stop that was refused in this step.
    pub(super) refused: Option<(ChildKey, Because)>,
    /// The notice that has to come in this step.
    pub(super) notice: Option<(ActorId, u64)>,
    pub(super) ending: bool,
    /// Children that were forgotten and came back by a call, with what was known when it was made.
    pub(super) phantoms: BTreeSet<ActorId>,
    finished: u32,
    begun: u32,
    pub(super) declared: BTreeSet<Arc<str>>,
}

impl Rules {
    pub(super) fn new(spec: SupervisionSpec) -> Self {
        Self {
            spec,
            step: 0,
            violations: BTreeMap::new(),
            labels: BTreeMap::new(),
            views: Vec::new(),
            busy: BTreeMap::new(),
            facts: BTreeMap::new(),
            actor_of: BTreeMap::new(),
            formerly: BTreeMap::new(),
            name_of: BTreeMap::new(),
            calls: BTreeMap::new(),
            fresh: BTreeSet::new(),
            waits: BTreeMap::new(),
            attempts: Vec::new(),
            group: None,
            refused: None,
            notice: None,
            ending: false,
            phantoms: BTreeSet::new(),
            finished: 0,
            begun: 0,
            declared: BTreeSet::new(),
        }
    }

    /// Notes that a property does not hold, once.
    pub(super) fn violate(&mut self, property: Property, what: impl FnOnce() -> String) {
        let step = self.step;
        self.violations.entry(property).or_insert_with(|| Violation { property, step, what: what() });
    }

    pub(super) fn demand(&mut self, holds: bool, property: Property, what: impl FnOnce() -> String) {
        if !holds {
            self.violate(property, what);
        }
    }

    pub(super) fn label(&mut self, label: &'static str) {
        *self.labels.entry(label).or_default() += 1;
    }

    pub(super) fn is_group(&self) -> bool {
        matches!(self.spec.strategy, Strategy::OneForAll | Strategy::RestForOne)
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.spec.strategy == Strategy::SimpleOneForOne
    }

    /// Whether what comes has to wait.
    pub(super) fn must_wait(&self) -> bool {
        (self.is_group() || self.beginning()) && !self.busy.is_empty() && !self.ending
    }

    pub(super) fn view(&self, actor: ActorId) -> Option<&ChildView> {
        self.views.iter().find(|view| view.actor == Some(actor))
    }

    pub(super) fn beginning(&self) -> bool {
        self.begun == 0
    }

    pub(super) fn check(&mut self, seen: Seen<'_>) {
        if self.finished > 0 {
            let answers = |action: &Action| matches!(action, Action::Reply { .. } | Action::Begun(_));
            let silent = seen.actions.iter().all(answers);
            self.demand(silent, Property::StopOrder, || format!("after the end: {:?}", seen.actions));
        }
        if let Input::Begin { children } = seen.input {
            self.declared = children.iter().map(|child| Arc::clone(&child.id)).collect();
        }
        let ending = self.ending;
        (self.refused, self.notice) = (None, None);
        self.input(&seen);
        self.actions(&seen);
        let began_to_end = self.ending && !ending;
        self.lists(&seen);
        self.adopted(&seen);
        self.views = seen.views;
        self.after(began_to_end);
        self.step += 1;
    }

    /// What an action says of calls, of the beginning and of the end.
    pub(super) fn answered(&mut self, action: &Action, seen: &Seen<'_>) {
        match action {
            Action::Reply { call, .. } => {
                let replies = self.calls.get_mut(call).map_or(0, |call| {
                    call.replies += 1;
                    call.replies
                });
                self.demand(replies == 1, Property::Replies, || format!("{replies} replies to {call:?}"));
            }
            Action::Begun(_) => {
                self.begun += 1;
                let begun = self.begun;
                self.demand(begun == 1, Property::Replies, || "begun twice".to_owned());
            }
            Action::Finish(_) => {
                self.finished += 1;
                let (finished, ending) = (self.finished, self.ending);
                self.demand(finished == 1, Property::Replies, || "finished twice".to_owned());
                self.demand(ending, Property::StopOrder, || "the end without a cause".to_owned());
                let busy = !self.busy.is_empty();
                self.demand(!busy, Property::NoOrphan, || "the end while something is under way".to_owned());
                self.no_life(seen.truth);
            }
            _ => {}
        }
    }

    fn no_life(&mut self, truth: &Truth) {
        for id in truth.keys().filter(|id| lives(truth, **id)) {
            self.violate(Property::NoOrphan, || format!("{id} outlives its supervisor"));
        }
    }

    /// A child that comes into the list by a call is known anew, whatever was known of it when it was forgotten.
    fn adopted(&mut self, seen: &Seen<'_>) {
        for view in &seen.views {
            let Some(actor) = view.actor else { continue };
            let started = matches!(seen.input, Input::Started { id, .. } if *id == actor);
            let came = !started && self.view(actor).is_none();
            if let Some(facts) = self.facts.get_mut(&actor) {
                facts.spec = view.child_spec;
                if came && !matches!(seen.input, Input::Call { .. }) {
                    self.phantoms.insert(actor);
                }
            }
        }
    }

    /// The list of children, by itself and against the one before.
    fn lists(&mut self, seen: &Seen<'_>) {
        let views = &seen.views;
        let count = |what: &dyn Fn(&ChildView) -> bool| views.iter().filter(|view| what(view)).count();
        let supervisors = count(&|view| view.child_spec.child_type == ChildType::Supervisor);
        let recount = (
            views.len(),
            count(&|view| matches!(view.state, ChildState::Running | ChildState::Stopping)),
            supervisors,
            views.len() - supervisors,
        );
        let counts = (seen.counts.specs, seen.counts.active, seen.counts.supervisors, seen.counts.workers);
        self.demand(counts == recount, Property::Ids, || format!("counts {counts:?}, recount {recount:?}"));
        let (mut names, mut actors) = (BTreeSet::new(), BTreeSet::new());
        for view in views {
            let unique = view.id.as_ref().is_none_or(|id| names.insert(id));
            self.demand(unique, Property::Ids, || format!("two children have the id {:?}", view.id));
            let once = view.actor.is_none_or(|actor| actors.insert(actor));
            self.demand(once, Property::OneParent, || format!("{:?} is there twice", view.actor));
            let waits = self.beginning() && view.id.as_ref().is_some_and(|id| self.declared.contains(id));
            let over = view.child_spec.restart == RestartPolicy::Temporary && view.state == ChildState::Down;
            self.demand(!over || waits || self.ending, Property::Ids, || {
                format!("a temporary child that is over is kept: {view:?}")
            });
        }
        self.places(seen);
    }

    /// A child keeps its place, and a new one comes last.
    fn places(&mut self, seen: &Seen<'_>) {
        // A child may have been deleted and started anew in one step: then it is a new one.
        let calls = seen.actions.iter().filter_map(|action| match action {
            Action::Start { id: Some(id), call: Some(call), .. } => Some((id, call)),
            _ => None,
        });
        let starts =
            |call| self.calls.get(call).is_some_and(|call| matches!(call.request, Request::Start { .. }));
        let anew: BTreeSet<_> = calls.filter(|(_, call)| starts(call)).map(|(id, _)| id.clone()).collect();
        let before: BTreeMap<_, _> = self.views.iter().zip(0..).map(|(view, n)| (key(view), n)).collect();
        let (mut last, mut new) = (-1, false);
        for view in &seen.views {
            if view.actor.is_some_and(|actor| self.phantoms.contains(&actor)) {
                continue;
            }
            let named = view.id.as_ref().is_some_and(|id| !anew.contains(id));
            match before.get(&key(view)).filter(|_| named || view.id.is_none() && view.actor.is_some()) {
                Some(place) => {
                    let kept = *place > last && !new;
                    self.demand(kept, Property::Ids, || format!("{view:?} has lost its place"));
                    last = *place;
                }
                // A child without a name is not recognized when it gets its actor.
                None => new |= view.id.is_some(),
            }
        }
    }

    /// Nothing more happens unless somebody does something: what is believed has to be true.
    pub(super) fn at_rest(&mut self, truth: &Truth) {
        if self.finished > 0 {
            return self.no_life(truth);
        }
        let views = self.views.clone();
        for view in &views {
            let busy = self.busy.values().any(|doing| {
                (doing.actor.is_some() && doing.actor == view.actor)
                    || (doing.name.is_some() && doing.name == view.id)
            });
            let alive = view.actor.is_some_and(|actor| lives(truth, actor));
            let right = match view.state {
                // What it was told may wait behind a start that does not end.
                ChildState::Running => alive || self.must_wait(),
                ChildState::Down => !alive,
                _ => {
                    busy || self.busy.values().any(|doing| doing.actor.is_none() && doing.name.is_none())
                        || self.must_wait()
                }
            };
            self.demand(right, Property::NoLostChild, || format!("at rest, alive: {alive}: {view:?}"));
        }
        for id in truth.keys().filter(|id| lives(truth, **id)) {
            let listed = views.iter().any(|view| view.actor == Some(*id));
            self.demand(listed, Property::NoOrphan, || format!("{id} lives and has no supervisor"));
        }
    }

    pub(super) fn at_end(&mut self, truth: &Truth) {
        self.no_life(truth);
        let (finished, begun) = (self.finished, self.begun);
        self.demand(finished == 1, Property::Replies, || format!("finished {finished} times"));
        self.demand(begun == 1, Property::Replies, || format!("begun {begun} times"));
        let open = self.calls.values().find(|call| call.replies != 1).map(|call| format!("{call:?}"));
        self.demand(open.is_none(), Property::Replies, || format!("not answered: {open:?}"));
        let left = self.views.len();
        self.demand(left == 0, Property::NoOrphan, || format!("{left} children are left in the list"));
    }

    /// A child that the supervisor does not list is taken as it is.
    pub(super) fn adopt(&mut self, info: &ActorInfo) {
        if self.view(info.id).is_none() {
            let mut facts = Facts::new(info.child_spec, info.incarnation.0, 0);
            if info.status.is_ended() {
                facts.ended_by = Some((info.incarnation.0, Because::Call(By::Guest)));
                facts.notified.insert(info.incarnation.0);
            }
            self.facts.insert(info.id, facts);
        }
    }

    /// The earliest open call about a child.
    pub(super) fn asked(&self, actor: Option<ActorId>, name: Option<&Arc<str>>, stops: bool) -> Option<By> {
        let about = |target: &Target| match target {
            Target::Id(id) => name == Some(id),
            Target::Actor(info) => std::iter::successors(actor, |actor| self.formerly.get(actor).copied())
                .any(|actor| actor == info.id),
            _ => false,
        };
        let open = self.calls.values().filter(|call| call.replies == 0);
        let mut fits = open.filter(|call| match &call.request {
            Request::Terminate(target) => stops && about(target),
            Request::Restart(target) | Request::Renew(target) => !stops && about(target),
            _ => false,
        });
        fits.next().map(|call| call.by)
    }
}

fn key(view: &ChildView) -> (Option<Arc<str>>, Option<ActorId>) {
    // The name says it all, where there is one: the actor may change.
    (view.id.clone(), view.actor.filter(|_| view.id.is_none()))
}
