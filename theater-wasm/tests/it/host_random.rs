//! `theater:simple/random`.

use std::collections::HashSet;

use theater_core::{ActorRuntime, Authority, RestartFrom, SpawnRequest};

use crate::host_support::*;

#[tokio::test(flavor = "multi_thread")]
async fn values_are_in_their_bounds_and_others_are_refused_in_clear_words() {
    let (runtime, id) = with(ALL).await;
    assert_eq!(call(&runtime, id, &["random", "bytes", "64"]).await.len(), 128);
    assert_eq!(call(&runtime, id, &["random", "bytes", "0"]).await, "");
    assert_eq!(call(&runtime, id, &["random", "range", "999", "1000"]).await, "999");
    let float: f64 = call(&runtime, id, &["random", "float"]).await.parse().expect("a number");
    assert!((0.0..1.0).contains(&float));
    let uuids: HashSet<_> =
        [call(&runtime, id, &["random", "uuid"]).await, call(&runtime, id, &["random", "uuid"]).await].into();
    assert!(
        uuids.len() == 2 && uuids.iter().all(|uuid| uuid.len() == 36 && &uuid[14..15] == "4"),
        "{uuids:?}"
    );
    for (words, expected) in [
        (
            ["random", "bytes", "65", ""],
            "65 bytes are more than random.max_bytes or limits.message allow, which is 64",
        ),
        (["random", "bytes", "4294967295", ""], "more than random.max_bytes"),
        (["random", "range", "5", "5"], "there is no number from 5 on and below 5"),
        (["random", "range", "6", "5"], "there is no number from 6 on and below 5"),
        (
            ["random", "range", "0", "1001"],
            "an upper end of 1001 is more than random.max_int allows, which is 1000",
        ),
    ] {
        let refusal = refusal(&runtime, id, &words).await;
        assert!(refusal.contains(expected), "{refusal}");
    }
    runtime.kill().await;
}

const DRAWS: &str = "random\tuuid\nrandom\tbytes\t8\nrandom\trange\t0\t1000\nrandom\tfloat";

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_gives_the_same_values_in_every_run_and_others_to_each_actor_and_life() {
    let handlers = ALL.replace("max_bytes = 64", "seed = 42, max_bytes = 64");
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (runtime, first) = with(&handlers).await;
        let second = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
        let mut drawn = vec![call(&runtime, first, &[DRAWS]).await, call(&runtime, first, &[DRAWS]).await];
        drawn.push(call(&runtime, second, &[DRAWS]).await);
        runtime.restart(Authority::Operator, first, RestartFrom::LastGood).await.expect("it starts again");
        drawn.push(call(&runtime, first, &[DRAWS]).await);
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 4, "nothing is drawn twice: {drawn:?}");
        runs.push(drawn);
        runtime.kill().await;
    }
    assert_eq!(runs[0], runs[1]);
}
