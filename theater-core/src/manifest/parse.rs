//! The schema of manifests: which keys there are, and what each may be.

mod children;
mod supervision;

use toml::de::DeTable;

use super::error::{ManifestError, ManifestErrorKind};
use super::read::{Reader, Text, Value};
use super::{
    ChainLimits, ChildSpecKeys, DurabilityMode, HandlerKind, HandlerSpec, Limits, MailboxOverflow, Manifest,
    SnapshotPolicy, SupervisionRule,
};
use crate::capability::{self, Excess, Grant, PermissionPolicy, PermissionRule};
use crate::source::Reference;

pub(super) fn manifest(origin: &str, text: &str) -> Result<Manifest, ManifestError> {
    let text = Text { origin, text };
    let document = DeTable::parse(text.text).map_err(|error| {
        let kind = ManifestErrorKind::Syntax { message: error.message().to_owned() };
        match error.span() {
            Some(span) => text.error_at(span.start, kind),
            None => ManifestError::new(origin, kind),
        }
    })?;
    let mut root = Reader::new(text, document.get_ref(), "the manifest", None);
    let mut manifest = body(&mut root, None, 0)?;
    if let Some(value) = root.get("child_spec") {
        let mut table = value.table("[child_spec]")?;
        manifest.child_spec = children::child_spec(&mut table)?;
        table.finish()?;
        children::check_child_spec(&value, &manifest)?;
    }
    // Templates of the original system carried it; nothing ever read it.
    root.get("interface").map(|interface| interface.table("[interface]")).transpose()?;
    permission_policy(&mut root, &mut manifest)?;
    root.finish()?;
    Ok(manifest)
}

/// What a manifest has, whether it is a file or stands in an entry of `[[children]]`, which has a name already.
fn body(table: &mut Reader<'_>, name: Option<&str>, depth: usize) -> Result<Manifest, ManifestError> {
    let name = match (table.get("name"), name) {
        (None, Some(name)) => name.to_owned(),
        _ => table.require("name")?.name()?,
    };
    let supervision_given = table.get("supervision").is_some();
    let manifest = Manifest {
        name,
        component: component(table)?,
        register: optional(table, "register", Value::actor_name)?,
        version: optional(table, "version", Value::string)?.map(ToOwned::to_owned),
        description: optional(table, "description", Value::string)?.map(ToOwned::to_owned),
        long_description: optional(table, "long_description", Value::string)?.map(ToOwned::to_owned),
        save_chain: optional(table, "save_chain", Value::boolean)?,
        init_state: optional(table, "init_state", Value::reference)?,
        initial_state: initial_state(table)?,
        snapshot: optional(table, "snapshot", Value::reference)?,
        handlers: handlers(table)?,
        permission_policy: PermissionPolicy::default(),
        limits: section(table, "limits", limits)?,
        durability: durability(table)?,
        snapshots: section(table, "snapshots", snapshots)?,
        chain: section(table, "chain", chain)?,
        child_spec: ChildSpecKeys::default(),
        supervision: section(table, "supervision", supervision::supervision)?,
        children: children::children(table, depth)?,
    };
    if manifest.component.is_none() {
        if manifest.children.is_empty() && !supervision_given {
            table.require("component")?;
        }
        no_component(table)?;
    }
    children::check_children(table, &manifest)?;
    Ok(manifest)
}

/// A pure supervisor is refused what only a component has a use for: whoever gives it expects an effect.
fn no_component(table: &mut Reader<'_>) -> Result<(), ManifestError> {
    for key in ["handlers", "handler", "init_state", "initial_state", "snapshot", "register"] {
        if let Some(value) = table.get(key) {
            return Err(value.breaks(SupervisionRule::PureSupervisor { key }));
        }
    }
    Ok(())
}

fn optional<'a, T>(
    reader: &mut Reader<'a>,
    key: &'static str,
    read: impl FnOnce(&Value<'a>) -> Result<T, ManifestError>,
) -> Result<Option<T>, ManifestError> {
    reader.get(key).map(|value| read(&value)).transpose()
}

/// A table that may be left out: its defaults then.
fn section<'a, T: Default>(
    root: &mut Reader<'a>,
    key: &'static str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, ManifestError>,
) -> Result<T, ManifestError> {
    let Some(value) = root.get(key) else { return Ok(T::default()) };
    let mut table = value.table(format!("[{key}]"))?;
    let section = read(&mut table)?;
    table.finish()?;
    Ok(section)
}

/// The original system called it `component_path` before, and `package` after, its component years.
fn component(table: &mut Reader<'_>) -> Result<Option<Reference>, ManifestError> {
    let Some(value) = table.either(&["component", "package", "component_path"])? else { return Ok(None) };
    match value.string()? {
        "" => Err(value.invalid("must name a component")),
        _ => value.reference().map(Some),
    }
}

/// Later manifests of the original system have the state itself.
fn initial_state(table: &mut Reader<'_>) -> Result<Option<String>, ManifestError> {
    let Some(value) = table.get("initial_state") else { return Ok(None) };
    table.either(&["init_state", "initial_state"])?;
    let state = value.string()?;
    if state.contains("{{") {
        // Passed on as they are they would be a state that nobody meant.
        return Err(value.invalid("variables in {{ }} are not filled in; write the state itself"));
    }
    Ok(Some(state.to_owned()))
}

fn limits(table: &mut Reader<'_>) -> Result<Limits, ManifestError> {
    let mut limits = Limits::default();
    let bytes = |value: &Value<'_>| value.bytes(1 << 10..=1 << 30);
    set(&mut limits.call_deadline, optional(table, "call_deadline", Value::positive_duration)?);
    set(&mut limits.host_deadline, optional(table, "host_deadline", Value::positive_duration)?);
    set(&mut limits.memory, optional(table, "memory", |value| value.bytes(64 << 10..=4 << 30))?);
    set(&mut limits.mailbox, optional(table, "mailbox", |value| value.count(1..=1_000_000))?);
    let overflow = [("refuse", MailboxOverflow::Refuse), ("exit", MailboxOverflow::Exit)];
    set(&mut limits.mailbox_overflow, optional(table, "mailbox_overflow", |value| value.word(&overflow))?);
    set(&mut limits.message, optional(table, "message", bytes)?);
    set(&mut limits.state, optional(table, "state", bytes)?);
    set(&mut limits.event, optional(table, "event", bytes)?);
    set(&mut limits.channels, optional(table, "channels", |value| value.count(0..=1_000_000))?);
    set(&mut limits.children, optional(table, "children", |value| value.count(0..=1_000_000))?);
    Ok(limits)
}

fn durability(table: &mut Reader<'_>) -> Result<Option<DurabilityMode>, ManifestError> {
    let words = [("full", DurabilityMode::Full), ("relaxed", DurabilityMode::Relaxed)];
    optional(table, "durability", |value| value.word(&words))
}

fn snapshots(table: &mut Reader<'_>) -> Result<SnapshotPolicy, ManifestError> {
    let mut policy = SnapshotPolicy::default();
    set(&mut policy.inline, optional(table, "inline", |value| value.bytes(0..=64 << 10))?);
    set(
        &mut policy.events,
        optional(table, "events", |value| value.count(1..=1_000_000_000))?.map(u64::from),
    );
    set(&mut policy.bytes, optional(table, "bytes", |value| value.bytes(1..=1 << 40))?);
    policy.interval = optional(table, "interval", Value::positive_duration)?;
    Ok(policy)
}

fn chain(table: &mut Reader<'_>) -> Result<ChainLimits, ManifestError> {
    let events = |value: &Value<'_>| value.count(100..=u32::MAX).map(u64::from);
    let bytes = |value: &Value<'_>| value.bytes(1 << 10..=1 << 50);
    Ok(ChainLimits {
        warn_events: optional(table, "warn_events", events)?,
        max_events: optional(table, "max_events", events)?,
        warn_bytes: optional(table, "warn_bytes", bytes)?,
        max_bytes: optional(table, "max_bytes", bytes)?,
    })
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Both dialects: `[[handlers]]` with `[handlers.config]`, and `[[handler]]` with the settings beside `type`.
fn handlers(root: &mut Reader<'_>) -> Result<Vec<HandlerSpec>, ManifestError> {
    let Some(list) = root.either(&["handlers", "handler"])? else { return Ok(Vec::new()) };
    let mut handlers: Vec<HandlerSpec> = Vec::new();
    for entry in list.array()? {
        let mut table = entry.table("[[handlers]]")?;
        let kind_value = table.require("type")?;
        let kinds = HandlerKind::ALL.map(|kind| (kind.name(), kind));
        let kind = kind_value.word(&kinds)?;
        if handlers.iter().any(|other| other.kind == kind) {
            return Err(kind_value.invalid("stands twice; keep one of them"));
        }
        let nested = table.get("config");
        let mut config = toml::Table::new();
        let mut grant = settings(&mut table, kind, &mut config)?;
        if let Some(nested) = nested {
            if !config.is_empty() {
                return Err(
                    nested.invalid("settings stand both beside `type` and in `config`; keep one of them")
                );
            }
            let mut inner = nested.table(format!("config of handler `{}`", kind.name()))?;
            grant = settings(&mut inner, kind, &mut config)?;
            inner.finish()?;
        }
        table.finish()?;
        handlers.push(HandlerSpec { kind, config, grant, line: kind_value.line() });
    }
    Ok(handlers)
}

/// The types that settings of handlers have.
#[derive(Clone, Copy)]
enum Setting {
    Text,
    Texts,
    Bool,
    Number,
}

/// Reads the settings of one handler, and what they grant.
fn settings(
    table: &mut Reader<'_>,
    kind: HandlerKind,
    config: &mut toml::Table,
) -> Result<Grant, ManifestError> {
    use Setting::{Bool, Number, Text, Texts};
    let known: &[(&'static str, Setting)] = match kind {
        HandlerKind::Filesystem => &[("path", Text), ("new_dir", Bool), ("allowed_commands", Texts)],
        HandlerKind::Timing => &[("max_sleep_duration", Number), ("min_sleep_duration", Number)],
        HandlerKind::Process => &[
            ("max_processes", Number),
            ("max_output_buffer", Number),
            ("allowed_programs", Texts),
            ("allowed_paths", Texts),
        ],
        HandlerKind::Environment => &[
            ("allowed_vars", Texts),
            ("denied_vars", Texts),
            ("allow_list_all", Bool),
            ("allowed_prefixes", Texts),
        ],
        HandlerKind::Random => {
            &[("seed", Number), ("max_bytes", Number), ("max_int", Number), ("allow_crypto_secure", Bool)]
        }
        HandlerKind::HttpClient => &[
            ("allowed_hosts", Texts),
            ("max_request_duration", Number),
            ("max_request_size", Number),
            ("max_response_size", Number),
        ],
        HandlerKind::Wasi => &[("max_sleep_duration", Number)],
        _ => &[],
    };
    for (key, setting) in known {
        let Some(value) = table.get(key) else { continue };
        let value = match setting {
            Text => toml::Value::String(value.string()?.to_owned()),
            Texts => value.strings()?.into_iter().map(toml::Value::String).collect::<Vec<_>>().into(),
            Bool => toml::Value::Boolean(value.boolean()?),
            Number => toml::Value::Integer(value.integer()?),
        };
        config.insert((*key).to_owned(), value);
    }
    capability::grant(kind, config).map_err(|bad| match table.get(bad.key) {
        Some(value) => value.invalid(bad.message),
        // What is wrong is a value, so it is there.
        None => ManifestError::new("", ManifestErrorKind::Syntax { message: bad.message }),
    })
}

/// What children may not have of what the actor has: the original system's names of handlers, and its words.
fn permission_policy(root: &mut Reader<'_>, manifest: &mut Manifest) -> Result<(), ManifestError> {
    let Some(value) = root.get("permission_policy") else { return Ok(()) };
    let mut policies = value.table("[permission_policy]")?;
    for kind in HandlerKind::ALL {
        let name = kind.policy_name();
        let Some(policy) = policies.get(name) else { continue };
        let mut table = policy.table(format!("[permission_policy.{name}]"))?;
        let word = table.require("type")?;
        let words =
            [("inherit", Policy::Inherit), ("disallow", Policy::Disallow), ("restrict", Policy::Restrict)];
        let own = manifest.handlers.iter().find(|handler| handler.kind == kind);
        let rule = match word.word(&words)? {
            Policy::Inherit => None,
            Policy::Disallow => Some(PermissionRule::Disallow),
            Policy::Restrict => {
                let config = table.require("config")?;
                let mut inner = config.table(format!("config of [permission_policy.{name}]"))?;
                let grant = settings(&mut inner, kind, &mut toml::Table::new())?;
                inner.finish()?;
                if let Some(own) = own {
                    capability::check_grant(&grant, &own.grant).map_err(|too_much| {
                        let excess = Excess { handler: kind, kind: too_much, by_policy: false };
                        config.invalid(format!("children would have more than the actor itself: {excess}"))
                    })?;
                }
                Some(PermissionRule::Restrict(grant))
            }
        };
        table.finish()?;
        let Some(rule) = rule else { continue };
        if manifest.component.is_none() {
            return Err(
                word.invalid("an actor without a component has nothing that it could keep from its children")
            );
        }
        manifest.permission_policy.rules.push((kind, rule));
    }
    policies.finish()
}

#[derive(Clone, Copy)]
enum Policy {
    Inherit,
    Disallow,
    Restrict,
}
