//! `theater:simple/environment`.

use crate::host_support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_allowed_looks_like_one_that_is_not_there() {
    let (runtime, id) = with(ALL).await;
    assert_eq!(call(&runtime, id, &["environment", "get", "COLOUR"]).await, "red");
    assert_eq!(call(&runtime, id, &["environment", "get", "APP_NAME"]).await, "desk");
    assert_eq!(call(&runtime, id, &["environment", "exists", "APP_NAME"]).await, "true");
    // Not there, not allowed, and denied.
    for name in ["ABSENT", "HOME", "APP_KEY", "", "A=B", "colour", &"X".repeat(10_000)] {
        assert_eq!(call(&runtime, id, &["environment", "get", name]).await, "none", "{name}");
        assert_eq!(call(&runtime, id, &["environment", "exists", name]).await, "false", "{name}");
    }
    assert_eq!(call(&runtime, id, &["environment", "list"]).await, "", "listing was not granted");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_what_may_be_read_and_nothing_else() {
    let (runtime, id) =
        with(&ALL.replace("allowed_prefixes", "allow_list_all = true, allowed_prefixes")).await;
    assert_eq!(call(&runtime, id, &["environment", "list"]).await, "APP_NAME=desk,COLOUR=red");
    runtime.kill().await;
    let (runtime, id) = with(
        "{ type = \"timing\" }, { type = \"random\" }, { type = \"store\" }, { type = \"environment\", allow_list_all = true }",
    )
    .await;
    assert_eq!(call(&runtime, id, &["environment", "list"]).await, "", "all of nothing is nothing");
    assert_eq!(call(&runtime, id, &["environment", "get", "COLOUR"]).await, "none");
    runtime.kill().await;
}
