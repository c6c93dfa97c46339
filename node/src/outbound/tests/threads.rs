//! A runtime of threads: each task has one, and what cannot go on yet looks again a moment later.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};

use crate::alarm::TimerAlarm;
use crate::outbound::Outbound;
use crate::runtime::{Call, Called, Footprint, Runtime, Sockets, Unreachable};
use crate::store::block_on;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Clone)]
pub(super) struct Threads;

impl Runtime for Threads {
    const NAME: &'static str = "threads";
    const PROGRAM: &'static str = "clavitor-threads";
    const FOOTPRINT: Footprint = Footprint::Standard;

    type Timer = Clock;
    type Alarm = TimerAlarm<Clock>;

    fn timer(&self) -> Clock {
        Clock
    }

    fn alarm(&self) -> io::Result<Self::Alarm> {
        Ok(TimerAlarm(Clock))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(move || block_on(task));
    }

    async fn call(&self, call: Call) -> Result<Called, Unreachable> {
        Outbound::default().call(self, call).await
    }
}

impl Sockets for Threads {
    type Listener = TcpListener;
    type Connection = Socket;

    fn listen(&self, listener: TcpListener) -> io::Result<TcpListener> {
        Ok(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(Socket, SocketAddr)> {
        listener.accept().map(|(stream, remote)| (Socket(stream), remote))
    }

    async fn connect(&self, address: &str) -> io::Result<Socket> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(Socket(stream))
    }

    fn release(connection: Socket) -> io::Result<TcpStream> {
        Ok(connection.0)
    }

    fn watch_signals(&self, _: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that does not block.
pub(super) struct Socket(TcpStream);

fn now_or_again<T>(tried: io::Result<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match tried {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => again(cx),
        tried => Poll::Ready(tried),
    }
}

fn again<T>(cx: &mut Context<'_>) -> Poll<T> {
    thread::sleep(PAUSE);
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; 4_096];
        let room = piece.len().min(buf.remaining());
        let read = self.get_mut().0.read(&mut piece[..room]);
        now_or_again(read.map(|bytes| buf.put_slice(&piece[..bytes])), cx)
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        now_or_again(self.get_mut().0.write(buf), cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown(std::net::Shutdown::Write))
    }
}

/// Real time.
#[derive(Clone)]
pub(super) struct Clock;

struct Until(Instant);

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 <= Instant::now() { Poll::Ready(()) } else { again(cx) }
    }
}

impl Sleep for Until {}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until(at))
    }
}
