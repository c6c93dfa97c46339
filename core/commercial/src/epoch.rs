//! Who is primary, as it is stored.

use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::store::{Reader, Rows, RowsMut, StoreError, Transaction};

use crate::{books, skew};

/// The fact that holds the newest epoch this POP knows.
const EPOCH: &str = "epoch";

/// An epoch that is told is not believed if its number is so far above the newest one that is known:
/// nobody has promoted anybody that often meanwhile.
pub const STEP_MAX: u64 = 1 << 20;

/// No epoch that is told has a higher number: some above it must be left.
pub const NUMBER_MAX: u64 = u64::MAX - (1 << 32);

/// Whether an epoch that is told may be believed.
pub fn is_credible(known: Option<Epoch>, told: Epoch) -> bool {
    let most = known.map_or(NUMBER_MAX, |known| known.number.saturating_add(STEP_MAX));
    told.number <= most.min(NUMBER_MAX)
}

/// Whether an epoch that is told is newer than what is known, and may be believed.
pub fn is_news(known: Option<Epoch>, told: Epoch) -> bool {
    Some(told) > known && is_credible(known, told)
}

/// The newest epoch this POP knows.
pub fn known<R: Rows>(reader: &Reader<'_, R>) -> Result<Option<Epoch>, StoreError> {
    Ok(reader.fact::<Option<Epoch>>(EPOCH)?.flatten())
}

/// Stores an epoch, whatever is known.
pub fn store<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    epoch: Option<Epoch>,
) -> Result<(), StoreError> {
    txn.set_fact(EPOCH, &epoch)
}

/// Stores an epoch that a peer told, if it is newer than what is known.
pub fn adopt<R: RowsMut>(txn: &mut Transaction<'_, R>, newer: Epoch) -> Result<(), StoreError> {
    if Some(newer) > known(&txn.reader())? {
        store(txn, Some(newer))?;
    }
    Ok(())
}

/// Stores an epoch in which this POP takes over, if it is newer than what is known, and raises the
/// clock above everything the old primary can have issued. Answers what is known then.
///
/// A clock that ran away at the old primary must not run away here: its records from further ahead
/// are deferred, so nothing has to be above them.
pub fn accept<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    newer: Epoch,
    floor_ms: u64,
) -> Result<Epoch, StoreError> {
    adopt(txn, newer)?;
    let ms = floor_ms.min(txn.now().plus_ms(skew::REFUSE_MS).0);
    txn.observe(Hlc { ms, counter: u32::MAX, pop: newer.primary });
    Ok(known(&txn.reader())?.unwrap_or(newer))
}

/// Makes `pop` the primary, whether or not its peers were heard: a promotion is a person's word
/// that this copy is the one to go on with. Who is primary already stays so; a new term is named
/// only when one begins.
pub fn promote<R: RowsMut>(txn: &mut Transaction<'_, R>, pop: PopId) -> Result<Epoch, StoreError> {
    let known = known(&txn.reader())?;
    let epoch = known.filter(|epoch| epoch.primary == pop);
    let epoch = epoch.unwrap_or_else(|| Epoch::after(known, pop));
    store(txn, Some(epoch))?;
    books::settle_import(txn)?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use clavitor_core::id::{Seq, StoreId};

    use super::*;
    use crate::tables::memory::{Memory, NOON};

    fn pop(name: &str) -> PopId {
        name.parse().unwrap()
    }

    fn memory() -> Memory {
        Memory::of(pop("a"), StoreId([1; 16]), Seq(0))
    }

    #[test]
    fn whoever_takes_over_issues_nothing_at_or_below_the_floor_also_after_a_restart() {
        let mut memory = memory();
        let newer = Epoch { number: 2, primary: pop("a") };
        let floor_ms = NOON.0 + 90_000;
        assert_eq!(memory.write(|txn| accept(txn, newer, floor_ms)), Ok(newer));
        let next = memory.write(|txn| txn.next_hlc());
        assert!(next > Hlc { ms: floor_ms, counter: u32::MAX, pop: pop("a") }, "{next}");
    }

    #[test]
    fn a_floor_that_ran_away_is_not_taken_over() {
        let mut memory = memory();
        let newer = Epoch { number: 2, primary: pop("a") };
        let a_year = 31_536_000_000;
        assert_eq!(memory.write(|txn| accept(txn, newer, NOON.0 + a_year)), Ok(newer));
        let floor = memory.write(|txn| txn.floor());
        assert!(skew::may_stamp(NOON, NOON, floor), "{floor:?}");
    }

    #[test]
    fn a_promotion_that_is_overtaken_is_none() {
        let mut memory = memory();
        let known = Epoch { number: 3, primary: pop("b") };
        memory.write(|txn| adopt(txn, known)).unwrap();
        let older = Epoch { number: 2, primary: pop("a") };
        assert_eq!(memory.write(|txn| accept(txn, older, 1)), Ok(known));
        assert_eq!(super::known(&Reader::new(&memory)), Ok(Some(known)));
    }
}
