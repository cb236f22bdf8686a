//! The segmented log on a disk that loses, tears, forgets, fills up and fails: what must be so in every case, and wrong variants of the log,
//! in each of which something is not.

#[path = "crash/case.rs"]
mod case;
#[path = "crash/check.rs"]
mod check;
#[path = "crash/contents.rs"]
mod contents;
#[path = "crash/errors.rs"]
mod errors;
#[path = "crash/flawed.rs"]
mod flawed;
#[path = "crash/image.rs"]
mod image;
#[path = "crash/mutants.rs"]
mod mutants;
#[path = "crash/properties.rs"]
mod properties;
#[path = "crash/recover.rs"]
mod recover;
#[path = "crash/regressions.rs"]
mod regressions;
#[path = "crash/rot.rs"]
mod rot;
#[path = "crash/world.rs"]
mod world;
