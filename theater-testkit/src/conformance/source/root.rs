//! Cases about staying inside the root.

use theater_core::{LoadedManifest, ManifestErrorKind, ManifestSource};

use super::find::{fails, found, some_files};
use super::{Files, MANIFEST, Verdict, right, same};

fn outside(kind: &ManifestErrorKind) -> bool {
    matches!(kind, ManifestErrorKind::OutsideRoot)
}

/// That a reference leaves the root, whatever it is asked for.
async fn leaves(source: &dyn ManifestSource, from: &LoadedManifest, reference: &str) -> Verdict {
    fails(reference, source.manifest(&reference.into()).await, outside, "OutsideRoot")?;
    fails(reference, source.read(from, reference).await, outside, "OutsideRoot")?;
    // A source may find it out when it makes a reference, or when that is used.
    let related = match source.relative(from, reference) {
        Ok(reference) => source.manifest(&reference).await.map(drop),
        Err(error) => Err(error),
    };
    fails(reference, related, outside, "OutsideRoot, as a relative reference")
}

pub(super) async fn nothing_is_reached_by_dots(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put_outside("secret.toml", MANIFEST.as_bytes());
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for reference in [
        "../secret.toml",
        "../gone.toml",
        "..",
        "./../secret.toml",
        "inner/../../secret.toml",
        "gone/../../secret.toml",
        "../../../../../../../../etc/passwd",
    ] {
        leaves(&*source, &loaded, reference).await?;
    }
    Ok(())
}

pub(super) async fn nothing_is_reached_by_absolute_paths(mut files: Files) -> Verdict {
    some_files(&mut files);
    let secret = files.put_outside("secret.toml", MANIFEST.as_bytes());
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for reference in
        ["/etc/passwd", "/gone", "/../gone", "/inner/../../gone"].into_iter().chain(secret.as_deref())
    {
        leaves(&*source, &loaded, reference).await?;
    }
    Ok(())
}

/// Whether something is there cannot be told from the refusal.
pub(super) async fn a_refusal_does_not_say_what_is_outside(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put_outside("here.toml", MANIFEST.as_bytes());
    let source = files.source();
    let mut refusals = Vec::new();
    for reference in ["../here.toml", "../gone.toml"] {
        match source.manifest(&reference.into()).await {
            Ok(_) => return Err(format!("{reference} was found")),
            Err(error) => refusals.push(error.to_string().replace("gone", "here")),
        }
    }
    same("the refusal of what is not there", &refusals[1], &refusals[0])
}

/// What a manifest refers to is found from its own folder, and names go up as far as the root.
pub(super) async fn references_start_at_the_manifests_folder(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put("inner/deep/c.toml", b"name = \"c\"\ncomponent = \"../a.wasm\"\n");
    let source = files.source();
    let reads = [
        ("a.toml", "a.wasm", "outer"),
        ("a.toml", "inner/a.wasm", "inner"),
        ("a.toml", "./inner/../a.wasm", "outer"),
        ("inner/b.toml", "a.wasm", "inner"),
        ("inner/b.toml", "../a.wasm", "outer"),
        ("inner/deep/c.toml", "../a.wasm", "inner"),
        ("inner/../inner/b.toml", "a.wasm", "inner"),
    ];
    for (manifest, reference, content) in reads {
        let loaded = found(&*source, manifest).await?;
        let what = || format!("{reference} of {manifest}");
        let read = source.read(&loaded, reference).await.map_err(|error| format!("{}: {error}", what()))?;
        right(read == content, || format!("{} is {read:?} instead of {content:?}", what()))?;
    }
    for (manifest, reference, origin) in [
        ("inner/b.toml", "deep/c.toml", "inner/deep/c.toml"),
        ("inner/b.toml", "../a.toml", "a.toml"),
        ("inner/deep/c.toml", "../b.toml", "inner/b.toml"),
    ] {
        let from = found(&*source, manifest).await?;
        let what = || format!("{reference} of {manifest}");
        let related = source.relative(&from, reference).map_err(|error| format!("{}: {error}", what()))?;
        let loaded = source.manifest(&related).await.map_err(|error| format!("{}: {error}", what()))?;
        same("the manifest that was found", &&*loaded.origin, &origin)?;
    }
    let deep = found(&*source, "inner/deep/c.toml").await?;
    fails("up too far", source.read(&deep, "../../../a.wasm").await, outside, "OutsideRoot")
}

/// A link is followed inside the root, and nowhere else, whether or not it leads to something.
pub(super) async fn links_stay_inside(mut files: Files) -> Verdict {
    some_files(&mut files);
    let secret = files.put_outside("secret.toml", MANIFEST.as_bytes());
    let mut links = vec![
        ("up.toml", "../secret.toml".to_owned()),
        ("dangling.toml", "../gone.toml".to_owned()),
        ("inner/up.toml", "../../secret.toml".to_owned()),
        ("folder", "..".to_owned()),
    ];
    links.extend(secret.map(|path| ("absolute.toml", path)));
    for (link, target) in
        [("inside.toml", "inner/b.toml"), ("inner/back.toml", "../a.toml"), ("alias", "inner")]
    {
        files.link(link, target)?;
    }
    for (link, target) in &links {
        files.link(link, target)?;
    }
    files.link("second.toml", "up.toml")?;
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for inside in ["inside.toml", "inner/back.toml", "alias/b.toml", "alias/back.toml"] {
        found(&*source, inside).await?;
    }
    let links = links.iter().map(|(link, _)| *link).filter(|link| *link != "folder");
    for link in links.chain(["second.toml", "folder/secret.toml", "folder/gone.toml"]) {
        fails(link, source.manifest(&link.into()).await, outside, "OutsideRoot")?;
        fails(link, source.read(&loaded, link).await, outside, "OutsideRoot")?;
    }
    Ok(())
}
