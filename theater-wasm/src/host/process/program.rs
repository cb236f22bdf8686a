//! One program of the operating system, from its start to when it is gone.
//!
//! A number of the operating system is another program's once ours is reaped. So it is used under the lock under which it is
//! reaped, and never afterwards.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::error::ProcessRefusal;
use super::folder::Folder;
use super::order::Allowed;

/// What is said of a program that somebody else has reaped: the embedding program, which should not.
const UNKNOWN_EXIT: i32 = i32::MIN;

/// A program and its process group. Dropped before it has ended it is killed, with its group, and reaped.
#[derive(Debug)]
pub(super) struct Program {
    /// `None` once it is reaped.
    child: Mutex<Option<Child>>,
}

/// The ends of its pipes that are ours.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Program {
    /// Starts it, as the leader of a process group of its own. Blocks until the operating system runs it, or says why not.
    pub(super) fn start(
        order: &Allowed,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Self, Pipes), ProcessRefusal> {
        let path = find(&order.program, environment)
            .ok_or_else(|| ProcessRefusal::NotFound { program: order.program.clone() })?;
        let folder = Folder::open(&order.place)?;
        let mut command = Command::new(path);
        command
            .arg0(&order.program)
            .args(&order.args)
            .env_clear()
            .envs(order.env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |source| ProcessRefusal::start(&order.program, source);
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let program = Self { child: Mutex::new(Some(child)) };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        Ok((program, Pipes { stdin, stdout, stderr }))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to the program alone. Whether there is still one: it may have ended and not be reaped yet.
    pub(super) fn signal(&self, signal: Signal) -> Result<bool, Errno> {
        match &*self.child() {
            None => Ok(false),
            Some(child) => match kill_process(Pid::from_child(child), signal) {
                Ok(()) | Err(Errno::SRCH) => Ok(true),
                Err(error) => Err(error),
            },
        }
    }

    /// Kills it and its group, without waiting. Whether there was anything to kill.
    pub(super) fn kill(&self) -> bool {
        match &*self.child() {
            None => false,
            Some(child) => {
                kill_group(child);
                true
            }
        }
    }

    /// Reaps it if it has ended: what it ended with, or minus the number of the signal. What is left of its group is killed before, while the
    /// number of the group cannot be another's.
    pub(super) fn reap(&self) -> Option<i32> {
        let mut reaping = self.child();
        let child = reaping.as_mut()?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            Ok(None) | Err(Errno::INTR) => return None,
            Ok(Some(_)) => kill_group(child),
            // Nobody's child any more; so its number may be somebody else's.
            Err(_) => {
                *reaping = None;
                return Some(UNKNOWN_EXIT);
            }
        }
        let status = child.try_wait().ok().flatten();
        *reaping = None;
        let code = |status: std::process::ExitStatus| status.code().or(status.signal().map(|signal| -signal));
        Some(status.and_then(code).unwrap_or(UNKNOWN_EXIT))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return };
        kill_group(&child);
        // Killed, it is gone in a moment, unless the system does not let it: then only this thread waits. Without a thread the end of
        // this process reaps it.
        let reaper = std::thread::Builder::new().name("theater-reaper".to_owned());
        let _ = reaper.spawn(move || child.wait());
    }
}

/// The caller holds the lock, or the program alone: it is not reaped.
fn kill_group(child: &Child) {
    // An error means that nobody is left whom it could reach.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Where a program is: an absolute path as it is, a name in the folders of the runtime's `PATH`. What the guest gives as `PATH` is the
/// program's own.
fn find(program: &str, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program));
    }
    let folders = environment.get("PATH")?;
    // What a relative entry leads to depends on where somebody stands.
    let absolute = std::env::split_paths(OsStr::new(folders)).filter(|folder| folder.is_absolute());
    absolute.map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_the_absolute_folders_of_the_path_and_must_be_a_program_there() {
        let root = tempfile::tempdir().unwrap();
        for (file, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("c/tool", 0o755)] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::create_dir_all(root.path().join("a/folder")).unwrap();
        let at = |folder: &str| root.path().join(folder).to_str().unwrap().to_owned();
        let path = ["relative".to_owned(), String::new(), at("a"), at("b"), at("c")].join(":");
        let environment = BTreeMap::from([("PATH".to_owned(), path)]);
        assert_eq!(find("tool", &environment), Some(root.path().join("b/tool")));
        assert_eq!(find("folder", &environment), None);
        assert_eq!(find("tool", &BTreeMap::new()), None);
        assert_eq!(find("/bin/x", &BTreeMap::new()), Some(PathBuf::from("/bin/x")));
    }
}
