//! What a guest wants to start, and whether it may: pure.

use std::time::Duration;

use serde::Serialize;
use theater_core::Bytes;
use theater_core::capability::{ProcessGrant, way_down};
use theater_core::error::printable;

use super::error::ProcessRefusal;
use super::pieces::Cutter;

/// How output is cut into the calls that bring it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Mode {
    Raw,
    Lines,
    Json,
    Chunked,
}

/// A program that a guest wants to start, as it gave it. Its record is this, as CBOR.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Order {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) buffer_size: u32,
    pub(super) stdout: Mode,
    pub(super) stderr: Mode,
    pub(super) chunk_size: Option<u32>,
    /// Seconds.
    pub(super) execution_timeout: Option<u64>,
}

/// What bounds an order, besides the grant.
#[derive(Debug, Clone, Copy)]
pub(super) struct OrderLimits {
    /// Bytes of all arguments and variables.
    pub(super) words: u64,
    /// Bytes of one piece of output.
    pub(super) piece: usize,
}

/// Where a program is to run: a folder that is granted, and the names on the way from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) allowed: String,
    pub(super) below: Vec<String>,
}

/// An order that may be carried out.
#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) place: Place,
    pub(super) stdout: Cutter,
    pub(super) stderr: Cutter,
    /// The most bytes that are read at a time.
    pub(super) read: usize,
    pub(super) timeout: Option<Duration>,
}

/// What each argument and variable counts besides its bytes: about what the operating system needs for it.
const WORD: u64 = 16;
/// Bytes that are read of a pipe at a time: as many as one holds.
const READ: usize = 64 << 10;

impl Order {
    pub(super) fn recorded(&self) -> Bytes {
        theater_core::event::payload::encode(self)
    }

    /// Checks it against what is granted.
    pub(super) fn admit(self, grant: &ProcessGrant, limits: OrderLimits) -> Result<Allowed, ProcessRefusal> {
        if !grant.allowed_programs.contains(&self.program) {
            return Err(ProcessRefusal::not_allowed(&self.program));
        }
        self.check_words(limits.words)?;
        let place = place(self.cwd.as_deref(), &grant.allowed_paths)?;
        let range = |setting, given: u64, limit: u64| match given {
            0 => Err(ProcessRefusal::OutOfRange { setting, given, limit }),
            given if given > limit => Err(ProcessRefusal::OutOfRange { setting, given, limit }),
            given => Ok(given),
        };
        range("buffer-size", self.buffer_size.into(), u32::MAX.into())?;
        let most = limits.piece.min(self.buffer_size as usize);
        // A chunk of another size than asked for would be no chunk, so this is not cut down.
        let chunk = match self.chunk_size {
            Some(size) => {
                range("chunk-size", size.into(), limits.piece as u64)?;
                size as usize
            }
            None => most,
        };
        let timeout = self.execution_timeout;
        timeout.map(|seconds| range("execution-timeout", seconds, u64::MAX)).transpose()?;
        let cutter = |mode| match mode {
            Mode::Raw => Cutter::raw(most),
            Mode::Lines => Cutter::lines(most),
            Mode::Json => Cutter::json(most),
            Mode::Chunked => Cutter::chunks(chunk),
        };
        Ok(Allowed {
            stdout: cutter(self.stdout),
            stderr: cutter(self.stderr),
            program: self.program,
            args: self.args,
            env: self.env,
            place,
            read: most.min(READ),
            timeout: timeout.map(Duration::from_secs),
        })
    }

    fn check_words(&self, limit: u64) -> Result<(), ProcessRefusal> {
        let words = self.args.iter().chain(self.env.iter().flat_map(|(name, value)| [name, value]));
        let size = words.map(|word| word.len() as u64 + WORD).sum();
        if size > limit {
            return Err(ProcessRefusal::TooLong { size, limit });
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(ProcessRefusal::ZeroByte { what: "an argument" });
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(ProcessRefusal::NoVariable { name: printable(name) });
            }
            if value.contains('\0') {
                return Err(ProcessRefusal::ZeroByte { what: "the value of an environment variable" });
            }
            // Of dynamic linkers: with them an allowed program runs whatever file the guest names.
            if name.starts_with("LD_") || name.starts_with("DYLD_") {
                return Err(ProcessRefusal::LoaderVariable { name: printable(name) });
            }
        }
        Ok(())
    }
}

/// The folder that a program runs in: the first that is granted, or one that lies in one of them as they are written. Where none
/// is granted and none is asked for it is the root, which is nobody's.
fn place(cwd: Option<&str>, allowed: &[String]) -> Result<Place, ProcessRefusal> {
    let Some(cwd) = cwd else {
        let first = allowed.first().map_or("/", String::as_str);
        return Ok(Place { allowed: first.to_owned(), below: Vec::new() });
    };
    if cwd.split('/').any(|part| part == "..") {
        return Err(ProcessRefusal::Upwards { cwd: printable(cwd) });
    }
    let place = |folder: &String| {
        let below = way_down(cwd, folder)?.into_iter().map(ToOwned::to_owned).collect();
        Some(Place { allowed: folder.clone(), below })
    };
    let found = if cwd.contains('\0') { None } else { allowed.iter().find_map(place) };
    found.ok_or_else(|| ProcessRefusal::Outside {
        cwd: printable(cwd),
        allowed: if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: OrderLimits = OrderLimits { words: 100, piece: 1_000 };

    fn order() -> Order {
        Order {
            program: "cat".to_owned(),
            args: Vec::new(),
            cwd: None,
            env: Vec::new(),
            buffer_size: 10,
            stdout: Mode::Raw,
            stderr: Mode::Chunked,
            chunk_size: None,
            execution_timeout: None,
        }
    }

    fn grant() -> ProcessGrant {
        let mut grant = ProcessGrant::default();
        grant.allowed_programs = vec!["cat".to_owned(), "/bin/ls".to_owned()];
        grant.allowed_paths = vec!["/srv/job".to_owned(), "here/".to_owned()];
        grant
    }

    fn refused(change: impl FnOnce(&mut Order)) -> String {
        let mut order = order();
        change(&mut order);
        order.admit(&grant(), LIMITS).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_program_is_allowed_by_exactly_the_name_that_was_granted() {
        for program in ["CAT", "/bin/cat", "./cat", "cat ", "ls", "", "cat\0", "../bin/ls", "/bin//ls"] {
            let said = refused(|order| order.program = program.to_owned());
            assert!(said.contains("is not allowed; add it to process.allowed_programs"), "{program}: {said}");
        }
        let mut order = order();
        order.program = "/bin/ls".to_owned();
        assert_eq!(order.admit(&grant(), LIMITS).unwrap().program, "/bin/ls");
    }

    #[test]
    fn arguments_and_variables_have_one_bound_and_no_zero_bytes() {
        let said = refused(|order| order.args = vec!["x".repeat(90)]);
        assert!(said.contains("take 106 bytes, more than limits.message allows, which is 100"), "{said}");
        let said = refused(|order| order.args = vec![String::new(); 7]);
        assert!(said.contains("take 112 bytes"), "empty ones count too: {said}");
        assert!(refused(|order| order.args = vec!["a\0b".to_owned()]).contains("zero byte"));
        let with = |name: &str, value: &str| {
            let variable = (name.to_owned(), value.to_owned());
            refused(|order| order.env = vec![variable])
        };
        assert!(with("A", "b\0").contains("zero byte"));
        for name in ["", "A=B", "A\0"] {
            assert!(with(name, "b").contains("is no name of an environment variable"), "{name:?}");
        }
        for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"] {
            assert!(with(name, "b").contains("would make the program run other code"), "{name}");
        }
    }

    #[test]
    fn sizes_and_times_are_in_their_range() {
        assert!(refused(|order| order.buffer_size = 0).contains("buffer-size must be from 1"));
        assert!(refused(|order| order.chunk_size = Some(0)).contains("chunk-size must be from 1 to 1000"));
        assert!(refused(|order| order.chunk_size = Some(1_001)).contains("and is 1001"));
        assert!(refused(|order| order.execution_timeout = Some(0)).contains("execution-timeout must be"));
        let mut order = order();
        (order.buffer_size, order.execution_timeout) = (u32::MAX, Some(u64::MAX));
        let allowed = order.admit(&grant(), LIMITS).unwrap();
        assert_eq!((allowed.read, allowed.timeout), (1_000, Some(Duration::from_secs(u64::MAX))));
    }

    #[test]
    fn a_folder_is_one_that_was_granted_or_lies_in_one() {
        let granted = grant().allowed_paths;
        let found = |cwd| place(cwd, &granted).map(|place| (place.allowed, place.below.join("/")));
        for (cwd, allowed, below) in [
            (None, "/srv/job", ""),
            (Some("/srv/job"), "/srv/job", ""),
            (Some("//srv/./job/a//b/"), "/srv/job", "a/b"),
            (Some("here"), "here/", ""),
            (Some("./here/a"), "here/", "a"),
        ] {
            assert_eq!(found(cwd).unwrap(), (allowed.to_owned(), below.to_owned()), "{cwd:?}");
        }
        for cwd in ["", "/", "/srv", "/srv/jobshop", "srv/job", "/here", "there", "here\0", "/srv/job\0/a"] {
            let said = found(Some(cwd)).unwrap_err().to_string();
            assert!(said.contains("is not in process.allowed_paths of the manifest"), "{cwd:?}: {said}");
        }
        for cwd in ["/srv/job/..", "/srv/job/a/../..", "here/../here"] {
            assert!(found(Some(cwd)).unwrap_err().to_string().contains("has `..` in it"), "{cwd}");
        }
        assert_eq!(place(None, &[]).unwrap(), Place { allowed: "/".to_owned(), below: Vec::new() });
        assert!(place(Some("/"), &[]).unwrap_err().to_string().ends_with("those are: none"));
    }
}
