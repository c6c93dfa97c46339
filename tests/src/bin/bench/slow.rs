//! A network in which every answer takes longer, and which may carry one request at a time only.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clavitor_tests::ports;
use clavitor_tests::raw::Message;

/// How a slow network treats requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lanes {
    /// Side by side.
    Many,
    /// One after the other.
    One,
}

/// Forwards requests from an address of its own to `upstream` until the process ends, and adds
/// `delay` to every answer.
pub(crate) fn start(upstream: SocketAddr, delay: Duration, lanes: Lanes) -> SocketAddr {
    let listener = ports::listener();
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || accept(&listener, upstream, delay, lanes));
    address
}

fn accept(listener: &TcpListener, upstream: SocketAddr, delay: Duration, lanes: Lanes) {
    let lane = Arc::new(Mutex::new(()));
    for stream in listener.incoming().flatten() {
        let lane = (lanes == Lanes::One).then(|| Arc::clone(&lane));
        std::thread::spawn(move || {
            // A connection that breaks is the POPs' to make again.
            let _ = carry(&stream, upstream, delay, lane.as_deref());
        });
    }
}

fn carry(
    stream: &TcpStream,
    upstream: SocketAddr,
    delay: Duration,
    lane: Option<&Mutex<()>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream.try_clone()?);
    let far = TcpStream::connect(upstream)?;
    far.set_nodelay(true)?;
    let mut answers = BufReader::new(far.try_clone()?);
    while let Some(request) = Message::read_request(&mut requests)? {
        let _alone = lane.map(|lane| lane.lock().unwrap_or_else(PoisonError::into_inner));
        (&far).write_all(&request.bytes())?;
        let Some(answer) = Message::read_answer(&mut answers)? else { break };
        std::thread::sleep(delay);
        (&*stream).write_all(&answer.bytes())?;
    }
    Ok(())
}
