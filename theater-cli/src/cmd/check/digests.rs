//! The lines that pin an app to what it is now.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use theater_core::event::payload::Sources;
use theater_core::source::{ContentDigest, Reference, toml_string};
use theater_core::{ChildSource, Manifest};
use theater_wasm::CheckedActor;

use crate::text::printable;

/// For each actor, the leaves first, the lines for the manifest that it stands in, as TOML.
pub(super) fn lines(actors: &[CheckedActor]) -> String {
    let manifests: HashMap<&[Arc<str>], &Manifest> =
        actors.iter().map(|actor| (&actor.path[..], &*actor.manifest)).collect();
    let mut text = String::from(
        "# The leaves come first: a line that is pasted changes the digest of the manifest that it stands in, so check again\n\
         # before pinning that.\n",
    );
    for actor in actors.iter().rev() {
        let Some(sources) = &actor.sources else { continue };
        let reference = declared(&manifests, actor);
        let place = if actor.path.is_empty() { actor.manifest.name.clone() } else { actor.path.join("/") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {}", printable(&place));
        for (key, reference, digest) in pins(actor, sources) {
            if let (Some(reference), Some(digest)) = (reference, digest) {
                let _ =
                    writeln!(text, "{key} = {}", toml_string(&reference.clone().pinned(digest).to_string()));
            }
        }
        match reference {
            Some(reference) => {
                let pinned = toml_string(&reference.clone().pinned(sources.manifest).to_string());
                let _ = writeln!(text, "manifest = {pinned}  # where it is declared");
            }
            None if actor.path.is_empty() => {
                let _ = writeln!(text, "# its manifest: #blake3={}", sources.manifest);
            }
            // It stands in another one, whose digest is its own.
            None => {}
        }
    }
    text.push('\n');
    text
}

fn pins<'a>(
    actor: &'a CheckedActor,
    sources: &Sources,
) -> [(&'static str, Option<&'a Reference>, Option<ContentDigest>); 3] {
    let manifest = &*actor.manifest;
    [
        ("component", manifest.component.as_ref(), sources.component),
        ("init_state", manifest.init_state.as_ref(), sources.init_state),
        ("snapshot", manifest.snapshot.as_ref(), sources.snapshot),
    ]
}

/// How its parent's manifest refers to an actor's, if that is one of its own.
fn declared<'a>(
    manifests: &HashMap<&[Arc<str>], &'a Manifest>,
    actor: &CheckedActor,
) -> Option<&'a Reference> {
    let (id, parent) = actor.path.split_last()?;
    let entry = manifests.get(parent)?.children.iter().find(|entry| entry.id == *id)?;
    match &entry.source {
        ChildSource::Reference(reference) => Some(reference),
        _ => None,
    }
}
