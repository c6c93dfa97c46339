//! The tables themselves, for whoever puts LMDB to the test.

use std::path::Path;

use clavitor_core::store::Table;

use super::lmdb::{Tables, WriteRows};
use super::{OpenError, lock_directory, open_environment};

/// Runs `work` in one write transaction over a directory's tables and these beside them, and commits
/// it if it answers `true`.
///
/// There is no writer, no identity and no clock: the directory must be no server's.
pub fn transact(
    dir: &Path,
    bytes_max: u64,
    others: &[Table],
    work: impl FnOnce(&mut WriteRows<'_>) -> bool,
) -> Result<(), OpenError> {
    let _lock = lock_directory(dir)?;
    let env = open_environment(dir, bytes_max)?;
    let tables = Tables::open_own(&env)?;
    others.iter().try_for_each(|table| tables.open(&env, *table))?;
    let mut rows = WriteRows::begin(&env, &tables)?;
    if work(&mut rows) {
        rows.commit()?;
    }
    Ok(())
}
