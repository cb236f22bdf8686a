//! All stores are one: whatever is done to them, they answer the same.

#[path = "stores_agree/operation.rs"]
mod operation;
#[path = "stores_agree/subject.rs"]
mod subject;

use std::cell::Cell;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use operation::{Operation, Payload, World, operation};
use subject::Subject;
use theater_chain::Durability;

/// Sequences of operations that are tried.
const CASES: u32 = 500;

#[test]
fn all_stores_answer_any_operations_as_the_one_in_memory_does() {
    let bench = Bench::new();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config)
        .run(&vec(operation(), 1..60), |operations| bench.play(&operations).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn an_event_that_is_longer_than_the_segment_that_a_process_begins_with_is_kept() {
    let long = Operation::Append { chain: 0, payload: Payload { len: 1_000, fill: 7 } };
    let operations = [Operation::Create { chain: 0 }, Operation::Reopen, long];
    Bench::new().play(&operations).unwrap();
}

/// Where cases are played, each in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    cases: Cell<u32>,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self {
            // In memory where there is such a place: a sync takes longer than all the rest, and the disk is not what is tested.
            folder: tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .expect("there is room for files"),
            runtime: runtime.expect("a runtime can be built"),
            cases: Cell::new(0),
        }
    }

    fn play(&self, operations: &[Operation]) -> Result<(), String> {
        let case = self.cases.replace(self.cases.get() + 1);
        let folder = self.folder.path().join(case.to_string());
        let durability = if case.is_multiple_of(2) { Durability::Full } else { Durability::Relaxed };
        let played = self.runtime.block_on(play(Subject::all(folder.clone(), durability), operations));
        std::fs::remove_dir_all(folder).expect("what was closed can be removed");
        played
    }
}

/// Does the same to all of them. The first is believed.
async fn play(mut subjects: Vec<Subject>, operations: &[Operation]) -> Result<(), String> {
    let mut world = World::default();
    // In the end everything has to be there after one more start, whatever the operations were.
    for (step, operation) in operations.iter().chain([&Operation::Reopen, &Operation::Everything]).enumerate()
    {
        let deed = world.deed(operation);
        let mut expected = None;
        for subject in &mut subjects {
            let answer = subject.perform(&deed).await.map_err(|why| {
                format!("step {step}, {operation:?}: {} does not answer: {why}", subject.name())
            })?;
            let expected = expected.get_or_insert_with(|| answer.clone());
            if answer != *expected {
                return Err(format!(
                    "step {step}, {operation:?}: memory answers\n{expected}\n{} answers\n{answer}",
                    subject.name()
                ));
            }
        }
        world.learn(deed, expected);
    }
    Ok(())
}
