//! Who may write: asked inside the transaction of every client's write.

use clavitor_core::id::{Epoch, PopId};
use clavitor_core::store::{RowsMut, Stop, Transaction};
use clavitor_core::time::UnixTime;

use crate::{epoch, skew};

/// Why a client's write is not taken here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This POP is not the primary of the newest epoch it knows.
    NotPrimary(Option<Epoch>),
    /// The data was imported, and the peers are not heard yet.
    Imported,
    /// This server's clock is far off its peers'.
    Clock,
}

/// Whether a client may write. `agreed` is what the peers' clocks show, if any is known.
pub fn admit<R: RowsMut>(
    txn: &Transaction<'_, R>,
    pop: PopId,
    is_imported: bool,
    agreed: Option<UnixTime>,
) -> Result<(), Stop<Refused>> {
    let epoch = epoch::known(&txn.reader())?;
    if epoch.is_none_or(|epoch| epoch.primary != pop) {
        return Err(Stop::Refused(Refused::NotPrimary(epoch)));
    }
    if is_imported {
        return Err(Stop::Refused(Refused::Imported));
    }
    if !skew::may_stamp(agreed.unwrap_or(txn.now()), txn.now(), txn.floor()) {
        return Err(Stop::Refused(Refused::Clock));
    }
    Ok(())
}
