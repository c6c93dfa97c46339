//! Ports for servers that must keep theirs across a restart.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the kernel takes the source ports of outgoing connections:
/// a port from that range can be gone between a server's end and its restart.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A listener on a port that no other test of this process was ever given.
pub fn listener() -> TcpListener {
    let offset = std::process::id().wrapping_mul(37);
    for _ in 0..COUNT {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
        let port = u16::try_from(FIRST + number % COUNT).expect("the range ends below 65536");
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}

/// A loopback address that was free a moment ago.
pub fn free_address() -> SocketAddr {
    listener().local_addr().expect("a bound listener has an address")
}
