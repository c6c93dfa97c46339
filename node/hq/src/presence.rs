//! What POPs say about themselves with every renewal: shown to operators, and where DNS points.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use clavitor_commercial::renewal::GRANT_MEMBERS_MAX;
use clavitor_core::id::PopId;
use clavitor_core::time::UnixTime;
use clavitor_node::wall;
use serde::{Deserialize, Serialize};

use crate::lock;
use crate::registry::Name;

/// The most addresses of one POP.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// The longest text about a POP, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// What a POP says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct About {
    /// What outlives HQ.
    #[serde(flatten)]
    pub(crate) known: Known,
    /// What changes all the time.
    #[serde(flatten)]
    pub(crate) state: State,
    /// Its wall clock.
    pub(crate) clock: UnixTime,
}

/// What HQ still knows of a POP after a start of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Where clients and peers reach it.
    pub(crate) url: String,
    /// What DNS answers for it.
    pub(crate) dns_addresses: Vec<IpAddr>,
    /// Its version.
    pub(crate) version: String,
    /// Its edition.
    pub(crate) edition: String,
    /// Its runtime.
    pub(crate) runtime: String,
    /// Its region; empty if it was given none.
    pub(crate) region: String,
}

/// How a POP is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct State {
    /// The time since its start, in seconds.
    pub(crate) uptime_s: u64,
    /// How many entries it has.
    pub(crate) entries: u64,
    /// What it owes its peers.
    pub(crate) dirty: Vec<Dirty>,
    /// How many connections its tarpit holds.
    pub(crate) tarpit_held: u64,
}

/// What a POP owes a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dirty {
    /// The peer; `None` before it has answered for the first time.
    pub(crate) peer: Option<PopId>,
    /// How many records.
    pub(crate) dirty: u64,
    /// Whether it is so many or more: a POP does not count on for ever.
    #[serde(default)]
    pub(crate) dirty_or_more: bool,
    /// Since when the oldest of them, in milliseconds.
    pub(crate) oldest_dirty_ms: Option<u64>,
    /// How sending goes on.
    pub(crate) state: String,
}

impl About {
    /// Whether it is of a size that can be kept.
    pub(crate) fn is_fitting(&self) -> bool {
        let Known { url, version, edition, runtime, region, dns_addresses } = &self.known;
        let is_text =
            |text: &str| text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
        [url, version, edition, runtime, region].into_iter().all(|text| is_text(text))
            && self.state.dirty.iter().all(|dirty| is_text(&dirty.state))
            && dns_addresses.len() <= ADDRESSES_MAX
            && self.state.dirty.len() < GRANT_MEMBERS_MAX
    }
}

/// A POP as it last showed itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// What is known for good.
    pub(crate) known: Known,
    /// When it last renewed, by HQ's wall clock.
    pub(crate) at: Option<UnixTime>,
    /// How it was then; `None` before it has renewed at this process of HQ.
    pub(crate) state: Option<State>,
    /// By how much its wall clock was ahead of HQ's then, in milliseconds.
    pub(crate) clock_ahead_ms: i64,
}

/// What is new with a POP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// What outlives HQ.
    pub(crate) is_known_new: bool,
    /// How it is, the mere passing of time aside.
    pub(crate) is_state_new: bool,
}

/// Every POP that ever renewed, as it last showed itself.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    pops: Mutex<BTreeMap<Name, Seen>>,
}

impl Presence {
    /// As it was left.
    pub(crate) fn new(pops: impl IntoIterator<Item = (Name, Known, UnixTime)>) -> Self {
        let seen = |(name, known, at)| (name, Seen { known, at: Some(at), ..Seen::default() });
        Self { pops: Mutex::new(pops.into_iter().map(seen).collect()) }
    }

    /// Takes note of what a POP says. There are no more of them than have a token.
    pub(crate) fn note(&self, name: &Name, about: About) -> News {
        let now = wall::unix_time();
        let mut pops = lock(&self.pops);
        let seen = pops.entry(name.clone()).or_default();
        let is_alike = |old: &State| {
            (old.entries, &old.dirty, old.tarpit_held)
                == (about.state.entries, &about.state.dirty, about.state.tarpit_held)
        };
        let news = News {
            is_known_new: seen.known != about.known,
            is_state_new: !seen.state.as_ref().is_some_and(is_alike),
        };
        *seen = Seen {
            known: about.known,
            at: Some(now),
            state: Some(about.state),
            clock_ahead_ms: about.clock.signed_ms_since(now),
        };
        news
    }

    /// A POP is no more.
    pub(crate) fn forget(&self, name: &Name) {
        lock(&self.pops).remove(name);
    }

    /// A POP as it last showed itself.
    pub(crate) fn seen(&self, name: &Name) -> Option<Seen> {
        lock(&self.pops).get(name).cloned()
    }

    /// Where DNS points for a POP.
    pub(crate) fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        lock(&self.pops).get(name).map(|seen| seen.known.dns_addresses.clone()).unwrap_or_default()
    }

    /// Every POP that ever renewed: what is known of it, and when that was.
    pub(crate) fn all_known(&self) -> Vec<(Name, Known, UnixTime)> {
        let pops = lock(&self.pops);
        let known =
            |(name, seen): (&Name, &Seen)| Some((name.clone(), seen.known.clone(), seen.at?));
        pops.iter().filter_map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_all_there_is_unless_the_pop_says_otherwise() {
        let read = |text: &str| serde_json::from_str::<Dirty>(text).map(|it| it.dirty_or_more);
        let debt = r#"{"peer":null,"dirty":3,"oldest_dirty_ms":null,"state":"idle""#;
        assert!(!read(&format!("{debt}}}")).unwrap());
        assert!(read(&format!("{debt},\"dirty_or_more\":true}}")).unwrap());
    }
}
