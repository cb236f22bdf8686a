//! Placeholder until the parser lands.
use super::{Manifest, ManifestError};
pub(super) fn manifest(_origin: &str, _text: &str) -> Result<Manifest, ManifestError> {
    todo!()
}
