//! What is drawn beside all else for a world in which HQ gives leases.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Knobs, Rates};
use crate::canary::Canary;
use crate::entropy::Entropy;

/// HQ gives leases, and things go wrong around it; rates are in thousandths of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases {
    /// HQ is killed.
    pub crash: u32,
    /// HQ stands still.
    pub pause: u32,
    /// A link to or from HQ is cut in one direction.
    pub cut: u32,
    /// A POP is cut off from everybody.
    pub isolate: u32,
    /// HQ's clock runs fast or slow from now on.
    pub drift: u32,
    /// HQ's disk is full, or does not answer.
    pub disk: u32,
    /// An operator wants another primary.
    pub switchover: u32,
    /// Something happens to the primary, whoever that is.
    pub primary: u32,
    /// After how long the configured primary is given its place again, in seconds; 0 is never.
    pub failback_s: u16,
}

impl Leases {
    fn draw(entropy: &mut Entropy) -> Self {
        let mut rate = |most| match entropy.below(4) {
            0 | 1 => 0,
            _ => u32::try_from(entropy.between(1, most)).unwrap_or_default(),
        };
        Self {
            crash: rate(40),
            pause: rate(40),
            cut: rate(60),
            isolate: rate(40),
            drift: rate(20),
            disk: rate(20),
            switchover: rate(40),
            primary: rate(120),
            failback_s: entropy.pick(&[0, 0, 0, 5, 20]),
        }
    }
}

impl Knobs {
    pub(super) fn favour_leases(&mut self, canary: Canary) {
        let (rates, Some(leases)) = (&mut self.rates, &mut self.leases) else { return };
        match canary {
            Canary::NoMargin => {
                (self.delay_ms, self.sync_ms, rates.late) = (1, 1, 0);
                (rates.drift, leases.drift, leases.isolate) = (100, 100, 60);
            }
            Canary::LeaseFromAnswer => {
                (self.pops, self.delay_ms, self.sync_ms, rates.late) = (2, 98, 1, 300);
                leases.isolate = 100;
            }
            Canary::NoVotesAsked => {
                (*rates, self.delay_ms) = (Rates::default(), 1);
                *leases = Leases { crash: 100, pause: 60, ..Leases::default() };
            }
            Canary::HqDecidesAtOnce => (leases.crash, leases.cut) = (60, 60),
            Canary::VoteAndPromotion => leases.isolate = 60,
            Canary::StaleEpochStored => {
                (self.pops, self.sync_ms, self.delay_ms) = (self.pops.max(3), 30, 5);
                (rates.disk_hang, leases.switchover) = (60, 60);
            }
            _ => {}
        }
    }

    /// The knobs of a run in which HQ gives leases. Renewals never end, so nothing lasts for long.
    pub fn led(entropy: &mut Entropy) -> Self {
        let knobs = Self::draw(entropy);
        let mut rates = knobs.rates;
        // Operators' promotions are refused.
        rates.promote = 0;
        Self {
            pops: entropy.pick(&[1, 2, 2, 3, 3, 3, 4, 5]),
            operations: entropy.pick(&[30, 60, 120]),
            pace_ms: entropy.pick(&[100, 500, 1_000, 1_000, 2_500]),
            lull: 0,
            delay_ms: entropy.pick(&[1, 1, 5, 40, 300, 900]),
            report_s: 0,
            leases: Some(Leases::draw(entropy)),
            rates,
            ..knobs
        }
    }

    /// The knobs of a run in which a primary dies, and nothing else is amiss.
    pub fn failing(entropy: &mut Entropy) -> Self {
        Self {
            pops: entropy.pick(&[2, 3, 3, 5]),
            delay_ms: entropy.pick(&[1, 5, 40, 100]),
            sync_ms: entropy.pick(&[1, 4, 30]),
            keys: 7,
            leases: Some(Leases::default()),
            ..Self::default()
        }
    }
}

impl fmt::Display for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crash, pause, cut, isolate, drift, disk, switchover, primary, failback_s } =
            self;
        let rates = [
            ("crash", crash),
            ("pause", pause),
            ("cut", cut),
            ("isolate", isolate),
            ("drift", drift),
            ("disk", disk),
            ("switchover", switchover),
            ("primary", primary),
        ];
        write!(f, "leases failback_s={failback_s}")?;
        let on = rates.iter().filter(|(_, rate)| **rate > 0);
        on.clone().try_for_each(|(name, rate)| write!(f, " hq_{name}={rate}"))
    }
}
