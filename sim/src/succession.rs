//! From the death of a primary to the next one: how long until DNS names it, until a resolver that caches
//! does, and until it takes a write.

use clavitor_core::id::PopId;
use clavitor_core::time::Instant;
use clavitor_hq_core::control::Event;

use crate::event::{Answer, Fact};
use crate::hq::site::Site;

/// The most that are kept of one run.
const KEPT_MAX: usize = 1_000;

/// One primary after another that died; times in milliseconds from the death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Who took over.
    pub to: PopId,
    /// Until HQ gave it its first lease, and DNS named it.
    pub to_dns_ms: u64,
    /// Until a client's resolver named it.
    pub to_resolver_ms: u64,
    /// Until it acknowledged a client's first write.
    pub to_write_ms: u64,
}

/// What is seen of them.
///
/// Invariant: at most one is under way.
#[derive(Debug, Default)]
pub struct Successions {
    open: Option<Open>,
    done: Vec<Succession>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    died: PopId,
    at: Instant,
    to: Option<(PopId, u64)>,
    resolver_ms: Option<u64>,
    write_ms: Option<u64>,
}

impl Successions {
    /// Those that have come to their end.
    pub fn done(&self) -> &[Succession] {
        &self.done
    }

    /// Takes note of what happened.
    pub fn see(&mut self, fact: &Fact, site: &Site, now: Instant) {
        match (fact, &mut self.open) {
            (Fact::Ended(pop), _) => {
                let died = site.pop(*pop);
                let is_primary = site.granted().map(|epoch| epoch.primary) == Some(died);
                if is_primary {
                    let (to, resolver_ms, write_ms) = (None, None, None);
                    self.open = Some(Open { died, at: now, to, resolver_ms, write_ms });
                }
            }
            (Fact::Happened(Event::PrimaryChanged(epoch)), Some(open)) => {
                // Who comes back in time stays primary: that is no succession.
                open.to = Some((epoch.primary, now.ms_since(open.at)));
                if epoch.primary == open.died {
                    self.open = None;
                }
            }
            (Fact::Answered { pop, answer: Answer::Done { .. }, .. }, Some(open)) => {
                let is_it = open.to.is_some_and(|(to, _)| to == site.pop(*pop));
                if is_it {
                    open.write_ms = open.write_ms.or(Some(now.ms_since(open.at)));
                }
                self.settle();
            }
            _ => {}
        }
    }

    /// Takes note of whom a resolver names.
    pub fn see_named(&mut self, named: Option<PopId>, now: Instant) {
        if let Some(open) = &mut self.open
            && open.to.is_some_and(|(to, _)| Some(to) == named)
        {
            open.resolver_ms = open.resolver_ms.or(Some(now.ms_since(open.at)));
            self.settle();
        }
    }

    fn settle(&mut self) {
        let Some(open) = self.open else { return };
        if let (Some((to, to_dns_ms)), Some(to_resolver_ms), Some(to_write_ms)) =
            (open.to, open.resolver_ms, open.write_ms)
        {
            self.open = None;
            if self.done.len() < KEPT_MAX {
                self.done.push(Succession { to, to_dns_ms, to_resolver_ms, to_write_ms });
            }
        }
    }
}
