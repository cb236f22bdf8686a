//! Cases about references with digests, and ones that are the manifest itself. Sources know neither: the functions of
//! `theater_core::source` see to them, if a source lets them.

use theater_core::source::{ContentDigest, INLINE, Reference, read};
use theater_core::{ManifestErrorKind, ManifestSource, load};

use super::find::{fails, found, not_found, some_files};
use super::{Files, MANIFEST, Verdict, right, same};

fn pinned(location: &str, content: &[u8]) -> Reference {
    let digest = ContentDigest::of(content);
    Reference::parse(location).expect("a location without a digest").pinned(digest)
}

pub(super) async fn what_has_the_digest_of_its_reference_is_found(mut files: Files) -> Verdict {
    some_files(&mut files);
    let app = format!(
        "name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"{}\"\n",
        pinned("inner/b.toml", MANIFEST.as_bytes())
    );
    files.put("app.toml", app.as_bytes());
    let source = files.source();
    for reference in ["app.toml".to_owned(), pinned("app.toml", app.as_bytes()).to_string()] {
        let tree = load(&*source, &reference.as_str().into()).await;
        let tree = tree.map_err(|error| format!("{reference}: {error}"))?;
        same("the child's name", &&*tree.children[0].manifest.origin, &"inner/b.toml")?;
    }
    let loaded = found(&*source, "a.toml").await?;
    for _ in 0..2 {
        let content = read(&*source, &loaded, &pinned("a.wasm", b"outer")).await;
        let content = content.map_err(|error| format!("a.wasm: {error}"))?;
        right(content.bytes == b"outer"[..], || "a.wasm has another content than was put there".into())?;
    }
    Ok(())
}

/// A source that compared digests itself would hide what is there.
pub(super) async fn what_has_another_digest_is_told_with_both(mut files: Files) -> Verdict {
    some_files(&mut files);
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    let differs = |there: &'static [u8]| {
        move |kind: &ManifestErrorKind| {
            let (want, have) = (ContentDigest::of(b"another"), ContentDigest::of(there));
            matches!(kind, ManifestErrorKind::DigestMismatch { expected, found } if *expected == want && *found == have)
        }
    };
    let manifest = load(&*source, &pinned("a.toml", b"another").to_string().into()).await;
    fails("a.toml", manifest, differs(MANIFEST.as_bytes()), "DigestMismatch with both digests")?;
    let component = read(&*source, &loaded, &pinned("a.wasm", b"another")).await;
    fails("a.wasm", component, differs(b"outer"), "DigestMismatch with both digests")
}

/// Whoever knows the digest of a file has no right to it by that.
pub(super) async fn a_digest_opens_no_way_out(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put_outside("secret.toml", MANIFEST.as_bytes());
    let source: &dyn ManifestSource = &*files.source();
    let loaded = found(source, "a.toml").await?;
    let outside = |kind: &ManifestErrorKind| matches!(kind, ManifestErrorKind::OutsideRoot);
    let out = pinned("../secret.toml", MANIFEST.as_bytes());
    fails("../secret.toml", load(source, &out.to_string().into()).await, outside, "OutsideRoot")?;
    fails("../secret.toml", read(source, &loaded, &out).await, outside, "OutsideRoot")?;
    // Nor does the content turn up under another name.
    let gone = pinned("gone.wasm", b"outer");
    fails("gone.wasm", load(source, &gone.to_string().into()).await, not_found, "NotFound")?;
    fails("gone.wasm", read(source, &loaded, &gone).await, not_found, "NotFound")
}

pub(super) async fn what_an_inline_manifest_refers_to_starts_at_the_root(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put("worker.toml", MANIFEST.as_bytes());
    let text = "name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"worker.toml\"\n\
                [[children]]\nid = \"v\"\ncomponent = \"a.wasm\"\n";
    let source = files.source();
    let app = load(&*source, &text.into()).await.map_err(|error| format!("an inline manifest: {error}"))?;
    same("its origin", &&*app.origin, &INLINE)?;
    same("its children", &app.children.len(), &2)?;
    for child in &*app.children {
        let reference = Reference::parse("a.wasm").expect("a location");
        let content = read(&*source, &child.manifest, &reference).await;
        let content = content.map_err(|error| format!("a.wasm, for `{}`: {error}", child.id))?;
        right(content.bytes == b"outer"[..], || "a.wasm has another content than was put there".into())?;
    }
    Ok(())
}
