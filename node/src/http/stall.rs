//! A connection's bytes on their way: cuts a client that does not read, since hyper itself has no
//! write time-out, and keeps the head that is being read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Sleep, Timer, Write};

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
    is_writing: AtomicBool,
}

// One task serves a connection; these only have to be seen by that task.
impl Pending {
    pub(super) fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
    }

    /// Whether a request is being answered, or its answer is not written whole.
    pub(super) fn is_any(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed) || self.is_writing.load(Ordering::Relaxed)
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
}

impl<Io: Unpin, T: Timer + Unpin> Stall<Io, T> {
    fn judge<R>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if progress.is_ready() {
            if self.stalled.take().is_some() {
                self.means.pending.is_writing.store(false, Ordering::Relaxed);
            }
            return progress;
        }
        self.means.pending.is_writing.store(true, Ordering::Relaxed);
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
        if this.means.pending.is_answering.load(Ordering::Relaxed) {
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
        let progress = Pin::new(&mut this.io).poll_write(cx, buf);
        this.judge(cx, progress)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_flush(cx);
        this.judge(cx, progress)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_shutdown(cx);
        this.judge(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        let mut joined = [0; JOINED_MAX];
        let progress = match joined.get_mut(..bytes) {
            Some(joined) if bufs.len() > 1 => {
                join(bufs, joined);
                Pin::new(&mut this.io).poll_write(cx, joined)
            }
            _ => Pin::new(&mut this.io).poll_write_vectored(cx, bufs),
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
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_their_order() {
        let pieces: [&[u8]; 4] = [b"HTTP/1.1 200", b"", b" OK\r\n\r\n", b"body"];
        let mut joined = [0; 23];
        join(&pieces.map(io::IoSlice::new), &mut joined);
        assert_eq!(&joined, b"HTTP/1.1 200 OK\r\n\r\nbody");
    }
}
