//! One event, as a line for people or as an object for machines.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value as Json;
use theater_chain::Lsn;
use theater_core::{ActorId, ChainEvent, ChainId, EventHash, EventKind};

use crate::cbor;
use crate::data::archive::Extent;
use crate::data::census::{Actor, Census};
use crate::decision::Decision;
use crate::output::{json_line, timestamp};
use crate::render::ShortIds;
use crate::style::Style;
use crate::text::{count, printable};

/// Characters of what an event says that are shown, unless all of it is wanted.
const SHOWN: usize = 160;

/// Longer names are not lined up.
const WIDEST: usize = 32;

/// Turns events into lines.
#[derive(Debug)]
pub(super) struct Lines {
    json: bool,
    whole: bool,
    colour: bool,
    ids: ShortIds,
    labels: HashMap<ActorId, String>,
    width: usize,
}

impl Lines {
    /// Lines for people, with all that events say if `whole`; or objects.
    pub(super) fn new(json: bool, whole: bool) -> Self {
        let colour = crate::style::wanted(&std::io::stdout());
        Self { json, whole, colour, ids: ShortIds::default(), labels: HashMap::new(), width: 12 }
    }

    /// Lines up what is known to come.
    pub(super) fn expect(&mut self, actors: &[&Actor]) {
        for actor in actors {
            let label = self.label(actor);
            self.width = self.width.max(label.chars().count()).min(WIDEST);
        }
    }

    /// The line of an event.
    pub(super) fn line(&mut self, census: &Census, extent: Extent, lsn: Lsn, event: &ChainEvent) -> String {
        let actor = census.of(event.header.chain_id);
        let pending = extent.is_pending(lsn);
        if self.json {
            return json_line(&EventObject::new(actor, pending, lsn, event));
        }
        let label = actor.map(|actor| self.label(actor)).unwrap_or_default();
        let id = actor.map(|actor| self.ids.of(actor.called.id)).unwrap_or_default();
        let mark = if pending {
            format!("{}  ", Style::Mended.paint("pending", self.colour))
        } else {
            String::new()
        };
        let says = self.says(event);
        let line = format!(
            "{}  {label:<width$}  {}  {:>5}  {}  {mark}{says}",
            Style::Quiet.paint(&time(event.header.time), self.colour),
            Style::Quiet.paint(&format!("{id:<8}"), self.colour),
            event.header.seq,
            Style::Decision.paint(&event.header.kind.to_string(), self.colour),
            width = self.width,
        );
        format!("{}\n", line.trim_end())
    }

    fn label(&mut self, actor: &Actor) -> String {
        let label = || printable(&actor.called.path());
        self.labels.entry(actor.called.id).or_insert_with(label).clone()
    }

    fn says(&self, event: &ChainEvent) -> String {
        if event.is_pruned() {
            return format!("(pruned: {})", count(event.header.payload_len, "byte", "bytes"));
        }
        let text = match event.header.kind {
            EventKind::SUPERVISION => printable(&Decision::read(&event.payload).text()),
            _ => match cbor::read(&event.payload) {
                Some(value) => value.text(),
                None => format!("h'{}'", crate::text::hex(&event.payload)),
            },
        };
        let length = text.chars().count();
        if self.whole || length <= SHOWN {
            return text;
        }
        let start: String = text.chars().take(SHOWN).collect();
        format!("{start}… ({} more characters: -v)", length - SHOWN)
    }
}

/// A moment for people: to the microsecond.
pub(super) fn time(nanos: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    humantime::format_rfc3339_micros(time).to_string()
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct EventObject<'a> {
    r#type: &'static str,
    lsn: u64,
    time: String,
    actor: Option<ActorId>,
    name: Option<&'a str>,
    path: Option<String>,
    chain: ChainId,
    seq: u64,
    kind: String,
    kind_number: u16,
    epoch: u32,
    hash: EventHash,
    payload_len: u64,
    pending: bool,
    /// Whether what the event says was removed.
    pruned: bool,
    payload: Json,
}

impl<'a> EventObject<'a> {
    fn new(actor: Option<&'a Actor>, pending: bool, lsn: Lsn, event: &ChainEvent) -> Self {
        let header = &event.header;
        Self {
            r#type: "event",
            lsn: lsn.0,
            time: timestamp(header.time),
            actor: actor.map(|actor| actor.called.id),
            name: actor.map(|actor| &*actor.called.name),
            path: actor.map(|actor| actor.called.path()),
            chain: header.chain_id,
            seq: header.seq,
            kind: header.kind.to_string(),
            kind_number: header.kind.0,
            epoch: header.epoch,
            hash: event.hash,
            payload_len: header.payload_len,
            pending,
            pruned: event.is_pruned(),
            payload: match cbor::read(&event.payload) {
                _ if event.is_pruned() => Json::Null,
                Some(value) => value.json(),
                None => cbor::bytes_json(&event.payload),
            },
        }
    }
}
