//! A real `theater run` with real components under load, killed with SIGKILL again and again. Outside of it stands an oracle that remembers
//! every reply that it was given, and finds all of them again.
//!
//! `THEATER_KILLS` says how often; default 100.

#![cfg(unix)]

mod app;
mod oracle;

use std::time::{Duration, Instant};

use app::{App, Running};
use oracle::Oracle;

/// Numbers that look random, the same for the same seed.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn kills() -> u64 {
    match std::env::var("THEATER_KILLS") {
        Ok(kills) => kills.parse().expect("THEATER_KILLS is a number"),
        Err(_) => 100,
    }
}

#[test]
fn whatever_was_answered_is_there_after_any_number_of_kills() {
    let (app, mut oracle, mut rng) = (App::new(), Oracle::new(), Rng::new(0x5eed));
    let begun = Instant::now();
    let kills = kills();
    let mut revived = 0;
    for kill in 0..kills {
        let running = app.start();
        if kill > 0 {
            oracle.check(&running, &format!("after kill {kill}"));
            revived += 1;
        }
        let load = Duration::from_millis(20 + rng.below(180));
        oracle.load(&running, load, kill);
        running.kill();
    }
    let running = app.start();
    oracle.check(&running, "after the last kill");
    let lives = running.lives();
    running.stop();
    oracle.check_chains(&app, &lives);
    assert_eq!(revived + 1, kills.max(1), "every start but the first goes on with what there was");
    println!(
        "{kills} kills in {:.0?}: {} replies, {} messages and {} spawned actors were found again; {} crashes",
        begun.elapsed(),
        oracle.replies(),
        oracle.sends(),
        oracle.spawned(),
        oracle.crashes(),
    );
    assert!(oracle.replies() > kills, "there was load: {} replies", oracle.replies());
    assert!(oracle.sends() > 0 && oracle.crashes() > 0, "of every kind");
}

impl Running {
    fn stop(self) {
        self.ask(r#""op":"stop""#).expect("it is asked to stop");
        self.ended();
    }
}
