//! The registry of event kinds.

use std::fmt;

/// What an event is about. The number is hashed; the name is how it is shown.
///
/// A kind that this version does not know is kept and shown as `kind/N`: an old reader verifies a newer chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal;)*) => {
        impl EventKind {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// All kinds of this version, by number.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];

            /// The kind's name, or `None` for a kind that this version does not know.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The first event of a chain.
    GENESIS = 0, "theater/genesis";
    /// A life began.
    STARTED = 1, "theater/started";
    /// A life ended.
    EXITED = 2, "theater/exited";
    /// An export was called.
    CALL = 3, "theater/call";
    /// An export returned, well or with an error.
    RETURN = 4, "theater/return";
    /// The last good state, whole: what comes before need not be run again.
    SNAPSHOT = 5, "theater/snapshot";
    /// Payloads of earlier events of this chain were removed: up to where, how many and how long.
    PRUNED = 6, "theater/pruned";
    /// The component called a host function while it was instantiated.
    INSTANTIATION = 7, "theater/instantiation";
    /// A child's life began: the child's chain, its length and head at that moment.
    CHILD_STARTED = 16, "theater/child-started";
    /// A child's next life began: the child's chain, its length and head at that moment.
    CHILD_RESTARTED = 17, "theater/child-restarted";
    /// A child's life ended: the child's chain, its length and head at that moment.
    CHILD_EXITED = 18, "theater/child-exited";
    /// A child that had ended was retired, and its chain removed: the chain, its length and last head.
    CHILD_RETIRED = 19, "theater/child-retired";
    /// The actor wrote to its log.
    LOG = 32, "theater:simple/runtime/log";
    /// The actor read its own chain.
    GET_CHAIN = 33, "theater:simple/runtime/get-chain";
    /// The actor asked to end.
    SHUTDOWN = 34, "theater:simple/runtime/shutdown";
    /// `supervisor.spawn`, its call or its outcome.
    SPAWN = 48, "theater:simple/supervisor/spawn";
    /// `supervisor.resume`, its call or its outcome.
    RESUME = 49, "theater:simple/supervisor/resume";
    /// `supervisor.list-children`, its call or its outcome.
    LIST_CHILDREN = 50, "theater:simple/supervisor/list-children";
    /// `supervisor.restart-child`, its call or its outcome.
    RESTART_CHILD = 51, "theater:simple/supervisor/restart-child";
    /// `supervisor.stop-child`, its call or its outcome.
    STOP_CHILD = 52, "theater:simple/supervisor/stop-child";
    /// `supervisor.get-child-state`, its call or its outcome.
    GET_CHILD_STATE = 53, "theater:simple/supervisor/get-child-state";
    /// `supervisor.get-child-events`, its call or its outcome.
    GET_CHILD_EVENTS = 54, "theater:simple/supervisor/get-child-events";
    /// What the actor's supervisor decided about a child.
    SUPERVISION = 55, "theater/supervision";
    /// `message-server-host.send`, its call or its outcome.
    SEND = 64, "theater:simple/message-server-host/send";
    /// `message-server-host.request`, its call or its outcome.
    REQUEST = 65, "theater:simple/message-server-host/request";
    /// `message-server-host.open-channel`, its call or its outcome.
    OPEN_CHANNEL = 66, "theater:simple/message-server-host/open-channel";
    /// `message-server-host.send-on-channel`, its call or its outcome.
    SEND_ON_CHANNEL = 67, "theater:simple/message-server-host/send-on-channel";
    /// `message-server-host.close-channel`, its call or its outcome.
    CLOSE_CHANNEL = 68, "theater:simple/message-server-host/close-channel";
    /// `message-server-host.list-outstanding-requests`, its outcome.
    LIST_OUTSTANDING_REQUESTS = 69, "theater:simple/message-server-host/list-outstanding-requests";
    /// `message-server-host.respond-to-request`, its outcome.
    RESPOND_TO_REQUEST = 70, "theater:simple/message-server-host/respond-to-request";
    /// `message-server-host.cancel-request`, its outcome.
    CANCEL_REQUEST = 71, "theater:simple/message-server-host/cancel-request";
    /// `timing.now`, its outcome.
    TIMING_NOW = 80, "theater:simple/timing/now";
    /// `timing.sleep`, its outcome.
    TIMING_SLEEP = 81, "theater:simple/timing/sleep";
    /// `timing.deadline`, its outcome.
    TIMING_DEADLINE = 82, "theater:simple/timing/deadline";
    /// `random.random-bytes`, its outcome.
    RANDOM_BYTES = 88, "theater:simple/random/random-bytes";
    /// `random.random-range`, its outcome.
    RANDOM_RANGE = 89, "theater:simple/random/random-range";
    /// `random.random-float`, its outcome.
    RANDOM_FLOAT = 90, "theater:simple/random/random-float";
    /// `random.generate-uuid`, its outcome.
    GENERATE_UUID = 91, "theater:simple/random/generate-uuid";
    /// `environment.get-var`, its outcome.
    ENVIRONMENT_GET_VAR = 96, "theater:simple/environment/get-var";
    /// `environment.list-vars`, its outcome.
    ENVIRONMENT_LIST_VARS = 97, "theater:simple/environment/list-vars";
    /// `environment.exists`, its outcome.
    ENVIRONMENT_EXISTS = 98, "theater:simple/environment/exists";
    /// `store.new`, its call or its outcome.
    STORE_NEW = 104, "theater:simple/store/new";
    /// `store.store`, its call or its outcome.
    STORE_STORE = 105, "theater:simple/store/store";
    /// `store.get`, its outcome.
    STORE_GET = 106, "theater:simple/store/get";
    /// `store.exists`, its outcome.
    STORE_EXISTS = 107, "theater:simple/store/exists";
    /// `store.label`, its call or its outcome.
    STORE_LABEL = 108, "theater:simple/store/label";
    /// `store.get-by-label`, its outcome.
    STORE_GET_BY_LABEL = 109, "theater:simple/store/get-by-label";
    /// `store.remove-label`, its call or its outcome.
    STORE_REMOVE_LABEL = 110, "theater:simple/store/remove-label";
    /// `store.remove-from-label`, its call or its outcome.
    STORE_REMOVE_FROM_LABEL = 111, "theater:simple/store/remove-from-label";
    /// `store.store-at-label`, its call or its outcome.
    STORE_STORE_AT_LABEL = 112, "theater:simple/store/store-at-label";
    /// `store.replace-content-at-label`, its call or its outcome.
    STORE_REPLACE_CONTENT_AT_LABEL = 113, "theater:simple/store/replace-content-at-label";
    /// `store.replace-at-label`, its call or its outcome.
    STORE_REPLACE_AT_LABEL = 114, "theater:simple/store/replace-at-label";
    /// `store.list-labels`, its outcome.
    STORE_LIST_LABELS = 115, "theater:simple/store/list-labels";
    /// `store.list-all-content`, its outcome.
    STORE_LIST_ALL_CONTENT = 116, "theater:simple/store/list-all-content";
    /// `store.calculate-total-size`, its outcome.
    STORE_CALCULATE_TOTAL_SIZE = 117, "theater:simple/store/calculate-total-size";
    /// `filesystem.read-file`, its outcome.
    READ_FILE = 120, "theater:simple/filesystem/read-file";
    /// `filesystem.write-file`, its call or its outcome.
    WRITE_FILE = 121, "theater:simple/filesystem/write-file";
    /// `filesystem.list-files`, its outcome.
    LIST_FILES = 122, "theater:simple/filesystem/list-files";
    /// `filesystem.delete-file`, its call or its outcome.
    DELETE_FILE = 123, "theater:simple/filesystem/delete-file";
    /// `filesystem.create-dir`, its call or its outcome.
    CREATE_DIR = 124, "theater:simple/filesystem/create-dir";
    /// `filesystem.delete-dir`, its call or its outcome.
    DELETE_DIR = 125, "theater:simple/filesystem/delete-dir";
    /// `filesystem.path-exists`, its outcome.
    PATH_EXISTS = 126, "theater:simple/filesystem/path-exists";
    /// `filesystem.execute-command`, its call or its outcome.
    EXECUTE_COMMAND = 127, "theater:simple/filesystem/execute-command";
    /// `filesystem.execute-nix-command`, its call or its outcome.
    EXECUTE_NIX_COMMAND = 128, "theater:simple/filesystem/execute-nix-command";
    /// `http-client.send-http`, its call or its outcome.
    SEND_HTTP = 136, "theater:simple/http-client/send-http";
    /// `process.os-spawn`, its call or its outcome.
    PROCESS_SPAWN = 150, "theater:simple/process/os-spawn";
    /// `process.os-write-stdin`, its call or its outcome.
    PROCESS_WRITE_STDIN = 151, "theater:simple/process/os-write-stdin";
    /// `process.os-status`, its outcome.
    PROCESS_STATUS = 152, "theater:simple/process/os-status";
    /// `process.os-signal`, its call or its outcome.
    PROCESS_SIGNAL = 153, "theater:simple/process/os-signal";
    /// `process.os-kill`, its call or its outcome.
    PROCESS_KILL = 154, "theater:simple/process/os-kill";
    /// `wasi:clocks/wall-clock.now`, its outcome.
    WASI_WALL_CLOCK = 256, "wasi:clocks/wall-clock";
    /// `wasi:clocks/monotonic-clock.now`, its outcome.
    WASI_MONOTONIC_CLOCK = 257, "wasi:clocks/monotonic-clock";
    /// A function of `wasi:random/random` or `insecure`, its outcome.
    WASI_RANDOM = 258, "wasi:random/random";
    /// A function of `wasi:io/poll`, its outcome: which waits are over.
    WASI_POLL = 259, "wasi:io/poll";
    /// `wasi:cli/environment.get-environment`, its outcome.
    WASI_ENVIRONMENT = 260, "wasi:cli/environment";
    /// A function of `wasi:filesystem/types`, or of a stream of a file: what was asked and its outcome, and before that the call
    /// if it changes something.
    WASI_FILESYSTEM = 261, "wasi:filesystem/types";
}

impl EventKind {
    /// Whether events of this kind keep their payloads when a chain is pruned: those that say what the supervision tree was,
    /// and its anchors. They are small.
    #[must_use]
    pub fn keeps_payload(self) -> bool {
        matches!(
            self,
            Self::GENESIS
                | Self::STARTED
                | Self::EXITED
                | Self::PRUNED
                | Self::CHILD_STARTED
                | Self::CHILD_RESTARTED
                | Self::CHILD_EXITED
                | Self::CHILD_RETIRED
                | Self::SUPERVISION
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind/{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        for (index, kind) in EventKind::ALL.iter().enumerate() {
            for other in &EventKind::ALL[..index] {
                assert!(other.0 < kind.0, "{other:?} and {kind:?} are out of order");
                assert_ne!(other.name(), kind.name());
            }
        }
        assert_eq!(EventKind(65000).to_string(), "kind/65000");
    }
}
