//! The POPs that hold the same vaults, as configured.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::id::{Epoch, PopId, StoreId};
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Member, Refusal};
use crate::replication::View;
use crate::vote::Ask;

/// The most peers that one POP has.
pub const PEERS_MAX: usize = 16;

/// A cluster as one of its POPs knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// The URL of this POP.
    pub own_url: String,
    /// The URL of the POP that is primary at first; `None` for a server alone.
    pub primary_url: Option<String>,
    /// The others, in the order of the configuration: a peer's index is its place here.
    pub peer_urls: Vec<String>,
}

impl Cluster {
    /// Whether there is no peer.
    pub fn is_alone(&self) -> bool {
        self.peer_urls.is_empty()
    }

    /// A peer's URL.
    pub fn peer_url(&self, peer: u8) -> &str {
        self.peer_urls.get(usize::from(peer)).map_or("", String::as_str)
    }

    /// Whether a frame is from a peer and for this POP with this data directory; the peer's index.
    pub fn check_address(&self, pop: PopId, store: StoreId, frame: &Frame) -> Result<u8, Refusal> {
        let destination = (frame.destination.as_str(), frame.destination_store);
        self.check((pop, store), &frame.source, &frame.cluster, destination)
    }

    /// Whether a question for a lease vote is from a peer and for this POP with this data directory;
    /// the peer's index.
    pub fn check_ask(&self, pop: PopId, store: StoreId, ask: &Ask) -> Result<u8, Refusal> {
        let destination = (ask.destination.as_str(), ask.destination_store);
        let peer = self.check((pop, store), &ask.source, &ask.cluster, destination)?;
        if ask.voter == pop { Ok(peer) } else { Err(Refusal::Destination) }
    }

    fn check(
        &self,
        (pop, store): (PopId, StoreId),
        source: &Member,
        cluster: &str,
        destination: (&str, Option<StoreId>),
    ) -> Result<u8, Refusal> {
        if *cluster != self.name {
            return Err(Refusal::Cluster);
        }
        if destination.0 != self.own_url {
            return Err(Refusal::Destination);
        }
        if destination.1.is_some_and(|destination| destination != store) {
            return Err(Refusal::Store);
        }
        if source.pop == pop {
            return Err(Refusal::Duplicate);
        }
        let at = self.peer_urls.iter().position(|url| *url == source.url);
        at.and_then(|at| u8::try_from(at).ok()).ok_or(Refusal::Member)
    }

    /// Where the primary of `epoch` is, for a client that must go there: the peer of that id, else
    /// who was configured; `None` if that is this server.
    pub fn primary_location(&self, epoch: Option<Epoch>, peers: &[View]) -> Option<&str> {
        let is_it = |epoch: Epoch| peers.iter().position(|view| view.pop == Some(epoch.primary));
        let known = epoch.and_then(is_it).and_then(|at| self.peer_urls.get(at));
        let configured = || self.primary_url.as_ref().filter(|url| **url != self.own_url);
        known.or_else(configured).map(String::as_str)
    }
}
