//! Doing what was planned.

use std::io;

use super::{DAMAGED, RepairError, RepairPlan, RepairStep, plan};
use crate::log::audit::Audit;
use crate::log::load::Ending;
use crate::log::state::FOLDER;
use crate::segment::header::{HEADER_LEN, SegmentHeader};
use crate::vfs::{Vfs, read_file, replace_file};

pub(super) fn apply(vfs: &dyn Vfs, plan: &RepairPlan) -> Result<(), RepairError> {
    let (now, audit, end) = plan::plan(vfs)?;
    if now != *plan {
        return Err(RepairError::Changed);
    }
    if plan.steps.is_empty() {
        return Ok(());
    }
    let ending = match end {
        Some(end) => plan::ending(vfs, &audit, end)?,
        None => None,
    };
    vfs.create_dir(DAMAGED).map_err(|error| failed("make the folder", DAMAGED, error))?;
    for step in &plan.steps {
        match step {
            RepairStep::Cut { file, len } => {
                cut(vfs, file, *len).map_err(|error| failed("cut", file, error))?;
            }
            RepairStep::Begin { file } => {
                let header = header(&audit, ending, plan);
                begin(vfs, file, header).map_err(|error| failed("begin", file, error))?;
            }
            RepairStep::SetAside { file } => {
                set_aside(vfs, file).map_err(|error| failed("set aside", file, error))?;
            }
        }
    }
    Ok(())
}

fn failed(operation: &'static str, file: &str, source: io::Error) -> RepairError {
    RepairError::Io { operation, file: file.to_owned(), source }
}

/// A name in the folder of what was set aside that nothing has.
fn free_name(vfs: &dyn Vfs, file: &str) -> io::Result<String> {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let taken = vfs.list(DAMAGED)?;
    let numbered = (2_u64..).map(|number| format!("{name}.{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    Ok(names.find(|name| !taken.contains(name)).unwrap_or_default())
}

fn copy_aside(vfs: &dyn Vfs, file: &str) -> io::Result<Vec<u8>> {
    let bytes = read_file(&*vfs.open(file)?)?;
    replace_file(vfs, DAMAGED, &free_name(vfs, file)?, &bytes)?;
    Ok(bytes)
}

fn set_aside(vfs: &dyn Vfs, file: &str) -> io::Result<()> {
    vfs.rename(file, &format!("{DAMAGED}/{}", free_name(vfs, file)?))?;
    vfs.sync_dir(DAMAGED)?;
    vfs.sync_dir(file.rsplit_once('/').map_or("", |(folder, _)| folder))
}

fn replace(vfs: &dyn Vfs, file: &str, bytes: &[u8]) -> io::Result<()> {
    replace_file(vfs, FOLDER, file.rsplit_once('/').map_or(file, |(_, name)| name), bytes)
}

/// Its whole content is set aside before it has another.
fn cut(vfs: &dyn Vfs, file: &str, len: u64) -> io::Result<()> {
    let bytes = copy_aside(vfs, file)?;
    let kept = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
    replace(vfs, file, kept.ok_or(io::ErrorKind::UnexpectedEof)?)
}

fn begin(vfs: &dyn Vfs, file: &str, header: Option<SegmentHeader>) -> io::Result<()> {
    match copy_aside(vfs, file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    replace(vfs, file, &header.ok_or(io::ErrorKind::InvalidData)?.encode())
}

/// A segment without events that follows what is kept.
fn header(audit: &Audit, ending: Option<Ending>, plan: &RepairPlan) -> Option<SegmentHeader> {
    let store = audit.segments.iter().find_map(|segment| segment.header)?.store;
    Some(SegmentHeader {
        store: ending.map_or(store, |ending| ending.header.store),
        first_lsn: plan.last.0 + 1,
        epoch: plan.epoch,
        capacity: HEADER_LEN as u64,
        prev_crc: ending.map_or(0, |ending| ending.crc()),
        closing_crc: None,
        rewrites: 0,
    })
}
