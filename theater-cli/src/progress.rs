//! How far long work has got, for whoever waits at a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Events,
}

impl Progress {
    /// Begins, with something to do that is called `what`.
    pub(crate) fn begin(what: &'static str, unit: Unit, all: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr_with_hz(10));
        let template = match unit {
            Unit::Bytes => "{msg} {bar:30} {bytes} of {total_bytes}, {eta} left",
            Unit::Events => "{msg} {bar:30} {human_pos} of {human_len} events, {eta} left",
        };
        let style = ProgressStyle::with_template(template).expect("the template is one of those above");
        bar.set_style(style);
        bar.set_message(what);
        Self(bar)
    }

    /// Begins something of which nobody knows how long it takes.
    pub(crate) fn spin(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_message(what);
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self(bar)
    }

    /// So much is done.
    pub(crate) fn set(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// So much more is done.
    pub(crate) fn add(&self, more: u64) {
        self.0.inc(more);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
