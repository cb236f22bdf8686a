//! All programs of one life of an actor. They end with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use theater_core::capability::ProcessGrant;
use theater_core::{Bytes, LimitError};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Status;
use super::error::ProcessRefusal;
use super::order::{Allowed, Order, OrderLimits};
use super::output::{Happened, Happening, Queue, bring};
use super::program::{Pipes, Program};
use crate::host::services::Refusal;

/// How long a program that has ended is waited for on a pipe that somebody else has still open and writes nothing to: a program
/// that left its process group.
pub(super) const STRAGGLERS: Duration = Duration::from_secs(1);

/// Where what programs do comes out, in order.
pub(crate) type Happenings = mpsc::UnboundedReceiver<Happening>;

/// What bounds the programs of an actor, besides its grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// `limits.message`.
    pub(crate) message: u64,
    /// `limits.event`.
    pub(crate) event: u64,
    /// `limits.host_deadline`.
    pub(crate) deadline: Duration,
}

/// What a record needs besides the piece of output that it is about.
const RECORD: u64 = 512;

/// The programs of one life. Ends them when it is dropped.
pub(crate) struct Programs {
    grant: ProcessGrant,
    bounds: Bounds,
    /// The runtime's variables, for its `PATH`.
    environment: Arc<BTreeMap<String, String>>,
    /// Cancelled when the actor is asked to end.
    stop: CancellationToken,
    queue: Queue,
    /// A place for each program, from its start until the actor has handled its end.
    places: Arc<Semaphore>,
    table: Arc<Mutex<Table>>,
    happenings: Mutex<Option<Happenings>>,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("grant", &self.grant).finish_non_exhaustive()
    }
}

/// What is known of the programs of this life.
#[derive(Debug, Default)]
struct Table {
    /// Nothing may start any more.
    closed: bool,
    running: BTreeMap<u64, Arc<Running>>,
    /// The last that ended, as many as may run at a time: number, exit code, time of the start.
    ended: VecDeque<(u64, i32, u64)>,
}

/// One that runs.
#[derive(Debug)]
struct Running {
    program: Program,
    stdin: AsyncMutex<pipe::Sender>,
    started: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Programs {
    pub(crate) fn new(
        grant: &ProcessGrant,
        bounds: Bounds,
        environment: &Arc<BTreeMap<String, String>>,
        stop: CancellationToken,
    ) -> Self {
        let (to, happenings) = mpsc::unbounded_channel();
        // Manifests allow no more than fits into both.
        let bytes = u32::try_from(grant.max_output_buffer).unwrap_or(u32::MAX).max(1);
        let places = usize::try_from(grant.max_processes).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            grant: grant.clone(),
            bounds,
            environment: Arc::clone(environment),
            stop,
            queue: Queue { to, room: Arc::new(Semaphore::new(bytes as usize)), bytes },
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            table: Arc::default(),
            happenings: Mutex::new(Some(happenings)),
        }
    }

    /// What programs do, for the life whose they are. Given once.
    pub(crate) fn take_happenings(&self) -> Option<Happenings> {
        lock(&self.happenings).take()
    }

    /// Starts a program under this number.
    pub(super) async fn start(&self, pid: u64, order: Order, now: u64) -> Result<(), Refusal> {
        let limits = OrderLimits { words: self.bounds.message, piece: self.largest_piece() };
        let order = order.admit(&self.grant, limits).map_err(Refusal::from)?;
        let limit = self.grant.max_processes;
        let place =
            Arc::clone(&self.places).try_acquire_owned().map_err(|_| ProcessRefusal::TooMany { limit })?;
        let environment = Arc::clone(&self.environment);
        let named = order.program.clone();
        // What nobody waits for any more is dropped when it has started, and so killed; until then it has its place.
        let starting = tokio::task::spawn_blocking(move || {
            Program::start(&order, &environment).map(|(program, pipes)| (order, place, program, pipes))
        });
        let limit = self.bounds.deadline;
        let started = tokio::time::timeout(limit, starting).await.map_err(|_| {
            let program = theater_core::error::printable(&named);
            ProcessRefusal::SlowStart { program, limit }
        })?;
        let (order, place, program, pipes) =
            started.map_err(|error| ProcessRefusal::start(&named, std::io::Error::other(error)))??;
        self.take_in(pid, order, place, program, pipes, now)
            .map_err(|error| ProcessRefusal::start(&named, error))?
            .map_err(Refusal::from)
    }

    /// The most bytes of one piece of output: one that fits into the buffer and into a record.
    fn largest_piece(&self) -> usize {
        let most = self.bounds.message.min(self.bounds.event.saturating_sub(RECORD));
        usize::try_from(most.min(u64::from(self.queue.bytes))).unwrap_or(usize::MAX).max(1)
    }

    fn take_in(
        &self,
        pid: u64,
        order: Allowed,
        place: OwnedSemaphorePermit,
        program: Program,
        pipes: Pipes,
        now: u64,
    ) -> std::io::Result<Result<(), ProcessRefusal>> {
        let stdout = pipe::Receiver::from_owned_fd(pipes.stdout.into())?;
        let stderr = pipe::Receiver::from_owned_fd(pipes.stderr.into())?;
        let stdin = AsyncMutex::new(pipe::Sender::from_owned_fd(pipes.stdin.into())?);
        // Before the program is looked at for the first time: no change of it goes unnoticed.
        let changes = signal(SignalKind::child())?;
        let running = Arc::new(Running { program, stdin, started: now });
        {
            let mut table = lock(&self.table);
            if table.closed {
                // Dropped here, it is killed.
                return Ok(Err(ProcessRefusal::Ending));
            }
            table.running.insert(pid, Arc::clone(&running));
        }
        let follow = Follow {
            pid,
            running,
            queue: self.queue.clone(),
            table: Arc::clone(&self.table),
            remembered: usize::try_from(self.grant.max_processes).unwrap_or(usize::MAX),
            timeout: order.timeout,
        };
        tokio::spawn(follow.run(order, place, (stdout, stderr), changes));
        Ok(Ok(()))
    }

    fn running(&self, pid: u64) -> Result<Arc<Running>, ProcessRefusal> {
        let table = lock(&self.table);
        match table.running.get(&pid) {
            Some(running) => Ok(Arc::clone(running)),
            None if table.ended.iter().any(|(ended, ..)| *ended == pid) => Err(ProcessRefusal::Ended { pid }),
            None => Err(ProcessRefusal::Unknown { pid }),
        }
    }

    /// Writes to a program's standard input, as far as it reads within the deadline. How many bytes.
    pub(super) async fn write(&self, pid: u64, data: &Bytes) -> Result<u32, Refusal> {
        let (size, limit) = (data.len() as u64, self.bounds.message);
        if size > limit {
            return Err(LimitError::Message { size, limit }.into());
        }
        let running = self.running(pid)?;
        let limit = self.bounds.deadline;
        let mut written = 0;
        let writing = async {
            let mut stdin = running.stdin.lock().await;
            while written < data.len() {
                written += stdin.write(&data[written..]).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let outcome = tokio::select! {
            biased;
            outcome = tokio::time::timeout(limit, writing) => outcome,
            () = self.stop.cancelled() => return Err(Refusal::Ending),
        };
        match outcome {
            Ok(Ok(())) => {}
            // A part is an answer: whoever is told of it knows what is left.
            _ if written > 0 => {}
            Ok(Err(_)) => return Err(ProcessRefusal::Closed { pid }.into()),
            Err(_) => return Err(ProcessRefusal::NotReading { pid, limit }.into()),
        }
        // No more than the message's limit, which is far below.
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    pub(super) fn status(&self, pid: u64) -> Result<Status, ProcessRefusal> {
        let table = lock(&self.table);
        if let Some(running) = table.running.get(&pid) {
            return Ok((true, None, running.started));
        }
        let ended = table.ended.iter().find(|(ended, ..)| *ended == pid);
        ended.map(|(_, code, started)| (false, Some(*code), *started)).ok_or(ProcessRefusal::Unknown { pid })
    }

    pub(super) fn signal(&self, pid: u64, number: u32) -> Result<(), ProcessRefusal> {
        let running = self.running(pid)?;
        let signal = i32::try_from(number).ok().and_then(Signal::from_named_raw);
        let signal = signal.ok_or(ProcessRefusal::NoSignal { signal: number })?;
        match running.program.signal(signal) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ProcessRefusal::Ended { pid }),
            Err(error) => Err(ProcessRefusal::Signal { pid, signal: number, source: error.into() }),
        }
    }

    pub(super) fn kill(&self, pid: u64) -> Result<(), ProcessRefusal> {
        if self.running(pid)?.program.kill() { Ok(()) } else { Err(ProcessRefusal::Ended { pid }) }
    }

    /// Kills all programs, and lets none start any more. Waits for nothing: each is reaped when it is gone.
    pub(crate) fn end(&self) {
        // Nothing is read any more.
        self.queue.room.close();
        let running = {
            let mut table = lock(&self.table);
            table.closed = true;
            std::mem::take(&mut table.running)
        };
        for running in running.values() {
            running.program.kill();
        }
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program that is followed until it is gone and the actor has heard of it.
struct Follow {
    pid: u64,
    running: Arc<Running>,
    queue: Queue,
    table: Arc<Mutex<Table>>,
    remembered: usize,
    timeout: Option<Duration>,
}

impl Follow {
    async fn run(
        self,
        order: Allowed,
        place: OwnedSemaphorePermit,
        (stdout, stderr): (pipe::Receiver, pipe::Receiver),
        changes: tokio::signal::unix::Signal,
    ) {
        let (pid, ended) = (self.pid, CancellationToken::new());
        let (code, (), ()) = tokio::join!(
            self.until_ended(changes, &ended),
            bring(pid, stdout, order.stdout, order.read, &self.queue, Happened::Stdout, &ended),
            bring(pid, stderr, order.stderr, order.read, &self.queue, Happened::Stderr, &ended),
        );
        // Where the life has ended nobody is told.
        let _ = self.queue.to.send(Happening { pid, what: Happened::Exited(code), _room: place });
    }

    /// Waits until it has ended, and reaps it. Kills it when its time is over.
    async fn until_ended(&self, mut changes: tokio::signal::unix::Signal, ended: &CancellationToken) -> i32 {
        let mut too_long = std::pin::pin!(async {
            match self.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        });
        let mut timed_out = false;
        let code = loop {
            if let Some(code) = self.running.program.reap() {
                break code;
            }
            tokio::select! {
                // One signal may stand for several programs, so each looks for itself.
                () = changed(&mut changes) => {}
                () = &mut too_long, if !timed_out => {
                    timed_out = true;
                    self.running.program.kill();
                }
            }
        };
        let mut table = lock(&self.table);
        // Taken out already where the life has ended.
        table.running.remove(&self.pid);
        table.ended.push_back((self.pid, code, self.running.started));
        while table.ended.len() > self.remembered {
            table.ended.pop_front();
        }
        drop(table);
        ended.cancel();
        code
    }
}

/// Waits until a program of this process has ended; for ever, where nothing says so any more: the tokio runtime ends then.
async fn changed(changes: &mut tokio::signal::unix::Signal) {
    if changes.recv().await.is_none() {
        std::future::pending().await
    }
}
