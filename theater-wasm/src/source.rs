//! Where manifests, components and states come from.

mod files;
mod folder;
#[cfg(feature = "https")]
mod https;
mod map;

pub use files::FileSource;
pub use folder::FolderContent;
#[cfg(feature = "https")]
pub use https::{AllowedHost, HttpsConfig, HttpsSource, InvalidHost};
pub use map::MapFile;
