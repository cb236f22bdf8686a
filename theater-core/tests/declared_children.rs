//! `[supervision]`, `[child_spec]` and `[[children]]`: what they say, and what they must not say.

use std::time::Duration;

use futures_util::FutureExt;
use theater_core::{
    AutoShutdown, ChildType, Escalation, LoadedManifest, Manifest, MapSource, RestartFrom, RestartPolicy,
    Shutdown, Strategy, Thousandths, load,
};

/// Loads `app.toml`, with `worker.toml` and `other.toml` beside it.
fn app(text: &str) -> Result<LoadedManifest, String> {
    let source = MapSource::new()
        .with("app.toml", text.to_owned())
        .with("worker.toml", "name = \"worker\"\ncomponent = \"worker.wasm\"")
        .with("other.toml", "name = \"other\"\n[[children]]\nid = \"back\"\nmanifest = \"app.toml\"")
        .with("broken.toml", "name = \"broken\"\n\ncomponent = 7")
        .with(
            "keen.toml",
            "name = \"keen\"\ncomponent = \"w.wasm\"\n[child_spec]\nrestart = \"transient\"\nsignificant = true",
        );
    let app = "app.toml".into();
    load(&source, &app).now_or_never().expect("a map needs no waiting").map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    match app(text) {
        Ok(loaded) => panic!("accepted: {loaded:?}"),
        Err(error) => error,
    }
}

#[test]
fn every_key_of_supervision_is_read() {
    let text = "name = \"a\"\n[supervision]\nstrategy = \"rest-for-one\"\nintensity = 7\nperiod = \"250ms\"\n\
                auto_shutdown = \"all-significant\"\nmax_children = 9\npoison_after = 4\nescalation = \"shutdown\"\n\
                [supervision.backoff]\nmin = \"100ms\"\nmax = \"10s\"\nfactor = 1.5\njitter = 0.25\nreset_after = \"1m\"";
    let spec = Manifest::parse("a.toml", text).unwrap().supervision;
    assert_eq!(spec.strategy, Strategy::RestForOne);
    assert_eq!((spec.intensity, spec.period), (7, Duration::from_millis(250)));
    assert_eq!(spec.auto_shutdown, AutoShutdown::AllSignificant);
    assert_eq!((spec.max_children, spec.poison_after), (Some(9), Some(4)));
    assert_eq!(spec.escalation, Escalation::Shutdown);
    let backoff = spec.backoff.unwrap();
    assert_eq!((backoff.min, backoff.max), (Duration::from_millis(100), Duration::from_secs(10)));
    assert_eq!((backoff.factor, backoff.jitter), (Thousandths(1_500), Thousandths(250)));
    assert_eq!(backoff.reset_after, Duration::from_secs(60));
}

#[test]
fn what_supervision_leaves_out_has_its_documented_default() {
    let text = "name = \"a\"\n[supervision]\n[supervision.backoff]\nmin = \"1s\"\nmax = \"3s\"";
    let spec = Manifest::parse("a.toml", text).unwrap().supervision;
    assert_eq!(spec.strategy, Strategy::OneForOne);
    assert_eq!((spec.intensity, spec.period), (1, Duration::from_secs(5)));
    assert_eq!(spec.auto_shutdown, AutoShutdown::Never);
    assert_eq!((spec.max_children, spec.poison_after), (None, Some(3)));
    assert_eq!(spec.escalation, Escalation::Abnormal);
    let backoff = spec.backoff.unwrap();
    assert_eq!((backoff.factor, backoff.jitter), (Thousandths(2_000), Thousandths(0)));
    assert_eq!(backoff.reset_after, Duration::from_secs(2));
    let never = Manifest::parse("a.toml", "name = \"a\"\n[supervision]\npoison_after = \"never\"").unwrap();
    assert_eq!(never.supervision.poison_after, None);
}

#[test]
fn a_declared_child_takes_its_spec_from_its_entry_then_its_manifest_then_from_otp() {
    let app = app("name = \"app\"\n[supervision]\nauto_shutdown = \"any-significant\"\n\
                   [[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\n\
                   [[children]]\nid = \"b\"\nmanifest = \"keen.toml\"\n\
                   [[children]]\nid = \"c\"\nmanifest = \"keen.toml\"\nrestart = \"temporary\"\nshutdown = \"kill\"\n\
                   significant = false\ntype = \"supervisor\"\nrestart_from = \"initial\"\n\
                   [[children]]\nid = \"d\"\n[children.supervision]\nintensity = 3")
    .unwrap();
    let specs: Vec<_> = app.children.iter().map(|child| child.child_spec).collect();
    assert_eq!(specs[0].restart, RestartPolicy::Permanent);
    assert_eq!(specs[0].shutdown, Shutdown::After(Duration::from_secs(5)));
    assert_eq!(specs[0].restart_from, RestartFrom::LastGood);
    assert_eq!((specs[1].restart, specs[1].significant), (RestartPolicy::Transient, true));
    assert_eq!((specs[2].restart, specs[2].significant), (RestartPolicy::Temporary, false));
    assert_eq!((specs[2].shutdown, specs[2].child_type), (Shutdown::Kill, ChildType::Supervisor));
    assert_eq!(specs[2].restart_from, RestartFrom::Initial);
    assert_eq!((specs[3].child_type, specs[3].shutdown), (ChildType::Supervisor, Shutdown::Infinity));
    let ids: Vec<_> = app.children.iter().map(|child| &*child.id).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    assert_eq!(app.children[3].manifest.manifest.name, "d");
}

#[test]
fn a_tree_is_nested_to_any_depth_of_components_and_pure_supervisors() {
    let app = app("name = \"app\"\n\
                   [[children]]\nid = \"outer\"\n[[children.children]]\nid = \"inner\"\n\
                   [[children.children.children]]\nid = \"w\"\ncomponent = \"w.wasm\"\n\
                   [[children.children.children]]\nid = \"v\"\nmanifest = \"worker.toml\"")
    .unwrap();
    let inner = &app.children[0].manifest.children[0].manifest;
    assert!(inner.manifest.component.is_none());
    assert_eq!(inner.children[0].manifest.manifest.component.as_ref().unwrap().location(), "w.wasm");
    assert_eq!(inner.children[1].manifest.manifest.name, "worker");
    assert_eq!(&*inner.children[0].manifest.origin, "app.toml", "where its paths start");
    assert_eq!(
        inner.children[0].manifest.within.as_deref(),
        Some("outer/inner/w"),
        "each has a digest of its own"
    );
    assert_eq!(inner.children[1].manifest.within, None);
}

#[test]
fn every_illegal_combination_names_file_line_and_rule() {
    let child = |more: &str| format!("name = \"app\"\n[[children]]\nid = \"x\"\n{more}");
    let cases = [
        (
            child("manifest = \"worker.toml\"\nrestart = \"permanent\"\nsignificant = true"),
            "app.toml:2: a significant child must not be permanent",
        ),
        (
            "name = \"app\"\ncomponent = \"a.wasm\"\nregister = \"desk\"\n[[children]]\nid = \"x\"\n\
             component = \"w.wasm\"\nregister = \"desk\""
                .to_owned(),
            "app.toml:4: the name `desk` is registered by another actor of this tree",
        ),
        (
            child("component = \"w.wasm\"\nsignificant = true"),
            "app.toml:2: a significant child must not be permanent",
        ),
        (
            child("manifest = \"worker.toml\"\nsignificant = true"),
            "app.toml:2: a significant child has no effect while [supervision] `auto_shutdown` is \"never\"",
        ),
        (
            child("manifest = \"keen.toml\""),
            "app.toml:2: a significant child has no effect while [supervision] `auto_shutdown` is \"never\"",
        ),
        (
            "name = \"app\"\nsupervision = { auto_shutdown = \"any-significant\" }\n\n[[children]]\nid = \"x\"\n\
             manifest = \"worker.toml\"\nsignificant = true"
                .to_owned(),
            "app.toml:4: a significant child must not be permanent",
        ),
        (
            "name = \"app\"\n[supervision]\nperiod = \"0s\"".to_owned(),
            "app.toml:3: `period` = \"0s\": must be above zero",
        ),
        (
            "name = \"app\"\n[supervision]\nstrategy = \"one_for_all\"".to_owned(),
            "app.toml:3: `strategy` = \"one_for_all\": must be one of \"one-for-one\", \"one-for-all\", \
             \"rest-for-one\", \"simple-one-for-one\"; did you mean \"one-for-all\"?",
        ),
        (
            child("manifest = \"worker.toml\"\n[[children]]\nid = \"x\"\nmanifest = \"worker.toml\""),
            "app.toml:6: child `x` stands in line 2 already",
        ),
        (child(""), "app.toml:2: child `x` needs `manifest`"),
        (
            child("manifest = \"worker.toml\"\ncomponent = \"w.wasm\""),
            "app.toml:4: child `x` has both `manifest` and `component`; keep one",
        ),
        (child("manifest = \"gone.toml\""), "app.toml:2: child `x`: gone.toml: not found"),
        (child("manifest = \"broken.toml\""), "app.toml:2: child `x`: broken.toml:3: `component` must be"),
        (child("manifest = \"../up.toml\""), "app.toml:2: child `x`: ../up.toml: outside of the manifest root"),
        (
            child("manifest = \"other.toml\""),
            "app.toml:2: child `x`: other.toml:2: cyclic manifests: app.toml -> other.toml -> app.toml",
        ),
        (child("manifest = \"app.toml\""), "app.toml:2: cyclic manifests: app.toml -> app.toml"),
        (
            child("component = \"w.wasm\"\nrestart_from = \"snapshot\""),
            "app.toml:2: `restart_from` = \"snapshot\" needs `snapshot`",
        ),
        (
            child("manifest = \"worker.toml\"\nrestart_from = \"snapshot\""),
            "app.toml:2: `restart_from` = \"snapshot\" needs `snapshot`",
        ),
        (
            "name = \"app\"\n[supervision]\nstrategy = \"simple-one-for-one\"\n[[children]]\nid = \"a\"\n\
             manifest = \"worker.toml\"\n[[children]]\nid = \"b\"\nmanifest = \"worker.toml\""
                .to_owned(),
            "app.toml:4: a simple-one-for-one supervisor starts its children at run time: it may declare one",
        ),
        (
            "name = \"app\"\ninit_state = \"s.json\"\n[supervision]".to_owned(),
            "app.toml:2: `init_state` has no use without `component`",
        ),
        (
            "name = \"app\"\n[supervision.backoff]\nmin = \"2s\"\nmax = \"1s\"".to_owned(),
            "app.toml:4: `max` of a backoff must not be below its `min`",
        ),
        (
            "name = \"app\"\n[supervision.backoff]\nmin = \"1s\"\nmax = \"2s\"\nfactor = 0.5".to_owned(),
            "app.toml:5: `factor` = 0.5: must be a number from 1 to 1000",
        ),
        (
            "name = \"app\"\n[supervision.backoff]\nmin = \"1s\"\nmax = \"2s\"\njitter = 2".to_owned(),
            "app.toml:5: `jitter` = 2: must be a number from 0 to 1",
        ),
        (
            "name = \"app\"\n[supervision]\npoison_after = \"nver\"".to_owned(),
            "app.toml:3: `poison_after` = \"nver\": must be a number of crashes, or \"never\"",
        ),
        ("name = \"app\"".to_owned(), "app.toml: missing key `component` in the manifest"),
        (child("manifest = \"worker.toml\"\nrestrat = \"permanent\""), "app.toml:5: unknown key `restrat` in [[children]], did you mean `restart`?"),
        (
            "name = \"app\"\ncomponent = \"w.wasm\"\n[child_spec]\nrestart = \"permanent\"\nsignificant = true".to_owned(),
            "app.toml:3: a significant child must not be permanent",
        ),
    ];
    for (text, expected) in cases {
        let said = refused(&text);
        assert!(said.starts_with(expected), "{text}\n---\n{said}\nexpected\n{expected}");
    }
}

#[test]
fn a_tree_that_is_too_deep_is_refused_before_it_is_loaded() {
    let mut text = "name = \"app\"\n".to_owned();
    for depth in 1..=70 {
        let path = vec!["children"; depth].join(".");
        text.push_str(&format!("[[{path}]]\nid = \"c{depth}\"\n"));
    }
    text.push_str("component = \"w.wasm\"");
    let said = refused(&text);
    assert!(said.contains("deeper than 64 levels") || said.contains("not valid TOML"), "{said}");
}

#[test]
fn a_manifest_that_several_children_name_is_no_cycle() {
    let two = "name = \"app\"\n[[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\n\
               [[children]]\nid = \"b\"\nmanifest = \"worker.toml\"";
    assert_eq!(app(two).unwrap().children.len(), 2);
}

#[test]
fn manifests_that_name_each_other_twice_do_not_grow_without_bound() {
    let mut source = MapSource::new().with("m40.toml", "name = \"m\"\ncomponent = \"w.wasm\"");
    for n in 0..40 {
        let next = n + 1;
        let text = format!(
            "name = \"m\"\n[[children]]\nid = \"a\"\nmanifest = \"m{next}.toml\"\n[[children]]\nid = \"b\"\n\
             manifest = \"m{next}.toml\""
        );
        source = source.with(format!("m{n}.toml"), text);
    }
    let first = "m0.toml".into();
    let error = load(&source, &first).now_or_never().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("the declared tree has more than 100000 actors"), "{error}");
}

/// The TOML blocks of the reference.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../docs/manifest.md");
    let blocks = page.split("```toml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().expect("a block ends")).collect()
}

#[test]
fn every_manifest_in_the_reference_is_one() {
    let blocks = documented();
    assert!(blocks.len() >= 2);
    for block in blocks {
        Manifest::parse("docs/manifest.md", block).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn the_reference_has_every_key_of_supervision() {
    let page = include_str!("../../docs/manifest.md");
    let text = "name = \"a\"\n[supervision]\nx = 1";
    let said = Manifest::parse("a", text).unwrap_err().to_string();
    let known = said.split("known are: ").nth(1).expect("it names them");
    for key in known.split(", ").chain([
        "min",
        "max",
        "factor",
        "jitter",
        "reset_after",
        "significant",
        "restart_from",
    ]) {
        assert!(
            page.contains(&format!("`{key}`")) || page.contains(&format!("[supervision.{key}]")),
            "{key}"
        );
    }
}
