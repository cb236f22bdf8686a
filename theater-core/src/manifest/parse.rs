//! The schema of manifests: which keys there are, and what each may be.

use toml::de::DeTable;

use super::error::{ManifestError, ManifestErrorKind};
use super::read::{Reader, Text, Value};
use super::{
    ChildSpec, HandlerKind, HandlerSpec, Limits, MailboxOverflow, Manifest, RestartPolicy, Shutdown,
    SupervisionSpec,
};

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
    let manifest = Manifest {
        name: root.require("name")?.name()?,
        component: component(&mut root)?,
        version: optional(&mut root, "version", Value::string)?.map(ToOwned::to_owned),
        description: optional(&mut root, "description", Value::string)?.map(ToOwned::to_owned),
        long_description: optional(&mut root, "long_description", Value::string)?.map(ToOwned::to_owned),
        save_chain: optional(&mut root, "save_chain", Value::boolean)?,
        init_state: optional(&mut root, "init_state", Value::name)?,
        handlers: handlers(&mut root)?,
        limits: section(&mut root, "limits", limits)?,
        child_spec: section(&mut root, "child_spec", child_spec)?,
        supervision: section(&mut root, "supervision", supervision)?,
    };
    // Templates of the original system carried it; nothing ever read it.
    root.get("interface").map(|interface| interface.table("[interface]")).transpose()?;
    permission_policy(&mut root)?;
    root.finish()?;
    Ok(manifest)
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
fn component(root: &mut Reader<'_>) -> Result<String, ManifestError> {
    match root.either(&["component", "package", "component_path"])? {
        Some(value) => {
            value.string().map(ToOwned::to_owned).and_then(|reference| match reference.is_empty() {
                true => Err(value.invalid("must name a component")),
                false => Ok(reference),
            })
        }
        None => root.require("component").map(|_| String::new()),
    }
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
    set(&mut limits.children, optional(table, "children", |value| value.count(0..=1_000_000))?);
    Ok(limits)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn child_spec(table: &mut Reader<'_>) -> Result<ChildSpec, ManifestError> {
    let mut spec = ChildSpec::default();
    let policies = [
        ("permanent", RestartPolicy::Permanent),
        ("transient", RestartPolicy::Transient),
        ("temporary", RestartPolicy::Temporary),
    ];
    set(&mut spec.restart, optional(table, "restart", |value| value.word(&policies))?);
    set(&mut spec.shutdown, optional(table, "shutdown", shutdown)?);
    Ok(spec)
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

fn supervision(table: &mut Reader<'_>) -> Result<SupervisionSpec, ManifestError> {
    let mut spec = SupervisionSpec::default();
    set(&mut spec.intensity, optional(table, "intensity", |value| value.count(0..=u32::MAX))?);
    set(&mut spec.period, optional(table, "period", Value::positive_duration)?);
    Ok(spec)
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
        settings(&mut table, kind, &mut config)?;
        if let Some(nested) = nested {
            if !config.is_empty() {
                return Err(
                    nested.invalid("settings stand both beside `type` and in `config`; keep one of them")
                );
            }
            let mut inner = nested.table(format!("config of handler `{}`", kind.name()))?;
            settings(&mut inner, kind, &mut config)?;
            inner.finish()?;
        }
        table.finish()?;
        handlers.push(HandlerSpec { kind, config, line: kind_value.line() });
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

/// Reads the settings of one handler: names and types are checked, the meaning is the handler's.
fn settings(
    table: &mut Reader<'_>,
    kind: HandlerKind,
    config: &mut toml::Table,
) -> Result<(), ManifestError> {
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
    Ok(())
}

/// Permissions that the original system knew. One that restricts must not be passed over, so it is refused.
fn permission_policy(root: &mut Reader<'_>) -> Result<(), ManifestError> {
    const POLICIES: [&str; 11] = [
        "runtime",
        "supervisor",
        "message_server",
        "store",
        "timing",
        "random",
        "environment",
        "file_system",
        "http_client",
        "http_framework",
        "process",
    ];
    let Some(value) = root.get("permission_policy") else { return Ok(()) };
    let mut policies = value.table("[permission_policy]")?;
    for name in POLICIES {
        let Some(policy) = policies.get(name) else { continue };
        let mut table = policy.table(format!("[permission_policy.{name}]"))?;
        let word = table.require("type")?;
        if word.string()? != "inherit" {
            return Err(
                word.invalid("only \"inherit\" is supported: this version cannot restrict permissions")
            );
        }
        table.finish()?;
    }
    policies.finish()
}
