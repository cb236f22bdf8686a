//! Trees that a manifest declares, on real components.

use theater_core::{ActorError, ActorId, ActorRuntime, Authority, SpawnRequest};
use theater_wasm::WasmRuntime;

use crate::support::{ask, ask_err, eventually, root};
use crate::tree::{app, descendant, incarnation, live, told, verify_chains, with_files};

/// Inline workers of these names.
fn workers(ids: &[&str]) -> String {
    let entry = |id: &&str| {
        format!(
            "[[children]]\nid = \"{id}\"\ncomponent = \"worker.wasm\"\nhandlers = [{{ type = \"message-server\" }}]\n"
        )
    };
    ids.iter().map(entry).collect()
}

fn supervised(rules: &str, ids: &[&str]) -> WasmRuntime {
    app(&format!("name = \"app\"\n[supervision]\n{rules}\n{}", workers(ids)))
}

/// Waits until the actor runs in this life.
async fn lives(runtime: &WasmRuntime, id: ActorId, life: u64) {
    eventually("the next life", || async {
        let info = runtime.info(Authority::Operator, id).await.expect("a record");
        let runs = info.status == theater_core::ActorStatus::Running;
        (runs && info.incarnation.0 >= life).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_tree_starts_in_order_and_stops_in_reverse() {
    let runtime = app("name = \"app\"\n\
        [[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\n\
        [[children]]\nid = \"sup\"\n\
        [[children.children]]\nid = \"b\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [[children.children]]\nid = \"c\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [[children]]\nid = \"d\"\nname = \"last\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n");
    let mut watch = runtime.watch();
    let app = root(&runtime, "app.toml").await;
    told(
        &mut watch,
        &["started worker", "started b", "started c", "started sup", "started last", "started app"],
    )
    .await;
    let b = descendant(&runtime, app, &[1, 0]).await;
    assert_eq!(ask(&runtime, b, "add 5").await, "5");
    runtime.shutdown().await;
    told(
        &mut watch,
        &[
            "parent-stopped last",
            "parent-stopped c",
            "parent-stopped b",
            "parent-stopped sup",
            "parent-stopped worker",
            "stopped app",
        ],
    )
    .await;
    assert_eq!(verify_chains(&runtime).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_child_that_does_not_start_takes_those_before_it_down_and_fails_the_start() {
    let text = format!(
        "name = \"app\"\n{}[[children]]\nid = \"bad\"\ncomponent = \"worker.wasm\"\ninit_state = \"state\"\n\
         handlers = [{{ type = \"message-server\" }}]\n{}",
        workers(&["a", "b"]),
        workers(&["never"])
    );
    let runtime = with_files(&text, &[("state", "fail-init")]);
    let mut watch = runtime.watch();
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("child `bad` did not start: init failed: told to fail"), "{said}");
    told(
        &mut watch,
        &["started a", "started b", "not started bad", "stopped b", "stopped a", "not started app"],
    )
    .await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_anywhere_in_a_tree_is_known_before_anything_is_started() {
    let runtime = app("name = \"app\"\n[[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\n\
                       [[children]]\nid = \"b\"\nmanifest = \"gone.toml\"\n");
    let mut watch = runtime.watch();
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.unwrap_err();
    assert_eq!(error.to_string(), "app.toml:5: child `b`: gone.toml: not found");
    told(&mut watch, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_for_all_restarts_all_with_their_ids_states_and_mailboxes() {
    let runtime = supervised("strategy = \"one-for-all\"\nintensity = 9", &["a", "b", "c"]);
    let app = root(&runtime, "app.toml").await;
    let ids: Vec<_> = live(&runtime, app).await.iter().map(|child| child.id).collect();
    for (n, id) in ids.iter().enumerate() {
        ask(&runtime, *id, &format!("add {}", n + 1)).await;
    }
    let mut watch = runtime.watch();
    // The third is busy while its group is restarted, and has messages waiting.
    runtime.send(ids[2], "slow 20").await.unwrap();
    runtime.send(ids[2], "add 10").await.unwrap();
    ask_err(&runtime, ids[1], "crash").await;
    for id in &ids {
        lives(&runtime, *id, 2).await;
    }
    told(&mut watch, &["trapped b", "stopped c", "stopped a", "started a", "started b", "started c"]).await;
    assert_eq!(ask(&runtime, ids[0], "total").await, "1");
    assert_eq!(ask(&runtime, ids[1], "total").await, "2");
    assert_eq!(
        ask(&runtime, ids[2], "total").await,
        "13",
        "the message that waited was handled by its next life"
    );
    assert_eq!(live(&runtime, app).await.iter().map(|child| child.id).collect::<Vec<_>>(), ids);
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_for_one_restarts_the_child_and_those_after_it() {
    let runtime = supervised("strategy = \"rest-for-one\"\nintensity = 9", &["a", "b", "c"]);
    let app = root(&runtime, "app.toml").await;
    let ids: Vec<_> = live(&runtime, app).await.iter().map(|child| child.id).collect();
    let mut watch = runtime.watch();
    ask_err(&runtime, ids[1], "crash").await;
    lives(&runtime, ids[2], 2).await;
    told(&mut watch, &["trapped b", "stopped c", "started b", "started c"]).await;
    assert_eq!(incarnation(&runtime, ids[0]).await, 1);
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_gave_up_is_started_again_by_its_own_with_its_children_anew() {
    for (escalation, again) in [("abnormal", true), ("shutdown", false)] {
        let runtime = app(&format!(
            "name = \"app\"\n[supervision]\nintensity = 3\n\
             [[children]]\nid = \"sup\"\nrestart = \"transient\"\n\
             [children.supervision]\nintensity = 0\nescalation = \"{escalation}\"\n\
             [[children.children]]\nid = \"w\"\nmanifest = \"worker.toml\"\n"
        ));
        let app = root(&runtime, "app.toml").await;
        let sup = descendant(&runtime, app, &[0]).await;
        let worker = descendant(&runtime, sup, &[0]).await;
        ask(&runtime, worker, "add 5").await;
        ask_err(&runtime, worker, "crash").await;
        if again {
            lives(&runtime, sup, 2).await;
            let fresh = descendant(&runtime, sup, &[0]).await;
            assert_ne!(fresh, worker, "a new actor");
            assert_eq!(ask(&runtime, fresh, "total").await, "0", "from its initial state");
        } else {
            let reason = crate::support::exit_of(&runtime, sup).await;
            assert_eq!((reason.name(), reason.is_clean()), ("escalated", true));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            assert_eq!(incarnation(&runtime, sup).await, 1);
        }
        runtime.shutdown().await;
        verify_chains(&runtime).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_significant_child_that_ends_takes_its_supervisor_with_it() {
    let runtime = app("name = \"app\"\n[supervision]\n\
        [[children]]\nid = \"sup\"\nrestart = \"transient\"\n\
        [children.supervision]\nauto_shutdown = \"any-significant\"\n\
        [[children.children]]\nid = \"w\"\nmanifest = \"worker.toml\"\nrestart = \"transient\"\nsignificant = true\n\
        [[children.children]]\nid = \"v\"\nmanifest = \"worker.toml\"\n");
    let app = root(&runtime, "app.toml").await;
    let sup = descendant(&runtime, app, &[0]).await;
    let worker = descendant(&runtime, sup, &[0]).await;
    runtime.send(worker, "quit").await.unwrap();
    let reason = crate::support::exit_of(&runtime, sup).await;
    assert_eq!((reason.name(), reason.is_clean()), ("auto-shutdown", true));
    assert!(live(&runtime, sup).await.is_empty());
    assert!(live(&runtime, app).await.is_empty(), "it was clean, so nobody starts it again");
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_starts_from_where_the_child_spec_says() {
    for (from, total) in [("last-good", "7"), ("initial", "2"), ("snapshot", "40")] {
        let text = format!(
            "name = \"app\"\n[supervision]\nintensity = 9\n[[children]]\nid = \"w\"\ncomponent = \"worker.wasm\"\n\
             init_state = \"start\"\nsnapshot = \"snapshot\"\nrestart_from = \"{from}\"\n\
             handlers = [{{ type = \"message-server\" }}]\n"
        );
        let runtime = with_files(&text, &[("start", "2"), ("snapshot", "total=40\nid=x\n")]);
        let app = root(&runtime, "app.toml").await;
        let worker = descendant(&runtime, app, &[0]).await;
        assert_eq!(ask(&runtime, worker, "add 5").await, "7");
        ask_err(&runtime, worker, "crash").await;
        lives(&runtime, worker, 2).await;
        assert_eq!(ask(&runtime, worker, "total").await, total, "{from}");
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_only_leads_to_crashes_is_given_up_for_the_initial_one_and_then_the_child_is() {
    let runtime = supervised("intensity = 99\npoison_after = 2", &["w"]);
    let app = root(&runtime, "app.toml").await;
    let worker = descendant(&runtime, app, &[0]).await;
    ask(&runtime, worker, "add 5").await;
    // The first crash ends a life in which a call had succeeded; two more from the restored state; two from `init`.
    for life in 1..=5 {
        lives(&runtime, worker, life).await;
        if life == 4 {
            let state = crate::support::state(&runtime, worker).await.unwrap();
            assert!(state.starts_with("total=0\n"), "from init: {state}");
        }
        ask_err(&runtime, worker, "crash").await;
    }
    let reason = crate::support::exit_of(&runtime, app).await;
    assert!(reason.to_string().contains("2 times in a row from its initial state"), "{reason}");
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pure_supervisor_takes_no_messages_and_has_no_state() {
    let runtime = supervised("", &["w"]);
    let app = root(&runtime, "app.toml").await;
    let error = runtime.request(app, "hello").await.unwrap_err();
    assert!(matches!(error, ActorError::NoSuchExport { .. }), "{error}");
    assert_eq!(runtime.state(Authority::Operator, app).await.unwrap(), None);
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_spawns_from_the_template_of_its_dynamic_supervisor() {
    let runtime = app("name = \"app\"\ncomponent = \"supervisor.wasm\"\n\
        handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n\
        [supervision]\nstrategy = \"simple-one-for-one\"\nintensity = 9\nmax_children = 2\n\
        [[children]]\nid = \"errand\"\nmanifest = \"worker.toml\"\nrestart = \"transient\"\n");
    let app = root(&runtime, "app.toml").await;
    assert!(live(&runtime, app).await.is_empty(), "a template is not started");
    let child: ActorId = ask(&runtime, app, "spawn errand 3").await.parse().unwrap();
    assert_eq!(ask(&runtime, child, "total").await, "3");
    ask_err(&runtime, child, "crash").await;
    lives(&runtime, child, 2).await;
    ask(&runtime, app, "spawn errand").await;
    let third = ask(&runtime, app, "spawn errand").await;
    assert!(third.contains("too many children: supervision.max_children is 2"), "{third}");
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_whose_record_is_forgotten_at_its_end_is_missed_by_no_rule() {
    let text = format!(
        "name = \"app\"\n[supervision]\nauto_shutdown = \"all-significant\"\n{}",
        (0..20)
            .map(|n| format!(
                "[[children]]\nid = \"w{n}\"\nmanifest = \"worker.toml\"\nrestart = \"temporary\"\nsignificant = true\n"
            ))
            .collect::<String>()
    );
    let runtime = crate::tree::configured(&text, &[], |config| config.retained_children = 1);
    let app = root(&runtime, "app.toml").await;
    for child in live(&runtime, app).await.iter().rev() {
        runtime.send(child.id, "quit").await.unwrap();
    }
    let reason = crate::support::exit_of(&runtime, app).await;
    assert_eq!(reason.name(), "auto-shutdown", "the supervisor has heard of all twenty");
    // An exit is told before its record is forgotten.
    eventually("the retention", || async { (runtime.children(app).await.unwrap().len() <= 1).then_some(()) })
        .await;
}
