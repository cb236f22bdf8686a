//! Asking a task to end, and noticing that one was asked.

use tokio::sync::watch;

/// Asks the tasks that hold its receivers to end.
///
/// # Examples
/// ```
/// use theater_core::ShutdownController;
///
/// let (controller, receiver) = ShutdownController::new();
/// assert!(!receiver.is_shutdown());
/// controller.shutdown();
/// assert!(receiver.is_shutdown());
/// ```
#[derive(Debug)]
pub struct ShutdownController {
    sender: watch::Sender<bool>,
}

impl ShutdownController {
    /// Makes a controller and a first receiver.
    #[must_use]
    pub fn new() -> (Self, ShutdownReceiver) {
        let (sender, receiver) = watch::channel(false);
        (Self { sender }, ShutdownReceiver { receiver, _keep: None })
    }

    /// Another receiver of the same request.
    #[must_use]
    pub fn subscribe(&self) -> ShutdownReceiver {
        ShutdownReceiver { receiver: self.sender.subscribe(), _keep: None }
    }

    /// Asks every receiver to end. Asking again changes nothing.
    pub fn shutdown(&self) {
        self.sender.send_replace(true);
    }
}

/// Notices that its task was asked to end. A controller that was dropped counts as having asked.
#[derive(Debug, Clone)]
pub struct ShutdownReceiver {
    receiver: watch::Receiver<bool>,
    _keep: Option<std::sync::Arc<watch::Sender<bool>>>,
}

impl ShutdownReceiver {
    /// Whether the task was asked to end.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        *self.receiver.borrow() || self.receiver.has_changed().is_err()
    }

    /// Waits until the task is asked to end. Cancel-safe, and returns at once ever after.
    pub async fn wait(&mut self) {
        // An error means that the controller is gone, which asks as well.
        let _ = self.receiver.wait_for(|asked| *asked).await;
    }

    /// A receiver that is never asked, for demonstrations.
    #[doc(hidden)]
    #[must_use]
    pub fn dummy() -> Self {
        let (sender, receiver) = watch::channel(false);
        Self { receiver, _keep: Some(std::sync::Arc::new(sender)) }
    }
}
