//! Facts about a store, and the identity it opens with.

use alloc::format;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::rows::{META, Rows, RowsMut};
use super::values::State;
use crate::codec;
use crate::id::{BadId, PopId, StoreId};

/// The version of the tables' layout.
pub const SCHEMA: u32 = 2;

/// The fact that a store was imported and has yet to hear its peers.
pub const IMPORTED: &str = "imported";

/// The fact that an import is under way: what it leaves half done is no store.
pub const IMPORTING: &str = "importing";

/// The fact that a store is HQ's: the version of the layout of HQ's tables.
pub const HQ_SCHEMA: &str = "hq_schema";

pub(super) const STATE: &str = "state";
pub(super) const STORE_ID: &str = "store_id";
const SCHEMA_FACT: &str = "schema";
const POP: &str = "pop_id";

/// What the POP id of a server that was given none begins with. The rest is random: timestamps of
/// two such servers must differ if their data ever meets.
const LOCAL_POP: &str = "local-";

/// What a store is for. One is never opened for the other: their tables have the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A server's vaults.
    Vaults,
    /// HQ's work.
    Hq {
        /// The version of the layout of HQ's tables, for a new store.
        schema: u32,
    },
}

/// Whose store it is, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The POP it belongs to.
    pub pop: PopId,
    /// The identity of the data directory.
    pub store_id: StoreId,
    /// What it counted when the last transaction was committed.
    pub state: State,
}

/// Whose store it is, if it is one yet.
pub(super) fn owner(rows: &impl Rows) -> Result<Option<Owner>, StoreError> {
    let (pop, store_id) = (load_fact(rows, POP)?, load_fact(rows, STORE_ID)?);
    let state = load_fact(rows, STATE)?.unwrap_or_default();
    Ok(pop.zip(store_id).map(|(pop, store_id)| Owner { pop, store_id, state }))
}

/// What a store is when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The POP it belongs to.
    pub pop: PopId,
    /// The identity of the data directory.
    pub store_id: StoreId,
    /// What it counts.
    pub state: State,
    /// Whether there was no store before.
    pub is_new: bool,
    /// Whether anything was written that must be committed.
    pub has_changed: bool,
}

/// Why tables are not a store to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// They were written by a newer version.
    NewerSchema {
        /// The version found.
        found: u32,
    },
    /// They were written by an older version, whose layout is not read any more.
    OlderSchema {
        /// The version found.
        found: u32,
    },
    /// They belong to another POP.
    OtherPop {
        /// The POP they belong to.
        stored: PopId,
        /// The POP that was asked for.
        given: PopId,
    },
    /// They were made for this, and not for what they are to be opened for.
    OtherPurpose(Purpose),
    /// The POP id is not one.
    BadPop(BadId),
    /// An import did not finish.
    HalfImported,
    /// Storage failed.
    Store(StoreError),
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        IdentityError::Store(error)
    }
}

/// Finds out, or settles at the first start, whose store this is. `pop` is the POP id to use;
/// `None` takes the stored one, else mints one.
pub fn settle_identity<R: RowsMut>(
    rows: &mut R,
    purpose: Purpose,
    pop: Option<PopId>,
    mut entropy: impl FnMut() -> [u8; 16],
) -> Result<Identity, IdentityError> {
    let schema: Option<u32> = load_fact(rows, SCHEMA_FACT)?;
    match schema {
        Some(found) if found > SCHEMA => return Err(IdentityError::NewerSchema { found }),
        Some(found) if found < SCHEMA => return Err(IdentityError::OlderSchema { found }),
        _ => {}
    }
    if load_fact(rows, IMPORTING)?.unwrap_or(false) {
        return Err(IdentityError::HalfImported);
    }
    let known: Option<StoreId> = load_fact(rows, STORE_ID)?;
    let is_new = known.is_none();
    let stored_purpose = load_fact(rows, HQ_SCHEMA)?.map(|schema| Purpose::Hq { schema });
    match (purpose, stored_purpose) {
        (Purpose::Vaults, Some(stored)) => return Err(IdentityError::OtherPurpose(stored)),
        (Purpose::Hq { .. }, None) if !is_new => {
            return Err(IdentityError::OtherPurpose(Purpose::Vaults));
        }
        _ => {}
    }
    let stored: Option<PopId> = load_fact(rows, POP)?;
    let pop = settle_pop(stored, pop, &mut entropy)?;
    let store_id = known.unwrap_or_else(|| StoreId(entropy()));
    let state: Option<State> = load_fact(rows, STATE)?;
    let has_changed = is_new || stored != Some(pop);
    if has_changed {
        save_fact(rows, SCHEMA_FACT, &SCHEMA)?;
        save_fact(rows, POP, &pop)?;
        save_fact(rows, STORE_ID, &store_id)?;
    }
    // With the rest: half of it would be a store for vaults.
    if let Purpose::Hq { schema } = purpose
        && is_new
    {
        save_fact(rows, HQ_SCHEMA, &schema)?;
    }
    Ok(Identity { pop, store_id, state: state.unwrap_or_default(), is_new, has_changed })
}

/// Reads a named fact.
pub fn load_fact<T: Serialize + DeserializeOwned>(
    rows: &impl Rows,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let bytes = rows.get(META, name.as_bytes())?;
    let value = bytes.map(codec::decode).transpose();
    value.map_err(|_| StoreError::Damaged("a fact about the store cannot be read"))
}

/// Writes a named fact.
pub fn save_fact<T: Serialize>(
    rows: &mut impl RowsMut,
    name: &str,
    value: &T,
) -> Result<(), StoreError> {
    rows.put(META, name.as_bytes(), &codec::encode(value))
}

/// The POP id to go by: a given one is stored at the first start and cannot change later.
fn settle_pop(
    stored: Option<PopId>,
    given: Option<PopId>,
    entropy: &mut impl FnMut() -> [u8; 16],
) -> Result<PopId, IdentityError> {
    let chosen = stored.filter(|stored| !stored.as_str().starts_with(LOCAL_POP));
    match (chosen, given) {
        (Some(stored), Some(given)) if stored != given => {
            Err(IdentityError::OtherPop { stored, given })
        }
        (_, Some(given)) => Ok(given),
        (_, None) => {
            let [a, b, c, d, ..] = entropy();
            let minted = format!("{LOCAL_POP}{a:02x}{b:02x}{c:02x}{d:02x}");
            stored.map_or_else(|| minted.parse().map_err(IdentityError::BadPop), Ok)
        }
    }
}
