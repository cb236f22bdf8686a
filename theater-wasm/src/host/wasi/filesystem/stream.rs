//! Streams from and to files. Each remembers where it is; what it reads and writes is recorded as that of descriptors is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use theater_core::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::io::streams::StreamError as Error;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi::{WasiView, async_trait};

use super::descriptor::Opened;
use super::record::Failure;
use super::{Fault, PIECE};
use crate::store::ActorStore;

/// One stream, as the host functions see it that record what is done with it.
#[derive(Debug)]
pub(in super::super) struct Streaming {
    file: Arc<Opened>,
    place: Mutex<Place>,
    /// Bytes of one write.
    piece: usize,
}

#[derive(Debug)]
struct Place {
    /// Where the next byte is; `None` for the end of the file, wherever that is.
    next: Option<u64>,
    /// Nothing more comes or goes.
    closed: bool,
}

impl Streaming {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next byte is.
    ///
    /// # Errors
    /// If it is closed.
    fn next(&self) -> Result<Option<u64>, Error> {
        let place = self.place();
        if place.closed { Err(Error::Closed) } else { Ok(place.next) }
    }

    fn advance(&self, bytes: usize) {
        let mut place = self.place();
        place.next = place.next.map(|next| next.saturating_add(bytes as u64));
    }

    fn close(&self) {
        self.place().closed = true;
    }
}

/// The streams that are files', by the numbers that the guest names them with.
#[derive(Debug, Default)]
pub(in super::super) struct Streams(HashMap<u32, Weak<Streaming>>);

impl Streams {
    /// The file's stream with this number, if it is one. Another may have the number of one that is gone.
    pub(in super::super) fn find(&self, rep: u32) -> Option<Arc<Streaming>> {
        self.0.get(&rep)?.upgrade()
    }
}

/// What the table has of a stream.
#[derive(Debug)]
struct Held(Arc<Streaming>);

#[async_trait]
impl Pollable for Held {
    /// A file never has to be waited for: a read or write takes as long as it takes.
    async fn ready(&mut self) {}
}

impl InputStream for Held {
    fn read(&mut self, _: usize) -> StreamResult<Bytes> {
        Err(StreamError::trap("a read of a file that is not recorded"))
    }
}

impl OutputStream for Held {
    fn write(&mut self, _: Bytes) -> StreamResult<()> {
        Err(StreamError::trap("a write to a file that is not recorded"))
    }

    /// What was written is with the operating system already.
    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.0.place().closed { Err(StreamError::Closed) } else { Ok(self.0.piece) }
    }
}

impl ActorStore {
    fn streaming(&self, file: &Arc<Opened>, next: Option<u64>) -> Arc<Streaming> {
        let place = Mutex::new(Place { next, closed: false });
        // It is at most 64 KiB.
        const { assert!(PIECE <= u32::MAX as u64) };
        Arc::new(Streaming { file: Arc::clone(file), place, piece: self.piece() as usize })
    }

    fn remember(&mut self, rep: u32, stream: &Arc<Streaming>) {
        self.wasi().streams.0.insert(rep, Arc::downgrade(stream));
    }

    pub(super) fn stream_in(
        &mut self,
        file: &Arc<Opened>,
        offset: u64,
    ) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream = self.streaming(file, Some(offset));
        let held: DynInputStream = Box::new(Held(Arc::clone(&stream)));
        let held = self.ctx().table.push(held)?;
        self.remember(held.rep(), &stream);
        Ok(held)
    }

    pub(super) fn stream_out(
        &mut self,
        file: &Arc<Opened>,
        offset: Option<u64>,
    ) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = self.streaming(file, offset);
        let held: DynOutputStream = Box::new(Held(Arc::clone(&stream)));
        let held = self.ctx().table.push(held)?;
        self.remember(held.rep(), &stream);
        Ok(held)
    }

    /// Up to `len` bytes of a file; the stream is closed at its end.
    pub(in super::super) async fn read_stream(
        &mut self,
        stream: &Streaming,
        len: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let next = match stream.next() {
            Ok(next) => next.unwrap_or(0),
            Err(closed) => return Ok(Err(closed)),
        };
        if len == 0 {
            return Ok(Ok(Vec::new()));
        }
        match self.read_piece(&stream.file, len, next).await {
            Ok(bytes) if bytes.is_empty() => {
                stream.close();
                Ok(Err(Error::Closed))
            }
            Ok(bytes) => {
                stream.advance(bytes.len());
                Ok(Ok(bytes.into()))
            }
            Err(fault) => self.stream_failed(stream, fault).map(Err),
        }
    }

    /// Writes all of it.
    pub(in super::super) async fn write_stream(
        &mut self,
        stream: &Streaming,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let next = match stream.next() {
            Ok(next) => next,
            Err(closed) => return Ok(Err(closed)),
        };
        let len = bytes.len();
        if len > stream.piece {
            return Err(wasmtime::Error::msg(crate::host::wasi::TOO_MUCH));
        }
        if len == 0 {
            return Ok(Ok(()));
        }
        match self.write_piece(&stream.file, bytes, next).await {
            Ok(()) => {
                stream.advance(len);
                Ok(Ok(()))
            }
            Err(fault) => self.stream_failed(stream, fault).map(Err),
        }
    }

    /// Writes all of it, in as many pieces as it takes.
    pub(in super::super) async fn write_pieces(
        &mut self,
        stream: &Streaming,
        bytes: &[u8],
    ) -> wasmtime::Result<Result<(), Error>> {
        for piece in bytes.chunks(stream.piece.max(1)) {
            if let Err(error) = self.write_stream(stream, piece.to_vec()).await? {
                return Ok(Err(error));
            }
        }
        Ok(stream.next().map(drop))
    }

    fn stream_failed(&mut self, stream: &Streaming, fault: Fault) -> wasmtime::Result<Error> {
        let code: ErrorCode = match fault {
            Fault::Code(code) => code,
            Fault::Trap(error) => return Err(error),
        };
        stream.close();
        let error = self.ctx().table.push(wasmtime::Error::new(Failure(code)))?;
        Ok(Error::LastOperationFailed(error))
    }
}
