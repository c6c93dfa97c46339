//! How the right to take writes hears of everything else, and everything else of it.

use alloc::vec::Vec;

use clavitor_core::id::PopId;
use clavitor_core::shutdown::{self, Shutdown};
use clavitor_core::time::Instant;

use super::{CommercialPop, Effect};
use crate::lease;
use crate::replication::Replication;

impl CommercialPop {
    pub(super) fn tell_lease(&mut self, now: Instant, input: lease::Input, out: &mut Vec<Effect>) {
        let mut orders = Vec::new();
        self.lease.handle(now, input, &mut orders);
        out.extend(orders.into_iter().map(Effect::from));
    }

    pub(super) fn on_lease(&mut self, now: Instant, input: lease::Input, out: &mut Vec<Effect>) {
        match &input {
            // Whatever was taken is owed, whether or not word of it has come through by now.
            lease::Input::WritesClosed { last, .. } => {
                self.on_committed(now, *last, true, &[], out);
            }
            lease::Input::Accepted { epoch: Some(epoch), .. } => {
                let epoch = *epoch;
                self.tell_lease(now, input, out);
                return self.on_epoch(now, epoch, out);
            }
            _ => {}
        }
        self.tell_lease(now, input, out);
    }

    /// Tells what has come to be known of the peers, and how far the way out is.
    pub(super) fn follow_lease(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for index in 0..u8::try_from(self.peers.len()).unwrap_or(u8::MAX) {
            let known = self.peers.get(usize::from(index)).and_then(Replication::identity);
            let is_news = |pop: &PopId| self.lease.peer(index) != Some(*pop);
            if let Some(pop) = known.map(|(pop, _)| pop).filter(is_news) {
                self.tell_lease(now, lease::Input::PeerKnown { peer: index, pop }, out);
            }
        }
        if !self.is_imported && !self.lease.is_ready() {
            self.tell_lease(now, lease::Input::BecameReady, out);
        }
        if let Some(target) = self.lease.target() {
            let is_it =
                |machine: &&Replication| machine.identity().is_some_and(|(pop, _)| pop == target);
            let behind = self.peers.iter().find(is_it).and_then(Replication::behind);
            self.tell_lease(now, lease::Input::TargetSeen { behind }, out);
        }
        self.settle_lease(now, out);
    }

    /// Once no request is in flight and no reachable peer is owed anything.
    fn settle_lease(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_flushed = matches!(
            self.shutdown,
            Shutdown::Draining { requests: false, peers: false, lease: true, .. }
        );
        if !is_flushed {
            return;
        }
        self.tell_lease(now, lease::Input::Flushed, out);
        if self.lease.is_settled() {
            self.shutdown(now, shutdown::Input::LeaseReturned, out);
        }
    }
}
