//! What a suite found, as data.

use std::fmt;

use serde::Serialize;

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// What it proves is so.
    Passed,
    /// It is not so.
    Failed(String),
    /// It was not tried, for this reason.
    Skipped(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
        }
    }

    fn note(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(note) | Self::Skipped(note) => note,
        }
    }
}

/// One case and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// The clause of the contract that it belongs to.
    pub clause: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How all cases of a suite went, in the suite's order. Shown as a line for each case that did not pass, and a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The suite.
    pub suite: String,
    /// Its cases.
    pub cases: Vec<CaseResult>,
}

impl Report {
    pub(crate) fn new(suite: &str) -> Self {
        Self { suite: suite.to_owned(), cases: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &str, clause: &str, outcome: Outcome) {
        self.cases.push(CaseResult { name: name.to_owned(), clause: clause.to_owned(), outcome });
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(_)))
    }

    /// The cases that were not tried.
    pub fn skips(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped(_)))
    }

    /// Whether no case failed. Cases that were skipped say nothing.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The clauses of the cases that failed, each once, in the suite's order.
    #[must_use]
    pub fn broken_clauses(&self) -> Vec<&str> {
        let mut clauses: Vec<&str> = Vec::new();
        for case in self.failures() {
            if !clauses.contains(&case.clause.as_str()) {
                clauses.push(&case.clause);
            }
        }
        clauses
    }

    /// A table for a page.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\n{}\n\n| clause | case | outcome | |\n|---|---|---|---|\n",
            self.suite,
            self.sum()
        );
        for case in &self.cases {
            let note = case.outcome.note().replace('|', "\\|").replace('\n', " ");
            text.push_str(&format!(
                "| {} | `{}` | {} | {note} |\n",
                case.clause,
                case.name,
                case.outcome.word()
            ));
        }
        text
    }

    /// The same for machines: `suite`, and `cases` with `name`, `clause` and `outcome`, which is `"passed"`,
    /// `{"failed": why}` or `{"skipped": why}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("texts in structs are always JSON")
    }

    fn sum(&self) -> String {
        let (failed, skipped) = (self.failures().count(), self.skips().count());
        let passed = self.cases.len() - failed - skipped;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.cases.iter().filter(|case| case.outcome != Outcome::Passed) {
            let CaseResult { name, clause, outcome } = case;
            writeln!(f, "{} {name} ({clause}): {}", outcome.word(), outcome.note())?;
        }
        write!(f, "{}: {}", self.suite, self.sum())
    }
}
