//! Programs as the text of a manifest's reference, so that a backend needs no table of them.

use std::time::Duration;

use theater_core::{ChildType, HandlerKind, RestartFrom, RestartPolicy, Shutdown};

use super::{Program, StartOutcome, StopBehaviour, crash};

impl Program {
    /// The program that a reference spells out.
    ///
    /// - `permanent`, `transient`, `temporary`; `significant`; `supervisor`: its type; `kill`, `infinity` and `grace 100ms`:
    ///   its shutdown; `initial` and `snapshot`: where its restarts start from;
    /// - `ok`, `error`, `ignore`, `hang`, `trap`, `die`, `panic` and `slow 100ms` are starts, in their order;
    /// - `lingers 100ms` and `stubborn` are what it does when it is asked to stop;
    /// - `may-store`, `may-timing` and so on are handlers that it asks for.
    ///
    /// The first other word is its name, and further ones mean nothing. Reactions and supervision have no spelling.
    ///
    /// # Examples
    /// ```
    /// use theater_testkit::{Program, StartOutcome};
    ///
    /// let program = Program::read("worker permanent ok error");
    /// assert_eq!(program.starts, [StartOutcome::Ok, StartOutcome::Fail]);
    /// assert_eq!(Program::read(&program.reference()), program);
    /// ```
    #[must_use]
    pub fn read(reference: &str) -> Self {
        let mut program = Self::default();
        let mut words = reference.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let mut time = || {
                let millis = words.peek().and_then(|time| time.strip_suffix("ms")?.parse().ok());
                if millis.is_some() {
                    words.next();
                }
                Duration::from_millis(millis.unwrap_or(0))
            };
            let child_spec = &mut program.child_spec;
            match word {
                "permanent" => child_spec.restart = RestartPolicy::Permanent,
                "transient" => child_spec.restart = RestartPolicy::Transient,
                "temporary" => child_spec.restart = RestartPolicy::Temporary,
                "significant" => child_spec.significant = true,
                "supervisor" => child_spec.child_type = ChildType::Supervisor,
                "kill" => child_spec.shutdown = Shutdown::Kill,
                "infinity" => child_spec.shutdown = Shutdown::Infinity,
                "grace" => child_spec.shutdown = Shutdown::After(time()),
                "initial" => child_spec.restart_from = RestartFrom::Initial,
                "snapshot" => child_spec.restart_from = RestartFrom::Snapshot,
                "ok" => program.starts.push_back(StartOutcome::Ok),
                "error" => program.starts.push_back(StartOutcome::Fail),
                "ignore" => program.starts.push_back(StartOutcome::Ignore),
                "hang" => program.starts.push_back(StartOutcome::Hang),
                "trap" => program.starts.push_back(StartOutcome::Trap),
                "die" => program.starts.push_back(StartOutcome::Die(crash())),
                "panic" => program.starts.push_back(StartOutcome::Panic),
                "slow" => program.starts.push_back(StartOutcome::Slow(time())),
                "lingers" => program.stop = StopBehaviour::Slow(time()),
                "stubborn" => program.stop = StopBehaviour::Refuse,
                may if handler(may).is_some() => program.may.extend(handler(may)),
                name if program.name.is_empty() => name.clone_into(&mut program.name),
                _ => {}
            }
        }
        program
    }

    /// A reference that [reads](Self::read) as this program: whole milliseconds, and deaths by [`crash`]. A program without
    /// a name is called `actor`.
    #[must_use]
    pub fn reference(&self) -> String {
        let spec = &self.child_spec;
        let name = if self.name.is_empty() { "actor" } else { &self.name };
        let mut words = vec![name.to_owned(), spec.restart.name().to_owned()];
        if spec.significant {
            words.push("significant".to_owned());
        }
        if spec.child_type == ChildType::Supervisor {
            words.push("supervisor".to_owned());
        }
        words.push(match spec.shutdown {
            Shutdown::Kill => "kill".to_owned(),
            Shutdown::After(time) => format!("grace {}ms", time.as_millis()),
            Shutdown::Infinity => "infinity".to_owned(),
        });
        match spec.restart_from {
            RestartFrom::Initial => words.push("initial".to_owned()),
            RestartFrom::Snapshot => words.push("snapshot".to_owned()),
            _ => {}
        }
        for start in &self.starts {
            words.push(match start {
                StartOutcome::Ok => "ok".to_owned(),
                StartOutcome::Fail => "error".to_owned(),
                StartOutcome::Ignore => "ignore".to_owned(),
                StartOutcome::Hang => "hang".to_owned(),
                StartOutcome::Trap => "trap".to_owned(),
                StartOutcome::Die(_) => "die".to_owned(),
                StartOutcome::Panic => "panic".to_owned(),
                StartOutcome::Slow(time) => format!("slow {}ms", time.as_millis()),
            });
        }
        match self.stop {
            StopBehaviour::Clean => {}
            StopBehaviour::Slow(time) => words.push(format!("lingers {}ms", time.as_millis())),
            StopBehaviour::Refuse => words.push("stubborn".to_owned()),
        }
        words.extend(self.may.iter().map(|kind| format!("may-{}", kind.name())));
        words.join(" ")
    }
}

/// The handler that a word such as `may-store` asks for.
fn handler(word: &str) -> Option<HandlerKind> {
    let name = word.strip_prefix("may-")?;
    HandlerKind::ALL.into_iter().find(|kind| kind.name() == name)
}
