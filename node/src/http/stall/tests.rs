//! A connection's bytes over an I/O object and a timer that the tests script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use http::Method;

use super::super::alarm::scripted::Scripted;
use super::super::body::{BODIES_BYTES_MAX, BodyBudget};
use super::super::connections::Connections;
use super::super::head::SentHead;
use super::*;

/// What the parser writes on its own about a head that it refuses.
const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// A head that gives its length twice.
const DOUBLED: &[u8] = b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";

/// A client that sends what the test says, and reads as long as it is not stuck.
#[derive(Default)]
struct Client {
    sends: VecDeque<&'static [u8]>,
    got: Vec<u8>,
    writes: usize,
    is_stuck: bool,
}

impl Read for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut().sends.pop_front() {
            Some(part) => {
                buf.put_slice(part);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl Write for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_stuck {
            return Poll::Pending;
        }
        this.writes += 1;
        this.got.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_stuck { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

struct Rig {
    timer: Scripted,
    stall: Stall<Client, Scripted>,
}

impl Rig {
    fn new() -> Self {
        let timer = Scripted::new();
        let means = Means {
            connections: Connections::default(),
            budget: BodyBudget::of(BODIES_BYTES_MAX),
            timer: timer.clone(),
            pending: Pending::default(),
            head: SentHead::default(),
            slow: Mutex::new(None),
        };
        Self { timer, stall: Stall::new(Client::default(), Arc::new(means)) }
    }

    /// A request was parsed, and is to be answered.
    fn begin(&self, has_body: bool) {
        self.means().pending.begin();
        self.means().head.forget(has_body);
    }

    /// A request was answered, and the client has the whole answer.
    fn answer(&mut self, has_body: bool) {
        self.begin(has_body);
        self.means().pending.end();
        assert!(self.flush().is_ready());
    }

    fn means(&self) -> &Means<Scripted> {
        &self.stall.means
    }

    /// What was read of what the client sends.
    fn read(&mut self, part: &'static [u8]) -> Vec<u8> {
        self.stall.io.sends.push_back(part);
        let mut place = [0; 256];
        let mut buffer = ReadBuf::new(&mut place);
        let read = Pin::new(&mut self.stall).poll_read(&mut cx(), buffer.unfilled());
        assert!(matches!(read, Poll::Ready(Ok(()))));
        buffer.filled().to_vec()
    }

    /// How many lengths the head gives that was read, as far as it was noted.
    fn lengths(&self) -> usize {
        self.means().head.take_lengths(&Method::PUT, false)
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stall).poll_write(&mut cx(), bytes)
    }

    fn write_pieces(&mut self, pieces: &[&[u8]]) -> Poll<io::Result<usize>> {
        let pieces: Vec<_> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
        Pin::new(&mut self.stall).poll_write_vectored(&mut cx(), &pieces)
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stall).poll_flush(&mut cx())
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stall).poll_shutdown(&mut cx())
    }

    /// What the client got since the last time.
    fn got(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.stall.io.got)).unwrap()
    }

    fn assert_replaced(&mut self) {
        let got = self.got();
        assert!(got.contains("CV-BAD-REQUEST"), "{got}");
    }

    fn assert_untouched(&mut self) {
        assert_eq!(self.got().as_bytes(), BARE);
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn is_written<R>(progress: &Poll<io::Result<R>>) -> bool {
    matches!(progress, Poll::Ready(Ok(_)))
}

fn is_cut<R>(progress: &Poll<io::Result<R>>) -> bool {
    matches!(progress, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut)
}

#[test]
fn pieces_are_joined_in_their_order() {
    let pieces: [&[u8]; 4] = [b"HTTP/1.1 200", b"", b" OK\r\n\r\n", b"body"];
    let mut joined = [0; 23];
    join(&pieces.map(io::IoSlice::new), &mut joined);
    assert_eq!(&joined, b"HTTP/1.1 200 OK\r\n\r\nbody");
}

#[test]
fn a_small_answer_in_pieces_is_one_write() {
    let mut rig = Rig::new();
    rig.begin(false);
    assert!(matches!(rig.write_pieces(&[b"head", b"body"]), Poll::Ready(Ok(8))));
    assert_eq!((rig.got().as_str(), rig.stall.io.writes), ("headbody", 1));
}

#[test]
fn the_parsers_refusal_is_replaced_when_no_request_is_under_way() {
    let mut rig = Rig::new();
    assert!(matches!(rig.write(BARE), Poll::Ready(Ok(bytes)) if bytes == BARE.len()));
    rig.assert_replaced();
    assert!(matches!(rig.write_pieces(&[BARE]), Poll::Ready(Ok(bytes)) if bytes == BARE.len()));
    rig.assert_replaced();
}

#[test]
fn a_refusal_that_the_client_does_not_take_is_not_waited_for() {
    let mut rig = Rig::new();
    rig.stall.io.is_stuck = true;
    assert!(matches!(rig.write(BARE), Poll::Ready(Ok(bytes)) if bytes == BARE.len()));
    assert_eq!(rig.timer.armed(), 0);
}

#[test]
fn an_answer_that_looks_like_a_refusal_is_not_replaced() {
    let mut rig = Rig::new();
    rig.begin(false);
    assert!(is_written(&rig.write(BARE)));
    rig.assert_untouched();
    assert!(is_written(&rig.flush()));
    assert!(is_written(&rig.write(BARE)), "flushed, but it goes on");
    rig.assert_untouched();
}

#[test]
fn the_rest_of_an_answer_is_not_replaced_until_it_is_flushed() {
    let mut rig = Rig::new();
    rig.begin(false);
    rig.means().pending.end();
    assert!(is_written(&rig.write(BARE)));
    rig.assert_untouched();
    rig.stall.io.is_stuck = true;
    assert!(rig.flush().is_pending());
    rig.stall.io.is_stuck = false;
    assert!(is_written(&rig.write(BARE)));
    rig.assert_untouched();
    assert!(is_written(&rig.flush()));
    assert!(is_written(&rig.write(BARE)));
    rig.assert_replaced();
}

#[test]
fn a_request_is_pending_until_its_answer_is_over_and_flushed() {
    let pending = Pending::default();
    assert!(!pending.is_any());
    pending.begin();
    pending.flushed();
    assert!(pending.is_any(), "only a part was flushed");
    pending.end();
    assert!(pending.is_any(), "the rest is not");
    pending.flushed();
    assert!(!pending.is_any());
}

#[test]
fn a_connection_is_handed_over_once_all_is_flushed() {
    let mut rig = Rig::new();
    rig.answer(false);
    assert!(!rig.means().pending.is_handed_over(), "nobody asked for it");
    rig.begin(false);
    rig.means().pending.hand_over();
    assert!(!rig.means().pending.is_handed_over(), "what came before may not be written");
    rig.stall.io.is_stuck = true;
    assert!(rig.flush().is_pending());
    assert!(!rig.means().pending.is_handed_over());
    rig.stall.io.is_stuck = false;
    assert!(rig.flush().is_ready());
    assert!(rig.means().pending.is_handed_over());
}

#[test]
fn a_client_that_takes_nothing_for_half_a_minute_is_cut() {
    let mut rig = Rig::new();
    rig.begin(false);
    rig.stall.io.is_stuck = true;
    for now in [0, 15, 29] {
        rig.timer.at(now);
        assert!(rig.write(b"answer").is_pending(), "{now}");
    }
    rig.timer.at(30);
    assert!(is_cut(&rig.write(b"answer")));
    assert_eq!(rig.timer.armed(), 1);
}

#[test]
fn flushing_and_closing_wait_no_longer_than_writing() {
    for act in [Rig::flush, Rig::shut_down] {
        let mut rig = Rig::new();
        rig.stall.io.is_stuck = true;
        assert!(act(&mut rig).is_pending());
        rig.timer.at(30);
        assert!(is_cut(&act(&mut rig)));
    }
}

#[test]
fn a_client_that_takes_a_part_has_its_whole_time_again() {
    let mut rig = Rig::new();
    rig.begin(false);
    rig.stall.io.is_stuck = true;
    assert!(rig.write(b"answer").is_pending());
    rig.timer.at(29);
    rig.stall.io.is_stuck = false;
    assert!(is_written(&rig.write(b"answer")));
    rig.stall.io.is_stuck = true;
    assert!(rig.write(b"answer").is_pending());
    rig.timer.at(58);
    assert!(rig.write(b"answer").is_pending());
    rig.timer.at(59);
    assert!(is_cut(&rig.write(b"answer")));
}

#[test]
fn a_head_is_noted_as_it_is_read() {
    let mut rig = Rig::new();
    assert_eq!(rig.read(DOUBLED), DOUBLED);
    assert_eq!(rig.lengths(), 2);
}

#[test]
fn what_is_read_while_a_request_is_answered_is_not_noted() {
    let mut rig = Rig::new();
    rig.begin(false);
    assert_eq!(rig.read(DOUBLED), DOUBLED);
    rig.means().pending.end();
    assert_eq!(rig.read(DOUBLED), DOUBLED, "its answer is not flushed");
    assert_eq!(rig.lengths(), 0);
}

#[test]
fn a_body_that_is_read_away_after_an_early_answer_is_not_noted() {
    let mut rig = Rig::new();
    rig.answer(true);
    assert_eq!(rig.read(DOUBLED), DOUBLED);
    assert_eq!(rig.lengths(), 0);
}

#[test]
fn the_head_after_a_body_that_was_read_is_noted() {
    let mut rig = Rig::new();
    rig.begin(true);
    rig.means().head.body_ended();
    rig.means().pending.end();
    assert!(is_written(&rig.flush()));
    assert_eq!(rig.read(DOUBLED), DOUBLED);
    assert_eq!(rig.lengths(), 2);
}

#[test]
fn the_head_after_a_request_without_a_body_is_noted() {
    let mut rig = Rig::new();
    rig.answer(true);
    rig.answer(false);
    assert_eq!(rig.read(DOUBLED), DOUBLED);
    assert_eq!(rig.lengths(), 2);
}
