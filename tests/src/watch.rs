//! Whom DNS names, asked again and again: at a server, and by a resolver in front of it.

use crate::governed::{ZONE, addresses};
use crate::ports;
use crate::resolver::Unbound;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(20);

/// The name of the tests' cluster.
pub fn name() -> String {
    format!("test-cluster.{ZONE}")
}

/// Who answers, and who remembers what was answered.
#[derive(Debug)]
pub struct Watch {
    server: SocketAddr,
    /// The one in front, if it is installed.
    pub resolver: Option<Unbound>,
}

impl Watch {
    /// The server, with a resolver in front of it.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, resolver: Unbound::start(ports::free_address(), ZONE, server) }
    }

    /// Whether the server, and the resolver if there is one, name this address. Asking each time keeps the
    /// resolver from forgetting.
    pub fn look(&self, expected: Ipv4Addr) -> [bool; 2] {
        let names = |server| addresses(server, &name()).is_some_and(|found| found == [expected]);
        let resolver = self.resolver.as_ref();
        [names(self.server), resolver.is_none_or(|resolver| names(resolver.address))]
    }

    /// Asks until both name the address and `also` is so; how long after `since` each was first seen.
    #[track_caller]
    pub fn until(
        &self,
        since: Instant,
        expected: Ipv4Addr,
        limit: Duration,
        also: impl Fn() -> bool,
    ) -> [Duration; 3] {
        let mut seen = [None; 3];
        loop {
            let [server, resolver] = self.look(expected);
            let look = [server, resolver, seen[2].is_some() || also()];
            for (seen, _) in seen.iter_mut().zip(look).filter(|(_, is_so)| *is_so) {
                seen.get_or_insert_with(|| since.elapsed());
            }
            if let [Some(server), Some(resolver), Some(also)] = seen {
                return [server, resolver, also];
            }
            assert!(
                since.elapsed() < limit,
                "not within {limit:?} that {expected} is named: {seen:?}"
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Asks for a while, whatever comes.
    pub fn go_on(&self, duration: Duration) {
        let started = Instant::now();
        while started.elapsed() < duration {
            self.look(Ipv4Addr::UNSPECIFIED);
            std::thread::sleep(LOOK);
        }
    }
}
