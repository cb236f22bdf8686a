//! Random cases for proptest: supervisors, children, programs, commands, faults, manifests and chains.
//!
//! Targets are indices that are resolved when their turn comes ([`Target`]), so every sublist of commands is a case, and
//! a failure shrinks to a few. Choices by weight shrink towards the simplest.

mod chain;
mod command;
mod exit;
mod fault;
mod manifest;
mod program;
mod spec;
mod target;
mod weighted;

pub use chain::{TamperedChain, Tampering, chain, tampered_chain};
pub use command::{Cmd, command, commands};
pub use exit::exit_reason;
pub use fault::fault_plan;
pub use manifest::{
    ChildMeaning, IllegalManifest, LegalManifest, ManifestFault, Meaning, illegal_manifest, manifest,
};
pub use program::{Tree, act, program, start_outcome, stop_behaviour, tree};
pub use spec::{PERIOD, child_spec, fit, supervision_spec};
pub use target::{Target, schedule_choices, seed, target, time_jump};
pub(crate) use weighted::weighted;
