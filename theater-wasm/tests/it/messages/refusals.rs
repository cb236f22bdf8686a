//! Messages and requests that do not come through end with a typed answer, for guests as for the embedding program.

use std::time::{Duration, Instant};

use theater_core::{ActorError, EventKind};

use super::chain::{accepted, refusals, returns_of};
use crate::support::*;
use crate::tree::with_files;

#[tokio::test(flavor = "multi_thread")]
async fn each_senders_messages_are_handled_in_the_order_in_which_it_sent_them() {
    let runtime = runtime();
    let receiver = root(&runtime, "worker.toml").await;
    let senders = [root(&runtime, "worker.toml").await, root(&runtime, "worker.toml").await];
    let sending = senders.map(|sender| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            for n in 0..60 {
                assert_eq!(ask(&runtime, sender, &format!("send {receiver} add {n}")).await, "ok");
            }
        })
    });
    for sender in sending {
        sender.await.unwrap();
    }
    assert_eq!(ask(&runtime, receiver, "total").await, (2 * (0..60).sum::<u32>()).to_string());
    let calls = accepted(&runtime, receiver).await;
    for sender in senders {
        let own: Vec<_> =
            calls.iter().filter(|call| call.from == Some(sender)).map(|call| &*call.text).collect();
        assert_eq!(own, (0..60).map(|n| format!("add {n}")).collect::<Vec<_>>());
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_writes_to_a_full_mailbox_is_told_so_and_it_is_recorded() {
    let runtime = runtime();
    let full = root(&runtime, "worker-small-mailbox.toml").await;
    let sender = root(&runtime, "chatter.toml").await;
    runtime.send(full, "spin").await.unwrap();
    while runtime.send(full, "add 1").await.is_ok() {}
    // When it has begun with the first there is room for one more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    while runtime.send(full, "add 1").await.is_ok() {}
    let refusal = "mailbox full: 4 messages wait already (limits.mailbox); send again later";
    for operation in ["send", "ask"] {
        let answer = ask(&runtime, sender, &format!("{operation} {full} add 1")).await;
        assert_eq!(answer, format!("error: {refusal}"));
    }
    for kind in [EventKind::SEND, EventKind::REQUEST] {
        assert_eq!(refusals(&runtime, sender, kind).await, [refusal]);
    }
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_a_deadline_whoever_asks_and_whatever_the_other_side_does() {
    let short = "name = \"app\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [limits]\ncall_deadline = \"30s\"\nhost_deadline = \"200ms\"\n";
    let runtime = with_files(short, &[]);
    let (asker, busy, deferring) = (
        root(&runtime, "app.toml").await,
        root(&runtime, "app.toml").await,
        root(&runtime, "app.toml").await,
    );
    runtime.send(busy, "spin").await.unwrap();
    let started = Instant::now();
    for question in [format!("ask {busy} total"), format!("ask {deferring} defer")] {
        // Asking takes 200 ms of the asker's time, and so does waiting for its answer.
        runtime.send(asker, question.clone()).await.unwrap();
        let refused = eventually("the asker was told", || async {
            let refused = refusals(&runtime, asker, EventKind::REQUEST).await;
            (!refused.is_empty()).then_some(refused)
        })
        .await;
        assert_eq!(refused[0], "request did not end within 200ms");
    }
    for (target, message) in [(busy, "total"), (deferring, "defer")] {
        let error = ask_err(&runtime, target, message).await;
        assert!(
            matches!(error, ActorError::DeadlineExceeded { operation: "request", limit } if limit == Duration::from_millis(200)),
            "{error}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_has_a_deadline_too_and_whoever_is_late_never_hears_of_it() {
    let chatter = "name = \"app\"\ncomponent = \"chatter.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [limits]\ncall_deadline = \"60s\"\nhost_deadline = \"200ms\"\n";
    let runtime = with_files(chatter, &[]);
    let (opener, busy) = (root(&runtime, "app.toml").await, root(&runtime, "app.toml").await);
    runtime.send(busy, "slow 1500").await.unwrap();
    runtime.send(opener, format!("open {busy} hello")).await.unwrap();
    let refused = eventually("the opener was told", || async {
        let refused = refusals(&runtime, opener, EventKind::OPEN_CHANNEL).await;
        (!refused.is_empty()).then_some(refused)
    })
    .await;
    assert_eq!(refused, ["open-channel did not end within 200ms"]);
    let offer = accepted(&runtime, busy).await.pop().expect("it was accepted into the mailbox");
    assert_eq!(offer.function, "handle-channel-open");
    let returns = eventually("the offer is dealt with", || async {
        let returns = returns_of(&runtime, busy, offer.seq).await;
        (!returns.is_empty()).then_some(returns)
    })
    .await;
    assert_eq!(returns, [Some(format!("actor {busy} gave no answer"))]);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_three_that_ask_each_other_ends_with_a_typed_error() {
    let runtime = runtime();
    let [one, two, three] = [
        root(&runtime, "supervisor.toml").await,
        root(&runtime, "supervisor.toml").await,
        root(&runtime, "supervisor.toml").await,
    ];
    let started = Instant::now();
    let answer = ask(&runtime, one, &format!("ask {two} ask {three} ask {one} list")).await;
    assert_eq!(answer, format!("error: request would deadlock: actor {one} is waiting for this actor"));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(refusals(&runtime, three, EventKind::REQUEST).await.len(), 1);
    // Nobody is harmed, and asking the other way round works.
    assert_eq!(ask(&runtime, three, &format!("ask {two} ask {one} list")).await, "");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offering_a_channel_to_oneself_or_to_whoever_waits_is_refused_at_once() {
    let runtime = runtime();
    let (one, other) = (root(&runtime, "chatter.toml").await, root(&runtime, "chatter.toml").await);
    let itself = ask(&runtime, one, &format!("open {one} hello")).await;
    assert_eq!(itself, format!("error: open-channel would deadlock: actor {one} is waiting for this actor"));
    let circle = ask(&runtime, one, &format!("ask {other} open {one} hello")).await;
    assert_eq!(circle, itself);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_for_the_asker_is_its_error_and_not_its_end() {
    let small = "name = \"app\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [limits]\nevent = \"16KiB\"\n";
    let large = small.replace("16KiB", "4MiB");
    let runtime = with_files(small, &[("large.toml", &large)]);
    let (asker, other) = (root(&runtime, "app.toml").await, root(&runtime, "large.toml").await);
    for question in ["reply 100000".to_owned(), format!("fail {}", "x".repeat(15_000))] {
        let before = events(&runtime, asker).await.len();
        let answer = runtime.request(asker, format!("ask {other} {question}")).await.unwrap();
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        if question.starts_with("reply") {
            assert!(answer.starts_with("error: message too large: 100000 bytes"), "{answer}");
        } else {
            assert!(answer.contains("answered with an error: xxx"), "{answer}");
        }
        assert!(events(&runtime, asker).await.len() > before);
    }
    assert_eq!(ask(&runtime, asker, "total").await, "0", "it lives");
    runtime.shutdown().await;
}
