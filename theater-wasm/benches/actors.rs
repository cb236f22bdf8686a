//! Criterion benches of whole operations: spawn, request, restart. For ratios to floors see the `summary` bench.

use criterion::Criterion;
use theater_core::{ActorRuntime, Authority, MapSource, RestartFrom, SpawnRequest, StopMode};
use theater_wasm::{ActorEngine, EngineConfig, WasmRuntime};

fn runtime() -> WasmRuntime {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/components/ping.wasm");
    let manifest = "name = \"ping\"\ncomponent = \"ping.wasm\"\n[[handlers]]\ntype = \"message-server\"\n";
    let component = std::fs::read(path).expect("the ping component is checked in");
    let source = MapSource::new().with("ping.toml", manifest).with("ping.wasm", component);
    let engine = ActorEngine::new(&EngineConfig::default()).expect("an engine");
    WasmRuntime::builder(source)
        .engine(engine)
        .config(|config| config.retained_children = 100)
        .build()
        .expect("a runtime")
}

fn actors(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    let runtime = tokio.block_on(async { runtime() });
    let spawn = || async { runtime.spawn(SpawnRequest::new(None, "ping.toml")).await.expect("it starts").id };

    criterion.bench_function("spawn_init_stop", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async {
                let id = spawn().await;
                runtime.stop(Authority::Operator, id, StopMode::Kill).await.expect("it stops");
            });
        });
    });
    let id = tokio.block_on(spawn());
    for (name, size) in [("request_64_bytes", 64), ("request_64_kib", 64 << 10)] {
        let message = vec![b'm'; size];
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| tokio.block_on(runtime.request(id, message.clone())).expect("it answers"));
        });
    }
    criterion.bench_function("trap_and_restart", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async {
                runtime.request(id, "!").await.expect_err("it traps");
                runtime
                    .restart(Authority::Operator, id, RestartFrom::LastGood)
                    .await
                    .expect("it lives again");
            });
        });
    });
    tokio.block_on(runtime.shutdown());
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    actors(&mut criterion);
    criterion.final_summary();
}
