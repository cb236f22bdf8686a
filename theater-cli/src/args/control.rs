//! The arguments of the commands that talk to a running app.

use clap::Args as ClapArgs;

use super::DataArgs;

/// The arguments of `theater status`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater send` and `theater request`.
#[derive(Debug, ClapArgs)]
pub(crate) struct MessageArgs {
    /// The actor: its id, its short id, its name, or the ids that lead to it, such as data/store
    #[arg(value_name = "ACTOR")]
    pub(crate) actor: String,

    /// The message, or `-` for standard input
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub(crate) message: std::ffi::OsString,

    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Print one JSON object, with the answer in base64
    #[arg(long)]
    pub(crate) json: bool,
}
