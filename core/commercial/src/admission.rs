//! Who may write: asked inside the transaction of every client's write, and by whoever is told where to
//! send one.

use clavitor_core::hlc::Floor;
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
    /// This POP is the primary, and holds no lease now.
    NoLease,
    /// This POP is the primary, and is handing over.
    HandingOver(PopId),
}

/// What a server knows besides its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub pop: PopId,
    /// Whether the data was imported, and the peers are not heard yet.
    pub is_imported: bool,
    /// What the peers' clocks show, if any is known.
    pub agreed: Option<UnixTime>,
    /// Whether the lease lasts, by the clock of this moment.
    pub has_lease: bool,
    /// Who is going to take writes instead, during a hand-over.
    pub handing_to: Option<PopId>,
}

/// Whether a client may write.
pub fn admit<R: RowsMut>(
    txn: &Transaction<'_, R>,
    standing: Standing,
) -> Result<(), Stop<Refused>> {
    let epoch = epoch::known(&txn.reader())?;
    judge(standing, epoch, txn.now(), txn.floor()).map_err(Stop::Refused)
}

/// The same, by what is known outside of a transaction: the newest epoch, the wall clock and the highest
/// timestamp issued or seen.
pub fn judge(
    standing: Standing,
    epoch: Option<Epoch>,
    now: UnixTime,
    floor: Floor,
) -> Result<(), Refused> {
    let Standing { pop, is_imported, agreed, has_lease, handing_to } = standing;
    if epoch.is_none_or(|epoch| epoch.primary != pop) {
        return Err(Refused::NotPrimary(epoch));
    }
    if let Some(to) = handing_to {
        return Err(Refused::HandingOver(to));
    }
    if !has_lease {
        return Err(Refused::NoLease);
    }
    if is_imported {
        return Err(Refused::Imported);
    }
    if !skew::may_stamp(agreed.unwrap_or(now), now, floor) {
        return Err(Refused::Clock);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clavitor_core::id::{Seq, StoreId};

    use super::*;
    use crate::tables::memory::{Memory, NOON};

    fn pop(name: &str) -> PopId {
        name.parse().unwrap()
    }

    fn standing() -> Standing {
        Standing {
            pop: pop("a"),
            is_imported: false,
            agreed: Some(NOON),
            has_lease: true,
            handing_to: None,
        }
    }

    fn refused(primary: &str, standing: Standing) -> Option<Refused> {
        let mut memory = Memory::of(pop("a"), StoreId([1; 16]), Seq(0));
        let epoch = Epoch { number: 2, primary: pop(primary) };
        memory.write(|txn| epoch::adopt(txn, epoch)).unwrap();
        match memory.write(|txn| admit(txn, standing)) {
            Ok(()) => None,
            Err(Stop::Refused(refused)) => Some(refused),
            Err(Stop::Storage(error)) => unreachable!("{error:?}"),
        }
    }

    #[test]
    fn only_the_primary_with_a_lease_that_hands_over_to_nobody_takes_writes() {
        assert_eq!(refused("a", standing()), None);
        let epoch = Epoch { number: 2, primary: pop("b") };
        assert_eq!(refused("b", standing()), Some(Refused::NotPrimary(Some(epoch))));
        let late = Standing { has_lease: false, ..standing() };
        assert_eq!(refused("a", late), Some(Refused::NoLease));
        let handing = Standing { handing_to: Some(pop("b")), ..late };
        assert_eq!(refused("a", handing), Some(Refused::HandingOver(pop("b"))));
        let imported = Standing { is_imported: true, ..standing() };
        assert_eq!(refused("a", imported), Some(Refused::Imported));
        let odd = Standing { agreed: Some(NOON.plus_ms(skew::REFUSE_MS + 1)), ..standing() };
        assert_eq!(refused("a", odd), Some(Refused::Clock));
    }
}
