//! Small cases that the properties found, or cannot reach.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, ChildSpec, ExitReason, Incarnation, RestartPolicy, Strategy,
    SupervisionSpec,
};
use theater_supervisor::{
    Action, By, CallId, ChildKey, ChildState, DeclaredChild, Input, Machine, Request, Target, Tick,
};

/// A machine that is told one thing after the other, all at the same time.
struct Play {
    machine: Machine,
    actions: Vec<Action>,
    calls: u64,
}

fn id(number: u64) -> ActorId {
    ActorId::from_parts(number, [0; 10])
}

fn info(number: u64, restart: RestartPolicy) -> ActorInfo {
    ActorInfo::new(id(number), None, "child", ActorStatus::Running).with_child_spec(ChildSpec::new(restart))
}

fn named(name: &str) -> Target {
    Target::Id(name.into())
}

impl Play {
    fn new(strategy: Strategy, intensity: u32) -> Self {
        let spec = SupervisionSpec::new(intensity, Duration::from_secs(1)).with_strategy(strategy);
        Self { machine: Machine::new(spec), actions: Vec::new(), calls: 0 }
    }

    /// What the machine does now.
    fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.step(Tick(0), input, &mut actions);
        self.actions.extend(actions.iter().cloned());
        actions
    }

    fn call(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.step(Input::Call { call, by: By::Guest, request });
        call
    }

    /// Starts a child that runs; the key under which it was started.
    fn child(&mut self, number: u64, name: Option<&str>, restart: RestartPolicy) -> ChildKey {
        self.call(Request::Start { id: name.map(Into::into), child_spec: Some(ChildSpec::new(restart)) });
        let key = self.key();
        self.started(key, number, 1);
        key
    }

    /// The child on which something was begun last.
    fn key(&self) -> ChildKey {
        let key = |action: &Action| match action {
            Action::Start { child, .. } | Action::Restart { child, .. } | Action::Stop { child, .. } => {
                Some(*child)
            }
            _ => None,
        };
        self.actions.iter().rev().find_map(key).expect("something was begun")
    }

    fn started(&mut self, child: ChildKey, number: u64, life: u64) {
        let child_spec = ChildSpec::new(RestartPolicy::Permanent);
        self.step(Input::Started { child, id: id(number), incarnation: Incarnation(life), child_spec });
    }

    fn exited(&mut self, number: u64, life: u64, reason: ExitReason) -> Vec<Action> {
        let (id, incarnation) = (id(number), Incarnation(life));
        self.step(Input::Exited { id, incarnation, reason: Arc::new(reason), progressed: None })
    }

    fn stop_ended(&mut self, child: ChildKey) {
        self.step(Input::StopEnded { child, error: None });
    }

    fn start_failed(&mut self, child: ChildKey) {
        let reason = ExitReason::InitFailed { error: "no".into() };
        self.step(Input::StartFailed { child, error: ActorError::StartFailed { reason } });
    }

    fn replies(&self, call: CallId) -> usize {
        let to = |action: &&Action| matches!(action, Action::Reply { call: other, .. } if *other == call);
        self.actions.iter().filter(to).count()
    }

    fn notices(&self, number: u64) -> usize {
        let about =
            |action: &&Action| matches!(action, Action::Notify { id: other, .. } if *other == id(number));
        self.actions.iter().filter(about).count()
    }

    fn starts(&self, child: ChildKey) -> usize {
        let of = |action: &&Action| matches!(action, Action::Start { child: other, .. } if *other == child);
        self.actions.iter().filter(of).count()
    }
}

#[test]
fn a_child_that_never_ran_stays_when_restart_child_fails() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let child = DeclaredChild::new("a", ChildSpec::new(RestartPolicy::Permanent));
    play.step(Input::Begin { children: vec![child] });
    let key = play.key();
    play.step(Input::Ignored { child: key });
    play.call(Request::Restart(named("a")));
    play.start_failed(key);
    let views = play.machine.which_children();
    assert_eq!(views.len(), 1, "OTP keeps the child specification");
    assert_eq!(views[0].state, ChildState::Down);
}

#[test]
fn a_call_about_an_actor_whose_start_is_not_answered_yet_does_not_make_it_two_children() {
    let mut play = Play::new(Strategy::OneForOne, 0);
    play.call(Request::Start { id: None, child_spec: None });
    let started = play.key();
    // The runtime lists it already.
    play.call(Request::Terminate(Target::Actor(info(1, RestartPolicy::Permanent))));
    play.started(started, 1, 1);
    let actors = play.machine.which_children().iter().filter(|view| view.actor == Some(id(1))).count();
    assert_eq!(actors, 1);
    let stopped = play.key();
    play.stop_ended(stopped);
    play.exited(1, 1, ExitReason::Stopped);
    assert!(!play.machine.is_finished(), "a stop that was asked for is no reason to give up");
}

#[test]
fn a_call_about_a_declared_child_whose_turn_has_not_come_does_not_start_it_twice() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let child = |name: &str| DeclaredChild::new(name, ChildSpec::new(RestartPolicy::Permanent));
    play.step(Input::Begin { children: vec![child("a"), child("b")] });
    let first = play.key();
    play.call(Request::Renew(named("b")));
    play.started(first, 1, 1);
    let second = play.key();
    assert_ne!(first, second);
    assert_eq!(play.starts(second), 1);
}

#[test]
fn a_declared_child_that_was_terminated_before_its_turn_does_not_run_in_the_end() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let child = |name: &str| DeclaredChild::new(name, ChildSpec::new(RestartPolicy::Permanent));
    play.step(Input::Begin { children: vec![child("a"), child("b")] });
    let call = play.call(Request::Terminate(named("b")));
    let first = play.key();
    play.started(first, 1, 1);
    let second = play.key();
    if second != first {
        play.started(second, 2, 1);
        let stops = play
            .actions
            .iter()
            .any(|action| matches!(action, Action::Stop { id: other, .. } if *other == id(2)));
        assert!(stops || play.replies(call) == 0, "it was answered, and the child runs");
    }
}

#[test]
fn a_call_that_waits_behind_a_delete_is_answered() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let key = play.child(1, Some("a"), RestartPolicy::Permanent);
    play.call(Request::Terminate(named("a")));
    let delete = play.call(Request::Delete(named("a")));
    let last = play.call(Request::Terminate(named("a")));
    play.exited(1, 1, ExitReason::Stopped);
    play.stop_ended(key);
    assert_eq!((play.replies(delete), play.replies(last)), (1, 1));
}

#[test]
fn a_temporary_child_that_ends_while_a_call_waits_for_it_is_forgotten() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let key = play.child(1, Some("a"), RestartPolicy::Temporary);
    play.call(Request::Renew(named("a")));
    let spec = ChildSpec::new(RestartPolicy::Temporary);
    let again = play.call(Request::Start { id: Some("a".into()), child_spec: Some(spec) });
    play.exited(1, 1, ExitReason::Stopped);
    play.exited(1, 2, ExitReason::Completed { data: None });
    play.started(key, 1, 2);
    assert_eq!(play.replies(again), 1);
    let left: Vec<_> =
        play.machine.which_children().into_iter().filter(|view| view.state == ChildState::Down).collect();
    assert_eq!(left, [], "a temporary child has a spec only while it runs");
}

#[test]
fn a_call_that_waited_does_not_bring_back_a_child_that_was_forgotten_meanwhile() {
    let mut play = Play::new(Strategy::RestForOne, 1);
    play.child(1, None, RestartPolicy::Temporary);
    play.call(Request::Start { id: None, child_spec: None });
    let busy = play.key();
    let running = info(1, RestartPolicy::Temporary);
    play.call(Request::Terminate(Target::Actor(running.clone())));
    play.call(Request::Restart(Target::Actor(running)));
    play.started(busy, 2, 1);
    let stopped = play.key();
    play.exited(1, 1, ExitReason::Stopped);
    play.stop_ended(stopped);
    let runs = |actor| {
        let views = play.machine.which_children();
        views.iter().any(|view| view.actor == Some(id(actor)) && view.state == ChildState::Running)
    };
    assert!(runs(2) && !runs(1), "its life has ended, and the machine was told so");
}

#[test]
fn an_exit_that_is_told_twice_while_the_supervisor_is_busy_is_told_to_the_guest_once() {
    let mut play = Play::new(Strategy::OneForAll, 1);
    play.child(1, None, RestartPolicy::Temporary);
    play.call(Request::Start { id: None, child_spec: None });
    let busy = play.key();
    play.exited(1, 1, ExitReason::Completed { data: None });
    play.exited(1, 1, ExitReason::Completed { data: None });
    play.started(busy, 2, 1);
    assert_eq!(play.notices(1), 1);
}

#[test]
fn an_exit_that_waited_while_its_actor_was_lost_is_told_to_the_guest_once() {
    let mut play = Play::new(Strategy::OneForAll, 5);
    let first = play.child(1, Some("a"), RestartPolicy::Permanent);
    play.child(2, None, RestartPolicy::Permanent);
    play.call(Request::Start { id: None, child_spec: None });
    let busy = play.key();
    play.exited(2, 1, ExitReason::Completed { data: None });
    play.exited(1, 1, ExitReason::Completed { data: None });
    play.start_failed(busy);
    // The restart of the group begins with the first, whose record is gone.
    play.step(Input::StartFailed { child: first, error: ActorError::not_a_child("a") });
    assert_eq!((play.notices(1), play.notices(2)), (1, 1));
}

#[test]
fn a_child_that_was_terminated_stays_so_when_its_crash_is_told_during_a_second_stop_that_is_refused() {
    let mut play = Play::new(Strategy::OneForOne, 1);
    let key = play.child(1, Some("a"), RestartPolicy::Permanent);
    let first = play.call(Request::Terminate(named("a")));
    play.call(Request::Terminate(named("a")));
    play.stop_ended(key);
    assert_eq!(play.replies(first), 1);
    play.exited(1, 1, ExitReason::OutOfMemory { limit: 1 });
    let error = Some(ActorError::Unsupported { operation: "stop" });
    let actions = play.step(Input::StopEnded { child: key, error });
    let restarts = actions.iter().any(|action| matches!(action, Action::Restart { .. } | Action::Report(_)));
    assert!(!restarts, "{actions:?}");
}
