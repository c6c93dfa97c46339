//! What can go wrong in the store, beside what can in a transaction.

use std::fmt;
use std::io;

use clavitor_core::id::{BadId, PopId};
use clavitor_core::store::{IdentityError, Purpose, SCHEMA, StoreError};

use super::lmdb;
use crate::program;

/// Why a write did not happen, or is not known to have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError<E> {
    /// The operation decided against writing.
    Refused(E),
    /// There is no room; nothing changed.
    Full,
    /// Too many writes wait already; nothing changed.
    Busy,
    /// The server is going away; nothing changed.
    Stopped,
    /// Stored bytes it needed are damaged; nothing changed.
    Damaged,
    /// The write may or may not have happened.
    Unknown,
}

/// Why a data directory cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it open.
    InUse,
    /// It was written by a newer version.
    NewerSchema {
        /// The version found.
        found: u32,
    },
    /// It was written by an older version, whose layout is not read any more.
    OlderSchema {
        /// The version found.
        found: u32,
    },
    /// It belongs to another POP.
    OtherPop {
        /// The POP it belongs to.
        stored: PopId,
        /// The POP that was asked for.
        given: PopId,
    },
    /// It was made for this, and not for what it is to be opened for.
    OtherPurpose(Purpose),
    /// The POP id is not one.
    BadPop(BadId),
    /// An import into it did not finish.
    HalfImported,
    /// It is not empty, and must be.
    NotEmpty,
    /// It is not there, and must be.
    Missing,
    /// The operating system refuses.
    Io(io::Error),
    /// The store refuses.
    Store(StoreError),
}

impl From<heed::Error> for OpenError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Io(error) => OpenError::Io(error),
            heed::Error::Mdb(heed::MdbError::Invalid | heed::MdbError::VersionMismatch) => {
                OpenError::Store(StoreError::Damaged("the file is not a store"))
            }
            error => OpenError::Store(lmdb::failure(error)),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
    }
}

impl From<IdentityError> for OpenError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NewerSchema { found } => OpenError::NewerSchema { found },
            IdentityError::OlderSchema { found } => OpenError::OlderSchema { found },
            IdentityError::OtherPop { stored, given } => OpenError::OtherPop { stored, given },
            IdentityError::OtherPurpose(stored) => OpenError::OtherPurpose(stored),
            IdentityError::BadPop(error) => OpenError::BadPop(error),
            IdentityError::HalfImported => OpenError::HalfImported,
            IdentityError::Store(error) => OpenError::Store(error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse => f.write_str(
                "the data directory is in use by another process; stop it, or give another --data-dir",
            ),
            OpenError::NewerSchema { found } => write!(
                f,
                "the data directory was written by a newer version (schema {found}, this one reads {}); \
                 run that version, or import an export of it",
                SCHEMA
            ),
            OpenError::OlderSchema { found } => write!(
                f,
                "the data directory was written by an older version (schema {found}, this one reads {}); \
                 export it with that version and import the file with this one",
                SCHEMA
            ),
            OpenError::OtherPop { stored, given } => write!(
                f,
                "the data directory belongs to POP {stored}, not {given}; give --pop-id {stored}, or \
                 another --data-dir"
            ),
            OpenError::OtherPurpose(Purpose::Hq { .. }) => f.write_str(
                "the data directory belongs to HQ, not to a server of vaults; give another --data-dir, or \
                 start `clavitor hq serve` with this one",
            ),
            OpenError::OtherPurpose(Purpose::Vaults) => f.write_str(
                "the data directory belongs to a server of vaults, not to HQ; give another --data-dir, or \
                 start `clavitor serve` with this one",
            ),
            OpenError::BadPop(error) => write!(f, "{error}"),
            OpenError::HalfImported => f.write_str(
                "an import into the data directory was interrupted; empty it and import again",
            ),
            OpenError::NotEmpty => f.write_str(
                "the data directory already holds a store; import needs an empty one",
            ),
            OpenError::Missing => f.write_str("there is no store in that directory"),
            OpenError::Io(error) => write!(f, "the data directory cannot be used: {error}"),
            OpenError::Store(StoreError::Damaged(what)) => write!(
                f,
                "the data directory is damaged ({what}); run `{} check`, or start with an empty directory \
                 and import an export, or let the peers refill it",
                program::name()
            ),
            OpenError::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenError {}
