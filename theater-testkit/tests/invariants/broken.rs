//! Logs in which one thing is not as it should be: the invariant that says so finds it, in a small part of the log.

use std::time::Duration;

use proptest::strategy::{Strategy as Generate, ValueTree};
use proptest::test_runner::TestRunner;
use theater_core::{ActorId, Bytes, Incarnation, RestartFrom, Strategy, SupervisionSpec};
use theater_testkit::log::{Entry, What};
use theater_testkit::strategy::{self, Cmd, Target};
use theater_testkit::system::{SystemSetup, run};
use theater_testkit::{Act, HostAnswer, Invariant, Log, Program, check_invariant, crash};

/// A run in which something of everything happens.
fn good() -> Log {
    let rules = SupervisionSpec::new(3, Duration::from_secs(1)).with_strategy(Strategy::OneForOne);
    let program = Program::read("permanent").on("set", Act::SetState("state".into()));
    let setup = SystemSetup::new(rules).children([program.clone(), program.clone(), program]);
    let commands = [
        Cmd::List,
        Cmd::Send(Target(0), Act::SetState("state".into())),
        Cmd::Crash(Target(0), crash()),
        Cmd::Crash(Target(0), crash()),
        Cmd::Renew(Target(u32::MAX / 2)),
        Cmd::Terminate(Target(u32::MAX / 2)),
        Cmd::AsStranger(Target(u32::MAX), Box::new(Cmd::GetState(Target(0)))),
        Cmd::Advance(Duration::from_secs(2)),
        Cmd::List,
    ];
    let log = run(&setup, &commands).unwrap().log;
    theater_testkit::check_invariants(&log).unwrap();
    log
}

/// The log with its entries changed one after the other.
fn with(log: &Log, change: impl FnOnce(&mut Vec<Entry>)) -> Log {
    let mut entries = log.entries().to_vec();
    change(&mut entries);
    entries.into_iter().collect()
}

fn position(entries: &[Entry], is: impl Fn(&What) -> bool) -> usize {
    entries.iter().position(|entry| is(&entry.what)).expect("it happens in the run")
}

/// That this invariant, and a slice of at most so many entries, shows what is wrong.
fn broken(invariant: Invariant, most: usize, log: &Log) {
    let violation = check_invariant(invariant, log).expect_err("it is broken");
    assert_eq!(violation.invariant, invariant);
    assert!(violation.slice.len() <= most, "more than {most} entries:\n{violation}");
    let again = check_invariant(invariant, &violation.slice).expect_err("the slice shows it");
    assert_eq!(again.message, violation.message);
    assert!(violation.to_string().starts_with(&format!("P{} ", invariant.number())), "{violation}");
}

fn at(entries: &[Entry], index: usize, what: What) -> Entry {
    let mut entry = entries[index].clone();
    entry.what = what;
    entry
}

#[test]
fn p1_an_actor_that_outlives_its_parent() {
    let log = good();
    let bad = with(&log, |entries| {
        // The supervisor ends while its children run, and nobody ends them.
        let end = position(entries, |what| matches!(what, What::AtRest));
        let (id, incarnation) = (supervisor(entries), Incarnation::FIRST);
        entries.insert(end, at(entries, end, What::Exited { id, incarnation, reason: crash() }));
    });
    broken(Invariant::NoOrphan, 5, &bad);
}

fn supervisor(entries: &[Entry]) -> ActorId {
    entries
        .iter()
        .find_map(|entry| match entry.what {
            What::Supervises { id, .. } => Some(id),
            _ => None,
        })
        .expect("somebody supervises")
}

/// A child of the supervisor that crashes.
fn child(entries: &[Entry]) -> ActorId {
    entries
        .iter()
        .find_map(|entry| match entry.what {
            What::Exited { id, .. } => Some(id),
            _ => None,
        })
        .expect("somebody crashes")
}

#[test]
fn p2_an_end_that_nobody_decides_on() {
    let bad = with(&good(), |entries| {
        let exit = position(entries, |what| matches!(what, What::Exited { .. }));
        let id = child(entries);
        // Neither the decision nor what came of it.
        let rest = entries.split_off(exit + 1);
        let end = rest.iter().find(|entry| entry.what == What::AtRest).cloned();
        entries.extend(end);
        assert!(
            entries.iter().any(|entry| matches!(entry.what, What::Exited { id: other, .. } if other == id))
        );
    });
    broken(Invariant::NoLostChild, 6, &bad);
}

#[test]
fn p3_a_child_with_two_parents_and_one_that_is_older_than_its_parent() {
    let bad = with(&good(), |entries| {
        let again =
            position(entries, |what| matches!(what, What::Begins { incarnation: Incarnation(2), .. }));
        if let What::Begins { parent, .. } = &mut entries[again].what {
            *parent = None;
        }
    });
    broken(Invariant::OneParent, 2, &bad);
    let bad = with(&good(), |entries| {
        let first = position(entries, |what| matches!(what, What::Begins { parent: Some(_), .. }));
        let begins = entries.remove(first);
        entries.insert(0, begins);
    });
    broken(Invariant::OneParent, 2, &bad);
}

#[test]
fn p4_a_child_that_is_listed_twice_and_counts_of_something_else() {
    let twice = with(&good(), |entries| {
        let list = position(entries, |what| matches!(what, What::Listed { .. }));
        if let What::Listed { children, .. } = &mut entries[list].what {
            let first = children[0].clone();
            children.push(first);
        }
    });
    broken(Invariant::Ids, 1, &twice);
    let counts = with(&good(), |entries| {
        let list = position(entries, |what| matches!(what, What::Listed { .. }));
        if let What::Listed { counts, .. } = &mut entries[list].what {
            counts.specs += 1;
        }
    });
    broken(Invariant::Ids, 1, &counts);
}

#[test]
fn p5_lives_that_overlap_are_counted_wrongly_or_end_twice() {
    let overlap = with(&good(), |entries| {
        let exit = position(entries, |what| matches!(what, What::Exited { .. }));
        entries.remove(exit);
    });
    broken(Invariant::OneIncarnation, 3, &overlap);
    let skipped = with(&good(), |entries| {
        let again =
            position(entries, |what| matches!(what, What::Begins { incarnation: Incarnation(2), .. }));
        if let What::Begins { incarnation, .. } = &mut entries[again].what {
            *incarnation = Incarnation(4);
        }
    });
    broken(Invariant::OneIncarnation, 4, &skipped);
    let twice = with(&good(), |entries| {
        let exit = position(entries, |what| matches!(what, What::Exited { .. }));
        let again = entries[exit].clone();
        entries.insert(exit + 1, again);
    });
    broken(Invariant::OneIncarnation, 3, &twice);
}

#[test]
fn p6_children_that_are_stopped_in_start_order_and_a_start_below_an_end() {
    let order = with(&good(), |entries| {
        let root = supervisor(entries);
        let end =
            entries.iter().rposition(|entry| matches!(entry.what, What::StopAsked { id, .. } if id == root));
        let end = end.expect("it is stopped at the end");
        let stops: Vec<_> = (end + 1..entries.len())
            .filter(|index| matches!(entries[*index].what, What::StopAsked { .. }))
            .collect();
        assert!(stops.len() >= 2, "two children are stopped at the end");
        entries.swap(stops[0], stops[1]);
    });
    broken(Invariant::StopOrder, 10, &order);
    let below = with(&good(), |entries| {
        let root = supervisor(entries);
        let last = entries.len() - 1;
        let begins = position(
            entries,
            |what| matches!(what, What::Begins { parent: Some(parent), .. } if *parent == root),
        );
        let begins = entries[begins].what.clone();
        entries.push(at(entries, last, begins));
    });
    broken(Invariant::StopOrder, 4, &below);
}

#[test]
fn p7_a_stop_that_has_succeeded_and_ended_nobody() {
    let bad = with(&good(), |entries| {
        let call = position(entries, |what| matches!(what, What::HostCalled { function: "stop-child", .. }));
        let answer = entries[call..].iter().position(|entry| matches!(entry.what, What::HostAnswered { .. }));
        let answer = call + answer.expect("it is answered");
        let answered = entries.remove(answer);
        entries.insert(call + 1, answered);
    });
    broken(Invariant::Handles, 4, &bad);
}

#[test]
fn p8_a_restart_of_a_child_that_is_temporary() {
    let bad = with(&good(), |entries| {
        let id = child(entries);
        for entry in entries {
            if let What::Begins { id: other, child_spec, .. } = &mut entry.what
                && *other == id
            {
                child_spec.restart = theater_core::RestartPolicy::Temporary;
            }
        }
    });
    broken(Invariant::Policy, 3, &bad);
}

#[test]
fn p9_more_restarts_than_the_intensity_allows() {
    let bad = with(&good(), |entries| {
        for entry in entries {
            if let What::Supervises { supervision, .. } = &mut entry.what {
                supervision.intensity = 1;
            }
        }
    });
    broken(Invariant::Intensity, 4, &bad);
}

#[test]
fn p10_a_wait_that_is_shorter_than_the_backoff() {
    let mut rules = SupervisionSpec::new(3, Duration::from_secs(10));
    rules.backoff = Some(theater_core::Backoff::new(Duration::from_millis(100), Duration::from_millis(400)));
    let setup = SystemSetup::new(rules).children([Program::read("permanent")]);
    let commands = [Cmd::Crash(Target(0), crash()), Cmd::Advance(Duration::from_secs(1))];
    let log = run(&setup, &commands).unwrap().log;
    theater_testkit::check_invariants(&log).unwrap();
    let longer = with(&log, |entries| {
        for entry in entries {
            if let What::Supervises { supervision, .. } = &mut entry.what {
                let (least, most) = (Duration::from_millis(200), Duration::from_millis(400));
                supervision.backoff = Some(theater_core::Backoff::new(least, most));
            }
        }
    });
    broken(Invariant::Backoff, 3, &longer);
    let hasty = with(&log, |entries| {
        for entry in entries.iter_mut() {
            entry.at = entry.at.min(Duration::from_millis(50));
        }
    });
    broken(Invariant::Backoff, 4, &hasty);
}

#[test]
fn p11_a_life_that_begins_with_another_state() {
    let bad = with(&good(), |entries| {
        let again =
            position(entries, |what| matches!(what, What::Begins { from: Some(RestartFrom::LastGood), .. }));
        if let What::Begins { state, .. } = &mut entries[again].what {
            *state = Some(Bytes::from_static(b"another"));
        }
    });
    broken(Invariant::State, 3, &bad);
}

#[test]
fn p12_messages_that_are_handled_twice_or_out_of_order_or_were_never_accepted() {
    let id = ActorId::from_parts(1, [1; 10]);
    let taken = |message| What::MessageTaken { id, message, sender: None };
    let handled = |message| What::MessageHandled { id, incarnation: Incarnation::FIRST, message };
    let log = |whats: Vec<What>| {
        let mut log = Log::new();
        whats.into_iter().for_each(|what| log.push(Duration::ZERO, what));
        log
    };
    let good = log(vec![taken(1), taken(2), handled(1), What::MessageReturned { message: 2 }]);
    check_invariant(Invariant::Messages, &good).unwrap();
    broken(Invariant::Messages, 3, &log(vec![taken(1), handled(1), taken(2), handled(1)]));
    broken(Invariant::Messages, 3, &log(vec![taken(1), taken(2), handled(2), handled(1)]));
    broken(Invariant::Messages, 3, &log(vec![taken(1), handled(1), What::MessageReturned { message: 1 }]));
    broken(Invariant::Messages, 1, &log(vec![handled(3)]));
}

#[test]
fn p13_a_stranger_that_is_answered() {
    let bad = with(&good(), |entries| {
        let refused = position(entries, |what| matches!(what, What::HostAnswered { answer: Err(_), .. }));
        if let What::HostAnswered { answer, .. } = &mut entries[refused].what {
            *answer = Ok(HostAnswer::State(None));
        }
    });
    broken(Invariant::Isolation, 2, &bad);
}

#[test]
fn p14_a_call_that_is_not_answered() {
    let bad = with(&good(), |entries| {
        let call =
            position(entries, |what| matches!(what, What::HostCalled { function: "get-child-state", .. }));
        entries.truncate(call + 1);
        let mut late = at(entries, call, What::AtRest);
        late.at += Duration::from_secs(61);
        entries.push(late);
    });
    broken(Invariant::Progress, 2, &bad);
}

#[test]
fn p15_records_that_are_missing_or_come_after_what_they_record() {
    let lost = with(&good(), |entries| {
        let call = position(entries, |what| matches!(what, What::HostCalled { .. }));
        let record = entries[call..].iter().position(|entry| matches!(entry.what, What::Recorded { .. }));
        entries.remove(call + record.expect("it is recorded"));
    });
    broken(Invariant::Audit, 4, &lost);
    let late = with(&good(), |entries| {
        let exit = position(entries, |what| matches!(what, What::Exited { .. }));
        entries.swap(exit - 1, exit);
    });
    broken(Invariant::Audit, 2, &late);
}

#[test]
fn p16_a_start_that_was_refused_and_left_a_child() {
    let caller = ActorId::from_parts(1, [1; 10]);
    let id = ActorId::from_parts(2, [1; 10]);
    let begins = good().entries().iter().find_map(|entry| match &entry.what {
        What::Begins { parent: Some(_), .. } => Some(entry.what.clone()),
        _ => None,
    });
    let Some(What::Begins { child_spec, .. }) = begins else { panic!("somebody begins") };
    let incarnation = Incarnation::FIRST;
    let mut log = Log::new();
    for what in [
        What::HostCalled { caller, call: 1, function: "spawn", target: Some("worker".into()) },
        What::Begins {
            id,
            incarnation,
            parent: Some(caller),
            name: "worker".into(),
            child_spec,
            from: None,
            state: None,
        },
        What::Started { id, incarnation },
        What::HostAnswered { caller, call: 1, answer: Err("no".into()) },
        What::AtRest,
    ] {
        log.push(Duration::ZERO, what);
    }
    broken(Invariant::Total, 4, &log);
}

#[test]
fn p17_a_supervisor_that_keeps_children_that_are_gone() {
    let bad = with(&good(), |entries| {
        let size = position(entries, |what| matches!(what, What::Size { .. }));
        if let What::Size { entries, .. } = &mut entries[size].what {
            *entries += 1;
        }
    });
    broken(Invariant::BoundedMemory, 4, &bad);
}

#[test]
fn p18_runs_that_differ() {
    let log = good();
    theater_testkit::invariants::same_runs(&log, &good()).unwrap();
    let other = with(&log, |entries| {
        entries.remove(7);
    });
    let violation = theater_testkit::invariants::same_runs(&log, &other).unwrap_err();
    assert_eq!((violation.invariant, violation.slice.len()), (Invariant::Determinism, 2));
}

#[test]
fn every_invariant_has_a_number_and_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Invariant::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 19);
    assert_eq!(Invariant::ALL[8].to_string(), "P9 intensity");
}

/// Random damage to random runs: the checks do not depend on one run.
#[test]
fn an_exit_that_is_taken_out_of_a_run_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let commands = strategy::commands(10..30);
    let (mut damaged, mut noticed) = (0, 0);
    for _ in 0..200 {
        let commands = commands.new_tree(&mut runner).unwrap().current();
        let log =
            run(&SystemSetup::new(SupervisionSpec::new(20, Duration::from_secs(1))), &commands).unwrap().log;
        let exit = log.entries().iter().position(|entry| matches!(entry.what, What::Exited { .. }));
        let Some(exit) = exit else { continue };
        damaged += 1;
        let bad = with(&log, |entries| drop(entries.remove(exit)));
        noticed += usize::from(theater_testkit::check_invariants(&bad).is_err());
    }
    assert!(damaged > 100 && noticed * 10 >= damaged * 8, "noticed {noticed} of {damaged}");
}
