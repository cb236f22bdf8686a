//! What a [`ManifestSource`] has to do, as test cases for anybody's source.

mod find;
mod pinned;
mod root;
mod tree;

use std::sync::Arc;

use theater_core::ManifestSource;

use super::backend::Clock;
use super::case::Case;
use super::report::Report;
use super::run::Suite;
use super::verdict::{Verdict, right, same};

/// The folder of the source under test: a new one for each case.
pub type Files = Box<dyn TestSource>;

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

fn suite() -> Suite<Files, SourceCapability> {
    Suite { name: "ManifestSource", cases: CASES, clock: Clock::Real, lacks: |files, need| files.lacks(need) }
}

/// Runs every case of the suite for [`ManifestSource`], each on a source of its own.
pub fn run_source_conformance<S: TestSource>(make: impl Fn() -> S + Clone + Send + 'static) -> Report {
    suite().report(move || Box::new(make()), &[])
}

/// Runs one case, for a test of its own.
#[doc(hidden)]
#[track_caller]
pub fn run_one<S: TestSource>(name: &str, make: impl FnOnce() -> S + Send + 'static, skips: &[(&str, &str)]) {
    suite().one(name, move || Box::new(make()), skips);
}

/// Prints what did not pass, and the sum.
#[doc(hidden)]
#[track_caller]
pub fn print_report<S: TestSource>(make: impl Fn() -> S + Clone + Send + 'static, skips: &[(&str, &str)]) {
    suite().print(move || Box::new(make()), skips);
}

/// Makes a test of every case of the suite for [`ManifestSource`](theater_core::ManifestSource), over a
/// [`TestSource`](crate::conformance::source::TestSource): see [`conformance_tests!`](crate::conformance_tests).
#[macro_export]
macro_rules! manifest_source_tests {
    ($name:ident, $source:expr $(,)?) => {
        $crate::manifest_source_tests!($name, $source, skip = {});
    };
    ($name:ident, $source:expr, skip = { $($case:literal: $reason:literal),* $(,)? } $(,)?) => {
        $crate::__source_cases! {
            [$crate::__suite_tests]
            { $name, $source, [$crate::conformance::source], { $(($case, $reason)),* } }
        }
    };
}

/// The one list of the cases: the table and the tests are made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __source_cases {
    ([$($callback:tt)*] $arguments:tt) => {
        $($callback)*! {
            $arguments
            find {
                "Finding" {
                    a_manifest_is_found_and_parsed []
                    what_a_manifest_refers_to_is_read_byte_for_byte []
                    a_reference_means_the_same_as_long_as_nothing_changes []
                }
                "Not found" {
                    what_does_not_exist_is_not_found []
                    a_reference_that_is_no_path_is_an_error []
                }
                "Errors" {
                    what_is_no_text_is_no_manifest []
                    what_is_wrong_with_a_manifest_is_told_with_its_place []
                }
            }
            pinned {
                "Digests" {
                    what_has_the_digest_of_its_reference_is_found []
                    what_has_another_digest_is_told_with_both []
                    a_digest_opens_no_way_out []
                }
                "Inline manifests" {
                    what_an_inline_manifest_refers_to_starts_at_the_root []
                }
            }
            tree {
                "Finding" {
                    declared_children_are_found []
                    an_embedded_manifest_is_not_looked_up []
                }
                "Not found" {
                    a_missing_child_is_told_with_its_place []
                }
                "Relative references" {
                    a_cycle_is_found []
                }
            }
            root {
                "Root" {
                    nothing_is_reached_by_dots []
                    nothing_is_reached_by_absolute_paths []
                    a_refusal_does_not_say_what_is_outside []
                    links_stay_inside [Links]
                }
                "Relative references" {
                    references_start_at_the_manifests_folder [Folders]
                }
            }
        }
    };
}

macro_rules! table {
    ({} $($file:ident { $($clause:literal { $($case:ident [$($need:ident)*])* })* })*) => {
        /// All cases of the suite for [`ManifestSource`], in its order.
        pub const CASES: &[Case<Files, SourceCapability>] = &[$($($(
            Case {
                name: concat!(stringify!($file), "::", stringify!($case)),
                clause: $clause,
                needs: &[$(SourceCapability::$need),*],
                run: |subject| Box::pin(async move { Ok($file::$case(subject).await?) }),
            },
        )*)*)*];
    };
}

__source_cases! { [table] {} }
