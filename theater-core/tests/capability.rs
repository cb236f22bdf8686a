//! A child has at most what its parent has: the rule's properties, and what it says.

use proptest::collection::vec;
use proptest::prelude::*;
use theater_core::capability::{Bound, Capabilities, ExcessKind, Grant};
use theater_core::{HandlerKind, Manifest, ManifestErrorKind, MapSource, load};

/// The capabilities of a manifest with these handlers.
fn capabilities(handlers: &str) -> Capabilities {
    let text = format!("name = \"a\"\ncomponent = \"a.wasm\"\nhandlers = [{handlers}]");
    Capabilities::of(&Manifest::parse("a.toml", &text).unwrap_or_else(|error| panic!("{text}\n{error}")))
}

/// A list of some of these words.
fn some(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(proptest::sample::select(words), 0..3).prop_map(|words| format!("{words:?}"))
}

const FOLDERS: &[&str] = &["/a", "/a/b", "/a/bc", "b", "b/c", "/"];
const VARIABLES: &[&str] = &["A", "AB", "ABC", "B"];

fn number() -> impl Strategy<Value = u64> {
    proptest::sample::select(&[0u64, 1, 2, 10][..])
}

/// One handler of each kind with settings from so few values that they often meet.
fn handler() -> impl Strategy<Value = String> {
    let plain = ["runtime", "supervisor", "message-server", "store", "http-framework"];
    let plain = proptest::sample::select(plain.to_vec()).prop_map(|kind| format!("{{ type = \"{kind}\" }}"));
    let timing = (number(), number()).prop_map(|(a, b)| {
        let (min, max) = (a.min(b), a.max(b));
        format!("{{ type = \"timing\", min_sleep_duration = {min}, max_sleep_duration = {max} }}")
    });
    let random =
        (any::<bool>(), number(), number(), any::<bool>()).prop_map(|(seed, bytes, most, crypto)| {
            let seed = if seed { ", seed = 7" } else { "" };
            let crypto = crypto && seed.is_empty();
            format!(
                "{{ type = \"random\", max_bytes = {bytes}, max_int = {most}, allow_crypto_secure = {crypto}{seed} }}"
            )
        });
    let environment = (some(VARIABLES), some(VARIABLES), some(VARIABLES), any::<bool>()).prop_map(
        |(allowed, denied, prefixes, list)| {
            format!(
                "{{ type = \"environment\", allowed_vars = {allowed}, denied_vars = {denied}, \
                 allowed_prefixes = {prefixes}, allow_list_all = {list} }}"
            )
        },
    );
    let filesystem = (
        proptest::option::of(proptest::sample::select(FOLDERS)),
        any::<bool>(),
        some(VARIABLES),
    )
        .prop_map(|(path, new_dir, commands)| {
            let path = path.map(|path| format!("path = {path:?}, ")).unwrap_or_default();
            format!("{{ type = \"filesystem\", {path}new_dir = {new_dir}, allowed_commands = {commands} }}")
        });
    let http =
        some(VARIABLES).prop_map(|hosts| format!("{{ type = \"http-client\", allowed_hosts = {hosts} }}"));
    let process =
        (number(), number(), some(VARIABLES), some(FOLDERS)).prop_map(|(most, buffer, programs, paths)| {
            format!(
                "{{ type = \"process\", max_processes = {most}, max_output_buffer = {buffer}, \
             allowed_programs = {programs}, allowed_paths = {paths} }}"
            )
        });
    let wasi = number().prop_map(|most| format!("{{ type = \"wasi\", max_sleep_duration = {most} }}"));
    prop_oneof![plain, timing, random, environment, filesystem, http, process, wasi]
}

fn any_capabilities() -> impl Strategy<Value = Capabilities> {
    vec(handler(), 0..4).prop_map(|handlers| {
        let grants: Vec<_> = handlers
            .iter()
            .map(|handler| capabilities(handler).iter().next().expect("one handler").clone())
            .collect();
        Capabilities::new(grants)
    })
}

/// The environment grants of `child` and `parent`.
fn environments<'a>(
    child: &'a Capabilities,
    parent: &'a Capabilities,
) -> Option<(&'a theater_core::capability::EnvironmentGrant, &'a theater_core::capability::EnvironmentGrant)>
{
    match (child.get(HandlerKind::Environment)?, parent.get(HandlerKind::Environment)?) {
        (Grant::Environment(child), Grant::Environment(parent)) => Some((child, parent)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn whoever_has_something_may_give_exactly_that(one in any_capabilities()) {
        prop_assert_eq!(one.check_within(&one), Ok(()));
    }

    #[test]
    fn a_grandchild_has_at_most_what_the_grandparent_has(
        a in any_capabilities(), b in any_capabilities(), c in any_capabilities(),
    ) {
        if a.check_within(&b).is_ok() && b.check_within(&c).is_ok() {
            prop_assert_eq!(a.check_within(&c), Ok(()));
        }
    }

    #[test]
    fn of_one_kind_a_grandchild_has_at_most_what_the_grandparent_has(
        kind in 0..3usize, settings in vec((number(), number(), some(VARIABLES), some(VARIABLES), some(VARIABLES)), 3),
    ) {
        let one = |(a, b, allowed, denied, prefixes): &(u64, u64, String, String, String)| capabilities(&match kind {
            0 => format!(
                "{{ type = \"timing\", min_sleep_duration = {}, max_sleep_duration = {} }}", a.min(b), a.max(b)
            ),
            1 => format!("{{ type = \"random\", max_bytes = {a}, max_int = {b} }}"),
            _ => format!(
                "{{ type = \"environment\", allowed_vars = {allowed}, denied_vars = {denied}, allowed_prefixes = {prefixes} }}"
            ),
        });
        let (a, b, c) = (one(&settings[0]), one(&settings[1]), one(&settings[2]));
        if a.check_within(&b).is_ok() && b.check_within(&c).is_ok() {
            prop_assert_eq!(a.check_within(&c), Ok(()));
        }
    }

    #[test]
    fn a_handler_that_the_parent_does_not_have_is_one_too_many(
        parent in any_capabilities(), more in handler(),
    ) {
        let more = capabilities(&more).iter().next().expect("one handler").clone();
        let kind = more.kind();
        prop_assume!(parent.get(kind).is_none() && kind != HandlerKind::Runtime);
        let child = Capabilities::new(parent.iter().cloned().chain([more]));
        let excess = child.check_within(&parent).expect_err("one more than the parent has");
        prop_assert_eq!((excess.handler, excess.kind), (kind, ExcessKind::Missing));
    }

    #[test]
    fn a_child_that_is_admitted_reads_no_variable_that_its_parent_cannot(
        allowed in vec(some(VARIABLES), 6), name in "[AB]{1,4}C?D?",
    ) {
        let one = |lists: &[String]| capabilities(&format!(
            "{{ type = \"environment\", allowed_vars = {}, denied_vars = {}, allowed_prefixes = {} }}",
            lists[0], lists[1], lists[2]
        ));
        let (child, parent) = (one(&allowed[..3]), one(&allowed[3..]));
        let (child_grant, parent_grant) = environments(&child, &parent).expect("both have one");
        if child.check_within(&parent).is_ok() {
            prop_assert!(!child_grant.allows(&name) || parent_grant.allows(&name), "{name}");
        }
    }
}

#[test]
fn one_step_more_than_the_parent_in_any_setting_is_refused_with_the_difference() {
    let cases = [
        (
            "{ type = \"timing\", max_sleep_duration = 1000 }",
            "{ type = \"timing\", max_sleep_duration = 1001 }",
            "timing.max_sleep_duration 1001 is more than the parent's 1000",
        ),
        (
            "{ type = \"timing\", min_sleep_duration = 5 }",
            "{ type = \"timing\", min_sleep_duration = 4 }",
            "timing.min_sleep_duration 4 is less than the parent's 5",
        ),
        (
            "{ type = \"wasi\", max_sleep_duration = 5 }",
            "{ type = \"wasi\" }",
            "wasi.max_sleep_duration 3600000 is more than the parent's 5",
        ),
        (
            "{ type = \"random\", seed = 1 }",
            "{ type = \"random\" }",
            "random.seed is missing, and the parent has one",
        ),
        (
            "{ type = \"random\", max_bytes = 8 }",
            "{ type = \"random\", max_bytes = 9 }",
            "random.max_bytes 9 is more than the parent's 8",
        ),
        (
            "{ type = \"random\", max_int = 8 }",
            "{ type = \"random\" }",
            "random.max_int 9223372036854775807 is more than the parent's 8",
        ),
        (
            "{ type = \"random\" }",
            "{ type = \"random\", allow_crypto_secure = true }",
            "random.allow_crypto_secure is true, and the parent's is not",
        ),
        (
            "{ type = \"environment\", allowed_vars = [\"A\"] }",
            "{ type = \"environment\", allowed_vars = [\"A\", \"B\"] }",
            "environment variable `B` is not the parent's to give",
        ),
        (
            "{ type = \"environment\", allowed_prefixes = [\"AB\"] }",
            "{ type = \"environment\", allowed_prefixes = [\"A\"] }",
            "environment prefix `A` is not the parent's to give",
        ),
        (
            "{ type = \"environment\", allowed_prefixes = [\"A\"], denied_vars = [\"A_KEY\"] }",
            "{ type = \"environment\", allowed_prefixes = [\"A\"] }",
            "environment variable `A_KEY` is not the parent's to give",
        ),
        (
            "{ type = \"environment\", allowed_vars = [\"A\"] }",
            "{ type = \"environment\", allowed_vars = [\"A\"], allow_list_all = true }",
            "environment.allow_list_all is true, and the parent's is not",
        ),
        (
            "{ type = \"filesystem\", path = \"/data/a\" }",
            "{ type = \"filesystem\", path = \"/data/ab\" }",
            "folder `/data/ab` is not the parent's to give",
        ),
        (
            "{ type = \"filesystem\", path = \"/data\" }",
            "{ type = \"filesystem\", path = \"/data\", new_dir = true }",
            "filesystem.new_dir is true, and the parent's is not",
        ),
        (
            "{ type = \"http-client\", allowed_hosts = [\"a.example\"] }",
            "{ type = \"http-client\", allowed_hosts = [\"b.example\"] }",
            "host `b.example` is not the parent's to give",
        ),
        (
            "{ type = \"http-client\", allowed_hosts = [\"a.example\"] }",
            "{ type = \"http-client\", allowed_hosts = [\"a.example:8080\"] }",
            "host `a.example:8080` is not the parent's to give",
        ),
        (
            "{ type = \"http-client\" }",
            "{ type = \"http-client\", max_request_duration = 60000 }",
            "http-client.max_request_duration 60000 is more than the parent's 30000",
        ),
        (
            "{ type = \"http-client\", max_response_size = 1000 }",
            "{ type = \"http-client\" }",
            "http-client.max_response_size is missing, and the parent has one",
        ),
        (
            "{ type = \"http-client\", max_request_size = 1000 }",
            "{ type = \"http-client\", max_request_size = 1001 }",
            "http-client.max_request_size 1001 is more than the parent's 1000",
        ),
        (
            "{ type = \"process\", allowed_programs = [\"ls\"] }",
            "{ type = \"process\", allowed_programs = [\"ls\", \"sh\"] }",
            "program `sh` is not the parent's to give",
        ),
        (
            "{ type = \"process\", max_processes = 1 }",
            "{ type = \"process\", max_processes = 2 }",
            "process.max_processes 2 is more than the parent's 1",
        ),
        (
            "{ type = \"process\", allowed_paths = [\"/a\"] }",
            "{ type = \"process\", allowed_paths = [\"/a/b\", \"/b\"] }",
            "folder `/b` is not the parent's to give",
        ),
        ("", "{ type = \"store\" }", "handler `store` is not the parent's to give"),
    ];
    for (parent, child, expected) in cases {
        let (parent, child) = (capabilities(parent), capabilities(child));
        assert_eq!(child.check_within(&parent).unwrap_err().to_string(), expected);
        if parent.iter().next().is_some() {
            assert_eq!(parent.check_within(&parent), Ok(()));
        }
    }
    assert_eq!(capabilities("{ type = \"runtime\" }").check_within(&capabilities("")), Ok(()));
}

#[test]
fn a_setting_that_cannot_be_is_refused_with_its_line_and_what_to_write() {
    for (setting, kind, expected) in [
        ("max_sleep_duration = -1", "timing", "must be a number from 0 to"),
        ("max_sleep_duration = -1", "wasi", "must be a number from 0 to"),
        (
            "max_sleep_duration = 5\nmin_sleep_duration = 6",
            "timing",
            "must be at most `max_sleep_duration`, which is 5",
        ),
        ("seed = -4", "random", "must be a number from 0 to"),
        ("seed = 4\nallow_crypto_secure = true", "random", "values from a `seed` are no secret"),
        ("max_bytes = 5000000000", "random", "must be a number from 0 to 1073741824"),
        ("allowed_vars = [\"\"]", "environment", "not empty, without `=`"),
        ("allowed_prefixes = [\"A=\"]", "environment", "not empty, without `=`"),
        ("path = \"a/../../b\"", "filesystem", "without `..`"),
        ("allowed_hosts = [\"\"]", "http-client", "must be one host"),
        ("allowed_hosts = [\"*.example.org\"]", "http-client", "there are no wildcards"),
        ("allowed_hosts = [\"https://example.org\"]", "http-client", "must be one host"),
        ("allowed_hosts = [\"example.org:0\"]", "http-client", "must be one host"),
        ("allowed_hosts = [\"example.org:080\"]", "http-client", "must be one host"),
        ("allowed_hosts = [\"me@example.org\"]", "http-client", "must be one host"),
        ("max_request_duration = 0", "http-client", "must be a number from 1 to"),
        ("allowed_paths = [\"..\"]", "process", "without `..`"),
        ("allowed_programs = [\"bin/ls\"]", "process", "an absolute path, or a name without `/`"),
        ("allowed_programs = [\"\"]", "process", "must have a character"),
    ] {
        let text = format!(
            "name = \"a\"\ncomponent = \"a.wasm\"\n[[handlers]]\ntype = \"{kind}\"\n[handlers.config]\n{setting}"
        );
        let error = Manifest::parse("a.toml", &text).unwrap_err();
        assert!(error.line.is_some_and(|line| line >= 6), "{text}: {error}");
        assert!(matches!(error.kind, ManifestErrorKind::InvalidValue { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn loaded(app: &str) -> Result<theater_core::LoadedManifest, theater_core::ManifestError> {
    let worker = "name = \"worker\"\ncomponent = \"w.wasm\"\n[[handlers]]\ntype = \"store\"";
    let source = MapSource::new().with("app.toml", app.to_owned()).with("worker.toml", worker);
    let reference = "app.toml".into();
    at_once(load(&source, &reference))
}

/// A map answers at once.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(work)
}

#[test]
fn a_declared_child_that_asks_for_too_much_is_refused_when_the_tree_is_loaded_with_its_line() {
    let child = "[[children]]\nid = \"w\"\nmanifest = \"worker.toml\"";
    let error = loaded(&format!("name = \"app\"\ncomponent = \"a.wasm\"\n{child}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "worker.toml:4: `worker` asks for more than `app` has: handler `store` is not the parent's to give; \
         add `[[handlers]]` with `type = \"store\"` to the manifest of `app`"
    );
    assert_eq!((error.origin.as_str(), error.line), ("worker.toml", Some(4)));
    let granted =
        format!("name = \"app\"\ncomponent = \"a.wasm\"\nhandlers = [{{ type = \"store\" }}]\n{child}");
    loaded(&granted).expect("the parent has it");
    loaded(&format!("name = \"app\"\n{child}")).expect("a pure supervisor passes on what bounds itself");
}

#[test]
fn a_pure_supervisor_passes_on_what_bounds_itself() {
    let app = |handlers: &str| {
        format!(
            "name = \"app\"\ncomponent = \"a.wasm\"\nhandlers = [{handlers}]\n[[children]]\nid = \"group\"\n\
             [[children.children]]\nid = \"w\"\nmanifest = \"worker.toml\""
        )
    };
    let error = loaded(&app("")).unwrap_err();
    assert!(error.to_string().contains("`worker` asks for more than `app` has"), "{error}");
    loaded(&app("{ type = \"store\" }")).expect("the nearest above with a component has it");
}

#[test]
fn a_tree_is_checked_against_what_bounds_its_root() {
    let app = "name = \"group\"\n[[children]]\nid = \"w\"\nmanifest = \"worker.toml\"";
    let group = loaded(app).expect("nothing bounds it");
    assert_eq!(Bound::NONE.admit_tree(&group).expect("nothing bounds it"), Bound::NONE);
    let bound = Bound::of("desk", capabilities("{ type = \"timing\" }"));
    let error = bound.admit_tree(&group).unwrap_err();
    assert!(error.to_string().contains("`worker` asks for more than `desk` has"), "{error}");
}

/// A manifest with these handlers and a policy.
fn with_policy(handlers: &str, policy: &str) -> Result<Manifest, theater_core::ManifestError> {
    let text = format!("name = \"desk\"\ncomponent = \"a.wasm\"\nhandlers = [{handlers}]\n{policy}");
    Manifest::parse("a.toml", &text)
}

#[test]
fn what_a_parent_keeps_for_itself_its_children_do_not_get() {
    let own = "{ type = \"random\", max_bytes = 4096 }, { type = \"store\" }, { type = \"timing\" }";
    let policy = "[permission_policy.store]\ntype = \"disallow\"\n\
        [permission_policy.random]\ntype = \"restrict\"\nconfig = { max_bytes = 64 }\n\
        [permission_policy.timing]\ntype = \"inherit\"\n";
    let desk = Bound::NONE.admit(&with_policy(own, policy).unwrap()).unwrap();
    for (asked, refusal) in [
        ("{ type = \"timing\" }, { type = \"random\", max_bytes = 64 }", None),
        (
            "{ type = \"store\" }",
            Some(
                "`a` asks for more than `desk` has: the parent keeps handler `store` for itself; \
                  loosen `[permission_policy.store]` in the manifest of `desk`, or ask for less in this one",
            ),
        ),
        (
            "{ type = \"random\", max_bytes = 65 }",
            Some(
                "`a` asks for more than `desk` has: random.max_bytes 65 is more than the parent's 64; \
                  loosen `[permission_policy.random]` in the manifest of `desk`, or ask for less in this one",
            ),
        ),
        (
            "{ type = \"environment\" }",
            Some(
                "`a` asks for more than `desk` has: handler `environment` is not the parent's to give; \
                  add `[[handlers]]` with `type = \"environment\"` to the manifest of `desk`",
            ),
        ),
    ] {
        let said = desk.admit_grants("a", &capabilities(asked)).map_err(|refused| refused.to_string());
        assert_eq!(said.err().as_deref(), refusal, "{asked}");
    }
}

#[test]
fn a_policy_that_gives_more_than_there_is_is_refused_and_so_is_one_without_anything_of_its_own() {
    let policy = "[permission_policy.random]\ntype = \"restrict\"\nconfig = { max_bytes = 65 }\n";
    let error = with_policy("{ type = \"random\", max_bytes = 64 }", policy).unwrap_err().to_string();
    assert!(
        error.starts_with("a.toml:6: `config`")
            && error.ends_with(
                "children would have more than the actor itself: random.max_bytes 65 is more than the parent's 64"
            ),
        "{error}"
    );
    let text = "name = \"a\"\n[supervision]\n[permission_policy.random]\ntype = \"disallow\"\n";
    let error = Manifest::parse("a.toml", text).unwrap_err().to_string();
    assert!(error.contains("a.toml:4") && error.contains("without a component"), "{error}");
}

proptest! {
    #[test]
    fn no_policy_gives_children_more_than_their_parent_has(
        own in vec(handler(), 0..4),
        less in handler(),
        kind in proptest::sample::select(&HandlerKind::ALL[..]),
    ) {
        let own = own.join(", ");
        let name = match kind {
            HandlerKind::Filesystem => "file_system".to_owned(),
            kind => kind.name().replace('-', "_"),
        };
        let settings = less.split_once(',').map_or("}", |(_, settings)| settings);
        let restrict = format!("[permission_policy.{name}]\ntype = \"restrict\"\nconfig = {{ {settings}\n");
        let disallow = format!("[permission_policy.{name}]\ntype = \"disallow\"\n");
        for policy in [restrict, disallow] {
            // Handlers that stand twice, settings of another handler and what would be more are refused.
            let Ok(manifest) = with_policy(&own, &policy) else { continue };
            let all = Capabilities::of(&manifest);
            let left = manifest.permission_policy.apply(&all);
            prop_assert!(left.check_within(&all).is_ok());
            if policy.contains("disallow") {
                prop_assert!(left.get(kind).is_none());
            }
        }
    }
}
