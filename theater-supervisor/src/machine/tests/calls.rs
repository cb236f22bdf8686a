//! Calls: restart and stop, and what waits for what.

use RestartPolicy::{Permanent, Temporary, Transient};

use super::*;

#[test]
fn a_stop_is_not_answered_by_a_restart_if_the_child_crashes_before_the_stop_ends() {
    let mut bench = Bench::with(9, &[Permanent]);
    assert_eq!(bench.call_stop(7, 1), ["stop 1"]);
    assert_eq!(bench.exited(1, 1, trapped()), ["notify 1.1 trapped"]);
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert!(bench.retry(1).is_empty());
}

#[test]
fn a_stop_is_not_answered_by_a_restart_if_the_crash_is_told_after_the_stop_ended() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.call_stop(7, 1);
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert_eq!(bench.exited(1, 1, trapped()), ["notify 1.1 trapped"], "a crash is news all the same");
}

#[test]
fn a_stop_after_a_crash_was_taken_waits_for_the_restart_and_ends_the_new_life() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.exited(1, 1, trapped());
    assert!(bench.call_stop(7, 1).is_empty());
    assert_eq!(bench.started(1, 2), ["stop 1"]);
    assert!(bench.exited(1, 2, ExitReason::Stopped).is_empty());
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
}

#[test]
fn the_end_that_a_stop_brings_about_is_no_news() {
    for reason in [ExitReason::Stopped, ExitReason::Killed] {
        let mut bench = Bench::with(0, &[Permanent]);
        bench.call_stop(7, 1);
        assert!(bench.exited(1, 1, reason).is_empty());
        assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    }
}

#[test]
fn stopping_what_has_ended_is_no_error() {
    let mut bench = Bench::with(0, &[Transient]);
    bench.exited(1, 1, ExitReason::Completed { data: None });
    assert_eq!(bench.call_stop(7, 1), ["stop 1"]);
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert_eq!(bench.children(), 1);
}

#[test]
fn a_call_restarts_a_running_child_and_does_not_count() {
    let mut bench = Bench::with(0, &[Permanent]);
    assert_eq!(bench.call_restart(7, 1), ["restart 1"]);
    assert!(bench.exited(1, 1, ExitReason::Stopped).is_empty());
    assert_eq!(bench.started(1, 2), ["reply 7: ok"]);
}

#[test]
fn a_crash_before_a_restart_by_a_call_is_news_but_needs_no_restart_of_its_own() {
    let mut bench = Bench::with(0, &[Permanent]);
    bench.call_restart(7, 1);
    assert_eq!(bench.exited(1, 1, trapped()), ["notify 1.1 trapped"]);
    assert_eq!(bench.started(1, 2), ["reply 7: ok"]);
}

#[test]
fn a_call_restarts_a_child_that_was_stopped() {
    let mut bench = Bench::with(0, &[Permanent]);
    bench.call_stop(7, 1);
    bench.exited(1, 1, ExitReason::Stopped);
    bench.stop_ended(1);
    assert_eq!(bench.call_restart(8, 1), ["restart 1"]);
    assert_eq!(bench.started(1, 2), ["reply 8: ok"]);
    assert_eq!(bench.exited(1, 2, trapped())[1], "report 1.2: give up", "it is supervised again");
}

#[test]
fn a_temporary_child_that_was_forgotten_can_be_restarted_by_a_call() {
    let mut bench = Bench::with(0, &[Temporary]);
    bench.exited(1, 1, trapped());
    assert_eq!(bench.children(), 0);
    let mut ended = info(1, 1, Temporary);
    ended.status = ActorStatus::Ended(trapped());
    let mut actions = Vec::new();
    let call = Input::Call { call: CallId(7), by: By::Guest, request: Request::Renew(Target::Actor(ended)) };
    bench.machine.step(Tick(bench.now), call, &mut actions);
    let [Action::Restart { child, id: found, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(found, id(1));
    bench.keys.insert(1, child);
    assert_eq!(bench.started(1, 2), ["reply 7: ok"]);
    assert_eq!(bench.exited(1, 2, trapped()), ["notify 1.2 trapped", "report 1.2: leave"]);
    assert_eq!(bench.children(), 0);
}

#[test]
fn a_child_is_ended_as_its_child_spec_says() {
    let modes = [
        (theater_core::Shutdown::Kill, theater_core::StopMode::Kill),
        (theater_core::Shutdown::Infinity, theater_core::StopMode::Infinity),
        (
            theater_core::Shutdown::After(Duration::from_secs(3)),
            theater_core::StopMode::Graceful(Duration::from_secs(3)),
        ),
    ];
    for (shutdown, expected) in modes {
        let mut spec = ChildSpec::new(Permanent);
        spec.shutdown = shutdown;
        let info = info(1, 1, Permanent).with_child_spec(spec);
        let mut machine = Machine::new(SupervisionSpec::default());
        let mut actions = Vec::new();
        machine.step(
            Tick(0),
            Input::Call { call: CallId(1), by: By::Guest, request: Request::Terminate(Target::Actor(info)) },
            &mut actions,
        );
        assert!(matches!(actions[..], [Action::Stop { mode, .. }] if mode == expected), "{actions:?}");
    }
}

#[test]
fn a_restart_grants_the_grace_of_a_life_only_where_there_is_one() {
    let mut spec = ChildSpec::new(Permanent);
    spec.shutdown = theater_core::Shutdown::Infinity;
    let info = info(1, 1, Permanent).with_child_spec(spec);
    let mut machine = Machine::new(SupervisionSpec::new(9, Duration::from_secs(5)));
    let mut actions = Vec::new();
    let restart = |call| Input::Call {
        call: CallId(call),
        by: By::Guest,
        request: Request::Renew(Target::Actor(info.clone())),
    };
    let mut mode_of = |input| {
        actions.clear();
        machine.step(Tick(0), input, &mut actions);
        actions.iter().find_map(|action| match action {
            Action::Restart { mode, .. } => Some(*mode),
            _ => None,
        })
    };
    assert_eq!(mode_of(restart(1)), Some(theater_core::StopMode::Infinity), "it runs");
    let error = ActorError::Unsupported { operation: "restart" };
    mode_of(Input::StartFailed { child: ChildKey(1), error });
    assert_eq!(mode_of(restart(2)), Some(theater_core::StopMode::Kill), "it is down");
    mode_of(Input::Started {
        child: ChildKey(1),
        id: info.id,
        incarnation: Incarnation(3),
        child_spec: info.child_spec,
    });
    let exit = Input::Exited {
        id: id(1),
        incarnation: Incarnation(3),
        reason: Arc::new(trapped()),
        progressed: None,
    };
    assert_eq!(mode_of(exit), Some(theater_core::StopMode::Kill), "it has crashed");
}

#[test]
fn calls_about_a_child_wait_for_each_other_and_all_are_answered() {
    let mut bench = Bench::with(0, &[Permanent]);
    assert_eq!(bench.call_restart(1, 1), ["restart 1"]);
    assert!(bench.call_stop(2, 1).is_empty());
    assert!(bench.call_stop(3, 1).is_empty());
    assert!(bench.call_restart(4, 1).is_empty());
    assert!(bench.exited(1, 1, ExitReason::Stopped).is_empty());
    assert_eq!(bench.started(1, 2), ["reply 1: ok", "stop 1"]);
    assert!(bench.exited(1, 2, ExitReason::Stopped).is_empty());
    assert_eq!(bench.stop_ended(1), ["reply 2: ok", "stop 1"]);
    assert_eq!(bench.stop_ended(1), ["reply 3: ok", "restart 1"]);
    assert_eq!(bench.started(1, 3), ["reply 4: ok"]);
}

#[test]
fn a_temporary_child_is_kept_as_long_as_calls_wait_for_it() {
    let mut bench = Bench::with(0, &[Temporary]);
    bench.call_stop(1, 1);
    assert!(bench.call_restart(2, 1).is_empty());
    assert!(bench.exited(1, 1, ExitReason::Stopped).is_empty());
    assert_eq!(bench.stop_ended(1), ["reply 1: ok", "restart 1"]);
    assert_eq!(bench.start_failed(1), ["reply 2: the actor did not start: init failed: no"]);
    assert_eq!(bench.children(), 0);
}

#[test]
fn other_children_are_not_held_up() {
    let mut bench = Bench::with(9, &[Permanent, Permanent, Permanent]);
    assert_eq!(bench.call_restart(1, 1), ["restart 1"]);
    assert_eq!(bench.call_stop(2, 2), ["stop 2"]);
    assert_eq!(bench.exited(3, 1, trapped()).last().map(String::as_str), Some("restart 3"));
    assert_eq!(bench.call_start(3), ["start 4 for 3"]);
}

#[test]
fn a_stop_that_is_refused_leaves_a_running_child_running_and_supervised() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.call_stop(7, 1);
    assert_eq!(bench.stop_refused(1), ["reply 7: this runtime does not support stop"]);
    let expected = ["notify 1.1 trapped", "report 1.1: restart 1 of 9", "restart 1"];
    assert_eq!(bench.exited(1, 1, trapped()), expected, "an operation that failed has had no effect");
}

#[test]
fn a_stop_that_is_refused_leaves_an_ended_child_ended() {
    let mut bench = Bench::with(9, &[Transient]);
    bench.exited(1, 1, ExitReason::Completed { data: None });
    bench.call_stop(7, 1);
    bench.stop_refused(1);
    assert_eq!(bench.shutdown(), ["finish: shutdown"], "there is nothing to stop");
}

#[test]
fn answers_to_operations_that_nobody_asked_for_change_nothing() {
    let mut bench = Bench::with(0, &[Permanent]);
    assert!(bench.started(1, 5).is_empty());
    assert!(bench.start_failed(1).is_empty());
    assert!(bench.stop_ended(1).is_empty());
    assert!(bench.retry(1).is_empty());
    assert!(bench.started(9, 1).is_empty());
    assert!(bench.start_failed(9).is_empty());
    assert!(bench.stop_ended(9).is_empty());
    assert_eq!(bench.exited(1, 1, trapped())[1], "report 1.1: give up");
}
