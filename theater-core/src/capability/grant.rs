//! What a handler grants, setting by setting.

use crate::manifest::HandlerKind;

/// What one handler of a manifest grants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// Log, own chain, own end. Everybody has it.
    Runtime,
    /// Children.
    Supervisor,
    /// Messages to other actors.
    MessageServer,
    /// Contents by their hash.
    Store,
    /// Time.
    Timing(TimingGrant),
    /// Random values.
    Random(RandomGrant),
    /// Environment variables.
    Environment(EnvironmentGrant),
    /// Files.
    Filesystem(FilesystemGrant),
    /// Requests to other hosts.
    HttpClient(HttpClientGrant),
    /// Requests from other hosts.
    HttpFramework,
    /// Other programs.
    Process(ProcessGrant),
    /// WASI 0.2.
    Wasi(WasiGrant),
}

impl Grant {
    /// What a handler of this kind grants without any settings.
    #[must_use]
    pub fn with_defaults(kind: HandlerKind) -> Self {
        match kind {
            HandlerKind::Runtime => Self::Runtime,
            HandlerKind::Supervisor => Self::Supervisor,
            HandlerKind::MessageServer => Self::MessageServer,
            HandlerKind::Store => Self::Store,
            HandlerKind::Timing => Self::Timing(TimingGrant::default()),
            HandlerKind::Random => Self::Random(RandomGrant::default()),
            HandlerKind::Environment => Self::Environment(EnvironmentGrant::default()),
            HandlerKind::Filesystem => Self::Filesystem(FilesystemGrant::default()),
            HandlerKind::HttpClient => Self::HttpClient(HttpClientGrant::default()),
            HandlerKind::HttpFramework => Self::HttpFramework,
            HandlerKind::Process => Self::Process(ProcessGrant::default()),
            HandlerKind::Wasi => Self::Wasi(WasiGrant::default()),
        }
    }

    /// The kind of handler that grants it.
    #[must_use]
    pub fn kind(&self) -> HandlerKind {
        match self {
            Self::Runtime => HandlerKind::Runtime,
            Self::Supervisor => HandlerKind::Supervisor,
            Self::MessageServer => HandlerKind::MessageServer,
            Self::Store => HandlerKind::Store,
            Self::Timing(_) => HandlerKind::Timing,
            Self::Random(_) => HandlerKind::Random,
            Self::Environment(_) => HandlerKind::Environment,
            Self::Filesystem(_) => HandlerKind::Filesystem,
            Self::HttpClient(_) => HandlerKind::HttpClient,
            Self::HttpFramework => HandlerKind::HttpFramework,
            Self::Process(_) => HandlerKind::Process,
            Self::Wasi(_) => HandlerKind::Wasi,
        }
    }
}

/// How long an actor may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimingGrant {
    /// The longest wait in milliseconds. Default one hour.
    pub max_sleep: u64,
    /// The shortest wait in milliseconds. Default 1.
    pub min_sleep: u64,
}

impl Default for TimingGrant {
    fn default() -> Self {
        Self { max_sleep: 3_600_000, min_sleep: 1 }
    }
}

/// Which random values an actor may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomGrant {
    /// Makes the values a stream that repeats itself. Default: none, the values are the operating system's.
    pub seed: Option<u64>,
    /// The most bytes of one call. Default 1 MiB.
    pub max_bytes: u64,
    /// The highest upper end of a range. Default the largest signed number of 64 bits.
    pub max_int: u64,
    /// Kept for manifests of the original system: without a seed the values are always good enough for keys.
    pub allow_crypto_secure: bool,
}

impl Default for RandomGrant {
    fn default() -> Self {
        Self { seed: None, max_bytes: 1 << 20, max_int: i64::MAX.unsigned_abs(), allow_crypto_secure: false }
    }
}

/// Which environment variables an actor may read: those in `allowed_vars` and those that begin with one of
/// `allowed_prefixes`, without those in `denied_vars`. By default none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EnvironmentGrant {
    /// Names.
    pub allowed_vars: Vec<String>,
    /// Names that are none of these although they match.
    pub denied_vars: Vec<String>,
    /// Beginnings of names.
    pub allowed_prefixes: Vec<String>,
    /// Whether those that may be read may be listed as well.
    pub allow_list_all: bool,
}

impl EnvironmentGrant {
    /// Whether the variable may be read.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let listed = self.allowed_vars.iter().any(|allowed| allowed == name);
        let matches = listed || self.allowed_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        matches && !self.denied_vars.iter().any(|denied| denied == name)
    }
}

/// Which files an actor may use: those in one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FilesystemGrant {
    /// The folder, without `..`; a relative one starts from where the runtime was started. `None`: no existing folder.
    pub path: Option<String>,
    /// Whether it gets an empty folder of its own. It works there then, and `path` is only what its children may be given.
    pub new_dir: bool,
    /// Programs that it may run there.
    pub allowed_commands: Vec<String>,
}

impl FilesystemGrant {
    /// The way from the folder of a parent to this one: a path without `.` and `..`, empty where both are one. `None` if this
    /// one is not in it, or one of them has none.
    #[must_use]
    pub fn path_in(&self, parent: &Self) -> Option<String> {
        super::way_down(self.path.as_deref()?, parent.path.as_deref()?).map(|way| way.join("/"))
    }
}

/// Which hosts an actor may ask, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpClientGrant {
    /// Hosts, exactly and in lowercase: `example.org` with the port of the scheme, `example.org:8080` with that one.
    pub allowed_hosts: Vec<String>,
    /// How long a request may take in milliseconds, to the last byte of its response. Default 30 s.
    pub max_duration: u64,
    /// Bytes of a request. `None`: as many as a message may have, which bounds it in any case.
    pub max_request: Option<u64>,
    /// Bytes of a response. `None`: as many as a message may have, which bounds it in any case.
    pub max_response: Option<u64>,
}

impl Default for HttpClientGrant {
    fn default() -> Self {
        Self { allowed_hosts: Vec::new(), max_duration: 30_000, max_request: None, max_response: None }
    }
}

impl HttpClientGrant {
    /// Whether the host, in lowercase, may be asked at this port, by a scheme whose own port is `usual`.
    #[must_use]
    pub fn allows(&self, host: &str, port: u16, usual: u16) -> bool {
        let with_port = format!("{host}:{port}");
        self.allowed_hosts.iter().any(|allowed| *allowed == with_port || (port == usual && allowed == host))
    }
}

/// Which programs an actor may run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessGrant {
    /// How many at a time. Default 10.
    pub max_processes: u64,
    /// The most bytes of their output that wait. Default 1 MiB.
    pub max_output_buffer: u64,
    /// Programs, as they are named: by an absolute path, or by a name that is looked up in `PATH`. Default none.
    pub allowed_programs: Vec<String>,
    /// Folders that they may be run in, without `..`; a relative one starts from where the runtime was started. Default none.
    pub allowed_paths: Vec<String>,
}

impl Default for ProcessGrant {
    fn default() -> Self {
        Self {
            max_processes: 10,
            max_output_buffer: 1 << 20,
            allowed_programs: Vec::new(),
            allowed_paths: Vec::new(),
        }
    }
}

/// What of WASI 0.2 an actor may use beyond what is harmless. Variables come with an [`EnvironmentGrant`]; files and the network
/// do not come at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasiGrant {
    /// The longest wait in milliseconds, whatever for. Default one hour.
    pub max_sleep: u64,
}

impl Default for WasiGrant {
    fn default() -> Self {
        Self { max_sleep: TimingGrant::default().max_sleep }
    }
}
