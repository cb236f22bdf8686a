//! A child's life ends by itself.

use RestartPolicy::{Permanent, Temporary, Transient};

use super::*;

fn reasons() -> [ExitReason; 16] {
    let error = || "e".to_owned();
    [
        ExitReason::Completed { data: None },
        ExitReason::Stopped,
        ExitReason::ParentStopped,
        ExitReason::Killed,
        ExitReason::InitFailed { error: error() },
        ExitReason::StartFailed { error: error() },
        trapped(),
        ExitReason::TimedOut { limit: Duration::from_secs(1) },
        ExitReason::OutOfMemory { limit: 1 },
        ExitReason::StateTooLarge { size: 2, limit: 1 },
        ExitReason::MessageTooLarge { size: 2, limit: 1 },
        ExitReason::EventTooLarge { size: 2, limit: 1 },
        ExitReason::MailboxOverflow { limit: 1 },
        ExitReason::HostPanicked { message: error() },
        ExitReason::Escalated { child: id(9), reason: error(), clean: false },
        ExitReason::ChainFailed { error: error() },
    ]
}

#[test]
fn the_restart_table_holds_for_every_policy_and_reason() {
    for reason in reasons() {
        let clean = ["completed", "stopped", "parent-stopped"].contains(&reason.name());
        for (policy, expected) in [(Permanent, true), (Transient, !clean), (Temporary, false)] {
            assert_eq!(restarts(policy, &reason), expected, "{policy:?} {reason}");
            let mut bench = Bench::with(1, &[policy]);
            let notice = format!("notify 1.1 {}", reason.name());
            let actions = bench.exited(1, 1, reason.clone());
            match expected {
                true => assert_eq!(actions, [notice.as_str(), "report 1.1: restart 1 of 1", "restart 1"]),
                false => assert_eq!(actions, [notice.as_str(), "report 1.1: leave"], "{policy:?} {reason}"),
            }
        }
    }
}

#[test]
fn a_report_says_what_was_decided_and_why() {
    let mut bench = Bench::with(3, &[Permanent]);
    let mut actions = Vec::new();
    let exit = Input::Exited {
        id: id(1),
        incarnation: Incarnation(1),
        reason: Arc::new(trapped()),
        progressed: None,
    };
    bench.machine.step(Tick(0), exit, &mut actions);
    let report = Report {
        child: Some(id(1)),
        child_id: None,
        incarnation: Incarnation(1),
        reason: Arc::new(trapped()),
        decision: Decision::Restart {
            count: 1,
            intensity: 3,
            period_ms: PERIOD_MS,
            strategy: theater_core::Strategy::OneForOne,
            siblings: 0,
            from: theater_core::RestartFrom::LastGood,
        },
    };
    assert!(
        actions.iter().any(|action| matches!(action, Action::Report(found) if *found == report)),
        "{actions:?}"
    );
}

#[test]
fn a_transient_child_that_ended_cleanly_stays_and_can_be_restarted() {
    let mut bench = Bench::with(0, &[Transient]);
    bench.exited(1, 1, ExitReason::Completed { data: None });
    assert_eq!(bench.children(), 1);
    assert_eq!(bench.call_restart(7, 1), ["restart 1"]);
    assert_eq!(bench.started(1, 2), ["reply 7: ok"]);
    assert_eq!(bench.children(), 1);
}

#[test]
fn a_temporary_child_is_forgotten_when_it_ends() {
    let mut bench = Bench::with(0, &[Temporary, Temporary]);
    bench.exited(1, 1, trapped());
    assert_eq!(bench.children(), 1);
    bench.call_stop(7, 2);
    bench.stop_ended(2);
    assert_eq!(bench.children(), 0);
    assert!(bench.exited(2, 1, ExitReason::Stopped).is_empty(), "its exit is known as its, and no news");
}

#[test]
fn a_temporary_child_whose_end_is_told_before_the_end_of_its_stop_is_forgotten() {
    let mut bench = Bench::with(0, &[Temporary]);
    assert_eq!(bench.call_stop(7, 1), ["stop 1"]);
    assert!(bench.exited(1, 1, ExitReason::Stopped).is_empty());
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert_eq!(bench.children(), 0);
}

#[test]
fn the_window_includes_its_edge() {
    for (gap, goes_on) in [(PERIOD_MS - 1, false), (PERIOD_MS, false), (PERIOD_MS + 1, true)] {
        let mut bench = Bench::with(1, &[Permanent]);
        bench.exited(1, 1, trapped());
        bench.started(1, 2);
        bench.now += gap;
        let actions = bench.exited(1, 2, trapped());
        match goes_on {
            true => assert_eq!(actions, ["notify 1.2 trapped", "report 1.2: restart 1 of 1", "restart 1"]),
            false => assert_eq!(
                actions,
                ["notify 1.2 trapped", "report 1.2: give up", "finish: escalated by 1, trapped"],
                "{gap} ms later"
            ),
        }
    }
}

#[test]
fn restarts_are_counted_over_all_children_together() {
    let mut bench = Bench::with(2, &[Permanent, Transient, Permanent]);
    assert_eq!(bench.exited(1, 1, trapped())[1], "report 1.1: restart 1 of 2");
    assert_eq!(bench.exited(2, 1, trapped())[1], "report 2.1: restart 2 of 2");
    assert_eq!(bench.exited(3, 1, trapped())[1], "report 3.1: give up");
}

#[test]
fn an_end_that_leads_to_no_restart_is_not_counted() {
    let mut bench = Bench::with(1, &[Temporary, Transient, Permanent]);
    bench.exited(1, 1, trapped());
    bench.exited(2, 1, ExitReason::Stopped);
    assert_eq!(bench.exited(3, 1, trapped())[1], "report 3.1: restart 1 of 1");
}

#[test]
fn an_exit_that_is_told_twice_changes_nothing() {
    let mut bench = Bench::with(9, &[Permanent, Transient]);
    bench.exited(1, 1, trapped());
    assert!(bench.exited(1, 1, trapped()).is_empty(), "while the restart is under way");
    bench.started(1, 2);
    assert!(bench.exited(1, 1, trapped()).is_empty(), "after it");
    bench.exited(2, 1, ExitReason::Stopped);
    assert!(bench.exited(2, 1, ExitReason::Stopped).is_empty(), "of a child that stays ended");
    assert_eq!(bench.exited(1, 2, trapped())[1], "report 1.2: restart 2 of 9");
}

#[test]
fn an_exit_of_an_older_life_that_is_told_late_changes_nothing() {
    let mut bench = Bench::with(9, &[Permanent]);
    assert_eq!(bench.call_restart(7, 1), ["restart 1"]);
    assert_eq!(bench.started(1, 2), ["reply 7: ok"]);
    assert!(bench.exited(1, 1, ExitReason::Stopped).is_empty(), "life 2 runs, life 1 is history");
    assert_eq!(bench.exited(1, 2, trapped())[1], "report 1.2: restart 1 of 9");
}

#[test]
fn an_exit_of_a_life_before_the_adoption_of_a_child_changes_nothing() {
    let mut bench = Bench::new(9);
    let stranger = info(1, 3, Permanent);
    let call =
        Input::Call { call: CallId(7), by: By::Guest, request: Request::Terminate(Target::Actor(stranger)) };
    assert_eq!(bench.step(call), ["stop 1"]);
    bench.stop_refused(1);
    assert!(bench.exited(1, 2, trapped()).is_empty());
}

#[test]
fn an_exit_before_the_answer_to_the_first_start_is_kept_until_the_answer() {
    for (policy, expected) in [
        (Permanent, vec!["reply 7: ok", "notify 1.1 trapped", "report 1.1: restart 1 of 1", "restart 1"]),
        (Temporary, vec!["reply 7: ok", "notify 1.1 trapped", "report 1.1: leave"]),
    ] {
        let mut bench = Bench::new(1);
        bench.policies.push(policy);
        bench.call_start(7);
        assert!(bench.exited(1, 1, trapped()).is_empty());
        assert_eq!(bench.started(1, 1), expected);
        assert_eq!(bench.children(), usize::from(policy == Permanent));
    }
}

#[test]
fn an_exit_before_the_answer_to_a_restart_is_kept_until_the_answer() {
    let mut bench = Bench::with(2, &[Permanent]);
    bench.exited(1, 1, trapped());
    assert!(bench.exited(1, 2, trapped()).is_empty());
    assert_eq!(bench.started(1, 2), ["notify 1.2 trapped", "report 1.2: restart 2 of 2", "restart 1"]);
    assert_eq!(bench.started(1, 3), [""; 0]);
}

#[test]
fn two_children_whose_exits_overtake_their_starts_do_not_mix() {
    let mut bench = Bench::new(9);
    bench.call_start(7);
    bench.call_start(8);
    assert!(bench.exited(2, 1, trapped()).is_empty());
    assert_eq!(bench.started(1, 1), ["reply 7: ok"]);
    assert_eq!(bench.started(2, 1)[..2], ["reply 8: ok", "notify 2.1 trapped"]);
}

#[test]
fn the_end_of_a_child_that_was_started_past_the_supervisor_is_news_and_nothing_else() {
    let mut bench = Bench::with(0, &[Permanent]);
    assert_eq!(bench.exited(5, 1, trapped()), ["notify 5.1 trapped"]);
    assert_eq!(bench.children(), 1);
}

#[test]
fn a_life_that_somebody_started_past_the_supervisor_is_supervised() {
    let mut bench = Bench::with(9, &[Permanent, Transient]);
    let expected = ["notify 1.4 trapped", "report 1.4: restart 1 of 9", "restart 1"];
    assert_eq!(bench.exited(1, 4, trapped()), expected, "of a child that runs, as far as the machine knows");
    bench.exited(2, 1, ExitReason::Stopped);
    let expected = ["notify 2.2 trapped", "report 2.2: restart 2 of 9", "restart 2"];
    assert_eq!(bench.exited(2, 2, trapped()), expected, "of one that does not");
}

#[test]
fn an_end_that_was_asked_for_of_a_life_past_the_supervisor_leaves_a_child_down() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.call_stop(7, 1);
    bench.stop_ended(1);
    assert_eq!(bench.exited(1, 2, ExitReason::Killed), ["notify 1.2 killed"]);
    assert_eq!(bench.shutdown(), ["finish: shutdown"]);
}

#[test]
fn a_child_is_restarted_under_the_spec_that_it_was_last_started_with() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.policies[0] = Temporary;
    bench.exited(1, 1, trapped());
    bench.started(1, 2);
    assert_eq!(bench.exited(1, 2, trapped()), ["notify 1.2 trapped", "report 1.2: leave"]);
    assert_eq!(bench.children(), 0);
}
