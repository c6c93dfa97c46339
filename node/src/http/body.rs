//! Bodies: requests within their bounds, answers whole or streamed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::Timer;

use super::problem::{Code, Problem};
use crate::runtime::Footprint;

/// How long a body may stop coming.
const BODY_IDLE: Duration = Duration::from_secs(30);

/// How long a whole body may take, however steadily it drips.
const BODY_TOTAL: Duration = Duration::from_secs(120);

/// The most bytes of all request bodies together.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The same on a small host.
pub const BODIES_BYTES_MAX_SMALL: usize = 8 * 1024 * 1024;

/// Counts the bytes that request bodies hold, all connections together.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    left: Arc<AtomicUsize>,
}

impl BodyBudget {
    /// The budget of all clients together.
    pub fn of_clients(footprint: Footprint) -> Self {
        Self::of(match footprint {
            Footprint::Standard => BODIES_BYTES_MAX,
            Footprint::Small => BODIES_BYTES_MAX_SMALL,
        })
    }

    /// A budget of so many bytes.
    pub fn of(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    fn take(&self, bytes: usize) -> Option<Share> {
        let take = |left: usize| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(Share { budget: self.clone(), bytes })
    }
}

/// Bytes taken from the budget; given back when dropped.
pub struct Share {
    budget: BodyBudget,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> bool {
        let Some(more) = self.budget.take(bytes) else {
            return false;
        };
        self.bytes += more.bytes;
        std::mem::forget(more);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

/// A whole request body; its bytes count against the budget until it is dropped.
pub struct Whole {
    bytes: Bytes,
    share: Share,
}

impl Whole {
    /// The bytes, and their share of the budget.
    pub fn into_parts(self) -> (Vec<u8>, Share) {
        (self.bytes.into(), self.share)
    }
}

impl std::ops::Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the route allows.
    TooLarge,
    /// It stopped coming.
    Timeout,
    /// The client went away, or broke the rules of its encoding.
    Broken,
    /// All bodies together hold too much.
    Busy,
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge => Code::TooLarge,
            BodyError::Timeout => Code::BodyTimeout,
            BodyError::Broken => Code::BadLength,
            BodyError::Busy => Code::Busy,
        };
        Problem::from(code).closing()
    }
}

/// Reads a whole body within its bounds of size and time. Bytes count once they are there: an
/// announcement alone takes nothing from others.
pub(super) async fn read_whole(
    body: Incoming,
    bytes_max: usize,
    budget: &BodyBudget,
    timer: &impl Timer,
) -> Result<Whole, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(BodyError::TooLarge);
    }
    let mut reading = std::pin::pin!(read_frames(body, announced, bytes_max, budget, timer));
    // Most bodies are there already: arm timers only for those that are not.
    if let Some(whole) = now_or_never(reading.as_mut()).await {
        return whole;
    }
    match select(reading, timer.sleep(BODY_TOTAL)).await {
        Either::Left((whole, _)) => whole,
        Either::Right(_) => Err(BodyError::Timeout),
    }
}

async fn read_frames(
    mut body: Incoming,
    announced: usize,
    bytes_max: usize,
    budget: &BodyBudget,
    timer: &impl Timer,
) -> Result<Whole, BodyError> {
    let mut share = budget.take(0).ok_or(BodyError::Busy)?;
    let mut whole = BytesMut::new();
    while let Some(frame) = next_frame(&mut body, timer).await? {
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        if !share.grow(data.len()) {
            return Err(BodyError::Busy);
        }
        if whole.is_empty() && data.len() == announced {
            return Ok(Whole { bytes: data, share });
        }
        whole.extend_from_slice(&data);
    }
    Ok(Whole { bytes: whole.freeze(), share })
}

/// The outcome of a future that is ready at once.
async fn now_or_never<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn next_frame(
    body: &mut Incoming,
    timer: &impl Timer,
) -> Result<Option<Frame<Bytes>>, BodyError> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let mut frame = body.frame();
    if let Some(frame) = now_or_never(&mut frame).await {
        return frame.transpose().map_err(|_| BodyError::Broken);
    }
    match select(frame, timer.sleep(BODY_IDLE)).await {
        Either::Left((frame, _)) => frame.transpose().map_err(|_| BodyError::Broken),
        Either::Right(_) => Err(BodyError::Timeout),
    }
}

/// The body of an answer.
pub enum ResponseBody {
    /// All of it.
    Whole(Bytes),
    /// Pieces as they are made; the sender going away without a word cuts the connection.
    Stream(Pin<Box<async_channel::Receiver<Result<Bytes, Cut>>>>),
}

/// The end of a stream that is not its proper end.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was cut off")
    }
}

impl std::error::Error for Cut {}

/// The writing end of a streamed answer, for a thread of its own.
pub struct StreamSender {
    pieces: async_channel::Sender<Result<Bytes, Cut>>,
    buffer: Vec<u8>,
}

/// How large the pieces of a streamed answer are.
const PIECE_BYTES: usize = 64 * 1024;

/// How many pieces wait for the client.
const PIECES_MAX: usize = 4;

impl ResponseBody {
    /// A streamed body and its writing end.
    pub fn stream() -> (StreamSender, ResponseBody) {
        let (pieces, receiver) = async_channel::bounded(PIECES_MAX);
        let sender = StreamSender { pieces, buffer: Vec::with_capacity(PIECE_BYTES) };
        (sender, ResponseBody::Stream(Box::pin(receiver)))
    }
}

impl StreamSender {
    /// Cuts the connection, so that the client cannot take what it has for the whole.
    pub fn abort(self) {
        let _ = self.pieces.send_blocking(Err(Cut));
    }
}

impl std::io::Write for StreamSender {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        let sent = self.pieces.send_blocking(Ok(Bytes::from(piece)));
        sent.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        ResponseBody::Whole(bytes.into())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        use futures_util::Stream;
        match self.get_mut() {
            ResponseBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            ResponseBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ResponseBody::Stream(pieces) => {
                let piece = pieces.as_mut().poll_next(cx);
                piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ResponseBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ResponseBody::Stream(_) => SizeHint::default(),
        }
    }
}
