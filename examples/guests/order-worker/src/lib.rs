//! Prices orders. It trusts its input, as a careless program does: a bad order crashes it, and its supervisor has to
//! clean up.
//!
//! `price <order>` answers the price in cents; `report` answers how many orders were priced and what they sum up to.

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::Guest as MessageServerClient;
use serde::{Deserialize, Serialize};

wit_bindgen::generate!({ world: "messenger", path: "../../../wit" });

struct OrderWorker;

export!(OrderWorker);

type State = Option<Vec<u8>>;

/// The state: the orders that were priced and what they sum up to. An order that crashes the worker changes neither.
#[derive(Default, Serialize, Deserialize)]
struct Totals {
    orders: u64,
    cents: u64,
}

/// An order, as far as its price depends on it.
#[derive(Deserialize)]
struct Order {
    quantity: u32,
    unit_price_cents: u64,
    markdown: Option<Markdown>,
}

/// A discount that is taken again and again until the price is low enough.
#[derive(Deserialize)]
struct Markdown {
    percent: u64,
    until_cents: u64,
}

impl Actor for OrderWorker {
    fn init(_: State, _: (String,)) -> Result<(State,), String> {
        Ok((Totals::default().into_state(),))
    }
}

impl MessageServerClient for OrderWorker {
    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        if message == b"report" {
            return Ok((state.clone(), (state,)));
        }
        let order = message.strip_prefix(b"price ").ok_or("neither `price <order>` nor `report`")?;
        let price = price(&serde_json::from_slice(order).expect("an order"));

        let mut totals = Totals::from_state(state);
        totals.orders += 1;
        totals.cents += price;
        Ok((totals.into_state(), (Some(price.to_string().into_bytes()),)))
    }

    fn handle_send(state: State, _: (Vec<u8>,)) -> Result<(State,), String> {
        Ok((state,))
    }

    guest_kit::refuse_channels!();
}

impl Totals {
    fn from_state(state: State) -> Self {
        serde_json::from_slice(&state.unwrap_or_default()).expect("the state is one that this actor wrote")
    }

    fn into_state(self) -> State {
        Some(serde_json::to_vec(&self).expect("numbers can be written"))
    }
}

fn price(order: &Order) -> u64 {
    // Every tenth piece is free. A list of all pieces is a poor way to count them: a huge order does not fit into memory.
    let paid: Vec<u64> =
        (1..=order.quantity).filter(|n| n % 10 != 0).map(|_| order.unit_price_cents).collect();
    let mut price = paid.iter().sum();
    if let Some(markdown) = &order.markdown {
        // Nothing per cent off is no step towards the end: such an order is never done.
        while price > markdown.until_cents {
            price -= price * markdown.percent / 100;
        }
    }
    price
}
