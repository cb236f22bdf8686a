//! What a [`ManifestSource`] has to do, as test cases for anybody's source.

mod find;
mod root;
mod tree;

use std::sync::Arc;

use theater_core::ManifestSource;

use super::verdict::{Verdict, right, same};

/// The folder of the source under test: a new one for each case.
type Files = Box<dyn TestSource>;

/// A manifest that is right.
const MANIFEST: &str = "name = \"worker\"\ncomponent = \"a.wasm\"\n";

/// What a source needs to be tested: a way to put files where it finds them.
///
/// Each case makes one of its own: a source whose root is empty. Paths are relative to the root, with `/` between their
/// parts; folders come with what is in them.
pub trait TestSource: Send + 'static {
    /// Puts a file into the root.
    fn put(&mut self, path: &str, content: &[u8]);

    /// Puts a file beside the root, where the source must not reach, and says its absolute name. Sources that have no
    /// outside keep this default, which does nothing.
    fn put_outside(&mut self, name: &str, content: &[u8]) -> Option<String> {
        let _ = (name, content);
        None
    }

    /// Makes a link in the root. `target` is absolute or starts at the folder of the link.
    ///
    /// # Errors
    /// Why it cannot. Sources that know no links keep this default and say so in [`lacks`](Self::lacks).
    fn link(&mut self, path: &str, target: &str) -> Result<(), String> {
        Err(format!("{path} cannot be a link to {target}"))
    }

    /// The source over what was put so far.
    fn source(&self) -> Arc<dyn ManifestSource>;

    /// Why the source cannot be asked for this, if it cannot. Cases that need it are reported as skipped, with the reason.
    fn lacks(&self, capability: SourceCapability) -> Option<&'static str> {
        let _ = capability;
        None
    }
}

/// What a source may lack without being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceCapability {
    /// References that start at the folder of the manifest that they stand in, and may go up from there.
    Folders,
    /// Links from one file or folder to another.
    Links,
}

type Run = fn(Files) -> std::pin::Pin<Box<dyn Future<Output = Verdict> + Send>>;
macro_rules! cases {
    ($($clause:literal: $($file:ident::$case:ident $(needs $need:ident)?),* $(,)?;)*) => {
        pub const CASES: &[(&str, &str, Run, &[SourceCapability])] = &[$($((stringify!($case), $clause, |s| Box::pin($file::$case(s)), &[$(SourceCapability::$need)?]),)*)*];
    };
}
cases! {
    "Finding": find::a_manifest_is_found_and_parsed, find::what_a_manifest_refers_to_is_read_byte_for_byte,
       find::a_reference_means_the_same_as_long_as_nothing_changes, tree::declared_children_are_found, tree::an_embedded_manifest_is_not_looked_up;
    "Not found": find::what_does_not_exist_is_not_found, find::a_reference_that_is_no_path_is_an_error, tree::a_missing_child_is_told_with_its_place;
    "Root": root::nothing_is_reached_by_dots, root::nothing_is_reached_by_absolute_paths, root::a_refusal_does_not_say_what_is_outside, root::links_stay_inside needs Links;
    "Errors": find::what_is_no_text_is_no_manifest, find::what_is_wrong_with_a_manifest_is_told_with_its_place;
    "Relative references": root::references_start_at_the_manifests_folder needs Folders, tree::a_cycle_is_found;
}
