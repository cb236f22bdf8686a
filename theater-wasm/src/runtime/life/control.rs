//! How a life is asked to end, and how others notice that it has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use theater_core::{ExitReason, ShutdownController};
use theater_supervisor::SupervisorHandle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::runtime::begin::Lived;
use crate::runtime::entry::lock;
use crate::runtime::seat::Seat;

/// How a life is asked to end, and how others notice that it has.
#[derive(Debug)]
pub(in crate::runtime) struct LifeControl {
    /// Set before `stop` is cancelled: who was registered there once only looks here.
    pub(super) stopping: AtomicBool,
    pub(super) stop: CancellationToken,
    pub(super) kill: CancellationToken,
    asked: Mutex<Option<ExitReason>>,
    done: CancellationToken,
    pub(in crate::runtime) seat: Arc<Seat<Lived>>,
    pub(in crate::runtime) driver: Mutex<Option<Driver>>,
    /// The supervisor of this life, for the embedding program.
    pub(in crate::runtime) supervisor: OnceLock<SupervisorHandle>,
}

/// The supervisor of one life, running.
#[derive(Debug)]
pub(in crate::runtime) struct Driver {
    pub(in crate::runtime) shutdown: ShutdownController,
    pub(in crate::runtime) task: JoinHandle<()>,
}

impl LifeControl {
    /// That of a life on the current tokio runtime.
    pub(in crate::runtime) fn new() -> Arc<Self> {
        Arc::new(Self {
            stopping: AtomicBool::new(false),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            asked: Mutex::new(None),
            done: CancellationToken::new(),
            seat: Seat::new(),
            driver: Mutex::new(None),
            supervisor: OnceLock::new(),
        })
    }

    /// Asks the life to end after its current call. The first reason stays until a kill brings another.
    pub(in crate::runtime) fn stop(&self, reason: ExitReason) {
        lock(&self.asked).get_or_insert(reason);
        self.cancel();
    }

    /// Ends the life at once. The first kill's reason stays.
    pub(in crate::runtime) fn kill(&self, reason: ExitReason) {
        {
            let mut asked = lock(&self.asked);
            if self.kill.is_cancelled() {
                return;
            }
            *asked = Some(reason);
            self.kill.cancel();
        }
        self.cancel();
    }

    fn cancel(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.cancel();
    }

    pub(super) fn asked(&self) -> ExitReason {
        lock(&self.asked).clone().unwrap_or(ExitReason::Killed)
    }

    /// Resolves when the life was asked to end.
    pub(in crate::runtime) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Cancelled when the life is asked to end.
    pub(in crate::runtime) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub(in crate::runtime) fn finish(&self) {
        self.done.cancel();
    }

    /// Waits until the life has ended and everybody has been told.
    pub(in crate::runtime) async fn ended(&self) {
        self.done.cancelled().await;
    }

    /// Waits for the end for a limited time. Returns whether it came.
    pub(in crate::runtime) async fn ended_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.ended()).await.is_ok()
    }
}
