//! The command channel in front of a real runtime.

use theater_core::{Authority, StopMode, TheaterCommand, command_channel};
use tokio::sync::oneshot;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_completed_concurrently_and_one_that_waits_delays_no_other() {
    let runtime = runtime();
    let (commands, serve) = command_channel(runtime.clone(), 8);
    let serving = tokio::spawn(serve.run());

    let spawn = |init: &str| {
        let (response_tx, answer) = oneshot::channel();
        let init_bytes = Some(init.to_owned().into());
        let manifest = "worker-patient.toml".into();
        (TheaterCommand::SpawnActor { manifest, init_bytes, parent_id: None, response_tx }, answer)
    };
    let (endless, never) = spawn("spin-init");
    commands.send(endless).await.unwrap();
    let (quick, answer) = spawn("7");
    commands.send(quick).await.unwrap();
    let id = answer.await.unwrap().unwrap().id;

    let (response_tx, state) = oneshot::channel();
    let by = Authority::Operator;
    commands.send(TheaterCommand::GetActorState { by, actor_id: id, response_tx }).await.unwrap();
    assert!(state.await.unwrap().unwrap().unwrap().starts_with(b"total=7"));

    let (response_tx, stopped) = oneshot::channel();
    commands
        .send(TheaterCommand::StopActor { by, actor_id: id, mode: StopMode::Kill, response_tx })
        .await
        .unwrap();
    assert!(stopped.await.unwrap().is_ok());

    drop(commands);
    runtime.kill().await;
    assert!(never.await.unwrap().is_err());
    serving.await.unwrap();
}
