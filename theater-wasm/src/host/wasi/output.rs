//! What a guest writes to its standard output and error: lines of its log, each recorded when it is complete, as those of
//! `theater:simple/runtime.log` are.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use theater_core::event::payload::{HostCall, encode};
use theater_core::{Bytes, EventKind};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::store::ActorStore;

/// The most bytes of one write. So it bounds what waits to be recorded.
const WRITE: usize = 4 << 10;

/// The longest line, in bytes. A longer one is recorded in pieces of this length.
const LINE: usize = 8 << 10;

impl ActorStore {
    /// Puts the lines that are complete on the chain.
    pub(super) async fn record_lines(&mut self) -> wasmtime::Result<()> {
        let begun = Instant::now();
        while let Some((stream, line)) = self.wasi().output.next_line() {
            let payload = encode(&HostCall::Called { subject: Some(stream.to_owned()), data: Some(line) });
            if !self.scripted_call(EventKind::LOG, &payload)? {
                self.must_record(EventKind::LOG, payload).await?;
            }
            // One write may have thousands of lines, and others are to get on meanwhile.
            tokio::task::coop::consume_budget().await;
        }
        self.spend(begun.elapsed());
        Ok(())
    }

    /// Ends the lines that have no end yet, because a call has ended: its last words are lines as well.
    pub(crate) async fn end_output(&mut self) -> wasmtime::Result<()> {
        if self.wasi.is_none() {
            return Ok(());
        }
        self.wasi().output.end_lines();
        self.record_lines().await
    }
}

/// What was written and is not recorded yet: less than a line of each stream, and the lines of one write.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    lines: VecDeque<(&'static str, Bytes)>,
    /// What has no line break yet, of standard output and standard error.
    open: [Vec<u8>; 2],
}

const STREAMS: [&str; 2] = ["stdout", "stderr"];

impl Output {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_line(&self) -> Option<(&'static str, Bytes)> {
        self.pending().lines.pop_front()
    }

    fn end_lines(&self) {
        let mut pending = self.pending();
        for stream in 0..STREAMS.len() {
            if !pending.open[stream].is_empty() {
                pending.end_line(stream);
            }
        }
    }
}

impl Pending {
    fn write(&mut self, stream: usize, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            for piece in text.chunks(LINE) {
                if self.open[stream].len() + piece.len() > LINE {
                    self.end_line(stream);
                }
                self.open[stream].extend_from_slice(piece);
            }
            if ended {
                self.end_line(stream);
            }
        }
    }

    fn end_line(&mut self, stream: usize) {
        let line = std::mem::take(&mut self.open[stream]);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.lines.push_back((STREAMS[stream], Bytes::copy_from_slice(line)));
    }
}

/// One of the two ways into an [`Output`].
#[derive(Debug, Clone)]
pub(super) struct Stream {
    output: Output,
    /// Its place in [`STREAMS`].
    stream: usize,
}

impl Stream {
    pub(super) fn stdout(output: &Output) -> Self {
        Self { output: output.clone(), stream: 0 }
    }

    pub(super) fn stderr(output: &Output) -> Self {
        Self { output: output.clone(), stream: 1 }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

/// Needed by the trait; components of WASI 0.2 write through [`OutputStream`].
impl tokio::io::AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let taken = bytes.len().min(WRITE);
        self.output.pending().write(self.stream, &bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE {
            return Err(StreamError::trap(super::TOO_MUCH));
        }
        self.output.pending().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(output: &Output) -> Vec<(&'static str, String)> {
        let text = |(stream, line): (_, Bytes)| (stream, String::from_utf8_lossy(&line).into_owned());
        std::iter::from_fn(|| output.next_line()).map(text).collect()
    }

    #[test]
    fn lines_of_two_streams_come_in_the_order_in_which_they_end() {
        let output = Output::default();
        let write = |stream, text: &str| output.pending().write(stream, text.as_bytes());
        write(0, "on");
        write(1, "oops\n\n");
        write(0, "e\r\ntwo\nthr");
        write(0, "ee");
        let got = lines(&output);
        let expected = [("stderr", "oops"), ("stderr", ""), ("stdout", "one"), ("stdout", "two")];
        assert_eq!(got, expected.map(|(stream, line)| (stream, line.to_owned())));
        output.end_lines();
        assert_eq!(lines(&output), [("stdout", "three".to_owned())]);
        output.end_lines();
        assert!(lines(&output).is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces_and_nothing_is_lost() {
        let output = Output::default();
        for _ in 0..3 {
            output.pending().write(0, &[b'a'; LINE - 1]);
        }
        output.pending().write(0, &[b'b'; 2 * LINE]);
        assert!(output.pending().open[0].len() <= LINE);
        output.end_lines();
        let got = lines(&output);
        assert!(got.iter().all(|(_, line)| line.len() <= LINE));
        assert_eq!(got.iter().map(|(_, line)| line.len()).sum::<usize>(), 3 * (LINE - 1) + 2 * LINE);
    }
}
