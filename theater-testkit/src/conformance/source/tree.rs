//! Cases about manifests that name each other.

use theater_core::{LoadedManifest, ManifestErrorKind, ManifestRef, SupervisionRule, load};

use super::{Files, MANIFEST, Verdict, right, same};

const APP: &str = "name = \"app\"\n\n[[children]]\nid = \"first\"\nmanifest = \"worker.toml\"\n\n[[children]]\n\
                   id = \"second\"\nmanifest = \"other.toml\"\n\n[[children]]\nid = \"third\"\nmanifest = \"worker.toml\"\n";

/// The manifests that a manifest declares as children are found by its names for them.
pub(super) async fn declared_children_are_found(mut files: Files) -> Verdict {
    files.put("app.toml", APP.as_bytes());
    files.put("worker.toml", MANIFEST.as_bytes());
    files.put("other.toml", b"name = \"other\"\ncomponent = \"other.wasm\"\n");
    let source = files.source();
    let app = load(&*source, &"app.toml".into()).await.map_err(|error| error.to_string())?;
    let children: Vec<_> = app.children.iter().map(|child| (&*child.id, &*child.manifest.origin)).collect();
    let declared = vec![("first", "worker.toml"), ("second", "other.toml"), ("third", "worker.toml")];
    same("the children", &children, &declared)
}

pub(super) async fn a_missing_child_is_told_with_its_place(mut files: Files) -> Verdict {
    files.put("app.toml", APP.as_bytes());
    files.put("worker.toml", MANIFEST.as_bytes());
    let source = files.source();
    let Err(error) = load(&*source, &"app.toml".into()).await else {
        return Err("a tree was loaded although a manifest of it is missing".into());
    };
    same("where", &(&*error.origin, error.line), &("app.toml", Some(7)))?;
    let ManifestErrorKind::Child { id, error } = error.kind else {
        return Err(format!("`{error}` does not name the child"));
    };
    same("the child", &&*id, &"second")?;
    right(matches!(error.kind, ManifestErrorKind::NotFound), || format!("`{error}` instead of NotFound"))
}

/// However the way back is written, it ends at the name where it began.
pub(super) async fn a_cycle_is_found(mut files: Files) -> Verdict {
    files.put("a.toml", b"name = \"a\"\n[[children]]\nid = \"b\"\nmanifest = \"b.toml\"\n");
    files.put("b.toml", b"name = \"b\"\n[[children]]\nid = \"a\"\nmanifest = \"a.toml\"\n");
    let source = files.source();
    let Err(error) = load(&*source, &"a.toml".into()).await else {
        return Err("a tree without an end was loaded".into());
    };
    let mut kind = &error.kind;
    while let ManifestErrorKind::Child { error, .. } = kind {
        kind = &error.kind;
    }
    let cycle = matches!(kind, ManifestErrorKind::Rule(SupervisionRule::Cycle { .. }));
    right(cycle, || format!("`{error}` instead of a cycle"))
}

/// A reference that carries its manifest is not looked up; what that refers to is.
pub(super) async fn an_embedded_manifest_is_not_looked_up(mut files: Files) -> Verdict {
    files.put("worker.toml", MANIFEST.as_bytes());
    files.put("other.toml", MANIFEST.as_bytes());
    files.put("app.toml", b"name = \"another one\"\ncomponent = \"a.wasm\"\n");
    files.put("a.wasm", b"the component");
    let source = files.source();
    for name in ["app.toml", "nowhere.toml", "../outside.toml"] {
        let carried = LoadedManifest::parse("app.toml", APP).map_err(|error| error.to_string())?;
        let app = load(&*source, &ManifestRef::embedded(name, carried))
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        same("its name", &&*app.manifest.name, &"app")?;
        same("its children", &app.children.len(), &3)?;
        let read = source.read(&app, "a.wasm").await.map_err(|error| format!("a.wasm: {error}"))?;
        right(read == b"the component"[..], || "its component is another one".into())?;
    }
    Ok(())
}
