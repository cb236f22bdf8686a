//! `[child_spec]` and `[[children]]`.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::read::{Reader, Value};
use super::super::{
    AutoShutdown, ChildEntry, ChildSource, ChildSpecKeys, ChildType, MAX_DEPTH, Manifest, ManifestError,
    RestartPolicy, Shutdown, Strategy, SupervisionRule,
};
use super::{body, optional};
use crate::runtime::RestartFrom;

/// The keys of a child spec, in `[child_spec]` or in an entry of `[[children]]`.
pub(super) fn child_spec(table: &mut Reader<'_>) -> Result<ChildSpecKeys, ManifestError> {
    let policies = [
        ("permanent", RestartPolicy::Permanent),
        ("transient", RestartPolicy::Transient),
        ("temporary", RestartPolicy::Temporary),
    ];
    let types = [("worker", ChildType::Worker), ("supervisor", ChildType::Supervisor)];
    let origins = [
        ("last-good", RestartFrom::LastGood),
        ("initial", RestartFrom::Initial),
        ("snapshot", RestartFrom::Snapshot),
    ];
    Ok(ChildSpecKeys {
        restart: optional(table, "restart", |value| value.word(&policies))?,
        shutdown: optional(table, "shutdown", shutdown)?,
        child_type: optional(table, "type", |value| value.word(&types))?,
        significant: optional(table, "significant", Value::boolean)?,
        restart_from: optional(table, "restart_from", |value| value.word(&origins))?,
    })
}

fn shutdown(value: &Value<'_>) -> Result<Shutdown, ManifestError> {
    match value.string() {
        Ok("kill") => Ok(Shutdown::Kill),
        Ok("infinity") => Ok(Shutdown::Infinity),
        Ok(text) if !text.starts_with(|first: char| first.is_ascii_digit()) => {
            Err(value.invalid("must be \"kill\", \"infinity\" or a duration such as \"5s\""))
        }
        _ => value.duration().map(Shutdown::After),
    }
}

/// What a manifest's own child spec must not say, wherever the child is started.
pub(super) fn check_child_spec(value: &Value<'_>, manifest: &Manifest) -> Result<(), ManifestError> {
    let keys = &manifest.child_spec;
    if keys.significant == Some(true) && keys.restart == Some(RestartPolicy::Permanent) {
        return Err(value.breaks(SupervisionRule::SignificantPermanent));
    }
    if keys.restart_from == Some(RestartFrom::Snapshot) && manifest.snapshot.is_none() {
        return Err(value.breaks(SupervisionRule::NoSnapshot));
    }
    Ok(())
}

/// The entries of `[[children]]`.
pub(super) fn children(table: &mut Reader<'_>, depth: usize) -> Result<Vec<ChildEntry>, ManifestError> {
    let Some(list) = table.get("children") else { return Ok(Vec::new()) };
    if depth >= MAX_DEPTH {
        return Err(list.breaks(SupervisionRule::TooDeep { limit: MAX_DEPTH }));
    }
    let mut children: Vec<ChildEntry> = Vec::new();
    let mut lines: HashMap<Arc<str>, u32> = HashMap::new();
    for entry in list.array()? {
        let mut table = entry.table("[[children]]")?;
        let line = table.line();
        let id_value = table.require("id")?;
        let id: Arc<str> = id_value.name()?.into();
        if let Some(first) = lines.insert(Arc::clone(&id), line) {
            let id = id.to_string();
            return Err(id_value.breaks(SupervisionRule::DuplicateChild { id, first }));
        }
        let child_spec = child_spec(&mut table)?;
        let source = source(&mut table, &id, depth)?;
        table.finish()?;
        children.push(ChildEntry { id, child_spec, source, line });
    }
    Ok(children)
}

fn source(table: &mut Reader<'_>, id: &str, depth: usize) -> Result<ChildSource, ManifestError> {
    let inline = ["component", "package", "component_path", "supervision", "children"];
    if let Some(value) = table.get("manifest") {
        return match inline.into_iter().find(|key| table.get(key).is_some()) {
            Some(key) => Err(value.breaks(SupervisionRule::TwoManifests { id: id.to_owned(), key })),
            None => value.reference().map(ChildSource::Reference),
        };
    }
    if !inline.into_iter().any(|key| table.get(key).is_some()) {
        return Err(table.breaks(SupervisionRule::NothingToStart { id: id.to_owned() }));
    }
    body(table, Some(id), depth + 1).map(|manifest| ChildSource::Inline(Arc::new(manifest)))
}

/// What the entries must not say together with `[supervision]`. What depends on the children's own manifests is checked
/// when those are loaded.
pub(super) fn check_children(table: &mut Reader<'_>, manifest: &Manifest) -> Result<(), ManifestError> {
    let found = manifest.children.len();
    let Some(list) = table.get("children") else { return Ok(()) };
    if manifest.supervision.strategy == Strategy::SimpleOneForOne && found > 1 {
        return Err(list.breaks(SupervisionRule::Templates { found }));
    }
    for (entry, value) in manifest.children.iter().zip(list.array()?) {
        let keys = &entry.child_spec;
        let (inherits, no_snapshot) = match &entry.source {
            ChildSource::Reference(_) => (true, false),
            ChildSource::Inline(manifest) => (false, manifest.snapshot.is_none()),
        };
        if keys.restart_from == Some(RestartFrom::Snapshot) && no_snapshot {
            return Err(value.breaks(SupervisionRule::NoSnapshot));
        }
        if keys.significant != Some(true) {
            continue;
        }
        if keys.restart == Some(RestartPolicy::Permanent) || (keys.restart.is_none() && !inherits) {
            return Err(value.breaks(SupervisionRule::SignificantPermanent));
        }
        if manifest.supervision.auto_shutdown == AutoShutdown::Never {
            return Err(value.breaks(SupervisionRule::SignificantNever));
        }
    }
    Ok(())
}
