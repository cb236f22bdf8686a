//! All defects, with the clause of the contract that each breaks.

use std::sync::Arc;

use crate::backend::Damage;
use crate::{authority, capabilities, concurrency, ending, exits, identity, reading, recording, starting};

/// One way to be wrong.
pub(crate) struct Defect {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The clause of the contract that says otherwise.
    pub(crate) clause: &'static str,
    pub(crate) damage: fn() -> Arc<dyn Damage>,
}

macro_rules! defects {
    ($($clause:literal: { $($name:literal => $damage:expr;)* })*) => {
        /// Every defect, by the clause that it breaks.
        pub(crate) const DEFECTS: &[Defect] = &[$($(
            Defect { name: $name, clause: $clause, damage: || Arc::new($damage) },
        )*)*];
    };
}

defects! {
    "Identity": {
        "restarts with a new id" => identity::RestartsWithANewId;
        "resets the incarnation on restart" => identity::CountsNoLives;
        "counts lives from zero" => identity::CountsFromZero;
        "does not count lives whose start failed" => identity::CountsNoFailedStarts::default();
        "begins a new chain on restart" => identity::RestartsWithANewChain;
        "moves a restarted child to the end" => identity::MovesRestartedChildren::default();
        "loses the parent on restart" => identity::RestartsAsAnOrphan;
        "gives everybody one chain" => identity::GivesEverybodyOneChain;
    }
    "Authority": {
        "tells strangers the state" => authority::TellsStrangersTheState;
        "shows strangers the chain" => authority::ShowsStrangersTheChain;
        "tells strangers from unknown actors" => authority::TellsStrangersApart;
        "lets an actor be its own child" => authority::IsItsOwnChild;
        "obeys the parent's parent" => authority::ObeysGrandparents;
        "acts before it checks" => authority::ActsBeforeItChecks;
        "refuses the operator as it would a guest" => authority::TellsTheOperatorNothing;
    }
    "Capabilities": {
        "grants everything" => capabilities::GrantsEverything;
        "starts what it refuses" => capabilities::StartsWhatItRefuses;
        "grants nothing" => capabilities::GrantsNothing;
    }
    "Starting": {
        "leaves a record of a failed first start" => starting::FailedStartLeavesARecord::default();
        "swallows the error of init" => starting::SwallowsTheInitError::default();
        "hides the error of init" => starting::HidesTheInitError;
        "brings back who did not run" => starting::BringsAnybodyBack;
        "answers before init has ended" => starting::AnswersBeforeInitHasEnded;
        "goes on with a spawn whose future was dropped" => starting::DroppedSpawnRunsOn;
        "loses the bytes for init" => starting::LosesTheInitBytes;
        "loses the state on resume" => starting::LosesTheStateOnResume;
        "loses the state on restart" => starting::LosesTheStateOnRestart;
        "keeps the state on a restart from the beginning" => starting::KeepsTheStateOnInitial;
        "loses the state on a failed restart" => starting::FailedRestartLosesTheState::default();
        "looks alive after a failed restart" => starting::FailedRestartLooksAlive::default();
        "starts children of an ended parent" => starting::EndedParentTakesChildren::default();
        "ignores the child spec of a request" => starting::IgnoresTheChildSpec;
        "answers a start with an old status" => starting::AnswersWithAnOldStatus;
    }
    "Ending": {
        "waits for the guest in a kill" => ending::KillWaitsForTheGuest;
        "kills where it should stop" => ending::GracefulIsAKill;
        "waits longer than the grace" => ending::GraceHasNoEnd;
        "leaves descendants running on stop" => ending::StopLeavesDescendantsRunning::default();
        "leaves descendants running after a crash" => ending::CrashLeavesDescendantsRunning;
        "keeps the children of an older life" => ending::ChildrenOfAnOlderLifeStay::default();
        "ends descendants in start order" => ending::EndsInStartOrder::default();
        "refuses to stop what has ended" => ending::StoppingTwiceIsAnError;
        "says stopped whatever the end was" => ending::StopAlwaysSaysStopped;
        "answers a stop before the end" => ending::StopDoesNotWait;
        "records an end twice" => ending::RecordsAnEndTwice;
        "tells an exit before it is recorded" => exits::TellsBeforeItRecords::default();
        "calls a crash a stop" => ending::CallsACrashAStop;
        "loses the result of an actor that ended itself" => ending::LosesTheResult;
    }
    "After the end": {
        "forgets what it has stopped" => ending::ForgetsWhatItStops;
        "reaps a running actor" => ending::ReapsTheRunning;
        "keeps the record of a reaped actor" => ending::ReapKeepsTheRecord;
        "keeps the descendants of a reaped actor" => ending::ReapKeepsTheDescendants::default();
        "has no state of an ended actor" => reading::EndedActorsHaveNoState;
        "hides ended children" => reading::HidesEndedChildren;
    }
    "Reading": {
        "serves children in hash order" => reading::ServesChildrenInHashOrder;
        "has no children instead of an unknown parent" => reading::UnknownParentHasNoChildren;
        "waits for a busy actor to read it" => reading::ReadsWaitForTheActor::default();
        "ignores the range of events" => reading::IgnoresTheRange;
        "refuses a range beyond the end" => reading::RefusesRangesBeyondTheEnd;
        "keeps the partial write of a call that failed" => starting::KeepsAPartialWrite;
        "says that starting actors run" => reading::SaysThatStartingActorsRun;
        "has an error instead of no children" => reading::NoChildrenIsAnError;
    }
    "Exits": {
        "forgets an exit" => exits::ForgetsAnExit::default();
        "tells an exit twice" => exits::TellsAnExitTwice::default();
        "tells the exit of an old life" => exits::TellsAnOldLifesExit::default();
        "tells exits out of order" => exits::TellsExitsOutOfOrder::default();
        "tells another reason" => exits::TellsAnotherReason::default();
        "loses exits when nobody listens" => exits::LosesExitsWithoutListener::default();
        "never ends the stream of an unknown parent" => exits::UnknownParentHangs::default();
        "tells an exit of a failed restart" => exits::TellsAFailedRestart::default();
    }
    "Recording": {
        "serves events out of order" => recording::ServesEventsOutOfOrder;
        "answers a record before it appends" => recording::AnswersBeforeItAppends::default();
        "drops every third record" => recording::DropsEveryThirdRecord::default();
        "serves other payloads than it took" => recording::ServesOtherPayloads;
        "records for an unknown actor" => recording::RecordsForTheUnknown;
    }
    "Concurrency": {
        "has one lock for all" => concurrency::OneLockForAll::default();
        "runs two lives after concurrent restarts" => concurrency::ConcurrentRestartsRunTwoLives::default();
        "ends twice after concurrent stops" => concurrency::ConcurrentStopsEndTwice::default();
        "forgets one of two starts that overlap" => concurrency::ForgetsOverlappingStarts::default();
    }
    "Host functions": {
        "drops the record of a refusal" => recording::DropsTheRecordOfARefusal;
        "cuts the chain for parents" => reading::CutsTheChainForParents;
    }
    "Isolation": {
        "tells siblings from strangers" => authority::TellsSiblingsApart;
        "ends whom strangers ask for" => authority::EndsWhoStrangersAskFor;
    }
    "Liveness": {
        "lets a busy actor hold up its siblings" => concurrency::BusyActorsHoldUpSiblings::default();
        "waits for an actor that asks for itself" => concurrency::WaitsForItself;
    }
    "Errors": {
        "panics" => reading::PanicsOnTheUnknown;
    }
}
