//! What the host functions can fail with.

use theater_core::ActorError;

/// A result of a supervision function.
pub type Result<T, E = SupervisorError> = std::result::Result<T, E>;

/// Why a supervision function failed.
///
/// # Examples
/// ```
/// use theater_supervisor::SupervisorError;
///
/// let handler_error = SupervisorError::HandlerError("Child actor not found".to_string());
/// match handler_error {
///     SupervisorError::HandlerError(msg) => assert_eq!(msg, "Child actor not found"),
///     SupervisorError::ActorError(e) => println!("Actor error: {e}"),
///     _ => println!("Other error"),
/// }
/// ```
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The host itself was used wrongly.
    #[error("Handler error: {0}")]
    HandlerError(String),
    /// The operation on the actor was refused or failed.
    #[error("Actor error: {0}")]
    ActorError(#[from] ActorError),
    /// A record could not be encoded or decoded as JSON.
    #[error("Serialization error: {0}")]
    SerializationError(#[from] serde_json::Error),
}
