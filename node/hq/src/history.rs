//! What happened to clusters: kept, listed, and told in a line of the log.

use clavitor_commercial::renewal::KeptBack;
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::UnixTime;
use clavitor_hq_core::control::{ClusterName, Event};
use clavitor_node::store::{Rows, RowsMut, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tables::{self, EVENTS};

/// The most events that are kept; the oldest goes first.
pub(crate) const EVENTS_MAX: u64 = 100_000;

/// The most events that one question looks at: what it does not come to is on the next page.
const LOOKED_AT_MAX: u64 = 10_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Happened {
    /// When, by HQ's wall clock.
    pub(crate) at: UnixTime,
    /// To which cluster.
    pub(crate) cluster: ClusterName,
    /// What.
    pub(crate) what: What,
}

/// What happened. Stored by their places: a new one goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// The machine says so.
    Decided(Event),
    /// An operator gave a POP a token.
    Registered(PopId),
    /// An operator took it away.
    Removed(PopId),
    /// DNS names another POP, or the same one elsewhere.
    DnsMoved(PopId),
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Of one cluster alone.
    pub(crate) cluster: Option<String>,
    /// Of one type alone.
    pub(crate) kind: Option<String>,
    /// Older than this one.
    pub(crate) after: Option<u64>,
    /// So many at the most.
    pub(crate) limit: usize,
}

/// Some events, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The events by their numbers.
    pub(crate) events: Vec<(u64, Happened)>,
    /// What to ask after for the next page, if there may be one.
    pub(crate) next: Option<u64>,
}

/// Keeps an event, and lets the oldest go if there are too many.
pub(crate) fn keep(rows: &mut impl RowsMut, happened: &Happened) -> Result<(), StoreError> {
    keep_at_most(rows, happened, EVENTS_MAX)
}

fn keep_at_most(
    rows: &mut impl RowsMut,
    happened: &Happened,
    events_max: u64,
) -> Result<(), StoreError> {
    let number = last(rows)?.map_or(1, |last| last.saturating_add(1));
    tables::save(rows, EVENTS, &number.to_be_bytes(), happened)?;
    if rows.count(EVENTS)? > events_max {
        let oldest = rows.all(EVENTS)?.next().transpose()?.map(|(key, _)| key.to_vec());
        oldest.map_or(Ok(false), |oldest| rows.delete(EVENTS, &oldest))?;
    }
    Ok(())
}

/// The newest events that a filter lets pass.
pub(crate) fn page(rows: &impl Rows, filter: &Filter) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let newest = last(rows)?.unwrap_or(0);
    let from = filter.after.map_or(newest, |after| newest.min(after.saturating_sub(1)));
    let until = from.saturating_sub(LOOKED_AT_MAX);
    for number in (until + 1..=from).rev() {
        // Numbers have no gap: the first that is not there is older than all that are kept.
        let Some(happened) = tables::load::<Happened>(rows, EVENTS, &number.to_be_bytes())? else {
            return Ok(page);
        };
        let is_asked = |asked: &Option<String>, is: &str| asked.as_ref().is_none_or(|it| it == is);
        if is_asked(&filter.cluster, &happened.cluster)
            && is_asked(&filter.kind, happened.what.kind())
        {
            page.events.push((number, happened));
            if page.events.len() >= filter.limit {
                page.next = Some(number);
                return Ok(page);
            }
        }
    }
    page.next = (until > 0).then_some(until + 1);
    Ok(page)
}

fn last(rows: &impl Rows) -> Result<Option<u64>, StoreError> {
    let damaged = StoreError::Damaged("the number of an event cannot be read");
    match rows.last(EVENTS)? {
        None => Ok(None),
        Some((key, _)) => key.try_into().map(u64::from_be_bytes).map(Some).map_err(|_| damaged),
    }
}

impl Happened {
    /// As operators get it.
    pub(crate) fn document(&self, number: u64) -> Value {
        json!({
            "id": number.to_string(),
            "at_ms": self.at.0,
            "cluster": self.cluster,
            "type": self.what.kind(),
            "pop": self.what.pop(),
            "epoch": self.what.epoch(),
            "why": self.what.why().map(why),
        })
    }
}

impl What {
    /// Its type's name in the API.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            What::Registered(_) => "registered",
            What::Removed(_) => "removed",
            What::DnsMoved(_) => "dns_moved",
            What::Decided(event) => match event {
                Event::PopSeen(_) => "pop_seen",
                Event::PopLost(_) => "pop_lost",
                Event::LeaseExpired(_) => "lease_expired",
                Event::Carried(_) => "carried",
                Event::PromotionOrdered(_) => "promotion_ordered",
                Event::PromotionFailed(_) => "promotion_failed",
                Event::PrimaryChanged(_) => "primary_changed",
                Event::HandOverBegan(_) => "hand_over_began",
                Event::HandOverFailed(_) => "hand_over_failed",
                Event::MemberAdded(_) => "member_added",
                Event::MemberRemoved(_) => "member_removed",
                Event::Duplicate(_) => "duplicate",
                Event::Overruled(_) => "overruled",
            },
        }
    }

    fn epoch(self) -> Option<Epoch> {
        match self {
            What::Registered(_) | What::Removed(_) | What::DnsMoved(_) => None,
            What::Decided(event) => match event {
                Event::LeaseExpired(epoch)
                | Event::Carried(epoch)
                | Event::PromotionOrdered(epoch)
                | Event::PromotionFailed(epoch)
                | Event::PrimaryChanged(epoch)
                | Event::Overruled(epoch) => Some(epoch),
                _ => None,
            },
        }
    }

    fn pop(self) -> Option<PopId> {
        match self {
            What::Registered(pop) | What::Removed(pop) | What::DnsMoved(pop) => Some(pop),
            What::Decided(event) => match event {
                Event::PopSeen(pop)
                | Event::PopLost(pop)
                | Event::HandOverBegan(pop)
                | Event::MemberAdded(pop)
                | Event::MemberRemoved(pop)
                | Event::Duplicate(pop) => Some(pop),
                _ => self.epoch().map(|epoch| epoch.primary),
            },
        }
    }

    fn why(self) -> Option<KeptBack> {
        match self {
            What::Decided(Event::HandOverFailed(why)) => Some(why),
            _ => None,
        }
    }

    /// In a few words, for the log.
    pub(crate) fn words(self) -> String {
        let (pop, number) = (
            self.pop().map(|pop| pop.to_string()).unwrap_or_default(),
            self.epoch().map_or(0, |epoch| epoch.number),
        );
        match self {
            What::Registered(_) => format!("{pop} has a new token"),
            What::Removed(_) => format!("{pop} is removed"),
            What::DnsMoved(_) => format!("DNS names {pop}"),
            What::Decided(event) => match event {
                Event::PopSeen(_) => format!("{pop} renews"),
                Event::PopLost(_) => format!("{pop} does not renew"),
                Event::LeaseExpired(_) => format!("the lease of {pop} is over (epoch {number})"),
                Event::Carried(_) => format!("lease votes carry {pop} on (epoch {number})"),
                Event::PromotionOrdered(_) => {
                    format!("{pop} is to become primary (epoch {number})")
                }
                Event::PromotionFailed(_) => {
                    format!("{pop} did not accept in time (epoch {number})")
                }
                Event::PrimaryChanged(_) => format!("{pop} is primary (epoch {number})"),
                Event::HandOverBegan(_) => format!("the primary hands over to {pop}"),
                Event::HandOverFailed(reason) => {
                    format!("the primary keeps its lease: {}", why(reason))
                }
                Event::MemberAdded(_) => format!("{pop} may follow the primary"),
                Event::MemberRemoved(_) => format!("{pop} may not follow the primary any longer"),
                Event::Duplicate(_) => {
                    format!("two processes or data directories are alive as {pop}")
                }
                Event::Overruled(_) => {
                    format!("{pop} took an epoch that was not given to it; a newer one ends it")
                }
            },
        }
    }
}

/// Why a primary kept its lease.
pub(crate) fn why(kept_back: KeptBack) -> &'static str {
    match kept_back {
        KeptBack::TooFarBehind => "too_far_behind",
        KeptBack::NotDrained => "not_drained",
        KeptBack::NotAPeer => "not_a_peer",
    }
}

#[cfg(test)]
mod tests;
