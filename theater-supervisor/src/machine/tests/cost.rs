//! What a step costs does not depend on how many children there are.
//!
//! The bounds are loose, a factor of 20 for a hundred times the children: they catch a walk over all children, which
//! shows as a factor near 100, and not a slow machine.

use std::time::Instant;

use super::*;

const FEW: u64 = 1_000;
const MANY: u64 = 100_000;
const STEPS: u64 = 100;

fn bench(children: u64) -> Bench {
    let mut bench = Bench::new(u32::MAX);
    let mut actions = Vec::new();
    for child in 1..=children {
        let call = Input::Call {
            call: CallId(child),
            by: By::Guest,
            request: Request::Start { id: None, child_spec: None },
        };
        bench.machine.step(Tick(0), call, &mut actions);
        let Some(Action::Start { child: key, .. }) = actions.first() else { panic!("it is started") };
        let started = Input::Started {
            child: *key,
            id: id(child),
            incarnation: Incarnation(1),
            child_spec: ChildSpec::new(RestartPolicy::Permanent),
        };
        bench.know(child, *key);
        bench.machine.step(Tick(0), started, &mut actions);
        actions.clear();
    }
    bench
}

/// The shortest of three runs: what the code costs without what else the computer does.
fn shortest(children: u64, prepare: fn(&mut Bench), run: fn(&mut Bench, u64)) -> Duration {
    let times = (0..3).map(|_| {
        let mut bench = bench(children);
        prepare(&mut bench);
        let begin = Instant::now();
        run(&mut bench, children);
        begin.elapsed()
    });
    times.min().unwrap_or_default()
}

fn costs_the_same(prepare: fn(&mut Bench), run: fn(&mut Bench, u64)) {
    let (few, many) = (shortest(FEW, prepare, run), shortest(MANY, prepare, run));
    assert!(many < few * 20, "{few:?} with {FEW} children, {many:?} with {MANY}");
}

#[test]
fn an_exit_and_a_restart_cost_the_same_among_many_children() {
    costs_the_same(
        |_| {},
        |bench, children| {
            for child in children / 2..children / 2 + STEPS {
                let actions = bench.exited(child, 1, trapped());
                assert_eq!(actions.len(), 3);
                bench.started(child, 2);
            }
        },
    );
}

#[test]
fn a_call_costs_the_same_among_many_children() {
    costs_the_same(
        |_| {},
        |bench, children| {
            for child in children / 2..children / 2 + STEPS {
                bench.call_stop(0, child);
                bench.stop_ended(child);
            }
        },
    );
}

#[test]
fn a_stop_of_one_child_costs_the_same_while_the_supervisor_of_many_ends() {
    costs_the_same(
        |bench| drop(bench.shutdown()),
        |bench, children| {
            for child in (children - STEPS + 1..=children).rev() {
                bench.stop_ended(child);
            }
        },
    );
}
