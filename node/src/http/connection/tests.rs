//! Whole connections with a client that is scripted: what it sends arrives in the test's parts.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::task::Waker;

use futures_util::future::BoxFuture;
use http::StatusCode;
use hyper::rt::ReadBufCursor;

use super::super::alarm::scripted::Scripted;
use super::super::body::BODIES_BYTES_MAX;
use super::super::problem::Code;
use super::super::request::json;
use super::*;

/// More turns than a connection of a few requests takes.
const TURNS_MAX: usize = 64;

/// A head with a length that is given twice.
const DOUBLED: &[u8] =
    b"PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";

/// What a client sends once it has so many answers.
type Part = (usize, &'static [u8]);

/// A client that sends part after part, and then closes its half.
struct Client {
    sends: VecDeque<Part>,
    // How often it is asked in vain to take bytes.
    is_slow_for: usize,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Read for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let answers = statuses(&this.got.lock().unwrap()).len();
        if this.sends.front().is_some_and(|(after, _)| answers < *after) {
            return Poll::Pending;
        }
        let (_, part) = this.sends.pop_front().unwrap_or((0, b""));
        buf.put_slice(part);
        Poll::Ready(Ok(()))
    }
}

impl Write for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_slow_for > 0 {
            this.is_slow_for -= 1;
            return Poll::Pending;
        }
        this.got.lock().unwrap().extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Refuses without a look at the body.
fn refuse(request: Request<Scripted>) -> BoxFuture<'static, Result<Response, Problem>> {
    Box::pin(async move {
        drop(request);
        Err(Code::Unauthenticated.into())
    })
}

/// Takes any body.
fn accept(request: Request<Scripted>) -> BoxFuture<'static, Result<Response, Problem>> {
    Box::pin(async move {
        let body = request.body(1_024).await?;
        Ok(json(StatusCode::OK, &body.len()))
    })
}

/// Takes what is asked of `/known`, refuses `/early`, and gives everything else slowly.
fn give_slowly(request: Request<Scripted>) -> BoxFuture<'static, Result<Response, Problem>> {
    match request.segments()[..] {
        [Some("known")] => return accept(request),
        [Some("early")] => return refuse(request),
        _ => {}
    }
    request.hand_over(Problem::from(Code::NoRoute).slowly());
    Box::pin(std::future::pending())
}

type Answer = fn(Request<Scripted>) -> BoxFuture<'static, Result<Response, Problem>>;

/// The statuses of the answers to what is sent in these parts.
fn converse(answer: Answer, sends: impl Into<VecDeque<Part>>) -> Vec<String> {
    let (connections, client) = (Connections::default(), client(sends, 0));
    let got = client.got.clone();
    assert!(serve_whole(answer, client, &connections).is_none(), "nothing is handed over");
    statuses(&got.lock().unwrap())
}

fn client(sends: impl Into<VecDeque<Part>>, is_slow_for: usize) -> Client {
    Client { sends: sends.into(), is_slow_for, got: Arc::default() }
}

/// Serves a connection until it ends.
fn serve_whole(
    answer: Answer,
    client: Client,
    connections: &Connections,
) -> Option<HandedOver<Client>> {
    let remote = SocketAddr::from(([127, 0, 0, 1], 1));
    let slot = connections.admit().unwrap();
    let (budget, timer) = (BodyBudget::of(BODIES_BYTES_MAX), Scripted::new());
    let serving = serve(client, remote, slot, connections.clone(), budget, timer, answer);
    let mut serving = std::pin::pin!(serving);
    for _ in 0..TURNS_MAX {
        let turn = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(end) = turn {
            return end;
        }
    }
    panic!("the connection ends with its client");
}

fn statuses(answers: &[u8]) -> Vec<String> {
    let text = str::from_utf8(answers).unwrap();
    text.split("HTTP/1.1 ").skip(1).map(|answer| answer.chars().take(3).collect()).collect()
}

#[test]
fn an_answer_that_leaves_a_body_unread_says_that_it_is_the_last_one() {
    let head = b"PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let next = b"PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let together = [&head[..], b"body"].concat().leak();
    // Whether the body came in time makes no difference.
    for sends in [vec![(0, &*together), (1, next)], vec![(0, head), (1, b"body"), (1, next)]] {
        let client = client([sends, vec![(0, b"")]].concat(), 0);
        let got = client.got.clone();
        assert!(serve_whole(refuse, client, &Connections::default()).is_none());
        let got = got.lock().unwrap();
        assert_eq!(statuses(&got), ["401"]);
        assert!(str::from_utf8(&got).unwrap().contains("connection: close\r\n"));
    }
    assert_eq!(converse(accept, [(0, &together[..]), (1, next)]), ["200", "200"]);
}

#[test]
fn a_doubled_length_is_refused_after_a_body_that_was_read() {
    let first = b"PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(converse(accept, [(0, &first[..]), (1, DOUBLED)]), ["200", "400"]);
}

#[test]
fn a_doubled_length_is_refused_after_a_request_without_a_body() {
    let first = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(converse(refuse, [(0, &first[..]), (1, DOUBLED)]), ["401", "400"]);
}

const UNKNOWN: &[u8] = b"GET /wp-login.php HTTP/1.1\r\nHost: a\r\n\r\n";

const KNOWN: &[u8] = b"GET /known HTTP/1.1\r\nHost: a\r\n\r\n";

/// Nothing more comes while anybody listens.
const WAIT: Part = (9, b"");

/// Answers only when it is asked again: the parser has time to find out that nothing more comes.
fn deliberate(request: Request<Scripted>) -> BoxFuture<'static, Result<Response, Problem>> {
    Box::pin(async move {
        let mut turns = 3;
        poll_fn(|cx| {
            turns -= 1;
            cx.waker().wake_by_ref();
            if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        accept(request).await
    })
}

#[test]
fn a_client_that_has_closed_its_half_is_answered() {
    assert_eq!(converse(deliberate, [(0, KNOWN)]), ["200"]);
    assert_eq!(converse(deliberate, [(0, KNOWN), (1, KNOWN)]), ["200", "200"]);
    let pipelined = [KNOWN, KNOWN].concat().leak();
    assert_eq!(converse(deliberate, [(0, &*pipelined)]), ["200", "200"]);
}

#[test]
fn a_stranger_that_has_closed_its_half_is_handed_over() {
    let end = serve_whole(give_slowly, client([(0, UNKNOWN)], 0), &Connections::default());
    assert!(end.is_some());
}

#[test]
fn a_slow_answer_takes_the_connection_with_it_and_gives_its_place_back() {
    let connections = Connections::default();
    let end = serve_whole(give_slowly, client([(0, UNKNOWN), WAIT], 0), &connections);
    let HandedOver { io, answer } = end.unwrap();
    assert!(io.got.lock().unwrap().is_empty(), "not a byte was written here");
    assert!(answer.head.starts_with(b"HTTP/1.1 404 Not Found\r\n"));
    assert_eq!((connections.open(), answer.remote), (0, [127, 0, 0, 1].into()));
    assert!(connections.quiet().now_or_never().is_some(), "nothing is left to answer");
}

#[test]
fn a_kept_connection_is_handed_over_once_all_before_is_written() {
    let pipelined = [KNOWN, KNOWN, UNKNOWN, KNOWN].concat().leak();
    for (sends, is_slow_for) in [
        (vec![(0, KNOWN), (1, KNOWN), (2, UNKNOWN), WAIT], 0),
        (vec![(0, &*pipelined), WAIT], 0),
        (vec![(0, &*pipelined), WAIT], 5),
    ] {
        let connections = Connections::default();
        let end = serve_whole(give_slowly, client(sends, is_slow_for), &connections);
        let got = end.unwrap().io.got;
        let got = got.lock().unwrap();
        assert_eq!(statuses(&got), ["200", "200"]);
        assert!(got.ends_with(b"\r\n\r\n0"), "the last answer is whole");
    }
}

#[test]
fn an_early_answer_is_written_before_the_connection_is_handed_over() {
    let early = b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n";
    let pipelined = [&early[..], UNKNOWN].concat().leak();
    for is_slow_for in [0, 1, 2, 3, 9] {
        let (connections, client) =
            (Connections::default(), client([(0, &*pipelined), WAIT], is_slow_for));
        let got = serve_whole(give_slowly, client, &connections).unwrap().io.got;
        assert_eq!(statuses(&got.lock().unwrap()), ["401"]);
    }
}

#[test]
fn a_body_that_nobody_reads_does_not_keep_a_connection() {
    let post = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegins";
    let connections = Connections::default();
    let end = serve_whole(give_slowly, client([(0, &post[..]), WAIT], 0), &connections);
    assert!(end.is_some());
}
