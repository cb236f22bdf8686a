//! Saving what is sound behind the damage.

use std::io::{self, Write};

use theater_core::{Bytes, ChainEvent};

use super::{RepairError, RestReport, plan};
use crate::hash;
use crate::jsonl::{actor_of, write_events};
use crate::log::blobs;
use crate::log::state::segment_path;
use crate::segment::Record;
use crate::segment::record::Form;
use crate::segment::walk::{Walked, walk};
use crate::vfs::{Vfs, read_file};

pub(super) fn export(vfs: &dyn Vfs, mut out: impl Write) -> Result<RestReport, RepairError> {
    let (_, audit, end) = plan::plan(vfs)?;
    let mut actors = audit.actors.clone();
    let mut report = RestReport::default();
    let Some(end) = end else { return Ok(report) };
    for (number, segment) in audit.segments.iter().enumerate().skip(end.whole) {
        let from = if number == end.whole { end.len } else { 0 };
        let path = segment_path(&segment.name);
        let bytes = vfs.open(&path).and_then(|file| read_file(&*file));
        let (Some(header), Ok(bytes)) = (plan::header_of(&audit, segment), bytes) else {
            report.unsound += 1;
            continue;
        };
        let mut written = Ok(());
        walk(&bytes, &header, |walked| {
            let Walked::Record { step, .. } = walked else {
                report.unsound += 1;
                return;
            };
            let is_event = matches!(step.record, Record::Event { .. });
            if written.is_err() || !is_event || u64::from(step.slot.offset) < from {
                return;
            }
            let Some(event) = sound(vfs, &step.record) else {
                report.unsound += 1;
                return;
            };
            if event.header.seq == 0 {
                actors.extend(actor_of(&event).ok().map(|actor| (event.header.chain_id, actor)));
            }
            match actors.get(&event.header.chain_id) {
                None => report.nameless += 1,
                Some(actor) => {
                    written = write_events(&mut out, *actor, [&event]);
                    report.written += 1;
                }
            }
        });
        written.map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    Ok(report)
}

fn failed(source: io::Error) -> RepairError {
    RepairError::Io { operation: "write", file: "the rest".to_owned(), source }
}

/// An event that proves itself, with its payload.
fn sound(vfs: &dyn Vfs, record: &Record<'_>) -> Option<ChainEvent> {
    let Record::Event { form, header, hash: claimed, payload } = record else { return None };
    let payload = match form {
        Form::Inline => Bytes::copy_from_slice(payload),
        Form::Blob => blobs::read(vfs, header.payload_hash).ok().flatten()?,
        Form::Pruned => return None,
    };
    let sealed = hash::event_hash(header) == *claimed && hash::payload_hash(&payload) == header.payload_hash;
    sealed.then_some(ChainEvent { header: *header, hash: *claimed, payload })
}
