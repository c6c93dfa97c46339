//! Each POP of a cluster as HQ knows it: which process speaks for it, and what that one said last.

use clavitor_commercial::renewal::{GRANT_MEMBERS_MAX, LEASE_MS_MAX, Renewal, with_margin};
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::Holder;

/// How long a member may be silent, or not ready, before the primary goes on without it, in
/// milliseconds.
pub const MEMBER_MS: u64 = 30_000;

/// How often a second process has to renew, the first one doing so in between, to be told that it is
/// one too many: a single message may be late.
const RETURNS_MAX: u8 = 2;

/// More of a POP's timestamps than this much above their distance in time is not believed to come of
/// a clock that runs fast, in milliseconds.
const DRIFT_MS_MAX: u64 = 10_000;

/// What a process is, of all those that renew under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The one that speaks for the POP.
    Speaker,
    /// It has to wait until the one before it is certainly gone.
    Newcomer,
    /// Both are alive. `is_news` is whether that was not known.
    Duplicate { is_news: bool },
}

/// A process that speaks for a POP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Speaker {
    start: u64,
    // As it was first named: a data directory may change its id while it is in use.
    store: StoreId,
    heard_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rival {
    start: u64,
    // As it was first named.
    store: StoreId,
    returns: u8,
    // The speaker renewed since this one did.
    is_overtaken: bool,
}

/// What a POP said last, and when that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) renewal: Renewal,
}

impl Said {
    /// Until when it refuses to be promoted.
    pub(super) fn refuses_until(&self) -> Instant {
        self.at.plus_ms(self.renewal.refuses_ms.min(with_margin(LEASE_MS_MAX)))
    }

    /// Until when its lease vote carries the primary.
    pub(super) fn voted_until(&self) -> Instant {
        self.at.plus_ms(self.renewal.voted_ms.min(with_margin(LEASE_MS_MAX)))
    }

    /// A timestamp above all that it can have issued by now, in milliseconds since 1970.
    pub(super) fn floor_ms(&self, now: Instant) -> u64 {
        let since_ms = now.ms_since(self.at);
        let drift_ms = (since_ms / 50).min(DRIFT_MS_MAX);
        self.renewal.floor_ms.saturating_add(since_ms).saturating_add(drift_ms).saturating_add(1)
    }

    /// How much it holds of what a POP changed; `None` for the store is whichever it holds most of.
    pub(super) fn held(&self, pop: PopId, store: Option<StoreId>) -> Seq {
        let of_it = self.renewal.held.iter().filter(|held| held.pop == pop);
        let of_it = of_it.filter(|held| store.is_none_or(|store| held.store == store));
        of_it.map(|held| held.seq).max().unwrap_or_default()
    }
}

/// A POP that has a token.
///
/// Invariant: `said` is the speaker's, and counts until `fresh_until`; `lost_at` is `None` from when
/// the POP counts as lost until any of its processes renews, and before the first renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pop {
    speaker: Option<Speaker>,
    rival: Option<Rival>,
    said: Option<Said>,
    fresh_until: Option<Instant>,
    seen_at: Option<Instant>,
    lost_at: Option<Instant>,
    gone_at: Option<Instant>,
    here_since: Option<Instant>,
}

impl Pop {
    /// One that was known before HQ started: it gets until `lost_at` to renew.
    pub(super) fn known(now: Instant, lost_at: Instant) -> Self {
        let (lost_at, gone_at) = (Some(lost_at), Some(now.plus_ms(MEMBER_MS).max(lost_at)));
        Self { lost_at, gone_at, ..Self::default() }
    }

    /// The process that held the lease before HQ started still speaks for its POP.
    pub(super) fn expect(&mut self, now: Instant, Holder { start, store }: Holder) {
        self.speaker = Some(Speaker { start, store, heard_at: now });
    }

    /// Which of the POP's processes renews. The first one keeps its place until it was silent for
    /// `silence_ms`, or has given up; but whoever holds the lease has the place.
    pub(super) fn identify(
        &mut self,
        at: Instant,
        (start, store): (u64, StoreId),
        is_holder: bool,
        silence_ms: u64,
    ) -> Who {
        let Some(speaker) = &mut self.speaker else {
            self.speaker = Some(Speaker { start, store, heard_at: at });
            return Who::Speaker;
        };
        if speaker.start == start {
            speaker.heard_at = speaker.heard_at.max(at);
            if let Some(rival) = &mut self.rival {
                rival.is_overtaken = true;
            }
            return Who::Speaker;
        }
        let is_silent = at >= speaker.heard_at.plus_ms(silence_ms);
        let has_given_up = self.said.as_ref().is_some_and(|said| said.renewal.is_released);
        if is_holder || is_silent || has_given_up {
            let former = Rival {
                start: speaker.start,
                store: speaker.store,
                returns: 0,
                is_overtaken: true,
            };
            // It may have changed its data directory's id while it waited.
            let known = self.rival.filter(|rival| rival.start == start);
            let store = known.map_or(store, |rival| rival.store);
            self.rival = Some(former).filter(|_| is_holder && !is_silent);
            self.speaker = Some(Speaker { start, store, heard_at: at });
            self.said = None;
            self.here_since = None;
            return Who::Speaker;
        }
        let newcomer = Rival { start, store, returns: 0, is_overtaken: false };
        let rival = self.rival.get_or_insert(newcomer);
        if rival.start != start {
            *rival = newcomer;
        }
        let is_news = rival.is_overtaken && rival.returns + 1 == RETURNS_MAX;
        if rival.is_overtaken {
            rival.returns = (rival.returns + 1).min(RETURNS_MAX);
        }
        rival.is_overtaken = false;
        match rival.returns {
            RETURNS_MAX => Who::Duplicate { is_news },
            _ => Who::Newcomer,
        }
    }

    /// One of its processes renews, be it one that has to wait; whether the POP was lost, or not heard
    /// since HQ started.
    pub(super) fn see(&mut self, at: Instant, lease_ms: u64) -> bool {
        let lost_at = at.plus_ms(lease_ms);
        let is_first = self.seen_at.is_none();
        self.seen_at = self.seen_at.max(Some(at));
        let former = self.lost_at.replace(self.lost_at.map_or(lost_at, |known| known.max(lost_at)));
        former.is_none() || is_first
    }

    /// Takes note of what the speaker says.
    pub(super) fn hear(&mut self, at: Instant, mut renewal: Renewal, lease_ms: u64) {
        renewal.held.truncate(GRANT_MEMBERS_MAX);
        // Of two copies of one message the first one was nearer to what it tells.
        let is_known = |said: &Said| said.at > at || said.renewal.is_same(&renewal);
        if self.said.as_ref().is_some_and(is_known) {
            return;
        }
        if !renewal.is_ready || !self.is_fresh(at) {
            self.here_since = None;
        }
        if renewal.is_ready {
            self.here_since.get_or_insert(at);
            // The others would give the primary no lease vote, and could not follow it.
            self.gone_at = Some(at.plus_ms(MEMBER_MS));
        }
        self.fresh_until = Some(at.plus_ms(lease_ms));
        self.said = Some(Said { at, renewal });
    }

    /// Whether it is to be counted as lost from now on.
    pub(super) fn lose(&mut self, now: Instant) -> bool {
        self.lost_at.take_if(|at| *at <= now).is_some()
    }

    /// HQ itself was away, not this POP.
    pub(super) fn spare(&mut self, until: Instant) {
        self.lost_at = self.lost_at.map(|at| at.max(until));
        self.gone_at = self.gone_at.map(|at| at.max(until));
    }

    /// What it said last.
    pub(super) fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }

    /// When it renewed last, as far as this HQ knows.
    pub(super) fn seen_at(&self) -> Option<Instant> {
        self.seen_at
    }

    /// Whether its speaker has said something newer. The numbers of one that was silent for so long may
    /// begin anew: its machine may have been put back to what it was.
    pub(super) fn has_overtaken(&self, at: Instant, renewal: &Renewal) -> bool {
        self.said.as_ref().is_some_and(|said| {
            let is_older = renewal.is_before(&said.renewal);
            is_older && at < said.at.plus_ms(MEMBER_MS)
        })
    }

    /// Whether the speaker renews: what it said last still counts.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.said.is_some() && self.fresh_until.is_some_and(|until| until > now)
    }

    /// Whether it renews, and may be promoted: the condition for becoming a member.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        self.is_fresh(now) && self.said.as_ref().is_some_and(|said| said.renewal.is_ready)
    }

    /// Whether none of its processes renews.
    pub(super) fn is_lost(&self) -> bool {
        self.lost_at.is_none()
    }

    /// Whether it has been silent, or not ready, for too long to stay a member.
    pub(super) fn is_gone(&self, now: Instant) -> bool {
        self.gone_at.is_none_or(|at| at <= now)
    }

    /// Since when it has been there without a break, and ready.
    pub(super) fn here_since(&self) -> Option<Instant> {
        self.here_since
    }

    /// Whether its process is that of the lease, or began with the same data directory, whose lock
    /// lets in no second one.
    pub(super) fn is_heir_of(&self, holder: Holder) -> bool {
        let is_heir = |one: Speaker| one.start == holder.start || one.store == holder.store;
        self.speaker.is_some_and(is_heir)
    }

    /// When something becomes so by time alone.
    pub(super) fn wakes(&self) -> impl Iterator<Item = Instant> {
        let said = self.said.as_ref();
        let words = said.map(|said| [said.refuses_until(), said.voted_until()]);
        words.into_iter().flatten().chain(self.lost_at).chain(self.fresh_until)
    }
}
