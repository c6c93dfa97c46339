//! What can go wrong in the store.

use std::fmt;
use std::io;

use clavitor_core::id::{BadId, PopId};

/// A failure of storage itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The map, the quota or the disk is full.
    Full,
    /// Stored bytes are not what this server writes.
    Damaged(&'static str),
    /// The disk reported an error, or took only part of a page.
    Cut,
    /// Anything else; after a failed sync nothing may be tried again on the same pages.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full => f.write_str("the storage is full"),
            StoreError::Damaged(what) => write!(f, "the data is damaged: {what}"),
            StoreError::Cut => f.write_str("storage failed: the disk reports an error"),
            StoreError::Broken(error) => write!(f, "storage failed: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        const NO_SPACE: i32 = 28;
        const QUOTA: i32 = 122;
        const TOO_LARGE: i32 = 27;
        const IO: i32 = 5;
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => StoreError::Full,
            heed::Error::Io(error)
                if matches!(error.raw_os_error(), Some(NO_SPACE | QUOTA | TOO_LARGE)) =>
            {
                StoreError::Full
            }
            heed::Error::Io(error) if error.raw_os_error() == Some(IO) => StoreError::Cut,
            heed::Error::Mdb(heed::MdbError::Corrupted | heed::MdbError::PageNotFound) => {
                StoreError::Damaged("a page of the store cannot be read")
            }
            error => StoreError::Broken(error.to_string()),
        }
    }
}

/// Why an operation stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop<E> {
    /// It decided against writing.
    Refused(E),
    /// Storage failed under it.
    Storage(StoreError),
}

impl<E> From<StoreError> for Stop<E> {
    fn from(error: StoreError) -> Self {
        Stop::Storage(error)
    }
}

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
    /// It belongs to another POP.
    OtherPop {
        /// The POP it belongs to.
        stored: PopId,
        /// The POP that was asked for.
        given: PopId,
    },
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
            error => OpenError::Store(error.into()),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
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
                super::tables::SCHEMA
            ),
            OpenError::OtherPop { stored, given } => write!(
                f,
                "the data directory belongs to POP {stored}, not {given}; give --pop-id {stored}, or \
                 another --data-dir"
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
                "the data directory is damaged ({what}); run `clavitor check`, or start with an empty \
                 directory and import an export, or let the peers refill it"
            ),
            OpenError::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenError {}
