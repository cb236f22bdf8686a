//! From the pipes of a program to the calls that bring its output, and its end, to the actor.

use std::future::Future;
use std::sync::Arc;

use theater_core::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::pieces::Cutter;
use super::programs::STRAGGLERS;

/// Something that a program did, on its way to the actor.
#[derive(Debug)]
pub(crate) struct Happening {
    pub(crate) pid: u64,
    pub(crate) what: Happened,
    /// Given back when the actor has handled it: its part of the output buffer, or the program's place.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What it did.
#[derive(Debug)]
pub(crate) enum Happened {
    Stdout(Bytes),
    Stderr(Bytes),
    /// It ended, and all its output came before this.
    Exited(i32),
}

/// The way to an actor: a queue whose length is bounded by what has room.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) to: mpsc::UnboundedSender<Happening>,
    /// Bytes of output that may wait. Closed when nobody wants any more.
    pub(super) room: Arc<Semaphore>,
    /// All of them.
    pub(super) bytes: u32,
}

/// What a piece counts besides its bytes: about what it takes in the queue.
const PIECE: u32 = 64;

impl Queue {
    /// Waits for room, and puts a piece of output into the queue. Whether anybody is there to get it.
    async fn put(&self, pid: u64, what: Happened, size: usize) -> bool {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        // One that takes all there is goes alone.
        let size = size.saturating_add(PIECE).min(self.bytes);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(size).await else { return false };
        self.to.send(Happening { pid, what, _room: room }).is_ok()
    }
}

/// Brings one stream of a program to the actor, in order, piece by piece. While there is no room nothing is read, so that the pipe fills and the
/// program waits.
///
/// Ends with the stream, or when nobody wants it any more; or when the program has `ended` and whoever else has the pipe has
/// written nothing for [`STRAGGLERS`].
pub(super) async fn bring(
    pid: u64,
    mut pipe: pipe::Receiver,
    mut cutter: Cutter,
    read: usize,
    queue: &Queue,
    of: fn(Bytes) -> Happened,
    ended: &CancellationToken,
) {
    let mut buffer = vec![0; read.max(1)];
    loop {
        let reading = pipe.read(&mut buffer);
        // An error of a pipe is its end: there is nothing more to be had.
        let Some(read @ 1..) = until_given_up(reading, ended).await.and_then(Result::ok) else { break };
        for piece in cutter.push(&buffer[..read]) {
            let size = piece.len();
            if !queue.put(pid, of(piece), size).await {
                return;
            }
        }
    }
    if let Some(piece) = cutter.finish() {
        let size = piece.len();
        queue.put(pid, of(piece), size).await;
    }
}

/// What the future gives, unless it takes longer than [`STRAGGLERS`] from when the program has ended.
async fn until_given_up<T>(work: impl Future<Output = T>, ended: &CancellationToken) -> Option<T> {
    let late = async {
        ended.cancelled().await;
        tokio::time::sleep(STRAGGLERS).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = late => None,
    }
}
