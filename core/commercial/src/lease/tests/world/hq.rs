//! An HQ that promises no more than it has to: it waits for leases and keeps to members, and is as
//! rash as it may be in everything else. Whether a vote binds somebody is not its business.

use super::*;

pub(super) struct Hq {
    pub(super) ordered: Epoch,
    pub(super) granted: Option<Epoch>,
    holder: u64,
    acknowledged: (u64, Vec<PopId>),
    offered: Option<(u64, Vec<PopId>)>,
    lease_until: Instant,
    is_released: bool,
    pub(super) hand_over_to: Option<PopId>,
}

impl Hq {
    pub(super) fn new() -> Self {
        Self {
            ordered: epoch(1, "a"),
            granted: None,
            holder: 0,
            acknowledged: (0, vec![]),
            offered: None,
            lease_until: Instant(0),
            is_released: false,
            hand_over_to: None,
        }
    }

    pub(super) fn answer(&mut self, now: Instant, pop: PopId, draft: &Draft) -> Answer {
        let is_its = draft.epoch == Some(self.ordered) && self.ordered.primary == pop;
        if is_its && self.granted != Some(self.ordered) && now >= self.lease_until {
            self.granted = Some(self.ordered);
            self.holder = draft.start;
            self.acknowledged = (1, vec![self::pop("a"), self::pop("b"), self::pop("c")]);
            self.offered = None;
            self.is_released = false;
            self.hand_over_to = None;
        }
        let is_holders = self.granted == Some(self.ordered) && self.holder == draft.start;
        if is_its && is_holders && !self.is_released {
            if draft.is_released {
                self.is_released = true;
                self.lease_until = now;
                return Answer::Follow { epoch: Some(self.ordered) };
            }
            if let Some((version, members)) = self.offered.clone()
                && draft.grant == Some(GrantId { epoch: self.ordered, version })
            {
                self.acknowledged = (version, members);
                self.offered = None;
            }
            self.lease_until = self.lease_until.max(now.plus_ms(with_margin(LEASE_MS)));
            let (version, members) = self.offered.clone().unwrap_or(self.acknowledged.clone());
            let grant = Grant { epoch: self.ordered, version, members, lease_ms: LEASE_MS };
            let to = self.hand_over_to.filter(|_| draft.kept_back.is_none());
            return Answer::Lead { grant, hand_over_to: to };
        }
        let is_news = draft.epoch < Some(self.ordered) && self.ordered.primary == pop;
        if is_news && now >= self.lease_until {
            return Answer::Promote { epoch: self.ordered, floor_ms: 1 };
        }
        Answer::Follow { epoch: Some(self.ordered) }
    }

    /// Orders somebody to take over, as soon as that may be.
    pub(super) fn order(&mut self, now: Instant, choice: usize) {
        let both: Vec<PopId> = self.promotable();
        if now >= self.lease_until
            && self.granted.is_some()
            && let Some(pop) = both.get(choice % both.len().max(1))
        {
            self.ordered = Epoch::after(Some(self.ordered), *pop);
        }
    }

    /// The same, if that one is not it already.
    pub(super) fn order_another(&mut self, now: Instant, choice: usize) {
        let both = self.promotable();
        let is_it = both.get(choice % both.len().max(1)) == Some(&self.ordered.primary);
        if !is_it {
            self.order(now, choice);
        }
    }

    /// Offers other members: with each bit, whether that POP is one.
    pub(super) fn offer(&mut self, choice: usize) {
        let Some(granted) = self.granted.filter(|_| self.offered.is_none()) else { return };
        let all = ["a", "b", "c"].map(self::pop);
        let is_in = |(at, pop): &(usize, PopId)| choice >> at & 1 == 1 || *pop == granted.primary;
        let members = all.into_iter().enumerate().filter(is_in).map(|(_, pop)| pop).collect();
        self.offered = Some((self.acknowledged.0 + 1, members));
    }

    /// A new process over what is durable.
    pub(super) fn restart(&mut self, now: Instant) {
        self.is_released = false;
        self.hand_over_to = None;
        self.lease_until = now.plus_ms(with_margin(LEASE_MS));
    }

    fn promotable(&self) -> Vec<PopId> {
        let is_offered =
            |pop: &&PopId| self.offered.as_ref().is_none_or(|(_, members)| members.contains(pop));
        self.acknowledged.1.iter().filter(is_offered).copied().collect()
    }
}
