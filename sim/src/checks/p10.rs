//! [P10] At most one POP of a cluster decides to acknowledge clients' writes at any instant. Looked at
//! is who could, not who does: a process whose right is not over by its own clock, also one that
//! stands still, and may go on with just that. Terms only grow, in every store and at HQ.

use clavitor_commercial::epoch;
use clavitor_core::id::Epoch;
use clavitor_core::store::Reader;
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::event::{Answer, Fact};
use crate::server::Server;

#[derive(Debug)]
pub(super) struct Writers {
    stored: Vec<Option<Epoch>>,
    ordered: Option<Epoch>,
    granted: Option<Epoch>,
    /// Who could acknowledge after the last event, and until when by its own clock.
    able: Option<(u8, Instant)>,
}

impl Writers {
    pub(super) fn new(pops: usize) -> Self {
        Self { stored: vec![None; pops], ordered: None, granted: None, able: None }
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        match fact {
            Fact::Committed { pop, .. } => self.on_committed(*pop, sight),
            Fact::Emptied(pop) | Fact::PutBack(pop) => {
                self.stored[usize::from(*pop)] = None;
                Ok(())
            }
            Fact::Answered { id, pop, answer: Answer::Done { .. } } => {
                let (server, around) = (sight.server(*pop), sight.around);
                if around.knobs.leases.is_none() || server.process.is_none() {
                    return Ok(());
                }
                // What happened after the answer during the same event came after it.
                let monotonic = server.clocks.monotonic(around.now);
                let was_able =
                    self.able.is_some_and(|(able, until)| able == *pop && until > monotonic);
                if was_able || server.held_lease(&around.bugs, around.now) {
                    return Ok(());
                }
                broken("P10", format!("{} acknowledged request {id} without a lease", server.pop))
            }
            _ => Ok(()),
        }
    }

    fn on_committed(&mut self, pop: u8, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let known = &mut self.stored[usize::from(pop)];
        let stored = epoch::known(&Reader::new(&server.disk)).expect("rows are whole");
        if stored < *known {
            let what = format!("the newest term stored at {} went back", server.pop);
            return broken("P10", what);
        }
        *known = stored;
        Ok(())
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        let around = sight.around;
        if around.knobs.leases.is_none() {
            return Ok(());
        }
        let all = sight.servers.iter();
        let mut able = all.filter(|server| server.may_acknowledge(&around.bugs, around.now));
        let (one, other) = (able.next(), able.next());
        let until = |server: &Server| (server.index, server.lease_until(&around.bugs, around.now));
        self.able = one.map(until);
        if let (Some(one), Some(other)) = (one, other) {
            let what = format!("{} and {} may both acknowledge writes", one.pop, other.pop);
            return broken("P10", what);
        }
        let Some(row) = sight.site.row() else { return Ok(()) };
        if row.epoch < self.ordered || row.granted < self.granted {
            return broken("P10", "the newest term at HQ went back".to_owned());
        }
        (self.ordered, self.granted) = (row.epoch, row.granted);
        // Before the new one hears of it, the old one could still.
        if let (Some(able), Some(granted)) = (one, row.granted)
            && able.pop != granted.primary
            && sight.is_stored(granted)
        {
            let what = format!("{granted:?} is given, and {} may acknowledge writes", able.pop);
            return broken("P10", what);
        }
        Ok(())
    }
}
