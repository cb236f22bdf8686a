//! OTP's own `supervisor_SUITE`, case by case, as far as a supervisor over a runtime trait can have it.
//!
//! `docs/semantics.md` lists every case with its test, or why there is none. In `rules` they are scenarios on the machine, in
//! which each step is taken when the supervisor has come to rest; in `driver` they need time, nesting or many
//! children, and run over the testkit's runtime in paused time.

#[path = "suite/bench.rs"]
mod bench;
#[path = "suite/driver.rs"]
mod driver;
#[path = "suite/significant.rs"]
mod significant;
#[path = "suite/start.rs"]
mod start;
#[path = "suite/stop.rs"]
mod stop;
#[path = "suite/strategies.rs"]
mod strategies;
#[path = "suite/termination.rs"]
mod termination;

/// Every test that the page names is there, so the page cannot promise what nobody checks.
#[test]
fn the_page_names_only_tests_that_exist() {
    let page = include_str!("../../docs/semantics.md");
    let sources = [
        include_str!("suite/driver.rs"),
        include_str!("suite/significant.rs"),
        include_str!("suite/start.rs"),
        include_str!("suite/stop.rs"),
        include_str!("suite/strategies.rs"),
        include_str!("suite/termination.rs"),
        include_str!("../../theater-core/tests/declared_children.rs"),
        include_str!("../../theater-wasm/tests/it/declared.rs"),
        include_str!("../../theater-wasm/tests/it/storm.rs"),
    ]
    .concat();
    let table = page.split("## OTP's own suite").nth(1).expect("the table");
    let names = table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.matches('_').count() >= 4 && !name.contains('/'));
    let names: Vec<_> = names.collect();
    assert!(names.len() > 40, "{}", names.len());
    for name in names {
        assert!(sources.contains(&format!("fn {name}()")), "docs/semantics.md names {name}");
    }
}
