//! The control socket: how other processes of the same user talk to a running app.
//!
//! - `protocol` is what goes over it: one JSON object per line, either way.
//! - `server` listens, in bounds that no client can go beyond.
//! - `answer` answers one request.
//! - `client` asks.

mod answer;
#[cfg(unix)]
pub(crate) mod client;
pub(crate) mod protocol;
pub(crate) mod server;

use std::path::{Path, PathBuf};

/// The socket's name in the data folder.
const NAME: &str = "control.sock";

/// Where the socket of a data folder is.
fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// Whether a system can have a socket there: names of sockets are short.
#[cfg(unix)]
fn check(path: &Path) -> Result<(), String> {
    use std::os::unix::ffi::OsStrExt;

    match std::os::unix::net::SocketAddr::from_pathname(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "no control socket {}: its path has {} bytes, and the system allows about 100; name a shorter data folder \
             with --data",
            path.display(),
            path.as_os_str().as_bytes().len()
        )),
    }
}
