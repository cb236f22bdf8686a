//! Hands out orders to supervised workers, adds up what they answer, and checks that against the workers' own books.
//!
//! The initial state is the orders, one JSON object a line. The desk does not look into them: whatever a line contains is a
//! worker's problem, and a worker that crashes over it is started again by the supervision rules of the two manifests,
//! with the totals that it had.

use std::collections::BTreeMap;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use serde::{Deserialize, Serialize};
use theater::simple::message_server_host::{request, send};
use theater::simple::runtime::{log, shutdown};
use theater::simple::supervisor::spawn;

wit_bindgen::generate!({ world: "supervising", path: "../../../wit" });

struct OrderDesk;

export!(OrderDesk);

type State = Option<Vec<u8>>;

const WORKERS: usize = 3;

/// Orders handed out in one call. Between calls the state is safe and the runtime can stop the desk.
const BATCH: usize = 25;

/// The message that the desk sends to itself to go on.
const NEXT: &[u8] = b"next";

/// The state: this, as one line of JSON, then the lines that are still to be handed out.
#[derive(Serialize, Deserialize)]
struct Desk {
    id: String,
    workers: Vec<String>,
    /// How many lines have been handed out.
    lines: usize,
    totals: Totals,
    /// How many orders were lost to what.
    lost: BTreeMap<String, u64>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Totals {
    orders: u64,
    cents: u64,
}

impl Actor for OrderDesk {
    fn init(state: State, (id,): (String,)) -> Result<(State,), String> {
        let orders = state.ok_or("no orders: `init_state` in the manifest names their file")?;
        let orders =
            String::from_utf8(orders).map_err(|error| format!("the orders are not a text: {error}"))?;
        let workers = (0..WORKERS).map(|_| spawn("worker.toml", None)).collect::<Result<_, _>>()?;
        send(&id, NEXT)?;
        let desk = Desk { id, workers, lines: 0, totals: Totals::default(), lost: BTreeMap::new() };
        Ok((desk.into_state(&orders),))
    }
}

impl MessageServerClient for OrderDesk {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        if message != NEXT {
            return Ok((state,));
        }
        let state = String::from_utf8(state.unwrap_or_default()).expect("the state is a text");
        let (mut desk, mut orders) = Desk::from_state(&state);
        for _ in 0..BATCH {
            if orders.is_empty() {
                desk.close()?;
                return Ok((desk.into_state(orders),));
            }
            let (order, rest) = orders.split_once('\n').unwrap_or((orders, ""));
            desk.hand_out(order);
            orders = rest;
        }
        send(&desk.id, NEXT)?;
        Ok((desk.into_state(orders),))
    }

    fn handle_request(state: State, _: (String, Vec<u8>)) -> Result<(State, (Option<Vec<u8>>,)), String> {
        Ok((state, (Some(b"the desk answers nobody until the orders are done".to_vec()),)))
    }

    guest_kit::refuse_channels!();
}

impl Desk {
    fn from_state(state: &str) -> (Self, &str) {
        let (desk, orders) = state.split_once('\n').expect("the state has a first line");
        (serde_json::from_str(desk).expect("the first line is the desk"), orders)
    }

    fn into_state(self, orders: &str) -> State {
        let desk = serde_json::to_string(&self).expect("a desk can be written");
        Some(format!("{desk}\n{orders}").into_bytes())
    }

    /// Gives an order to the worker whose turn it is. A worker that is just being started again gets it when it is
    /// back: its id and its mailbox stay.
    fn hand_out(&mut self, order: &str) {
        let worker = &self.workers[self.lines % WORKERS];
        self.lines += 1;
        match request(worker, format!("price {order}").as_bytes()) {
            Ok(price) => {
                self.totals.orders += 1;
                self.totals.cents += parse::<u64>(&price);
            }
            Err(error) => {
                let reason = reason(&error);
                log(&format!("order {} lost: {reason}", self.lines));
                *self.lost.entry(cause(reason).to_owned()).or_default() += 1;
            }
        }
    }

    /// Ends the tree with the totals. They are right only if the workers have counted the same orders.
    fn close(&self) -> Result<(), String> {
        let mut counted = Totals::default();
        for worker in &self.workers {
            let report: Totals = parse(&request(worker, b"report")?);
            counted.orders += report.orders;
            counted.cents += report.cents;
        }
        // An error would be noted and leave the desk waiting for nothing; a panic ends it, and the run fails.
        assert_eq!(self.totals, counted, "the desk and the workers disagree");

        let Totals { orders, cents } = self.totals;
        log(&format!("{orders} of {} orders priced, {}.{:02} in all", self.lines, cents / 100, cents % 100));
        for (cause, count) in &self.lost {
            log(&format!("lost, {cause}: {count}"));
        }
        let result = serde_json::json!({ "orders": orders, "cents": cents, "lost": self.lost });
        shutdown(Some(result.to_string().as_bytes()))
    }
}

fn parse<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> T {
    serde_json::from_slice(answer).expect("a worker's answer is JSON")
}

/// How the worker ended, out of `actor <id> is not running: <how>`. Other errors stay as they are.
fn reason(error: &str) -> &str {
    error.split_once(" is not running: ").map_or(error, |(_, reason)| reason)
}

/// The kind of reason, out of `trapped: wasm trap: ...`.
fn cause(reason: &str) -> &str {
    reason.split_once(':').map_or(reason, |(cause, _)| cause)
}
