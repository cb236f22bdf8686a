//! Channels of actors that are brought back.

use theater_core::EventKind;

use super::chain::accepted;
use crate::revive::{SUPERVISOR, app, revive};
use crate::support::*;
use crate::tree::{descendant, verify_chains};

const TWO: &str = "[[children]]\nid = \"one\"\nmanifest = \"chatter.toml\"\n[[children]]\nid = \"two\"\nmanifest = \"chatter.toml\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_open_is_open_again_and_one_that_was_closed_is_not() {
    let mut app = app(&format!("{SUPERVISOR}{TWO}"));
    let (process, top) = app.start().await;
    let (one, two) = (descendant(&process, top, &[0]).await, descendant(&process, top, &[1]).await);
    let open = ask(&process, one, &format!("open {two} hello")).await;
    let closed = ask(&process, two, &format!("open {one} hello")).await;
    assert_eq!(ask(&process, one, &format!("close {closed}")).await, "ok");
    let mut process = app.killed(process).await;
    for end in ["kill", "stop"] {
        revive(&process).await;
        for (from, to) in [(one, two), (two, one)] {
            assert_eq!(ask(&process, from, &format!("say {open} {end}")).await, "ok");
            let line = format!("message {open} {end}");
            assert!(ask(&process, to, "heard").await.lines().any(|heard| heard == line));
            let said = ask(&process, from, &format!("say {closed} {end}")).await;
            assert_eq!(said, format!("error: no channel `{closed}` of this actor"));
        }
        verify_chains(&process).await;
        process = app.stopped(process).await;
    }
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_other_end_does_not_come_back_is_told_to_be_closed() {
    let mut app = app(&format!("{SUPERVISOR}{TWO}"));
    let (process, top) = app.start().await;
    let (one, two) = (descendant(&process, top, &[0]).await, descendant(&process, top, &[1]).await);
    let opened = ask(&process, one, &format!("open {two} hello")).await;
    let accepted_one = ask(&process, two, &format!("open {one} hello")).await;
    let only_one = TWO.split("[[children]]\nid = \"two\"").next().expect("the first child");
    app.source = app.source.clone().with("app.toml", format!("{SUPERVISOR}{only_one}"));
    let process = app.killed(process).await;
    let revived = process.revive("app.toml").await.expect("a sound log").expect("a tree");
    assert_eq!(revived.failed.len(), 1, "{:?}", revived.failed);
    let heard = ask(&process, one, "heard").await;
    for channel in [&opened, &accepted_one] {
        assert_eq!(heard.lines().filter(|line| *line == format!("close {channel}")).count(), 1, "{heard}");
        let said = ask(&process, one, &format!("say {channel} hello")).await;
        assert_eq!(said, format!("error: no channel `{channel}` of this actor"));
    }
    let closes =
        accepted(&process, one).await.into_iter().filter(|call| call.function == "handle-channel-close");
    assert_eq!(closes.map(|call| call.from).collect::<Vec<_>>(), [Some(two), Some(two)]);
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chatter_did_with_channels_runs_again_with_the_same_outputs_and_state() {
    let app = app(&format!("{SUPERVISOR}{TWO}"));
    let (process, top) = app.start().await;
    let (one, two) = (descendant(&process, top, &[0]).await, descendant(&process, top, &[1]).await);
    let channel = ask(&process, one, &format!("open {two} accept welcome")).await;
    ask(&process, one, &format!("open {two} refuse no")).await;
    ask(&process, two, &format!("open {one} say early")).await;
    ask(&process, one, &format!("say {channel} hello")).await;
    ask(&process, one, "say channel-of-nobody hello").await;
    ask(&process, one, &format!("close {channel}")).await;
    ask(&process, one, &format!("close {channel}")).await;
    // Mailboxes are in order: what was sent before has been handled.
    for actor in [one, two] {
        ask(&process, actor, "heard").await;
    }
    for actor in [one, two] {
        let records = events(&process, actor).await;
        let host = records.iter().filter(|event| event.header.kind.0 >= EventKind::LOG.0).count() as u64;
        let again = process.rerun(actor, "chatter.toml").await;
        let again = again.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
        assert_eq!(again.host_records, host);
        assert_eq!(
            again.state.map(|state| String::from_utf8_lossy(&state).into_owned()),
            state(&process, actor).await
        );
    }
    process.kill().await;
}
