//! The folder that a program runs in, opened so that nobody can put another one in its place.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open, openat};
use theater_core::error::printable;

use super::error::ProcessRefusal;
use super::order::Place;

/// A folder that is open. It stays the same one, whatever becomes of its path.
#[derive(Debug)]
pub(super) struct Folder {
    /// Keeps what `path` names open.
    _open: OwnedFd,
    path: PathBuf,
}

/// Needs no right to list the folder, only to enter it.
#[cfg(target_os = "linux")]
const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder part by part from the one that is granted. That one may be reached over symbolic links, which are whoever wrote
    /// the manifest's; below it none is followed.
    pub(super) fn open(place: &Place) -> Result<Self, ProcessRefusal> {
        Self::walk(place).map_err(|error| {
            let cwd =
                [&[place.allowed.trim_end_matches('/').to_owned()][..], &place.below].concat().join("/");
            ProcessRefusal::Folder {
                cwd: printable(if cwd.is_empty() { "/" } else { &cwd }),
                allowed: place.allowed.clone(),
                source: error.into(),
            }
        })
    }

    fn walk(place: &Place) -> rustix::io::Result<Self> {
        let mut folder = open(&*place.allowed, FLAGS, Mode::empty())?;
        for part in &place.below {
            folder = openat(&folder, part.as_str(), FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
        }
        let path = path(&folder, place);
        Ok(Self { _open: folder, path })
    }

    /// What leads to it in this process and in one that it forks.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }
}

/// The open folder itself, by way of its descriptor.
#[cfg(target_os = "linux")]
fn path(folder: &OwnedFd, _: &Place) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Other systems have no path for an open folder. Whoever can put a link in its place between this and the start gets it followed.
#[cfg(not(target_os = "linux"))]
fn path(_: &OwnedFd, place: &Place) -> PathBuf {
    let mut path = PathBuf::from(&place.allowed);
    path.extend(&place.below);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(allowed: &std::path::Path, below: &[&str]) -> Place {
        let allowed = allowed.to_str().unwrap().to_owned();
        Place { allowed, below: below.iter().map(|part| (*part).to_owned()).collect() }
    }

    #[test]
    fn no_link_below_the_granted_folder_is_followed_and_what_is_open_stays_the_same() {
        let root = tempfile::tempdir().unwrap();
        let (work, outside) = (root.path().join("work"), root.path().join("outside"));
        std::fs::create_dir_all(work.join("a/b")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        for (link, target) in [("out", "../outside"), ("absolute", "/"), ("inside", "a"), ("a/up", "../..")] {
            std::os::unix::fs::symlink(target, work.join(link)).unwrap();
        }
        std::fs::write(work.join("file"), "x").unwrap();
        for below in
            [&["out"][..], &["absolute"], &["inside"], &["a", "up"], &["file"], &["gone"], &["inside", "b"]]
        {
            let refused = Folder::open(&place(&work, below)).expect_err("it is refused").to_string();
            assert!(refused.contains("no symbolic link below"), "{below:?}: {refused}");
        }
        // The granted folder itself may be a link.
        std::os::unix::fs::symlink(&work, root.path().join("granted")).unwrap();
        let folder = Folder::open(&place(&root.path().join("granted"), &["a", "b"])).unwrap();
        #[cfg(target_os = "linux")]
        {
            std::fs::rename(work.join("a"), work.join("moved")).unwrap();
            std::os::unix::fs::symlink(&outside, work.join("a")).unwrap();
            assert_eq!(
                std::fs::read_link(folder.path()).unwrap(),
                work.canonicalize().unwrap().join("moved/b")
            );
        }
        assert!(folder.path().is_dir());
    }
}
