//! Manifests: what is read from them, and what is said about those that cannot be read.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use theater_core::{
    ChildSource, ChildSpec, HandlerKind, Limits, MailboxOverflow, Manifest, RestartPolicy, Shutdown,
    SupervisionSpec,
};

/// `colinrozzi/hello-world` at a242afd1, its machine path shortened.
const HELLO_WORLD: &str = r#"name = "hello-world"
version = "0.1.0"
component = "/abs/path/target/wasm32-unknown-unknown/release/hello_world.wasm"
description = "A basic Theater actor"
save_chain = true
[[handlers]]
type = "runtime"
[handlers.config]
"#;

/// `colinrozzi/chat-state` at 4aec89d, its machine paths shortened.
const CHAT_STATE: &str = include_str!("manifests/chat-state.toml");

/// Everything that this version adds.
const EVERYTHING: &str = r#"name = "a"
version = "1.2.3"
component = "a.wasm"
description = "one line"
long_description = """
more
lines"""
save_chain = false
init_state = "state.json"

[interface]
implements = "theater:simple/actor"

[limits]
call_deadline = "250ms"
host_deadline = "1m 30s"
memory = "4MiB"
mailbox = 10
mailbox_overflow = "exit"
message = 2048
state = "1MiB"
event = "64KiB"
children = 0

[child_spec]
restart = "transient"
shutdown = "1500ms"

[supervision]
intensity = 3
period = "10s"

[permission_policy.file_system]
type = "inherit"

[[handler]]
type = "filesystem"
path = "data"
new_dir = true
allowed_commands = ["ls", "cat"]

[[handler]]
type = "process"
max_processes = 3
"#;

fn parse(text: &str) -> Manifest {
    Manifest::parse("a.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What is said about a manifest that cannot be read.
fn refusal(text: &str) -> String {
    match Manifest::parse("a.toml", text) {
        Ok(manifest) => panic!("accepted: {manifest:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// A manifest whose third line is this one, and what follows it.
fn with(lines: &str) -> String {
    format!("name = \"a\"\ncomponent = \"a.wasm\"\n{lines}\n")
}

#[test]
fn the_real_hello_world_is_read() {
    let manifest = parse(HELLO_WORLD);
    assert_eq!(manifest.name, "hello-world");
    assert_eq!(manifest.version.as_deref(), Some("0.1.0"));
    assert_eq!(
        manifest.component.unwrap().location(),
        "/abs/path/target/wasm32-unknown-unknown/release/hello_world.wasm"
    );
    assert_eq!(manifest.description.as_deref(), Some("A basic Theater actor"));
    assert_eq!(manifest.save_chain, Some(true));
    let [handler] = &manifest.handlers[..] else { panic!("{:?}", manifest.handlers) };
    assert_eq!((handler.kind, handler.line), (HandlerKind::Runtime, 7));
    assert!(handler.config.is_empty());
}

#[test]
fn the_real_chat_state_is_read() {
    let manifest = parse(CHAT_STATE);
    assert_eq!(manifest.init_state.as_ref().unwrap().location(), "/abs/path/init.json");
    let kinds: Vec<_> = manifest.handlers.iter().map(|handler| handler.kind.name()).collect();
    assert_eq!(kinds, ["message-server", "runtime", "timing", "supervisor", "store", "random"]);
    assert_eq!(manifest.handlers[2].config["max_sleep_duration"].as_integer(), Some(3_600_000));
    assert_eq!(manifest.handlers[5].config["max_int"].as_integer(), Some(i64::MAX));
    assert_eq!(manifest.handlers[5].config["allow_crypto_secure"].as_bool(), Some(false));
    assert!(manifest.has_handler(HandlerKind::Supervisor));
    assert!(!manifest.has_handler(HandlerKind::Process));
}

#[test]
fn both_dialects_of_handlers_say_the_same() {
    let nested = "[[handlers]]\ntype = \"timing\"\n[handlers.config]\nmin_sleep_duration = 1";
    let flat = "[[handler]]\ntype = \"timing\"\nmin_sleep_duration = 1";
    let mixed = "[[handler]]\ntype = \"timing\"\n[handler.config]\nmin_sleep_duration = 1";
    let expected = parse(&with(nested));
    assert_eq!(parse(&with(flat)), expected);
    assert_eq!(parse(&with(mixed)), expected);
    assert_eq!(expected.handlers[0].config.len(), 1);
}

#[test]
fn a_component_may_go_by_its_earlier_and_later_names() {
    for key in ["component", "package", "component_path"] {
        assert_eq!(
            parse(&format!("name = \"a\"\n{key} = \"a.wasm\"")).component.unwrap().location(),
            "a.wasm",
            "{key}"
        );
    }
}

#[test]
fn a_reference_may_carry_a_digest_wherever_one_stands() {
    let digits = "5a".repeat(32);
    let pinned = |name: &str| format!("{name}#blake3={digits}");
    let manifest = parse(&format!(
        "name = \"a\"\ncomponent = \"{}\"\ninit_state = \"{}\"\nsnapshot = \"{}\"\n[[children]]\nid = \"b\"\nmanifest = \"{}\"",
        pinned("a.wasm"),
        pinned("a.json"),
        pinned("a.snap"),
        pinned("b.toml")
    ));
    let ChildSource::Reference(child) = &manifest.children[0].source else { panic!("{manifest:?}") };
    let references =
        [manifest.component.as_ref(), manifest.init_state.as_ref(), manifest.snapshot.as_ref(), Some(child)];
    for (reference, name) in references.into_iter().zip(["a.wasm", "a.json", "a.snap", "b.toml"]) {
        let reference = reference.unwrap();
        assert_eq!((reference.location(), reference.digest()), (name, Some(digits.parse().unwrap())));
    }
    for key in ["init_state", "snapshot"] {
        let refused = refusal(&with(&format!("{key} = \"a.json#blake3=5A\"")));
        assert_eq!(
            refused,
            "a.toml:3: `#blake3=5A` is no digest; a digest is written `#blake3=` and 64 lowercase hexadecimal digits"
        );
    }
    let refused = refusal("name = \"a\"\ncomponent = \"a.wasm#sha256=00\"");
    assert!(refused.starts_with("a.toml:2: `#sha256=00` is no digest"), "{refused}");
}

#[test]
fn a_path_may_be_as_long_as_the_system_allows() {
    let path = format!("{}/state.json", "deep/".repeat(200));
    let manifest = parse(&with(&format!("init_state = \"{path}\"")));
    assert_eq!(manifest.init_state.unwrap().location(), path);
}

#[test]
fn the_initial_state_may_stand_in_the_manifest_as_in_later_ones_of_the_original_system() {
    let manifest = parse(&with("initial_state = '{\"count\": 1}'"));
    assert_eq!(manifest.initial_state.as_deref(), Some("{\"count\": 1}"));
    assert_eq!(
        refusal(&with("initial_state = '1'\ninit_state = \"a.json\"")),
        "a.toml:3: `initial_state` and `init_state` both given; keep one of them"
    );
    let refused = refusal(&with("initial_state = '{\"user\": \"{{name}}\"}'"));
    assert!(refused.contains("variables in {{ }} are not filled in"), "{refused}");
    let refused = refusal("name = \"a\"\ninitial_state = \"1\"\n[supervision]");
    assert!(refused.contains("`initial_state` has no use without `component`"), "{refused}");
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let manifest = parse("name = \"a\"\ncomponent = \"a.wasm\"");
    let limits = manifest.limits;
    assert_eq!(limits, Limits::default());
    assert_eq!(limits.call_deadline, Duration::from_secs(5));
    assert_eq!(limits.host_deadline, Duration::from_secs(30));
    assert_eq!(
        (limits.memory, limits.message, limits.state, limits.event),
        (32 << 20, 1 << 20, 8 << 20, 2 << 20)
    );
    assert_eq!((limits.mailbox, limits.children), (1_000, 100_000));
    assert_eq!(limits.mailbox_overflow, MailboxOverflow::Refuse);
    assert_eq!(manifest.spawned_spec(), ChildSpec::default());
    assert_eq!(manifest.spawned_spec().restart, RestartPolicy::Temporary);
    assert_eq!(manifest.spawned_spec().shutdown, Shutdown::After(Duration::from_secs(5)));
    assert_eq!(manifest.supervision, SupervisionSpec::new(1, Duration::from_secs(5)));
    assert!(manifest.handlers.is_empty());
    assert_eq!((manifest.version, manifest.description, manifest.long_description), (None, None, None));
    assert_eq!((manifest.save_chain, manifest.init_state), (None, None));
    // Empty tables, and tables with one key, leave the rest at its default.
    assert_eq!(parse(&with("[limits]\n[child_spec]\n[supervision]")), parse(&with("")));
    let one = parse(&with("[limits]\nmailbox = 7")).limits;
    assert_eq!((one.mailbox, one.memory), (7, 32 << 20));
}

#[test]
fn everything_that_is_given_is_read() {
    let manifest = parse(EVERYTHING);
    let limits = manifest.limits;
    assert_eq!(limits.call_deadline, Duration::from_millis(250));
    assert_eq!(limits.host_deadline, Duration::from_secs(90));
    assert_eq!(
        (limits.memory, limits.message, limits.state, limits.event),
        (4 << 20, 2_048, 1 << 20, 64 << 10)
    );
    assert_eq!((limits.mailbox, limits.children), (10, 0));
    assert_eq!(limits.mailbox_overflow, MailboxOverflow::Exit);
    assert_eq!(manifest.spawned_spec().restart, RestartPolicy::Transient);
    assert_eq!(manifest.spawned_spec().shutdown, Shutdown::After(Duration::from_millis(1_500)));
    assert_eq!(manifest.supervision, SupervisionSpec::new(3, Duration::from_secs(10)));
    assert_eq!(manifest.long_description.as_deref(), Some("more\nlines"));
    assert_eq!(manifest.save_chain, Some(false));
    assert_eq!(manifest.handlers[0].config["allowed_commands"].as_array().map(Vec::len), Some(2));
    assert_eq!(manifest.handlers[1].config["max_processes"].as_integer(), Some(3));
}

#[test]
fn a_shutdown_is_kill_infinity_or_a_time() {
    for (text, expected) in [
        ("\"kill\"", Shutdown::Kill),
        ("\"infinity\"", Shutdown::Infinity),
        ("\"2s\"", Shutdown::After(Duration::from_secs(2))),
        ("\"0s\"", Shutdown::After(Duration::ZERO)),
    ] {
        assert_eq!(
            parse(&with(&format!("[child_spec]\nshutdown = {text}"))).spawned_spec().shutdown,
            expected
        );
    }
}

#[test]
fn integers_are_read_in_every_spelling_of_toml() {
    for (text, expected) in
        [("16", 16), ("0x10", 16), ("0o20", 16), ("0b1_0000", 16), ("1_000", 1_000), ("+5", 5)]
    {
        assert_eq!(parse(&with(&format!("[limits]\nmailbox = {text}"))).limits.mailbox, expected, "{text}");
    }
}

#[test]
fn every_kind_of_handler_is_known_by_its_name() {
    for kind in HandlerKind::ALL {
        let manifest = parse(&with(&format!("[[handler]]\ntype = \"{}\"", kind.name())));
        assert_eq!(manifest.handlers[0].kind, kind);
    }
}

#[test]
fn the_edges_of_ranges_are_allowed_and_what_is_beyond_is_not() {
    for (key, least, most) in [
        ("memory", 64_i64 << 10, 4_i64 << 30),
        ("message", 1 << 10, 1 << 30),
        ("state", 1 << 10, 1 << 30),
        ("event", 1 << 10, 1 << 30),
        ("mailbox", 1, 1_000_000),
        ("children", 0, 1_000_000),
    ] {
        let given = |value: i64| with(&format!("[limits]\n{key} = {value}"));
        parse(&given(least));
        parse(&given(most));
        for value in [least - 1, most + 1, -1, i64::MIN, i64::MAX] {
            let said = refusal(&given(value));
            assert!(said.starts_with(&format!("a.toml:4: `{key}` = {value}: must be ")), "{said}");
        }
    }
}

/// What is said about each line that follows name and component, with the number of the line.
#[test]
fn every_refusal_names_the_line_and_what_would_be_right() {
    const DURATION: &str = "must be a duration such as \"5s\" or \"250ms\"";
    let cases: &[(&str, &str)] = &[
        // Unknown keys, with those that are known there.
        (
            "colour = 1",
            "a.toml:3: unknown key `colour` in the manifest; known are: chain, child_spec, children, component, \
             component_path, description, durability, handler, handlers, init_state, initial_state, interface, limits, long_description, name, \
             package, permission_policy, register, save_chain, snapshot, snapshots, supervision, version",
        ),
        (
            "[limits]\nmemoryy = 1",
            "a.toml:4: unknown key `memoryy` in [limits], did you mean `memory`?; known are: call_deadline, channels, children, event, host_deadline, \
             mailbox, mailbox_overflow, memory, message, state",
        ),
        (
            "[child_spec]\nkill = 1",
            "a.toml:4: unknown key `kill` in [child_spec]; known are: restart, restart_from, shutdown, \
             significant, type",
        ),
        (
            "[supervision]\nx = 1",
            "a.toml:4: unknown key `x` in [supervision]; known are: auto_shutdown, backoff, escalation, intensity, \
             max_children, period, poison_after, strategy",
        ),
        (
            "[[handler]]\ntype = \"timing\"\nseed = 1",
            "a.toml:5: unknown key `seed` in [[handlers]]; known are: config, max_sleep_duration, min_sleep_duration, \
             type",
        ),
        (
            "[[handlers]]\ntype = \"store\"\n[handlers.config]\nx = 1",
            "a.toml:6: unknown key `x` in config of handler `store`; known are: none",
        ),
        (
            "[permission_policy.message-server]\ntype = \"inherit\"",
            "a.toml:3: unknown key `message-server` in [permission_policy], did you mean \
             `message_server`?; known are: environment, file_system, \
             http_client, http_framework, message_server, process, random, runtime, store, supervisor, timing, wasi",
        ),
        // Missing keys.
        ("[[handlers]]", "a.toml:3: missing key `type` in [[handlers]]"),
        ("[permission_policy.store]", "a.toml:3: missing key `type` in [permission_policy.store]"),
        // Wrong types.
        ("version = 1", "a.toml:3: `version` must be a string, found an integer"),
        ("version = 1.5", "a.toml:3: `version` must be a string, found a number with a fraction"),
        ("description = []", "a.toml:3: `description` must be a string, found an array"),
        ("init_state = {}", "a.toml:3: `init_state` must be a string, found a table"),
        ("version = 1979-05-27", "a.toml:3: `version` must be a string, found a date or time"),
        ("save_chain = \"yes\"", "a.toml:3: `save_chain` must be true or false, found a string"),
        ("handlers = 1", "a.toml:3: `handlers` must be an array, found an integer"),
        ("handlers = [1]", "a.toml:3: `handlers` must be a table, found an integer"),
        ("limits = 1", "a.toml:3: `limits` must be a table, found an integer"),
        ("interface = true", "a.toml:3: `interface` must be a table, found true or false"),
        ("permission_policy = 1", "a.toml:3: `permission_policy` must be a table, found an integer"),
        ("[limits]\nmailbox = \"1\"", "a.toml:4: `mailbox` must be an integer, found a string"),
        (
            "[limits]\nmemory = true",
            "a.toml:4: `memory` must be a size such as \"4MiB\", found true or false",
        ),
        (
            "[limits]\ncall_deadline = 1.5",
            "a.toml:4: `call_deadline` must be a duration such as \"5s\" or \"250ms\", found a number with a fraction",
        ),
        (
            "[[handler]]\ntype = \"filesystem\"\nallowed_commands = [\"a\",\n1]",
            "a.toml:6: `allowed_commands` must be a string, found an integer",
        ),
        // Values that are not allowed.
        ("init_state = \"\"", "a.toml:3: `init_state` = \"\": must name a file"),
        (
            "[limits]\ncall_deadline = 5",
            "a.toml:4: `call_deadline` = 5: needs a unit, such as \"5s\" or \"250ms\"",
        ),
        ("[limits]\ncall_deadline = \"0s\"", "a.toml:4: `call_deadline` = \"0s\": must be above zero"),
        (
            "[limits]\nhost_deadline = \"11years\"",
            "a.toml:4: `host_deadline` = \"11years\": must be at most ten years",
        ),
        ("[supervision]\nperiod = \"0ms\"", "a.toml:4: `period` = \"0ms\": must be above zero"),
        ("[supervision]\nperiod = 5", "a.toml:4: `period` = 5: needs a unit, such as \"5s\" or \"250ms\""),
        ("[supervision]\nintensity = -1", "a.toml:4: `intensity` = -1: must be from 0 to 4294967295"),
        ("[limits]\nmailbox = 0", "a.toml:4: `mailbox` = 0: must be from 1 to 1000000"),
        (
            "[limits]\nmailbox = 99999999999999999999",
            "a.toml:4: `mailbox` = 99999999999999999999: must be between -2^63 and 2^63-1",
        ),
        (
            "[limits]\nmemory = \"1KiB\"",
            "a.toml:4: `memory` = \"1KiB\": must be a size such as \"4MiB\", from 64.0 KiB to 4.0 GiB",
        ),
        (
            "[limits]\nstate = \"lots\"",
            "a.toml:4: `state` = \"lots\": must be a size such as \"4MiB\", from 1.0 KiB to 1.0 GiB",
        ),
        (
            "[limits]\nmailbox_overflow = \"drop\"",
            "a.toml:4: `mailbox_overflow` = \"drop\": must be one of \"refuse\", \"exit\"",
        ),
        (
            "[child_spec]\nrestart = \"always\"",
            "a.toml:4: `restart` = \"always\": must be one of \"permanent\", \"transient\", \"temporary\"",
        ),
        (
            "[child_spec]\nshutdown = \"brutal\"",
            "a.toml:4: `shutdown` = \"brutal\": must be \"kill\", \"infinity\" or a duration such as \"5s\"",
        ),
        ("[child_spec]\nshutdown = 5", "a.toml:4: `shutdown` = 5: needs a unit, such as \"5s\" or \"250ms\""),
        (
            "[[handlers]]\ntype = \"telepathy\"",
            "a.toml:4: `type` = \"telepathy\": must be one of \"runtime\", \"supervisor\", \"message-server\", \
             \"store\", \"timing\", \"random\", \"environment\", \"filesystem\", \"http-client\", \
             \"http-framework\", \"process\", \"wasi\"",
        ),
        (
            "[[handlers]]\ntype = \"store\"\n[[handlers]]\ntype = \"store\"",
            "a.toml:6: `type` = \"store\": stands twice; keep one of them",
        ),
        (
            "[permission_policy.process]\ntype = \"restrict\"",
            "a.toml:3: missing key `config` in [permission_policy.process]",
        ),
        (
            "[permission_policy.process]\ntype = \"forbid\"",
            "a.toml:4: `type` = \"forbid\": must be one of \"inherit\", \"disallow\", \"restrict\"",
        ),
        // Two names for one thing.
        ("package = \"b.wasm\"", "a.toml:3: `package` and `component` both given; keep one of them"),
        ("handler = []\nhandlers = []", "a.toml:3: `handler` and `handlers` both given; keep one of them"),
    ];
    let said = cases.iter().map(|(lines, expected)| (refusal(&with(lines)), *expected));
    let wrong: Vec<_> = said.filter(|(said, expected)| said != expected).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
    for text in ["5", "5 parsecs", "-1s", "", "99999999999999999999s"] {
        let said = refusal(&with(&format!("[limits]\ncall_deadline = \"{text}\"")));
        assert_eq!(said, format!("a.toml:4: `call_deadline` = \"{text}\": {DURATION}"));
    }
}

#[test]
fn settings_of_a_handler_stand_in_one_place() {
    let said = refusal(&with(
        "[[handlers]]\ntype = \"timing\"\nmin_sleep_duration = 1\n[handlers.config]\nmax_sleep_duration = 2",
    ));
    let expected = "settings stand both beside `type` and in `config`; keep one of them";
    assert!(said.starts_with("a.toml:6: `config` = ") && said.ends_with(expected), "{said}");
}

#[test]
fn a_manifest_without_name_or_component_is_refused() {
    assert_eq!(refusal("component = \"a.wasm\""), "a.toml: missing key `name` in the manifest");
    assert_eq!(refusal("name = \"a\""), "a.toml: missing key `component` in the manifest");
    assert_eq!(refusal(""), "a.toml: missing key `name` in the manifest");
    let name = "must have 1 to 200 characters and no control characters";
    assert_eq!(refusal("name = \"\"\ncomponent = \"a\""), format!("a.toml:1: `name` = \"\": {name}"));
    assert!(refusal("name = \"a\\nb\"\ncomponent = \"a\"").ends_with(name));
    parse(&format!("name = \"{}\"\ncomponent = \"a\"", "ä".repeat(200)));
    assert!(refusal(&format!("name = \"{}\"\ncomponent = \"a\"", "a".repeat(201))).ends_with(name));
    assert_eq!(
        refusal("name = \"a\"\ncomponent = \"\""),
        "a.toml:2: `component` = \"\": must name a component"
    );
    assert_eq!(
        refusal("name = \"a\"\ncomponent = 1"),
        "a.toml:2: `component` must be a string, found an integer"
    );
}

#[test]
fn what_is_not_toml_is_refused_in_its_line() {
    for (text, line) in [
        ("name = \"a\"\ncomponent = \n", 2),
        ("name = \"a\"\nname = \"b\"\n", 2),
        ("name = \"a\n", 1),
        ("name = \"a\"\n\n[limits\n", 3),
        ("name = \"a\"\r\n\r\ncomponent = =\r\n", 3),
    ] {
        let said = refusal(text);
        assert!(said.starts_with(&format!("a.toml:{line}: not valid TOML: ")), "{text:?}: {said}");
    }
}

#[test]
fn a_deep_nest_is_refused_and_breaks_nothing() {
    for text in [format!("name = {}", "[".repeat(100_000)), format!("name = {}", "{a=".repeat(100_000))] {
        assert!(refusal(&text).contains("not valid TOML"));
    }
}

fn valid() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![HELLO_WORLD, CHAT_STATE, EVERYTHING])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_read_makes_the_parser_panic(text in any::<String>()) {
        let _ = Manifest::parse("a.toml", &text);
    }

    #[test]
    fn no_text_of_tomls_own_characters_makes_the_parser_panic(text in "[a-z0-9_=\"'\\[\\]{}.,#\n \\\\-]{0,120}") {
        let _ = Manifest::parse("a.toml", &text);
    }

    #[test]
    fn no_value_in_any_place_makes_the_parser_panic(
        manifest in valid(), line in any::<Index>(),
        value in prop_oneof![
            "\"[0-9]{0,25}\\.?[0-9]{0,3} ?[a-zA-Zµ]{0,6}\"",
            "-?[0-9]{1,25}",
            "0x[0-9a-f]{1,20}",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}",
            "nan|-inf|\\[\\]|\\{\\}",
        ],
    ) {
        let at = line.index(manifest.lines().count());
        let lines = manifest.lines().enumerate().map(|(index, line)| match line.split_once(" = ") {
            Some((key, _)) if index == at => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        let _ = Manifest::parse("a.toml", &lines.collect::<String>());
    }

    #[test]
    fn no_change_of_a_manifest_makes_the_parser_panic_and_an_error_names_a_line_that_is_there(
        manifest in valid(),
        changes in prop::collection::vec((any::<Index>(), any::<char>()), 1..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut characters: Vec<char> = manifest.chars().collect();
        for (at, character) in changes {
            let at = at.index(characters.len());
            characters[at] = character;
        }
        if let Some(cut) = cut {
            characters.truncate(cut.index(characters.len()));
        }
        let text: String = characters.into_iter().collect();
        if let Err(error) = Manifest::parse("a.toml", &text) {
            let lines = text.matches('\n').count() as u64 + 1;
            prop_assert!(error.line.is_none_or(|line| (1..=lines).contains(&u64::from(line))), "{}", error);
        }
    }
}

#[test]
fn how_a_chain_is_kept_is_read_and_has_defaults() {
    let manifest =
        |rest: &str| Manifest::parse("a.toml", &format!("{rest}\nname = \"a\"\ncomponent = \"a.wasm\"\n"));
    let plain = manifest("").unwrap();
    assert_eq!(plain.durability, None);
    assert_eq!(
        (plain.snapshots.inline, plain.snapshots.events, plain.snapshots.bytes),
        (512, 1_000, 1 << 20)
    );
    assert_eq!((plain.snapshots.interval, plain.chain), (None, Default::default()));

    let given = Manifest::parse(
        "a.toml",
        "name = \"a\"\ncomponent = \"a.wasm\"\ndurability = \"relaxed\"\n\
         [snapshots]\ninline = 0\nevents = 5\nbytes = \"2KiB\"\ninterval = \"10s\"\n\
         [chain]\nwarn_events = 100\nmax_events = 200\nwarn_bytes = \"1MiB\"\nmax_bytes = \"2MiB\"\n",
    )
    .unwrap();
    assert_eq!(given.durability, Some(theater_core::DurabilityMode::Relaxed));
    assert_eq!((given.snapshots.inline, given.snapshots.events, given.snapshots.bytes), (0, 5, 2 << 10));
    assert_eq!(given.snapshots.interval, Some(Duration::from_secs(10)));
    assert_eq!((given.chain.warn_events, given.chain.max_events), (Some(100), Some(200)));
    assert_eq!((given.chain.warn_bytes, given.chain.max_bytes), (Some(1 << 20), Some(2 << 20)));

    for (text, line) in [
        ("durability = \"none\"", 1),
        ("snapshots = { inline = \"1GiB\" }", 1),
        ("snapshots = { events = 0 }", 1),
        ("chain = { max_events = 1 }", 1),
        ("chain = { most = 5 }", 1),
    ] {
        assert_eq!(manifest(text).unwrap_err().line, Some(line), "{text}");
    }
}

#[test]
fn a_name_to_register_is_no_id_and_a_pure_supervisor_has_no_use_for_one() {
    let parse = |register: &str| {
        Manifest::parse("a.toml", &format!("name = \"a\"\ncomponent = \"a.wasm\"\nregister = \"{register}\""))
    };
    let manifest = parse("order-desk").unwrap();
    assert_eq!(manifest.register.map(String::from).as_deref(), Some("order-desk"));
    for bad in ["Order Desk", "", "-a", "019ac2f5-0b00-7007-8707-070707070707"] {
        let error = parse(bad).unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
        assert!(error.to_string().contains("not a name to register"), "{error}");
    }
    let pure = "name = \"a\"\nregister = \"a\"\n[supervision]\nstrategy = \"one-for-one\"";
    let error = Manifest::parse("a.toml", pure).unwrap_err();
    assert!(error.to_string().contains("register"), "{error}");
    let child = "name = \"a\"\ncomponent = \"a.wasm\"\n[[children]]\nid = \"b\"\ncomponent = \"b.wasm\"\nregister = \"b\"";
    let manifest = Manifest::parse("a.toml", child).unwrap();
    let theater_core::ChildSource::Inline(child) = &manifest.children[0].source else {
        panic!("it stands here")
    };
    assert_eq!(child.register.as_ref().map(theater_core::ActorName::as_str), Some("b"));
}
