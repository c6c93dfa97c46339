//! What operators see of the lease.

use alloc::vec::Vec;
use core::fmt;

use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::Instant;

use super::Lease;
use super::line::Hq;

/// What operators see of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The newest epoch that is stored.
    pub epoch: Option<Epoch>,
    /// Whether that names this POP.
    pub is_primary: bool,
    /// The members of the grant it goes by; none if it has none.
    pub members: Vec<PopId>,
    /// For how long a primary may take writes from now on, in milliseconds; `None` if this is none, or
    /// there is no HQ and it may for good.
    pub lease_ms_left: Option<u64>,
    /// Who carries it.
    pub carrier: Carrier,
    /// Why a primary holds no lease.
    pub why: Option<Why>,
    /// When HQ last answered.
    pub hq_answered_at: Option<Instant>,
    /// For how long a vote of this POP carries the primary, in milliseconds.
    pub voted_ms: u64,
    /// For how long it refuses to be promoted, in milliseconds.
    pub refuses_ms: u64,
    /// To whom it is handing over.
    pub hands_over_to: Option<PopId>,
}

/// Who carries a primary's right to take writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nobody: it is no primary, or holds no lease.
    Nobody,
    /// There is no HQ: the stored epoch is enough.
    Epoch,
    /// HQ.
    Hq,
    /// The lease votes of every other member, if there is one.
    Votes,
}

impl Carrier {
    /// Its name, as operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Carrier::Nobody => "nobody",
            Carrier::Epoch => "epoch",
            Carrier::Hq => "hq",
            Carrier::Votes => "votes",
        }
    }
}

/// Why a primary holds no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// HQ did not answer this process yet.
    FirstAnswer,
    /// HQ does not answer, and never gave this process a lease.
    HqAway,
    /// HQ does not answer, and this member gave no vote.
    HqAwayNoVote(PopId),
    /// HQ does not answer, and members have yet to answer.
    HqAwayAsking,
    /// HQ refuses this POP's token.
    Denied,
    /// HQ says that another one is alive under this POP's id.
    Duplicate,
    /// HQ answers, and gives none.
    NotGiven,
    /// It gave it up, and there is no new primary yet.
    Released,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::FirstAnswer => "waiting for the first answer of HQ",
            Why::HqAway => "HQ does not answer, and gave this process no lease yet",
            Why::HqAwayNoVote(pop) => {
                return write!(f, "HQ does not answer and POP {pop} gave no vote");
            }
            Why::HqAwayAsking => "HQ does not answer; the other POPs are being asked",
            Why::Denied => "HQ refuses this POP's token",
            Why::Duplicate => "HQ says that another server is alive under this POP's id",
            Why::NotGiven => "HQ answers, but gives no lease yet",
            Why::Released => "the lease was handed over; waiting for HQ to name the new primary",
        })
    }
}

impl Lease {
    /// What operators see.
    pub fn view(&self, now: Instant) -> View {
        let until = self.until();
        let is_held = self.is_primary() && (!self.start.has_hq || until > now);
        let carrier = match (is_held, self.start.has_hq) {
            (false, _) => Carrier::Nobody,
            (true, false) => Carrier::Epoch,
            (true, true) if self.given_until > now => Carrier::Hq,
            (true, true) => Carrier::Votes,
        };
        let members = self.grant.as_ref().map(|grant| grant.members.clone());
        View {
            epoch: self.epoch,
            is_primary: self.is_primary(),
            members: members.unwrap_or_default(),
            lease_ms_left: (self.is_primary() && self.start.has_hq).then(|| until.ms_since(now)),
            carrier,
            why: (self.is_primary() && !is_held).then(|| self.why()),
            hq_answered_at: self.line.answered_at,
            voted_ms: ms_left(now, self.ballot.voted_until()),
            refuses_ms: ms_left(now, self.ballot.refuses_until()),
            hands_over_to: self.hand_over.target(),
        }
    }

    /// Why it holds no lease, as far as it is the primary.
    pub(super) fn why(&self) -> Why {
        match (self.line.hq, self.round.missing()) {
            _ if self.released.is_some() => Why::Released,
            (Hq::Duplicate, _) => Why::Duplicate,
            (Hq::Present, _) => Why::NotGiven,
            (Hq::Denied, _) => Why::Denied,
            (Hq::Unheard, _) => Why::FirstAnswer,
            (Hq::Away, _) if self.grant.is_none() => Why::HqAway,
            (Hq::Away, Some(pop)) => Why::HqAwayNoVote(pop),
            (Hq::Away, None) => Why::HqAwayAsking,
        }
    }
}

/// Milliseconds from `now` to `until`, none of them lost.
pub(super) fn ms_left(now: Instant, until: Instant) -> u64 {
    let whole = until.ms_since(now);
    whole.saturating_add(u64::from(now.plus_ms(whole) < until))
}
