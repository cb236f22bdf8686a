//! Cases about what is found, and how it is told that something is not.

use theater_core::{LoadedManifest, Manifest, ManifestError, ManifestErrorKind, ManifestSource};

use super::{Files, MANIFEST, Verdict, right, same};

/// A root with a manifest, what it refers to, and a manifest in a folder.
pub(super) fn some_files(files: &mut Files) {
    files.put("a.toml", MANIFEST.as_bytes());
    files.put("a.wasm", b"outer");
    files.put("inner/b.toml", MANIFEST.as_bytes());
    files.put("inner/a.wasm", b"inner");
}

/// A manifest that has to be there.
pub(super) async fn found(source: &dyn ManifestSource, reference: &str) -> Result<LoadedManifest, String> {
    source.manifest(&reference.into()).await.map_err(|error| format!("{reference}: {error}"))
}

/// That an answer is an error of this kind.
pub(super) fn fails<T>(
    what: &str,
    answer: Result<T, ManifestError>,
    kind: impl Fn(&ManifestErrorKind) -> bool,
    name: &str,
) -> Verdict {
    match answer {
        Ok(_) => Err(format!("{what}: found, instead of {name}")),
        Err(error) => right(kind(&error.kind), || format!("{what}: `{error}` instead of {name}")),
    }
}

pub(super) fn not_found(kind: &ManifestErrorKind) -> bool {
    matches!(kind, ManifestErrorKind::NotFound)
}

pub(super) async fn a_manifest_is_found_and_parsed(mut files: Files) -> Verdict {
    some_files(&mut files);
    let source = files.source();
    for reference in ["a.toml", "inner/b.toml"] {
        let loaded = found(&*source, reference).await?;
        same("its text", &&*loaded.text, &MANIFEST)?;
        same("its origin", &&*loaded.origin, &reference)?;
        let parsed = Manifest::parse(reference, MANIFEST).map_err(|error| error.to_string())?;
        same("what it says", &format!("{:?}", loaded.manifest), &format!("{parsed:?}"))?;
        right(loaded.within.is_none(), || "it is said to stand within another manifest".into())?;
        right(loaded.children.is_empty(), || "it has children that it does not declare".into())?;
    }
    Ok(())
}

pub(super) async fn what_a_manifest_refers_to_is_read_byte_for_byte(mut files: Files) -> Verdict {
    let large: Vec<u8> = (0..1_u32 << 20).map(|n| (n % 251) as u8).collect();
    let contents: [(&str, &[u8]); 5] = [
        ("a.wasm", b"\0asm\x0d\0\x01\0"),
        ("state.json", b"{\"count\": 1}\r\n"),
        ("empty", b""),
        ("bytes", b"\xff\xfe\0\n\r\n\x1a"),
        ("large", &large),
    ];
    files.put("a.toml", MANIFEST.as_bytes());
    contents.iter().for_each(|(name, content)| files.put(name, content));
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for (name, content) in contents {
        let read = source.read(&loaded, name).await.map_err(|error| format!("{name}: {error}"))?;
        right(read == content, || format!("{name} has another content than was put there"))?;
    }
    Ok(())
}

pub(super) async fn what_does_not_exist_is_not_found(mut files: Files) -> Verdict {
    some_files(&mut files);
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for name in ["gone.toml", "inner/gone.toml", "gone/a.toml", "a.toml/a.toml", "a", "b.toml"] {
        fails(name, source.manifest(&name.into()).await, not_found, "NotFound")?;
        fails(name, source.read(&loaded, name).await, not_found, "NotFound")?;
    }
    Ok(())
}

pub(super) async fn what_is_no_text_is_no_manifest(mut files: Files) -> Verdict {
    some_files(&mut files);
    let bytes: [&[u8]; 3] = [b"\xff\xfe", b"name = \"\xc3\"", b"\0asm\x0d\0\x01\0\xff"];
    for (n, bytes) in bytes.into_iter().enumerate() {
        files.put(&format!("{n}.toml"), bytes);
    }
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    for (n, bytes) in bytes.into_iter().enumerate() {
        let name = format!("{n}.toml");
        let not_text = |kind: &_| matches!(kind, ManifestErrorKind::NotText);
        fails(&name, source.manifest(&name.as_str().into()).await, not_text, "NotText")?;
        let read = source.read(&loaded, &name).await.map_err(|error| format!("{name}: {error}"))?;
        right(read == bytes, || format!("{name} has another content than was put there"))?;
    }
    Ok(())
}

/// An error of the manifest is the one that its parser gives, with the file and the line.
pub(super) async fn what_is_wrong_with_a_manifest_is_told_with_its_place(mut files: Files) -> Verdict {
    let texts = ["name = ", "name = \"a\"\n\ncomponent = 3\n", "name = \"a\"\nno_such_key = 1\n", "", "= ="];
    for (n, text) in texts.into_iter().enumerate() {
        files.put(&format!("inner/{n}.toml"), text.as_bytes());
    }
    let source = files.source();
    for (n, text) in texts.into_iter().enumerate() {
        let name = format!("inner/{n}.toml");
        let Err(expected) = Manifest::parse(&name, text) else {
            return Err(format!("the case is wrong: {text:?} is a manifest"));
        };
        match source.manifest(&name.as_str().into()).await {
            Ok(_) => return Err(format!("{name} was parsed: {text:?}")),
            Err(error) => {
                same("where", &(&*error.origin, error.line), &(&*expected.origin, expected.line))?;
                same("what", &error.to_string(), &expected.to_string())?;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_reference_that_is_no_path_is_an_error(mut files: Files) -> Verdict {
    some_files(&mut files);
    let source = files.source();
    let loaded = found(&*source, "a.toml").await?;
    let long = "x".repeat(100_000);
    for name in ["", ".", "/", "a\0b", "a.toml\0", "inner", "inner/", "\u{202e}lmot.a", "C:\\a.toml", &long] {
        let what = || name.escape_debug().to_string().chars().take(40).collect::<String>();
        right(source.manifest(&name.into()).await.is_err(), || format!("`{}` is a manifest", what()))?;
        right(source.read(&loaded, name).await.is_err(), || format!("`{}` can be read", what()))?;
    }
    Ok(())
}

pub(super) async fn a_reference_means_the_same_as_long_as_nothing_changes(mut files: Files) -> Verdict {
    some_files(&mut files);
    files.put("wrong.toml", b"name = ");
    let source = files.source();
    let first = found(&*source, "a.toml").await?;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (source, loaded) = (source.clone(), first.clone());
        tasks.push(tokio::spawn(async move {
            let again = found(&*source, "a.toml").await?;
            same("the text", &again.text, &loaded.text)?;
            same("the origin", &again.origin, &loaded.origin)?;
            right(source.manifest(&"wrong.toml".into()).await.is_err(), || {
                "a manifest that was wrong is right now".into()
            })?;
            let read = source.read(&again, "a.wasm").await.map_err(|error| format!("a.wasm: {error}"))?;
            right(read == b"outer"[..], || "the component is another one".into())
        }));
    }
    for task in tasks {
        task.await.map_err(|error| format!("a reader ended: {error}"))??;
    }
    Ok(())
}
