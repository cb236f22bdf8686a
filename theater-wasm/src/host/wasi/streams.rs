//! `wasi:io/streams`: what is read from files and written to them, and what is written to the log, is recorded before the guest
//! goes on.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::streams::{
    Host as _, HostInputStream as _, HostOutputStream as _, StreamError as Error,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamResult};

use super::define::{define, interface};
use crate::store::ActorStore;

/// The most bytes of a write that flushes, as the interface has it.
const FLUSHED: usize = 4_096;

type From = Resource<DynInputStream>;
type To = Resource<DynOutputStream>;
type Answered<T> = wasmtime::Result<Result<T, Error>>;

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    let mut streams = interface(linker, "wasi:io/streams")?;
    macro_rules! methods {
        ($($name:literal = $method:ident($($given:ident: $type:ty),+ $(; $how:expr)?) -> $answer:ty;)*) => {$(
            define::<($($type,)+), (Result<$answer, Error>,)>(&mut streams, $name, |mut store, ($($given,)+)| {
                Box::new(async move { Ok((store.data_mut().$method($($given,)+ $($how)?).await?,)) })
            })?;
        )*};
    }
    methods! {
        "[method]input-stream.read" = read_from(from: From, len: u64; Wait::No) -> Vec<u8>;
        "[method]input-stream.blocking-read" = read_from(from: From, len: u64; Wait::Yes) -> Vec<u8>;
        "[method]input-stream.skip" = skip_in(from: From, len: u64; Wait::No) -> u64;
        "[method]input-stream.blocking-skip" = skip_in(from: From, len: u64; Wait::Yes) -> u64;
        "[method]output-stream.write" = write_to(to: To, bytes: Vec<u8>; Wait::No) -> ();
        "[method]output-stream.blocking-write-and-flush" = write_to(to: To, bytes: Vec<u8>; Wait::Yes) -> ();
        "[method]output-stream.write-zeroes" = write_zeroes_to(to: To, len: u64; Wait::No) -> ();
        "[method]output-stream.blocking-write-zeroes-and-flush" =
            write_zeroes_to(to: To, len: u64; Wait::Yes) -> ();
        "[method]output-stream.splice" = splice_into(to: To, from: From, len: u64; Wait::No) -> u64;
        "[method]output-stream.blocking-splice" = splice_into(to: To, from: From, len: u64; Wait::Yes) -> u64;
    }
    Ok(())
}

/// Whether a function may wait until there is something, or room. Those of files and of the log do what they do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

impl ActorStore {
    async fn read_from(&mut self, from: From, len: u64, wait: Wait) -> Answered<Vec<u8>> {
        if let Some(file) = self.wasi().streams.find(from.rep()) {
            return self.read_stream(&file, len).await;
        }
        let read = match wait {
            Wait::No => self.ctx().table.read(from, len),
            Wait::Yes => self.ctx().table.blocking_read(from, len).await,
        };
        self.streamed(read)
    }

    /// What is skipped of a file is read: whether it was there is something that the guest gets to know.
    async fn skip_in(&mut self, from: From, len: u64, wait: Wait) -> Answered<u64> {
        let read = self.read_from(from, len, wait).await?;
        Ok(read.map(|bytes| bytes.len() as u64))
    }

    async fn write_to(&mut self, to: To, bytes: Vec<u8>, wait: Wait) -> Answered<()> {
        if wait == Wait::Yes && bytes.len() > FLUSHED {
            return Err(wasmtime::Error::msg("wrote more than 4096 bytes in one write that flushes"));
        }
        if let Some(file) = self.wasi().streams.find(to.rep()) {
            return match wait {
                Wait::No => self.write_stream(&file, bytes).await,
                Wait::Yes => self.write_pieces(&file, &bytes).await,
            };
        }
        let written = match wait {
            Wait::No => self.ctx().table.write(to, bytes),
            Wait::Yes => self.ctx().table.blocking_write_and_flush(to, bytes).await,
        };
        self.record_lines().await?;
        self.streamed(written)
    }

    async fn write_zeroes_to(&mut self, to: To, len: u64, wait: Wait) -> Answered<()> {
        let allowed = match self.allowed(&to)? {
            Ok(allowed) => allowed,
            Err(error) => return Ok(Err(error)),
        };
        let len = usize::try_from(len).ok().filter(|len| *len as u64 <= allowed);
        let len = len.ok_or_else(|| wasmtime::Error::msg(super::TOO_MUCH))?;
        self.write_to(to, vec![0; len], wait).await
    }

    async fn splice_into(&mut self, to: To, from: From, len: u64, wait: Wait) -> Answered<u64> {
        let allowed = match self.allowed(&to)? {
            Ok(allowed) => allowed.min(FLUSHED as u64),
            Err(error) => return Ok(Err(error)),
        };
        let bytes = match self.read_from(from, len.min(allowed), wait).await? {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let moved = bytes.len() as u64;
        Ok(self.write_to(to, bytes, wait).await?.map(|()| moved))
    }

    /// Bytes that a stream takes.
    fn allowed(&mut self, to: &To) -> Answered<u64> {
        let to = Resource::new_borrow(to.rep());
        let allowed = self.ctx().table.check_write(to);
        self.streamed(allowed)
    }

    fn streamed<T>(&mut self, result: StreamResult<T>) -> Answered<T> {
        match result {
            Ok(done) => Ok(Ok(done)),
            Err(error) => self.ctx().table.convert_stream_error(error).map(Err),
        }
    }
}
