//! Where manifests, components and states come from.

mod files;

pub use files::FileSource;
