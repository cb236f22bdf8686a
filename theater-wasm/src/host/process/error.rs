//! Why something about a program was refused.

use std::time::Duration;

use theater_core::error::printable;

/// Why something about a program was refused. What a guest gave is in it as far as it can be printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessRefusal {
    #[error(
        "program `{program}` is not allowed; add it to process.allowed_programs in the manifest, exactly so"
    )]
    NotAllowed { program: String },
    #[error(
        "program `{program}` is in no folder of the PATH that the runtime was started with; name it by its absolute path"
    )]
    NotFound { program: String },
    #[error("{what} has a zero byte, which no program can be given; leave it out")]
    ZeroByte { what: &'static str },
    #[error("`{name}` is no name of an environment variable; give it characters, none of them `=`")]
    NoVariable { name: String },
    #[error(
        "the environment variable `{name}` would make the program run other code than its own; leave it out"
    )]
    LoaderVariable { name: String },
    #[error(
        "arguments and environment variables take {size} bytes, more than limits.message allows, which is {limit}"
    )]
    TooLong { size: u64, limit: u64 },
    #[error("{setting} must be from 1 to {limit}, and is {given}")]
    OutOfRange { setting: &'static str, given: u64, limit: u64 },
    #[error("folder `{cwd}` is not in process.allowed_paths of the manifest; those are: {allowed}")]
    Outside { cwd: String, allowed: String },
    #[error("folder `{cwd}` has `..` in it; write where that leads")]
    Upwards { cwd: String },
    #[error(
        "folder `{cwd}` cannot be used; it must be there, and no symbolic link below {allowed}: {source}"
    )]
    Folder { cwd: String, allowed: String, source: std::io::Error },
    #[error(
        "{limit} programs run or have not been told to have ended, as many as process.max_processes allows; end one first"
    )]
    TooMany { limit: u64 },
    #[error("program `{program}` could not be started: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("program `{program}` did not start within limits.host_deadline, which is {limit:?}")]
    SlowStart { program: String, limit: Duration },
    #[error("no program {pid} of this life of the actor")]
    Unknown { pid: u64 },
    #[error("program {pid} has ended")]
    Ended { pid: u64 },
    #[error("program {pid} does not read its standard input any more")]
    Closed { pid: u64 },
    #[error("program {pid} read nothing within limits.host_deadline, which is {limit:?}")]
    NotReading { pid: u64, limit: Duration },
    #[error("{signal} is the number of no signal")]
    NoSignal { signal: u32 },
    #[error("the operating system refuses signal {signal} to program {pid}: {source}")]
    Signal { pid: u64, signal: u32, source: std::io::Error },
    #[error("the actor is ending, and its programs with it")]
    Ending,
}

impl ProcessRefusal {
    pub(super) fn not_allowed(program: &str) -> Self {
        Self::NotAllowed { program: printable(program) }
    }

    pub(super) fn start(program: &str, source: impl Into<std::io::Error>) -> Self {
        Self::Start { program: printable(program), source: source.into() }
    }
}
