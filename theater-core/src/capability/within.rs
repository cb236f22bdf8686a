//! Whether one grant is part of another.

use super::excess::ExcessKind;
use super::grant::{
    EnvironmentGrant, FilesystemGrant, Grant, HttpClientGrant, ProcessGrant, RandomGrant, TimingGrant,
};

/// Two grants of one kind.
pub(crate) fn grant(child: &Grant, parent: &Grant) -> Result<(), ExcessKind> {
    match (child, parent) {
        (Grant::Timing(child), Grant::Timing(parent)) => timing(child, parent),
        (Grant::Random(child), Grant::Random(parent)) => random(child, parent),
        (Grant::Environment(child), Grant::Environment(parent)) => environment(child, parent),
        (Grant::Filesystem(child), Grant::Filesystem(parent)) => filesystem(child, parent),
        (Grant::HttpClient(child), Grant::HttpClient(parent)) => http_client(child, parent),
        (Grant::Process(child), Grant::Process(parent)) => process(child, parent),
        (Grant::Wasi(child), Grant::Wasi(parent)) => {
            at_most("max_sleep_duration", child.max_sleep, parent.max_sleep)
        }
        (child, parent) if child.kind() == parent.kind() => Ok(()),
        _ => Err(ExcessKind::Missing),
    }
}

fn timing(child: &TimingGrant, parent: &TimingGrant) -> Result<(), ExcessKind> {
    at_most("max_sleep_duration", child.max_sleep, parent.max_sleep)?;
    if child.min_sleep < parent.min_sleep {
        let (asked, parent) = (child.min_sleep, parent.min_sleep);
        return Err(ExcessKind::Less { setting: "min_sleep_duration", asked, parent });
    }
    Ok(())
}

fn random(child: &RandomGrant, parent: &RandomGrant) -> Result<(), ExcessKind> {
    // Whoever is to see values that repeat themselves must not get others through a child.
    if parent.seed.is_some() && child.seed.is_none() {
        return Err(ExcessKind::Unrestricted { setting: "seed" });
    }
    at_most("max_bytes", child.max_bytes, parent.max_bytes)?;
    at_most("max_int", child.max_int, parent.max_int)?;
    off("allow_crypto_secure", child.allow_crypto_secure, parent.allow_crypto_secure)
}

fn environment(child: &EnvironmentGrant, parent: &EnvironmentGrant) -> Result<(), ExcessKind> {
    let missing = |setting, item: &str| ExcessKind::NotThere {
        setting,
        what: if setting == "allowed_prefixes" { "environment prefix" } else { "environment variable" },
        item: item.to_owned(),
    };
    let mut names = child.allowed_vars.iter();
    if let Some(name) = names.find(|name| child.allows(name) && !parent.allows(name)) {
        return Err(missing("allowed_vars", name));
    }
    for prefix in &child.allowed_prefixes {
        // Names without end: no list of the parent's has them all, only a prefix that is as short or shorter.
        if !parent.allowed_prefixes.iter().any(|wider| prefix.starts_with(wider.as_str())) {
            return Err(missing("allowed_prefixes", prefix));
        }
        if let Some(denied) = parent.denied_vars.iter().find(|denied| child.allows(denied)) {
            return Err(missing("denied_vars", denied));
        }
    }
    off("allow_list_all", child.allow_list_all, parent.allow_list_all)
}

fn filesystem(child: &FilesystemGrant, parent: &FilesystemGrant) -> Result<(), ExcessKind> {
    if let (Some(path), None) = (&child.path, child.path_in(parent)) {
        return Err(ExcessKind::NotThere { setting: "path", what: "folder", item: path.clone() });
    }
    off("new_dir", child.new_dir, parent.new_dir)?;
    listed("allowed_commands", "command", &child.allowed_commands, |item| {
        parent.allowed_commands.iter().any(|other| other == item)
    })
}

fn http_client(child: &HttpClientGrant, parent: &HttpClientGrant) -> Result<(), ExcessKind> {
    listed("allowed_hosts", "host", &child.allowed_hosts, |item| {
        parent.allowed_hosts.iter().any(|other| other == item)
    })?;
    at_most("max_request_duration", child.max_duration, parent.max_duration)?;
    restricted("max_request_size", child.max_request, parent.max_request)?;
    restricted("max_response_size", child.max_response, parent.max_response)
}

fn process(child: &ProcessGrant, parent: &ProcessGrant) -> Result<(), ExcessKind> {
    at_most("max_processes", child.max_processes, parent.max_processes)?;
    at_most("max_output_buffer", child.max_output_buffer, parent.max_output_buffer)?;
    listed("allowed_programs", "program", &child.allowed_programs, |item| {
        parent.allowed_programs.iter().any(|other| other == item)
    })?;
    listed("allowed_paths", "folder", &child.allowed_paths, |item| {
        parent.allowed_paths.iter().any(|folder| inside(item, folder))
    })
}

fn at_most(setting: &'static str, asked: u64, parent: u64) -> Result<(), ExcessKind> {
    if asked > parent { Err(ExcessKind::More { setting, asked, parent }) } else { Ok(()) }
}

/// A bound that one need not have, and a child must where its parent has.
fn restricted(setting: &'static str, asked: Option<u64>, parent: Option<u64>) -> Result<(), ExcessKind> {
    match (asked, parent) {
        (_, None) => Ok(()),
        (None, Some(_)) => Err(ExcessKind::Unrestricted { setting }),
        (Some(asked), Some(parent)) => at_most(setting, asked, parent),
    }
}

fn off(setting: &'static str, child: bool, parent: bool) -> Result<(), ExcessKind> {
    if child && !parent { Err(ExcessKind::On { setting }) } else { Ok(()) }
}

fn listed(
    setting: &'static str,
    what: &'static str,
    items: &[String],
    has: impl Fn(&str) -> bool,
) -> Result<(), ExcessKind> {
    match items.iter().find(|item| !has(item)) {
        None => Ok(()),
        Some(item) => Err(ExcessKind::NotThere { setting, what, item: item.clone() }),
    }
}

/// Whether a path is a folder or lies in it, both as they are written: no `..` is in them, a manifest with one is refused.
fn inside(path: &str, folder: &str) -> bool {
    way_down(path, folder).is_some()
}

/// The names on the way from a folder down to a path, both taken as they are written; none where both are one. `None` if the path does not
/// lie in the folder. Neither may have `..` in it: manifests with one are refused.
#[must_use]
pub fn way_down<'a>(path: &'a str, folder: &str) -> Option<Vec<&'a str>> {
    if path.starts_with('/') != folder.starts_with('/') {
        return None;
    }
    let mut way = parts(path);
    parts(folder).all(|part| way.next() == Some(part)).then(|| way.collect())
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_inside_by_whole_parts() {
        for (path, folder) in
            [("/a/b", "/a"), ("/a", "/a/"), ("a//b", "./a"), ("/a/./b/c", "/a/b"), ("x", "."), ("/x", "/")]
        {
            assert!(inside(path, folder), "{path} is in {folder}");
        }
        assert_eq!(way_down("/a/./b//c", "/a/"), Some(vec!["b", "c"]));
        assert_eq!(way_down("a/", "a"), Some(vec![]));
        for (path, folder) in
            [("/ab", "/a"), ("/a", "/a/b"), ("a", "/a"), ("/a", "a"), ("/b/a", "/a"), (".", "x")]
        {
            assert!(!inside(path, folder), "{path} is not in {folder}");
        }
    }
}
