//! A connection's bytes on their way: cuts a client that does not read, since hyper itself has no
//! write time-out, and keeps the head that is being read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Sleep, Timer, Write};

use super::refused;
use super::request::Means;

/// How long a client may leave written bytes unread.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(30);

/// Answers of up to so many bytes are written as one piece: for a small one the system takes longer
/// to gather the pieces than it takes to copy them.
const JOINED_MAX: usize = 2 * 1024;

/// What a connection has yet to do for its client.
#[derive(Debug, Default)]
pub(super) struct Pending {
    is_answering: AtomicBool,
    is_unflushed: AtomicBool,
    is_handed_over: AtomicBool,
}

// One task serves a connection; these only have to be seen by that task.
impl Pending {
    /// A request is to be answered.
    pub(super) fn begin(&self) {
        self.is_answering.store(true, Ordering::Relaxed);
        self.is_unflushed.store(true, Ordering::Relaxed);
    }

    /// The answer's last byte is handed over; it has yet to be written.
    pub(super) fn end(&self) {
        self.is_answering.store(false, Ordering::Relaxed);
    }

    /// The request's answer is not this connection's any more.
    pub(super) fn hand_over(&self) {
        self.is_answering.store(false, Ordering::Relaxed);
        self.is_handed_over.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is to be handed over, and all that came before is written.
    pub(super) fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Relaxed) && !self.is_any()
    }

    fn flushed(&self) {
        let is_answering = self.is_answering.load(Ordering::Relaxed);
        self.is_unflushed.store(is_answering, Ordering::Relaxed);
    }

    /// Whether a request is being answered, or its answer is not written whole.
    pub(super) fn is_any(&self) -> bool {
        self.is_unflushed.load(Ordering::Relaxed)
    }
}

/// An I/O object that fails once a write has not moved for [`WRITE_STALL`].
pub(super) struct Stall<Io, T> {
    io: Io,
    means: Arc<Means<T>>,
    stalled: Option<Pin<Box<dyn Sleep>>>,
}

impl<Io, T> Stall<Io, T> {
    pub(super) fn new(io: Io, means: Arc<Means<T>>) -> Self {
        Self { io, means, stalled: None }
    }

    pub(super) fn into_inner(self) -> Io {
        self.io
    }
}

impl<Io: Write + Unpin, T: Timer + Unpin> Stall<Io, T> {
    /// What to write instead of the parser's bare word about a head that it refuses. All else that
    /// is written belongs to a request.
    fn own_answer(&self, buf: &[u8]) -> Option<Vec<u8>> {
        let is_the_parsers = !self.means.pending.is_any();
        is_the_parsers.then(|| refused::answer(buf, &self.means.head))?
    }

    fn write_instead(
        &mut self,
        cx: &mut Context<'_>,
        answer: &[u8],
        bytes: usize,
    ) -> Poll<io::Result<usize>> {
        // The connection ends with it, so what the system does not take at once is not waited for.
        let _ = Pin::new(&mut self.io).poll_write(cx, answer);
        Poll::Ready(Ok(bytes))
    }

    fn judge<R>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let stalled = self.stalled.get_or_insert_with(|| self.means.timer.sleep(WRITE_STALL));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<Io: Read + Unpin, T> Read for Stall<Io, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.means.pending.is_any() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        // SAFETY: no initialised byte is made uninitialised through it; readers only fill it.
        let mut seen = ReadBuf::uninit(unsafe { buf.as_mut() });
        ready!(Pin::new(&mut this.io).poll_read(cx, seen.unfilled()))?;
        this.means.head.note(seen.filled());
        let bytes = seen.filled().len();
        // SAFETY: that many bytes are filled.
        unsafe { buf.advance(bytes) };
        Poll::Ready(Ok(()))
    }
}

impl<Io: Write + Unpin, T: Timer + Unpin> Write for Stall<Io, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(answer) = this.own_answer(buf) {
            return this.write_instead(cx, &answer, buf.len());
        }
        let progress = Pin::new(&mut this.io).poll_write(cx, buf);
        this.judge(cx, progress)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_flush(cx);
        if progress.is_ready() {
            this.means.pending.flushed();
        }
        this.judge(cx, progress)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_shutdown(cx);
        this.judge(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        // Not every I/O object says so that can. Without it the parser copies each body behind its head,
        // and keeps the room for the largest as long as the connection.
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [buf] = bufs {
            return Pin::new(this).poll_write(cx, buf);
        }
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        let mut joined = [0; JOINED_MAX];
        let progress = match joined.get_mut(..bytes) {
            Some(joined) => {
                join(bufs, joined);
                Pin::new(&mut this.io).poll_write(cx, joined)
            }
            None => Pin::new(&mut this.io).poll_write_vectored(cx, bufs),
        };
        this.judge(cx, progress)
    }
}

fn join(bufs: &[io::IoSlice<'_>], joined: &mut [u8]) {
    let mut rest = joined;
    for buf in bufs {
        let (part, after) = rest.split_at_mut(buf.len());
        part.copy_from_slice(buf);
        rest = after;
    }
}

#[cfg(test)]
mod tests;
