//! What a child asks for beyond what its parent has.

use std::fmt;

use crate::manifest::HandlerKind;

/// Something that an actor asks for and its parent does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Excess {
    /// The handler that it is about.
    pub handler: HandlerKind,
    /// What is too much.
    pub kind: ExcessKind,
    /// Whether the parent has it and keeps it from its children: its `[permission_policy]` does.
    pub by_policy: bool,
}

/// What is too much.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExcessKind {
    /// The parent does not have the handler at all.
    Missing,
    /// A number that is higher than the parent's.
    More {
        /// The setting.
        setting: &'static str,
        /// What the child asks for.
        asked: u64,
        /// What the parent has.
        parent: u64,
    },
    /// A number that is lower than the parent's, where lower is more.
    Less {
        /// The setting.
        setting: &'static str,
        /// What the child asks for.
        asked: u64,
        /// What the parent has.
        parent: u64,
    },
    /// A switch that is on, and off at the parent.
    On {
        /// The setting.
        setting: &'static str,
    },
    /// A setting that restricts the parent, and is missing at the child.
    Unrestricted {
        /// The setting.
        setting: &'static str,
    },
    /// Something in a list that the parent does not have.
    NotThere {
        /// The setting.
        setting: &'static str,
        /// What it is, such as `environment variable`.
        what: &'static str,
        /// Which.
        item: String,
    },
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = self.handler.name();
        match &self.kind {
            ExcessKind::Missing if self.by_policy => {
                write!(f, "the parent keeps handler `{handler}` for itself")
            }
            ExcessKind::Missing => write!(f, "handler `{handler}` is not the parent's to give"),
            ExcessKind::More { setting, asked, parent } => {
                write!(f, "{handler}.{setting} {asked} is more than the parent's {parent}")
            }
            ExcessKind::Less { setting, asked, parent } => {
                write!(f, "{handler}.{setting} {asked} is less than the parent's {parent}")
            }
            ExcessKind::On { setting } => write!(f, "{handler}.{setting} is true, and the parent's is not"),
            ExcessKind::Unrestricted { setting } => {
                write!(f, "{handler}.{setting} is missing, and the parent has one")
            }
            ExcessKind::NotThere { what, item, .. } => {
                write!(f, "{what} `{item}` is not the parent's to give")
            }
        }
    }
}

impl Excess {
    /// What to write into the parent's manifest, or into the child's, for the child to start.
    #[must_use]
    pub fn remedy(&self, parent: &str) -> String {
        let handler = self.handler.name();
        if self.by_policy {
            let policy = self.handler.policy_name();
            return format!(
                "loosen `[permission_policy.{policy}]` in the manifest of `{parent}`, or ask for less in this one"
            );
        }
        match &self.kind {
            ExcessKind::Missing => {
                format!("add `[[handlers]]` with `type = \"{handler}\"` to the manifest of `{parent}`")
            }
            ExcessKind::More { setting, asked, .. } | ExcessKind::Less { setting, asked, .. } => format!(
                "write `{setting} = {asked}` under handler `{handler}` in the manifest of `{parent}`, or take it out of this one"
            ),
            ExcessKind::On { setting } => format!(
                "write `{setting} = true` under handler `{handler}` in the manifest of `{parent}`, or take it out of this one"
            ),
            ExcessKind::Unrestricted { setting } => {
                format!("write a `{setting}` under handler `{handler}` in this manifest")
            }
            ExcessKind::NotThere { setting: setting @ "denied_vars", item, .. } => {
                format!("add {item:?} to `{setting}` under handler `{handler}` in this manifest")
            }
            ExcessKind::NotThere { setting: setting @ "path", item, .. } => format!(
                "write `{setting} = {item:?}` under handler `{handler}` in the manifest of `{parent}`, or a folder that holds it"
            ),
            ExcessKind::NotThere { setting, item, .. } => format!(
                "add {item:?} to `{setting}` under handler `{handler}` in the manifest of `{parent}`, or take it out of this one"
            ),
        }
    }
}
