//! [P4] A record rewritten while an older version is in flight stays dirty: no cursor passes a
//! record that the peer has not taken as it is now.

use std::ops::Bound;

use clavitor_core::id::Seq;
use clavitor_core::store::{CHANGES, RECORDS, Rows, decode_change, decode_key};

use super::delivery::Delivery;
use super::{Held, Sight, broken};
use crate::event::Fact;

pub(super) fn see(delivery: &Delivery, fact: &Fact, sight: Sight<'_>) -> Held {
    let Fact::Advanced { pop, peer, op, cursor, setbacks } = fact else { return Ok(()) };
    if delivery.is_outdated(*pop, *peer, *op, sight) {
        return Ok(());
    }
    let server = sight.server(*pop);
    let to = sight.server(server.peers[usize::from(*peer)]);
    let (from, until) = (delivery.cursor(*pop, *peer).0.to_be_bytes(), cursor.0.to_be_bytes());
    let range = (Bound::Excluded(from.as_slice()), Bound::Included(until.as_slice()));
    for row in server.disk.range(CHANGES, range.0, range.1).expect("rows are whole") {
        let (number, row) = row.expect("a row is whole");
        let (change, key) = decode_change(row).expect("a row is whole");
        if change.origin.is_some_and(|origin| delivery.is_from(&origin, to.index, to.pop)) {
            continue;
        }
        let record = server.disk.get(RECORDS, key).expect("rows are whole");
        let record = record.and_then(|stored| stored.get(16..)).unwrap_or_default();
        if delivery.has_taken(to.index, record) {
            continue;
        }
        let Some(key) = decode_key(key) else { continue };
        if !setbacks.contains(&key) && !delivery.is_set_back(*pop, *peer, &key) {
            let number = number.try_into().map_or(Seq(0), |it| Seq(u64::from_be_bytes(it)));
            let (pop, to) = (server.pop, to.pop);
            let what = format!(
                "the cursor of {pop} for {to} moved to {cursor} past {number}, {key:?}, which \
                 {to} has not taken"
            );
            return broken("P4", what);
        }
    }
    Ok(())
}
