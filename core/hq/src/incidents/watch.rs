//! What HQ itself sees of clusters, as incidents.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use clavitor_core::id::{Epoch, PopId};
use clavitor_core::store::{Rows, RowsMut, StoreError};
use clavitor_core::time::UnixTime;

use super::{
    Alert, By, DUPLICATE_POP_ID, FAILOVER, Incident, LEASE_LOST, NO_PRIMARY, POP_LOST, Resolved,
    Source, raise, rows, settle,
};
use crate::control::Event;

const EPOCH: &str = "epoch";
const PRIMARY: &str = "primary";

/// Opens and ends the incidents that an event of a cluster means.
pub fn happened<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    cluster: &str,
    event: &Event,
) -> Result<(), StoreError> {
    let mut seen = Seen { rows, now, cluster };
    match event {
        Event::PopLost(pop) => {
            let message = format!("{pop} of {cluster} does not renew its lease");
            seen.open(POP_LOST, Some(*pop), message, None, 1)
        }
        Event::PopSeen(pop) => {
            seen.end(POP_LOST, Some(*pop))?;
            seen.end_if_back(*pop)
        }
        Event::LeaseExpired(epoch) => {
            let primary = epoch.primary;
            let message = format!("{cluster} has no primary: the lease of {primary} is over");
            seen.open(NO_PRIMARY, None, message, Some(*epoch), 1)
        }
        Event::Carried(_) => seen.end(NO_PRIMARY, None),
        // One that was asked for is no incident: the old primary was there until then.
        Event::PromotionOrdered(epoch) if seen.is_open(NO_PRIMARY)? => {
            let message = format!("{} is to be primary of {cluster}", epoch.primary);
            seen.open(FAILOVER, None, message, Some(*epoch), 1)
        }
        Event::PromotionFailed(epoch) if seen.is_open(FAILOVER)? => {
            let message = format!("{} did not become primary of {cluster}", epoch.primary);
            seen.open(FAILOVER, None, message, Some(*epoch), 0)
        }
        Event::PrimaryChanged(epoch) => {
            if seen.is_open(FAILOVER)? {
                let message = format!("{} is primary of {cluster} now", epoch.primary);
                seen.open(FAILOVER, None, message, Some(*epoch), 0)?;
            }
            seen.end(FAILOVER, None)?;
            seen.end(NO_PRIMARY, None)
        }
        Event::Duplicate(pop) => {
            let message = format!("two are alive under the id {pop} of {cluster}");
            seen.open(DUPLICATE_POP_ID, Some(*pop), message, None, 1)
        }
        Event::PromotionOrdered(_)
        | Event::PromotionFailed(_)
        | Event::HandOverBegan(_)
        | Event::HandOverFailed(_)
        | Event::MemberAdded(_)
        | Event::MemberRemoved(_)
        | Event::Overruled(_) => Ok(()),
    }
}

/// What is over once a primary of a cluster has a lease: whichever of its POPs had lost one, and whoever
/// said that it has none.
const UNTIL_A_LEASE: [&str; 2] = [LEASE_LOST, NO_PRIMARY];

/// Whether it is open that a cluster takes no writes for want of a lease.
pub fn is_lease_missed<R: Rows>(rows: &R, cluster: &str) -> Result<bool, StoreError> {
    for kind in UNTIL_A_LEASE {
        if rows::is_any_open(rows, kind, cluster)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A primary of a cluster was given a lease: it takes writes again.
pub fn lease_held<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    cluster: &str,
) -> Result<(), StoreError> {
    UNTIL_A_LEASE.into_iter().try_for_each(|kind| {
        let missed = rows::all_open(rows, Some((kind, cluster)))?;
        close_all(rows, now, missed)
    })
}

/// A POP takes no part any more: nothing about it has to be looked at; nor about its cluster, if it
/// was the last one.
pub fn removed<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    cluster: &str,
    pop: PopId,
    is_last: bool,
) -> Result<(), StoreError> {
    let mut of_it = rows::all_open(rows, None)?;
    of_it.retain(|Incident { source, .. }| {
        source.cluster.as_deref() == Some(cluster) && (is_last || source.pop == Some(pop))
    });
    close_all(rows, now, of_it)
}

fn close_all<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    incidents: Vec<Incident>,
) -> Result<(), StoreError> {
    let resolved = Resolved { at: now, by: By::Hq };
    incidents.into_iter().try_for_each(|mut incident| rows::close(rows, &mut incident, resolved))
}

struct Seen<'a, R> {
    rows: &'a mut R,
    now: UnixTime,
    cluster: &'a str,
}

impl<R: RowsMut> Seen<'_, R> {
    fn source(&self, pop: Option<PopId>) -> Source {
        Source { cluster: Some(self.cluster.into()), pop, hostname: String::new() }
    }

    fn is_open(&self, kind: &str) -> Result<bool, StoreError> {
        Ok(rows::open(self.rows, &self.source(None), kind)?.is_some())
    }

    fn open(
        &mut self,
        kind: &str,
        pop: Option<PopId>,
        message: String,
        epoch: Option<Epoch>,
        count: u64,
    ) -> Result<(), StoreError> {
        let details = epoch.map(|epoch| {
            let number = (EPOCH.to_string(), epoch.number.to_string());
            [number, (PRIMARY.to_string(), epoch.primary.to_string())]
        });
        let alert = Alert {
            kind: kind.to_string(),
            source: self.source(pop),
            raised_at: self.now,
            message,
            details: details.map(BTreeMap::from).unwrap_or_default(),
        };
        raise(self.rows, self.now, alert, count).map(|_| ())
    }

    fn end(&mut self, kind: &str, pop: Option<PopId>) -> Result<(), StoreError> {
        let source = self.source(pop);
        settle(self.rows, self.now, &source, kind).map(|_| ())
    }

    /// A primary that is back before anybody was to follow it takes writes again.
    fn end_if_back(&mut self, pop: PopId) -> Result<(), StoreError> {
        let lost = rows::open(self.rows, &self.source(None), NO_PRIMARY)?;
        let is_back = lost.is_some_and(|lost| {
            lost.details.get(PRIMARY).is_some_and(|primary| primary == pop.as_str())
        });
        if is_back && !self.is_open(FAILOVER)? { self.end(NO_PRIMARY, None) } else { Ok(()) }
    }
}
