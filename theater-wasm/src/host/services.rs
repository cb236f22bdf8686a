//! What the host functions of one life work with: what the actor is granted, and what the runtime has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use theater_core::capability::{EnvironmentGrant, Grant, RandomGrant, TimingGrant, WasiGrant};
use theater_core::content::InvalidName;
use theater_core::{HandlerKind, LimitError, Manifest};
use tokio_util::sync::CancellationToken;

#[cfg(all(unix, feature = "process"))]
use super::process::{Bounds, ProcessRefusal, Programs};
use super::random::Generator;
use super::wasi::{Failure, Monotonic};
use crate::content::{ContentError, ContentStore};
use crate::folder::{FileError, Folder, FolderError, Folders, InvalidPath, NotDone, Place};

/// Nanoseconds since the Unix epoch.
type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The runtime's side of the host functions.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) clock: Clock,
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    pub(crate) contents: Arc<dyn ContentStore>,
    pub(crate) folders: Arc<Folders>,
    #[cfg(feature = "http-client")]
    pub(crate) http: Arc<crate::http::Client>,
}

/// Everything for one life of one actor.
pub(crate) struct Services {
    pub(super) provider: Provider,
    pub(super) timing: Option<TimingGrant>,
    pub(super) environment: Option<EnvironmentGrant>,
    pub(super) random: Option<(RandomGrant, Generator)>,
    pub(super) folder: Option<Arc<Folder>>,
    pub(super) wasi: Option<(WasiGrant, Monotonic)>,
    #[cfg(all(unix, feature = "process"))]
    pub(super) programs: Option<Arc<Programs>>,
    #[cfg(feature = "http-client")]
    pub(super) http: Option<theater_core::capability::HttpClientGrant>,
    /// Bytes of one content.
    pub(super) content_limit: u64,
    /// How long one call may take that works with files.
    pub(super) host_deadline: Duration,
    /// Cancelled when the actor is asked to end.
    pub(super) stop: CancellationToken,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of environment variables are nobody's business.
        f.debug_struct("Services").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl Services {
    /// What an actor with this manifest gets; `None` if it asks for nothing of it. `life` is what makes its seeded values its
    /// own: places from the root down to it, and the number of the life. `place` says where its files are.
    pub(crate) fn new(
        manifest: &Manifest,
        provider: &Provider,
        stop: CancellationToken,
        place: impl FnOnce() -> Option<Place>,
        life: impl FnOnce() -> Vec<u64>,
    ) -> Option<Arc<Self>> {
        let mut services = Self {
            provider: provider.clone(),
            timing: None,
            environment: None,
            random: None,
            folder: None,
            #[cfg(feature = "http-client")]
            http: None,
            host_deadline: manifest.limits.host_deadline,
            wasi: None,
            #[cfg(all(unix, feature = "process"))]
            programs: None,
            content_limit: manifest.limits.message,
            stop,
        };
        let mut needed = manifest.has_handler(HandlerKind::Store);
        let (mut life, mut place) = (Some(life), Some(place));
        for handler in &manifest.handlers {
            match &handler.grant {
                Grant::Timing(grant) => services.timing = Some(*grant),
                Grant::Environment(grant) => services.environment = Some(grant.clone()),
                Grant::Random(grant) => {
                    let generator = match (grant.seed, life.take()) {
                        (Some(seed), Some(life)) => Generator::seeded(seed, &life()),
                        _ => Generator::System,
                    };
                    services.random = Some((*grant, generator));
                }
                Grant::Filesystem(_) => {
                    let place = place.take().and_then(|place| place());
                    let folder = |place| Arc::new(Folder::new(Arc::clone(&provider.folders), place));
                    services.folder = place.map(folder);
                }
                Grant::Wasi(grant) => {
                    services.wasi = Some((*grant, Monotonic::begin((provider.clock)())));
                }
                #[cfg(all(unix, feature = "process"))]
                Grant::Process(grant) => {
                    let bounds = Bounds {
                        message: manifest.limits.message,
                        event: manifest.limits.event,
                        deadline: manifest.limits.host_deadline,
                    };
                    let (environment, stop) = (&provider.environment, services.stop.clone());
                    services.programs = Some(Arc::new(Programs::new(grant, bounds, environment, stop)));
                }
                #[cfg(feature = "http-client")]
                Grant::HttpClient(grant) => services.http = Some(grant.clone()),
                _ => continue,
            }
            needed = true;
        }
        needed.then(|| Arc::new(services))
    }

    /// The programs of this life.
    #[cfg(all(unix, feature = "process"))]
    pub(crate) fn programs_of_life(&self) -> Option<&Arc<Programs>> {
        self.programs.as_ref()
    }

    /// Ends what must not outlive the life. Waits for nothing.
    pub(crate) fn end(&self) {
        #[cfg(all(unix, feature = "process"))]
        if let Some(programs) = &self.programs {
            programs.end();
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        (self.provider.clock)() / 1_000_000
    }
}

/// Why a host function refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The component is run without a runtime that provides it.
    #[error("this actor was not granted that")]
    NotGranted,
    /// The actor is to end.
    #[error("the wait was given up because the actor is asked to end")]
    Ending,
    #[error("a wait of {asked} ms is longer than timing.max_sleep_duration allows, which is {limit} ms")]
    TooLong { asked: u64, limit: u64 },
    #[error("a wait of {asked} ms is shorter than timing.min_sleep_duration allows, which is {limit} ms")]
    TooShort { asked: u64, limit: u64 },
    #[error("{asked} bytes are more than random.max_bytes or limits.message allow, which is {limit}")]
    TooManyBytes { asked: u64, limit: u64 },
    #[error("there is no number from {min} on and below {max}")]
    EmptyRange { min: u64, max: u64 },
    #[error("an upper end of {max} is more than random.max_int allows, which is {limit}")]
    TooHigh { max: u64, limit: u64 },
    #[error("the operating system gives no random bytes: {0}")]
    NoRandomness(getrandom::Error),
    #[error("{asked} bytes are more than one call of wasi:random may ask for, which is {limit}")]
    TooManyRandom { asked: u64, limit: u64 },
    #[error("a wait was not over after {limit} ms, the longest that wasi.max_sleep_duration allows")]
    Waited { limit: u64 },
    #[cfg(all(unix, feature = "process"))]
    #[error(transparent)]
    Process(#[from] ProcessRefusal),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    NotDone(#[from] NotDone),
    #[error(transparent)]
    Wasi(Failure),
    #[error(
        "handler `filesystem` runs no programs; where a runtime has it, add `[[handlers]]` with `type = \"process\"` and the \
         program in `allowed_programs` to the manifest, and use theater:simple/process"
    )]
    NoPrograms,
    #[cfg(feature = "http-client")]
    #[error(transparent)]
    Request(#[from] crate::http::RequestError),
    #[cfg(feature = "http-client")]
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    #[cfg(feature = "http-client")]
    #[error(
        "the request takes {size} bytes, more than http-client.max_request_size or limits.message allow, which is {limit}"
    )]
    LargeRequest { size: u64, limit: u64 },
    #[error("the list takes {size} bytes, more than limits.message allows, which is {limit}")]
    LongList { size: u64, limit: u64 },
}
