//! [P8] A forged, replayed or misdirected ack clears nothing: a cursor is never above what the peer
//! has received, and only an ack to a frame of data moves it up. Nor does one make an old copy of what is none.

use clavitor_core::alert::AlertType;
use clavitor_core::time::Instant;

use super::delivery::Delivery;
use super::{Held, Sight, broken};
use crate::event::Fact;

pub(super) fn see(delivery: &Delivery, fact: &Fact, sight: Sight<'_>) -> Held {
    match fact {
        Fact::Advanced { pop, peer, op, cursor, .. } => {
            if delivery.is_outdated(*pop, *peer, *op, sight) {
                return Ok(());
            }
            let server = sight.server(*pop);
            let to = sight.server(server.peers[usize::from(*peer)]);
            let Some(store) = server.store_id() else { return Ok(()) };
            let received = delivery.reached(to.index, server.pop, store);
            if *cursor > received {
                let (pop, to) = (server.pop, to.pop);
                let what = format!("{pop} goes by {cursor} for {to}, which has {received}");
                return broken("P8", what);
            }
            Ok(())
        }
        // That a disk has no room for the word of a peer holds nothing up, and may cost such an alert.
        Fact::Alerted(pop, alert) if alert.alert_type == AlertType::RolledBack => {
            let server = sight.server(*pop);
            let is_excused = server.replaced_at.max(server.full_until) > Instant(0);
            if is_excused {
                return Ok(());
            }
            broken("P8", format!("{} goes by an ack as an old copy, and is none", server.pop))
        }
        Fact::Adopted { pop, peer, cursor, .. } if *cursor > delivery.cursor(*pop, *peer) => {
            let pop = sight.server(*pop).pop;
            broken("P8", format!("a hello moved the cursor of {pop} up to {cursor}"))
        }
        _ => Ok(()),
    }
}
