//! Channels: offered, accepted or refused, used, closed, and nobody's but their two ends'.

use theater_core::{ActorId, EventKind};
use theater_wasm::WasmRuntime;

use super::chain::{accepted, refusals};
use crate::support::*;

/// An open channel, from its opener to its acceptor.
async fn open(runtime: &WasmRuntime, opener: ActorId, acceptor: ActorId) -> String {
    let channel = ask(runtime, opener, &format!("open {acceptor} hello")).await;
    assert!(channel.starts_with("channel-"), "{channel}");
    channel
}

async fn two(runtime: &WasmRuntime) -> (ActorId, ActorId) {
    (root(runtime, "chatter.toml").await, root(runtime, "chatter.toml").await)
}

/// Waits until an actor has heard this line, and returns everything that it has heard.
async fn heard(runtime: &WasmRuntime, actor: ActorId, line: &str) -> String {
    eventually(&format!("it hears {line}"), || async {
        let heard = ask(runtime, actor, "heard").await;
        heard.lines().any(|heard| heard == line).then_some(heard)
    })
    .await
}

fn no_channel(channel: &str) -> String {
    format!("error: no channel `{channel}` of this actor")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_either_end_says_comes_to_the_other_in_order() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let channel = open(&runtime, opener, acceptor).await;
    for n in 0..3 {
        assert_eq!(ask(&runtime, opener, &format!("say {channel} there {n}")).await, "ok");
        assert_eq!(ask(&runtime, acceptor, &format!("say {channel} back {n}")).await, "ok");
    }
    let at_acceptor = ask(&runtime, acceptor, "heard").await;
    let line = |text: &str| format!("message {channel} {text}\n");
    let there = line("there 0") + &line("there 1") + &line("there 2");
    assert_eq!(at_acceptor, format!("open {channel} hello\n{there}"));
    let back = line("back 0") + &line("back 1") + &line("back 2");
    assert_eq!(ask(&runtime, opener, "heard").await, back);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_the_yes_reaches_the_opener_over_the_channel_and_stands_on_both_chains() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let channel = ask(&runtime, opener, &format!("open {acceptor} accept welcome")).await;
    heard(&runtime, opener, &format!("message {channel} welcome")).await;
    let at_opener = accepted(&runtime, opener).await;
    let message =
        at_opener.iter().find(|call| call.function == "handle-channel-message").expect("it is there");
    assert_eq!(
        (message.from, message.subject.as_deref(), &*message.text),
        (Some(acceptor), Some(&*channel), "welcome")
    );
    let said = events(&runtime, acceptor).await.into_iter().any(|event| {
        event.header.kind == EventKind::RETURN && event.payload.windows(7).any(|text| text == b"welcome")
    });
    assert!(said, "the acceptor's chain has what it answered");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_acceptor_says_before_its_yes_comes_as_well() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let channel = ask(&runtime, opener, &format!("open {acceptor} say early")).await;
    heard(&runtime, opener, &format!("message {channel} early")).await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_the_no_reaches_the_opener_and_the_channel_is_nobodys() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let answer = ask(&runtime, opener, &format!("open {acceptor} refuse not today")).await;
    assert_eq!(answer, format!("error: actor {acceptor} answered with an error: channel refused: not today"));
    let answer = ask(&runtime, opener, &format!("open {acceptor} refuse")).await;
    assert_eq!(answer, format!("error: actor {acceptor} answered with an error: channel refused"));
    let offered = ask(&runtime, acceptor, "heard").await;
    let channel = offered.split(' ').nth(1).expect("it heard of the offer");
    for actor in [opener, acceptor] {
        assert_eq!(ask(&runtime, actor, &format!("say {channel} hello")).await, no_channel(channel));
    }
    assert_eq!(refusals(&runtime, opener, EventKind::OPEN_CHANNEL).await.len(), 2);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptor_that_crashes_over_an_offer_is_the_openers_error() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let answer = ask(&runtime, opener, &format!("open {acceptor} crash")).await;
    assert!(answer.starts_with("error: ") && answer.contains("is not running: trapped"), "{answer}");
    assert_eq!(ask(&runtime, opener, "heard").await, "");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_actor_that_knows_a_channel_can_neither_speak_on_it_nor_close_it_and_its_tries_are_recorded()
{
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let third = root(&runtime, "chatter.toml").await;
    let channel = open(&runtime, opener, acceptor).await;
    for command in [format!("say {channel} injected"), format!("close {channel}")] {
        assert_eq!(ask(&runtime, third, &command).await, no_channel(&channel), "{command}");
    }
    for kind in [EventKind::SEND_ON_CHANNEL, EventKind::CLOSE_CHANNEL] {
        let refused = refusals(&runtime, third, kind).await;
        assert_eq!(refused, [format!("no channel `{channel}` of this actor")]);
    }
    assert_eq!(ask(&runtime, opener, &format!("say {channel} still open")).await, "ok");
    let heard = ask(&runtime, acceptor, "heard").await;
    assert_eq!(heard, format!("open {channel} hello\nmessage {channel} still open\n"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_tells_the_other_end_once_and_nobody_can_speak_on_it_afterwards() {
    let runtime = runtime();
    for closes in [0, 1] {
        let (opener, acceptor) = two(&runtime).await;
        let channel = open(&runtime, opener, acceptor).await;
        let (closing, other) = if closes == 0 { (opener, acceptor) } else { (acceptor, opener) };
        assert_eq!(ask(&runtime, closing, &format!("close {channel}")).await, "ok");
        let line = format!("close {channel}");
        let told = heard(&runtime, other, &line).await;
        assert_eq!(told.lines().filter(|told| *told == line).count(), 1, "{told}");
        assert!(!ask(&runtime, closing, "heard").await.contains("close"));
        for actor in [closing, other] {
            assert_eq!(ask(&runtime, actor, &format!("say {channel} hello")).await, no_channel(&channel));
            assert_eq!(ask(&runtime, actor, &format!("close {channel}")).await, no_channel(&channel));
        }
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_closes_when_an_end_of_it_ends_for_good_and_the_other_is_told_once() {
    let runtime = runtime();
    for (opens, end) in [(true, "crash"), (false, "crash"), (true, "quit"), (false, "quit")] {
        let (ending, other) = two(&runtime).await;
        let channel =
            if opens { open(&runtime, ending, other).await } else { open(&runtime, other, ending).await };
        runtime.send(ending, end).await.unwrap();
        let line = format!("close {channel}");
        let told = heard(&runtime, other, &line).await;
        assert_eq!(told.lines().filter(|told| *told == line).count(), 1, "{told}");
        let close =
            accepted(&runtime, other).await.into_iter().find(|call| call.function == "handle-channel-close");
        assert_eq!(close.expect("it is recorded").from, Some(ending));
        assert_eq!(ask(&runtime, other, &format!("say {channel} hello")).await, no_channel(&channel));
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_stays_open_while_an_end_of_it_is_restarted() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "chatter-permanent.toml").await;
    let other = root(&runtime, "chatter.toml").await;
    let channel = open(&runtime, other, child).await;
    assert_eq!(ask(&runtime, other, &format!("say {channel} crash")).await, "ok");
    assert_eq!(ask(&runtime, other, &format!("say {channel} after")).await, "ok");
    let told = heard(&runtime, child, &format!("message {channel} after")).await;
    assert_eq!(told, format!("open {channel} hello\nmessage {channel} after\n"));
    assert_eq!(crate::tree::incarnation(&runtime, child).await, 2);
    assert_eq!(ask(&runtime, child, &format!("say {channel} back")).await, "ok");
    assert!(!heard(&runtime, other, &format!("message {channel} back")).await.contains("close"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_channel_is_told_even_to_an_actor_whose_mailbox_is_full() {
    let runtime = runtime();
    let (closing, busy) = two(&runtime).await;
    let channel = open(&runtime, closing, busy).await;
    runtime.send(busy, "slow 300").await.unwrap();
    while runtime.send(busy, "count").await.is_ok() {}
    runtime.send(closing, "quit").await.unwrap();
    exit_of(&runtime, closing).await;
    let told = heard_when_it_has_time(&runtime, busy, &format!("close {channel}")).await;
    assert_eq!(told.lines().filter(|line| line.starts_with("close")).count(), 1, "{told}");
    runtime.shutdown().await;
}

/// The same where the actor's mailbox may be full.
async fn heard_when_it_has_time(runtime: &WasmRuntime, actor: ActorId, line: &str) -> String {
    eventually(&format!("it hears {line}"), || async {
        let heard = runtime.request(actor, "heard").await.ok()?;
        let heard = String::from_utf8(heard.to_vec()).expect("text");
        heard.lines().any(|heard| heard == line).then_some(heard)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_has_as_many_channels_as_its_manifest_allows_and_a_closed_one_makes_room() {
    let runtime = runtime();
    let (opener, acceptor) = two(&runtime).await;
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(open(&runtime, opener, acceptor).await);
    }
    let refused = "error: too many channels: limits.channels of one of the two ends is 4";
    assert_eq!(ask(&runtime, opener, &format!("open {acceptor} hello")).await, refused);
    let third = root(&runtime, "chatter.toml").await;
    assert_eq!(ask(&runtime, third, &format!("open {acceptor} hello")).await, refused);
    assert_eq!(ask(&runtime, acceptor, &format!("close {}", channels[0])).await, "ok");
    open(&runtime, third, acceptor).await;
    runtime.shutdown().await;
}
