//! The folders that the runtime makes for actors, and how much is done with files at a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use theater_core::ActorId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Where actors get folders of their own, each named by the actor's id, and the turns of whoever works with files.
#[derive(Debug)]
pub(crate) struct Folders {
    base: Base,
    turns: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

#[derive(Debug)]
enum Base {
    /// Kept when the process ends. Made with the first folder in it.
    Kept(PathBuf),
    /// Made with the first folder in it, and gone with the runtime.
    Temporary(Mutex<Option<TempDir>>),
}

/// Work that was not done, or of which nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("the file was not touched because the actor is asked to end and others had their turn first")]
    Ending,
    #[error("this took longer than limits.host_deadline allows, which is {} ms; what was under way may still be done", .limit.as_millis())]
    Slow { limit: Duration },
    #[error("the work with files panicked")]
    Panicked,
}

impl Folders {
    /// `at_once` is how many calls are worked on at a time, `open` how many files guests have open.
    pub(crate) fn new(kept: Option<PathBuf>, at_once: usize, open: usize) -> Self {
        let base = kept.map_or_else(|| Base::Temporary(Mutex::new(None)), Base::Kept);
        let turns = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Self { base, turns, open: Arc::new(Semaphore::new(open.min(Semaphore::MAX_PERMITS))) }
    }

    /// Leave to have one more file open, until it is dropped. `None` if there are too many.
    pub(crate) fn open_one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.open).try_acquire_owned().ok()
    }

    /// Opens the folder of an actor, made if it is not there.
    pub(super) fn own(&self, id: ActorId) -> io::Result<Dir> {
        let folder = self.base()?.join(id.to_string());
        make(&folder)?;
        Dir::open_ambient_dir(folder, ambient_authority())
    }

    fn base(&self) -> io::Result<PathBuf> {
        match &self.base {
            Base::Kept(path) => {
                make(path)?;
                Ok(path.clone())
            }
            Base::Temporary(made) => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(made) = &*made {
                    return Ok(made.path().to_owned());
                }
                let folder = tempfile::Builder::new().prefix("theater-").tempdir()?;
                let path = folder.path().to_owned();
                *made = Some(folder);
                Ok(path)
            }
        }
    }

    /// The base, if there is one yet.
    fn existing(&self) -> Option<PathBuf> {
        match &self.base {
            Base::Kept(path) => Some(path.clone()),
            Base::Temporary(made) => {
                let made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.as_ref().map(|made| made.path().to_owned())
            }
        }
    }

    /// The actors that have a folder. Blocks.
    pub(crate) fn owners(&self) -> io::Result<Vec<ActorId>> {
        let Some(base) = self.existing() else { return Ok(Vec::new()) };
        let entries = match fs::read_dir(base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut owners = Vec::new();
        for entry in entries {
            owners.extend(entry?.file_name().to_str().and_then(|name| name.parse::<ActorId>().ok()));
        }
        Ok(owners)
    }

    /// Removes an actor's folder, if it has one, when there is a turn for it. Nobody waits for that.
    pub(crate) fn remove(self: &Arc<Self>, id: ActorId) {
        if self.existing().is_none() {
            return;
        }
        let this = Arc::clone(self);
        let removing = move || {
            let Some(folder) = this.existing().map(|base| base.join(id.to_string())) else { return };
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(actor = %id, %error, "could not remove the folder of an actor");
                }
                _ => {}
            }
        };
        let Ok(tokio) = tokio::runtime::Handle::try_current() else { return removing() };
        let turns = Arc::clone(&self.turns);
        // As many as there are actors that ended: each waits for its turn, and holds a thread only then.
        tokio.spawn(async move {
            let turn = turns.acquire_owned().await;
            let _ = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                removing();
            })
            .await;
        });
    }

    /// Does something on a thread that may block, when it has its turn: at most `limit` long, the turn included. Whoever is
    /// killed while it waits is not waited for; what had begun goes on to its end, and keeps its turn until then.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        stop: &CancellationToken,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let whole = async {
            let turn = match Arc::clone(&self.turns).try_acquire_owned() {
                Ok(turn) => Ok(turn),
                Err(_) => tokio::select! {
                    biased;
                    () = stop.cancelled() => return Err(NotDone::Ending),
                    turn = Arc::clone(&self.turns).acquire_owned() => turn,
                },
            };
            let working = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work()
            });
            working.await.map_err(|_| NotDone::Panicked)
        };
        tokio::time::timeout(limit, whole).await.unwrap_or(Err(NotDone::Slow { limit }))
    }
}

/// Makes a folder that nobody else may enter, where there is none.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => builder.recursive(true).create(folder),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_hangs_keeps_its_turn_and_is_waited_for_by_nobody() {
        let folders = Arc::new(Folders::new(None, 1, 1));
        let (limit, stop) = (Duration::from_secs(60), CancellationToken::new());
        let (release, hangs) = std::sync::mpsc::channel::<()>();
        let (begun, mut has_begun) = tokio::sync::oneshot::channel();
        let (shared, token) = (Arc::clone(&folders), stop.clone());
        let killed = tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                // Until the test lets it go.
                let _ = hangs.recv();
            };
            shared.blocking(&token, limit, work).await
        });
        (&mut has_begun).await.unwrap();
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled(), "whoever waited is gone at once");
        let slow = folders.blocking(&stop, Duration::from_millis(50), || ()).await;
        assert!(matches!(slow, Err(NotDone::Slow { .. })), "{slow:?}");
        let (shared, token) = (Arc::clone(&folders), stop.clone());
        let waiting = tokio::spawn(async move { shared.blocking(&token, limit, || ()).await });
        stop.cancel();
        let ending = waiting.await.unwrap();
        assert!(matches!(ending, Err(NotDone::Ending)), "{ending:?}");
        release.send(()).unwrap();
        let never = CancellationToken::new();
        folders.blocking(&never, limit, || ()).await.unwrap();
        // Whoever is to end may still do what it can do at once.
        while let Err(error) = folders.blocking(&stop, limit, || ()).await {
            assert!(matches!(error, NotDone::Ending), "{error}");
            tokio::task::yield_now().await;
        }
    }
}
