//! Messages between actors, and from outside.

pub(crate) mod chain;
mod channels;
mod refusals;
mod restarts;
mod revived;

use futures_util::FutureExt;
use theater_core::{ActorError, EventKind};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_error_is_the_askers_answer_and_the_actor_lives_on_unchanged() {
    let runtime = runtime();
    let worker = root(&runtime, "worker.toml").await;
    ask(&runtime, worker, "add 3").await;
    let error = ask_err(&runtime, worker, "fail not today").await;
    assert!(matches!(&error, ActorError::Guest { error, .. } if error == "not today"), "{error}");
    assert_eq!(ask(&runtime, worker, "total").await, "3");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_handled_in_the_order_in_which_they_were_sent() {
    let runtime = runtime();
    let worker = root(&runtime, "worker.toml").await;
    for n in 0..100 {
        runtime.send(worker, format!("add {n}")).await.unwrap();
    }
    assert_eq!(ask(&runtime, worker, "total").await, (0..100).sum::<u32>().to_string());
    let calls = events(&runtime, worker).await;
    let handled: Vec<_> = calls
        .iter()
        .filter(|event| event.header.kind == EventKind::CALL)
        .filter_map(|event| {
            let call: theater_core::event::payload::Call<'_> =
                theater_core::event::payload::decode(&event.payload).unwrap();
            let text = String::from_utf8(call.data?.to_vec()).unwrap();
            text.strip_prefix("add ").map(|n| n.parse::<u32>().unwrap())
        })
        .collect();
    assert_eq!(handled, (0..100).collect::<Vec<_>>());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_ask_and_tell_each_other() {
    let runtime = runtime();
    let one = root(&runtime, "worker.toml").await;
    let other = root(&runtime, "worker.toml").await;
    assert_eq!(ask(&runtime, one, &format!("ask {other} add 4")).await, "4");
    assert_eq!(ask(&runtime, one, &format!("send {other} add 5")).await, "ok");
    assert_eq!(ask(&runtime, other, "total").await, "9");
    runtime.shutdown().await;
}

#[tokio::test]
async fn an_actor_with_nothing_to_do_answers_before_any_other_task_has_its_turn() {
    let runtime = runtime();
    let one = root(&runtime, "worker.toml").await;
    let other = root(&runtime, "worker.toml").await;
    let mut given = 0;
    let answer = loop {
        // Now both wait for messages. A tick of the guests' clock may still come in between, and leaves the rest to their tasks.
        for actor in [one, other] {
            ask(&runtime, actor, "total").await;
        }
        given += 4;
        if let Some(answer) = runtime.request(one, format!("ask {other} add 4")).now_or_never() {
            break answer;
        }
        assert!(given < 400, "never at once");
    };
    assert_eq!(answer.unwrap(), given.to_string());
    assert_eq!(ask(&runtime, other, "total").await, given.to_string());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_passed_on_along_many_actors() {
    let runtime = runtime();
    let mut question = "add 1".to_owned();
    for _ in 0..12 {
        question = format!("ask {} {question}", root(&runtime, "worker.toml").await);
    }
    let first = root(&runtime, "worker.toml").await;
    for n in 1..=20 {
        assert_eq!(ask(&runtime, first, &question).await, n.to_string());
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_nobody_is_an_error_and_not_a_success() {
    let runtime = runtime();
    let one = root(&runtime, "worker.toml").await;
    let opener = root(&runtime, "chatter.toml").await;
    let unknown = theater_core::ActorId::from_parts(1, [1; 10]);
    for target in [unknown.to_string(), "nobody".to_owned()] {
        for (actor, operation) in [(one, "ask"), (one, "send"), (opener, "open")] {
            let answer = ask(&runtime, actor, &format!("{operation} {target} total")).await;
            assert_eq!(answer, format!("error: no actor `{target}`"));
        }
    }
    let dead = root(&runtime, "worker.toml").await;
    ask_err(&runtime, dead, "crash").await;
    exit_of(&runtime, dead).await;
    for (actor, operation) in [(one, "ask"), (one, "send"), (opener, "open")] {
        let answer = ask(&runtime, actor, &format!("{operation} {dead} total")).await;
        assert!(answer.starts_with("error: ") && answer.contains("is not running"), "{operation}: {answer}");
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_request_is_answered_later_by_its_id() {
    let runtime = runtime();
    let worker = root(&runtime, "worker.toml").await;
    let waiting = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.request(worker, "defer").await }
    });
    let request = eventually("the request is outstanding", || async {
        let list = ask(&runtime, worker, "outstanding").await;
        list.lines().next().filter(|line| !line.is_empty()).map(ToOwned::to_owned)
    })
    .await;
    assert_eq!(ask(&runtime, worker, &format!("answer {request} here it is")).await, "ok");
    assert_eq!(waiting.await.unwrap().unwrap(), "here it is");
    let again = ask(&runtime, worker, &format!("answer {request} again")).await;
    assert!(again.starts_with("error: no outstanding request"), "{again}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_and_one_whose_actor_ends_get_typed_errors() {
    let runtime = runtime();
    let worker = root(&runtime, "worker.toml").await;
    let defer = |runtime: theater_wasm::WasmRuntime| {
        tokio::spawn(async move { runtime.request(worker, "defer").await })
    };
    let cancelled = defer(runtime.clone());
    let request = eventually("the request is outstanding", || async {
        let list = ask(&runtime, worker, "outstanding").await;
        list.lines().next().filter(|line| !line.is_empty()).map(ToOwned::to_owned)
    })
    .await;
    assert_eq!(ask(&runtime, worker, &format!("cancel {request}")).await, "ok");
    assert!(matches!(cancelled.await.unwrap().unwrap_err(), ActorError::NoReply { .. }));

    let orphaned = defer(runtime.clone());
    eventually("the request is outstanding", || async {
        (!ask(&runtime, worker, "outstanding").await.trim().is_empty()).then_some(())
    })
    .await;
    ask_err(&runtime, worker, "crash").await;
    let error = orphaned.await.unwrap().unwrap_err();
    assert!(matches!(&error, ActorError::Ended { reason, .. } if reason.name() == "trapped"), "{error}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_without_handlers_refuses_messages_by_name_of_the_export() {
    let runtime = runtime();
    let bare = root(&runtime, "bare.toml").await;
    let error = runtime.request(bare, "hello").await.unwrap_err();
    assert!(
        matches!(
            error,
            ActorError::NoSuchExport { export: "theater:simple/message-server-client.handle-request", .. }
        ),
        "{error}"
    );
    runtime.shutdown().await;
}
