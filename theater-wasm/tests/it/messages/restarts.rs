//! Messages and answers while the receiver ends and starts again.

use theater_core::ActorError;

use super::chain::{accepted, returns_of};
use crate::support::*;
use crate::tree::incarnation;

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_message_that_crashes_the_receiver_is_handled_once_by_its_next_life() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker-transient.toml 0").await;
    runtime.send(child, "slow 20").await.unwrap();
    let crashing = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.request(child, "crash").await }
    });
    eventually("the crash waits", || async {
        accepted(&runtime, child).await.iter().any(|call| call.text == "crash").then_some(())
    })
    .await;
    for _ in 0..20 {
        runtime.send(child, "add 1").await.unwrap();
    }
    assert_eq!(ask(&runtime, child, "total").await, "20", "each was handled, and none twice");
    let error = crashing.await.unwrap().unwrap_err();
    assert!(matches!(&error, ActorError::Ended { reason, .. } if reason.name() == "trapped"), "{error}");
    assert_eq!(incarnation(&runtime, child).await, 2);
    for call in accepted(&runtime, child).await.iter().filter(|call| call.text == "add 1") {
        assert_eq!(returns_of(&runtime, child, call.seq).await, [None], "{call:?}");
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_receiver_that_ends_for_good_is_answered_with_how_it_ended() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 0").await;
    runtime.send(child, "slow 20").await.unwrap();
    runtime.send(child, "crash").await.unwrap();
    runtime.send(child, "add 1").await.unwrap();
    let error = ask_err(&runtime, child, "total").await;
    assert!(matches!(&error, ActorError::Ended { reason, .. } if reason.name() == "trapped"), "{error}");
    exit_of(&runtime, child).await;
    let waited = accepted(&runtime, child).await;
    for text in ["add 1", "total"] {
        let call = waited.iter().find(|call| call.text == text).expect("it was accepted");
        let returns = eventually("the chain says what became of it", || async {
            let returns = returns_of(&runtime, child, call.seq).await;
            (!returns.is_empty()).then_some(returns)
        })
        .await;
        assert!(matches!(&returns[..], [Some(error)] if error.contains("is not running")), "{returns:?}");
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_left_open_is_answered_with_the_end_of_the_life_that_left_it() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker-transient.toml 0").await;
    let asker = root(&runtime, "worker.toml").await;
    let asking = tokio::spawn({
        let runtime = runtime.clone();
        async move { ask(&runtime, asker, &format!("ask {child} defer")).await }
    });
    let request = eventually("the request is outstanding", || async {
        let list = ask(&runtime, child, "outstanding").await;
        list.lines().next().map(ToOwned::to_owned)
    })
    .await;
    runtime.send(child, "crash").await.unwrap();
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("error: ") && answer.contains("is not running: trapped"), "{answer}");
    assert_eq!(ask(&runtime, child, "outstanding").await, "", "the next life owes nothing");
    assert_eq!(incarnation(&runtime, child).await, 2);
    let late = ask(&runtime, child, &format!("answer {request} late")).await;
    assert!(late.starts_with("error: no outstanding request"), "{late}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_left_open_are_listed_oldest_first_and_each_can_be_answered_or_given_up() {
    let runtime = runtime();
    let worker = root(&runtime, "worker.toml").await;
    let mut asking = Vec::new();
    for count in 1..=3 {
        let runtime = runtime.clone();
        asking.push(tokio::spawn({
            let runtime = runtime.clone();
            async move { runtime.request(worker, "defer").await }
        }));
        eventually("one more is outstanding", || async {
            let list = ask(&runtime, worker, "outstanding").await;
            (list.lines().count() == count).then_some(())
        })
        .await;
    }
    let list = ask(&runtime, worker, "outstanding").await;
    let ids: Vec<_> = list.lines().collect();
    assert_eq!(ask(&runtime, worker, &format!("cancel {}", ids[1])).await, "ok");
    assert_eq!(ask(&runtime, worker, "outstanding").await, format!("{}\n{}", ids[0], ids[2]));
    assert_eq!(ask(&runtime, worker, &format!("answer {} third", ids[2])).await, "ok");
    assert_eq!(ask(&runtime, worker, &format!("answer {} first", ids[0])).await, "ok");
    assert_eq!(ask(&runtime, worker, "outstanding").await, "");
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.await.unwrap());
    }
    assert!(matches!(&answers[0], Ok(answer) if answer == "first"), "{answers:?}");
    assert!(matches!(&answers[1], Err(ActorError::NoReply { id }) if *id == worker), "{answers:?}");
    assert!(matches!(&answers[2], Ok(answer) if answer == "third"), "{answers:?}");
    runtime.shutdown().await;
}
