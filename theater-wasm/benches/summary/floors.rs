//! The floors: what bare wasmtime, blake3 and tokio need for the same work, with the same engine settings.

use std::sync::Arc;

use theater_wasm::ActorEngine;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Component, ComponentExportIndex, Func, InstancePre, Linker};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

/// What the components import to send.
const MESSAGES: &str = "theater:simple/message-server-host";

type State = Option<Vec<u8>>;
type Init = (Result<(State,), String>,);
type Sent = (Result<(State,), String>,);
type Answer = (Result<(State, (Option<Vec<u8>>,)), String>,);

/// A component on bare wasmtime: preinstantiated, exports looked up, epochs on.
#[derive(Clone)]
pub(crate) struct Bare {
    pre: InstancePre<()>,
    init: ComponentExportIndex,
    request: ComponentExportIndex,
    send: ComponentExportIndex,
}

/// One bare instance.
pub(crate) struct BareActor {
    store: Store<()>,
    init: Func,
    request: Func,
    send: Func,
    state: State,
}

impl Bare {
    pub(crate) fn new(engine: &ActorEngine, bytes: &[u8]) -> Self {
        let engine = engine.wasmtime();
        let component = Component::new(engine, bytes).expect("the ping component compiles");
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        linker.define_unknown_imports_as_traps(&component).expect("imports can be stubbed");
        let mut messages = linker.instance(MESSAGES).expect("a name");
        let taken = |_: StoreContextMut<'_, ()>, _: (String, Vec<u8>)| Ok((Ok::<(), String>(()),));
        let answered = |_: StoreContextMut<'_, ()>, (_, message): (String, Vec<u8>)| {
            Ok((Ok::<Vec<u8>, String>(message),))
        };
        messages.func_wrap("send", taken).expect("a function");
        messages.func_wrap("request", answered).expect("a function");
        let find = |interface: &str, name: &str| {
            let interface = component.get_export_index(None, interface).expect("an actor");
            component.get_export_index(Some(&interface), name).expect("an actor")
        };
        Self {
            init: find("theater:simple/actor", "init"),
            request: find("theater:simple/message-server-client", "handle-request"),
            send: find("theater:simple/message-server-client", "handle-send"),
            pre: linker.instantiate_pre(&component).expect("all imports are stubbed"),
        }
    }

    /// Instantiates.
    pub(crate) async fn instantiate(&self) -> BareActor {
        let mut store = Store::new(self.pre.engine(), ());
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store.set_epoch_deadline(1);
        let instance = self.pre.instantiate_async(&mut store).await.expect("it instantiates");
        let init = instance.get_func(&mut store, self.init).expect("an actor");
        let request = instance.get_func(&mut store, self.request).expect("an actor");
        let send = instance.get_func(&mut store, self.send).expect("an actor");
        BareActor { store, init, request, send, state: None }
    }
}

impl BareActor {
    /// Calls `init`.
    pub(crate) async fn init(&mut self) {
        self.store.set_epoch_deadline(1);
        let init = self.init.typed::<(Option<&[u8]>, (&str,)), Init>(&self.store).expect("an actor");
        let (result,) = init.call_async(&mut self.store, (None, ("id",))).await.expect("init returns");
        (self.state,) = result.expect("init succeeds");
    }

    /// Calls `handle-request`, or `handle-send` where nobody asks for an answer, and keeps the next state. `false` if it trapped.
    pub(crate) async fn message(&mut self, message: &[u8], asks: bool) -> bool {
        self.store.set_epoch_deadline(1);
        if asks {
            let request =
                self.request.typed::<(Option<&[u8]>, (&str, &[u8])), Answer>(&self.store).expect("an actor");
            let params = (self.state.as_deref(), ("request-1", message));
            let answer = request.call_async(&mut self.store, params).await;
            return answer.map(|(answer,)| (self.state, _) = answer.expect("it answers")).is_ok();
        }
        let send = self.send.typed::<(Option<&[u8]>, (&[u8],)), Sent>(&self.store).expect("an actor");
        let sent = send.call_async(&mut self.store, (self.state.as_deref(), (message,))).await;
        sent.map(|(sent,)| (self.state,) = sent.expect("it takes it")).is_ok()
    }
}

/// Hashes events with these payloads: payload and header each.
pub(crate) fn hash_events(key: &blake3::Hasher, payloads: &[Vec<u8>], previous: [u8; 32]) -> [u8; 32] {
    let mut head = previous;
    for payload in payloads {
        let payload = blake3::hash(payload);
        let mut header = [0_u8; 128];
        header[64..96].copy_from_slice(&head);
        header[96..].copy_from_slice(payload.as_bytes());
        let mut hasher = key.clone();
        hasher.update(&header);
        head = *hasher.finalize().as_bytes();
    }
    head
}

/// A message and where its answer goes.
pub(crate) type Echo = (Arc<[u8]>, oneshot::Sender<Arc<[u8]>>);

/// A task that answers over a oneshot what comes over a bounded channel.
pub(crate) fn echo_task() -> mpsc::Sender<Echo> {
    let (sender, mut receiver) = mpsc::channel::<Echo>(1_000);
    tokio::spawn(async move {
        while let Some((message, reply)) = receiver.recv().await {
            let _ = reply.send(message);
        }
    });
    sender
}
