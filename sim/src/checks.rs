//! The promises, each checked by a file of its own, fed every event. Cost goes by what happened, not
//! by what there is.

mod delivery;
mod history;
mod p10;
mod p11;
mod p12;
mod p13;
mod p14;
mod p15;
mod p16;
mod p2;
mod p3;
mod p4;
mod p5;
mod p6;
mod p7;
mod p8;
mod p9;
mod reports;

pub(crate) use p3::LEASE;

use clavitor_commercial::epoch;
use clavitor_core::id::Epoch;
use clavitor_core::store::Reader;

use crate::around::Around;
use crate::event::Fact;
use crate::hq::site::Site;
use crate::server::{Process, Server};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise, as the contract names it.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// Whether a promise holds.
type Held = Result<(), Broken>;

fn broken(promise: &'static str, what: String) -> Held {
    Err(Broken { promise, what })
}

/// What a checker may look at: everything, at one moment between two events.
#[derive(Clone, Copy)]
struct Sight<'a> {
    servers: &'a [Server],
    site: &'a Site,
    around: &'a Around,
}

impl Sight<'_> {
    fn server(&self, pop: u8) -> &Server {
        &self.servers[usize::from(pop)]
    }

    /// Whether a term is known to its primary: what a lost disk had stored is no right of anybody.
    fn is_stored(&self, term: Epoch) -> bool {
        let primary = self.servers.iter().find(|server| server.pop == term.primary);
        let stored = primary
            .and_then(|primary| epoch::known(&Reader::new(&primary.disk)).expect("rows are whole"));
        stored >= Some(term)
    }

    /// The processes that run, with their servers.
    fn running(&self) -> impl Iterator<Item = (&Server, &Process)> {
        let running = self.servers.iter().filter(|server| server.is_running(self.around.now));
        running.filter_map(|server| Some((server, server.process.as_deref()?)))
    }
}

/// Every checker, and what they remember together.
#[derive(Debug)]
pub struct Checks {
    history: history::History,
    delivery: delivery::Delivery,
    p3: p3::Quiet,
    p5: p5::Tried,
    p9: p9::Taken,
    p10: p10::Writers,
    p11: p11::Carried,
    p12: p12::Named,
    p13: p13::Pits,
    p14: p14::Cut,
    p15: p15::Told,
    reports: reports::Reports,
    p16: p16::Ending,
}

impl Checks {
    /// Checkers of a world at its beginning.
    pub fn new(servers: &[Server]) -> Self {
        Self {
            history: history::History::default(),
            delivery: delivery::Delivery::new(servers.len()),
            p3: p3::Quiet::new(servers.len()),
            p5: p5::Tried::new(servers.len()),
            p9: p9::Taken::default(),
            p10: p10::Writers::new(servers.len()),
            p11: p11::Carried::default(),
            p12: p12::Named::default(),
            p13: p13::Pits::new(servers.len()),
            p14: p14::Cut::default(),
            p15: p15::Told::new(servers.len()),
            reports: reports::Reports::new(servers.len()),
            p16: p16::Ending::default(),
        }
    }

    /// Looks at what happened during an event.
    pub fn see(
        &mut self,
        facts: &[Fact],
        servers: &[Server],
        site: &Site,
        around: &Around,
    ) -> Held {
        let sight = Sight { servers, site, around };
        for fact in facts {
            self.p10.see(fact, sight)?;
            self.p11.see(fact, sight)?;
            self.p12.see(fact);
            self.history.see(fact, sight)?;
            p2::see(&self.history, fact)?;
            p7::in_its_epoch(fact, sight)?;
            if let Fact::Committed { pop, .. } = fact {
                p6::see(&self.history, *pop, sight)?;
                p7::see(&self.history, *pop, sight)?;
            }
            // Before the cursor is known to have moved.
            p4::see(&self.delivery, fact, sight)?;
            p8::see(&self.delivery, fact, sight)?;
            self.delivery.see(fact, sight);
            self.p9.see(fact, sight)?;
            self.p14.see(fact, &self.p13, sight);
            self.p13.see(fact, sight)?;
            self.p15.see(fact, sight)?;
            self.reports.see(fact, sight)?;
            self.p16.see(fact, sight);
        }
        self.p10.check(sight)?;
        self.p11.check(sight)?;
        self.p12.check(sight)?;
        self.p9.note(sight)?;
        self.p14.check(&self.p13, sight)?;
        self.p15.note(sight);
        self.reports.check(sight)?;
        self.p16.check(sight)?;
        self.p3.check(sight)?;
        self.p5.check(sight)
    }

    /// Looks at what happened to the scanners of one POP.
    pub fn see_scanners(
        &mut self,
        pop: u8,
        facts: &[Fact],
        servers: &[Server],
        site: &Site,
        around: &Around,
    ) -> Held {
        let sight = Sight { servers, site, around };
        facts.iter().try_for_each(|fact| self.p13.see(fact, sight))?;
        self.p13.check(pop, sight)?;
        self.p14.check(&self.p13, sight)
    }

    /// Looks at a world that was healed, rests, and agrees.
    pub fn at_rest(&mut self, servers: &[Server]) -> Held {
        self.history.settle();
        servers.iter().try_for_each(|server| {
            p6::at_rest(&self.history, server)?;
            p7::at_rest(&self.history, server)?;
            self.p15.at_rest(server)
        })
    }
}

#[cfg(test)]
mod tests;
