//! Cases per second on one core, through the driver and the mock runtime: `cargo bench -p theater-testkit --bench system`.

use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use theater_testkit::system::{SystemSetup, run};
use theater_testkit::{Schedule, check_invariants, strategy};

/// How long each row is measured.
const TIME: Duration = Duration::from_secs(3);

fn main() {
    println!("{:34} {:>12} {:>12} {:>14}", "cases", "made and run", "run alone", "with invariants");
    for (name, commands, random) in [
        ("0 to 10 commands, fifo", 0..10, false),
        ("0 to 20 commands, fifo", 0..20, false),
        ("0 to 20 commands, random order", 0..20, true),
        ("0 to 40 commands, random order", 0..40, true),
    ] {
        let strategy = (strategy::supervision_spec(), strategy::commands(commands), strategy::seed());
        let mut runner = TestRunner::deterministic();
        let mut case = || {
            let tree = strategy.new_tree(&mut runner).expect("nothing is rejected");
            let (supervision, commands, seed) = tree.current();
            let mut setup = SystemSetup::new(supervision);
            if random {
                setup.schedule = Schedule::Random(seed);
            }
            (setup, commands)
        };
        let made = rate(|| drop(run_one(&case())));
        let cases: Vec<_> = (0..500).map(|_| case()).collect();
        let mut next = cases.iter().cycle();
        let alone = rate(|| drop(next.next().map(run_one)));
        let checked = rate(|| {
            if let Some(log) = next.next().map(run_one) {
                check_invariants(&log).expect("all hold");
            }
        });
        println!("{name:34} {made:>10.0}/s {alone:>10.0}/s {checked:>12.0}/s");
    }
}

fn run_one((setup, commands): &(SystemSetup, Vec<strategy::Cmd>)) -> theater_testkit::Log {
    run(setup, commands).expect("it comes to rest").log
}

/// How often something can be done in a second.
fn rate(mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < TIME {
        work();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}
