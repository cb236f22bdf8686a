//! How many random property cases a core does in a second: `cargo bench -p theater-testkit --bench machine`
//!
//! Each line is one kind of case: generated and run, as proptest does, and run alone. Times are those of the thread's
//! wall clock, so nothing else should run beside it.

use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use theater_testkit::{machine, otp};

/// For how long each kind is measured.
const FOR: Duration = Duration::from_secs(2);

/// Cases that are made before anything is measured, and run again and again.
const PREPARED: usize = 2_000;

fn main() {
    // `cargo test --benches` runs this too, and wants to know only that it works.
    let time = if std::env::args().any(|arg| arg == "--bench") { FOR } else { Duration::from_millis(20) };
    println!("{:48} {:>12} {:>12} {:>10}", "cases", "made and run", "run alone", "steps");
    for most in [20, 50, 150] {
        let cases = (machine::setup(), machine::commands(0..most));
        measure(time, &format!("machine, 0 to {most} commands"), &cases, |(setup, commands)| {
            let run = machine::run(setup, commands);
            assert_eq!(run.verdict(), Ok(()));
            run.steps
        });
    }
    measure(time, "scenario, machine against model", &otp::strategy::scenarios(), |scenario| {
        assert_eq!(otp::agree(scenario, &otp::record(scenario)), Ok(()));
        scenario.steps.len()
    });
}

/// Prints cases a second, and how many steps a case has.
fn measure<S: Strategy>(time: Duration, name: &str, strategy: &S, run: impl Fn(&S::Value) -> usize) {
    let mut runner = TestRunner::deterministic();
    let mut make = || strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    let both = per_second(time, || {
        run(&make());
    });
    let cases: Vec<_> = (0..PREPARED).map(|_| make()).collect();
    let mut next = cases.iter().cycle();
    let mut steps = 0;
    let alone = per_second(time, || steps += run(next.next().expect("it is endless")));
    let steps = steps as f64 / (alone * time.as_secs_f64());
    println!("{name:48} {both:10.0}/s {alone:10.0}/s {steps:10.1}");
}

fn per_second(time: Duration, mut case: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < time {
        case();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}
