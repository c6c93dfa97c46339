//! What can go wrong with HQ's store.

use std::convert::Infallible;
use std::fmt;

use clavitor_node::store::{self, StoreError, WriteError};

use super::SCHEMA;

/// Why HQ's data directory cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The store in it cannot be.
    Store(store::OpenError),
    /// It was written by a newer version.
    NewerSchema {
        /// The version found.
        found: u32,
    },
}

impl From<store::OpenError> for OpenError {
    fn from(error: store::OpenError) -> Self {
        OpenError::Store(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error.into())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Store(error) => write!(f, "{error}"),
            OpenError::NewerSchema { found } => write!(
                f,
                "the data directory was written by a newer version of HQ (schema {found}, this one \
                 reads {SCHEMA}); run that version"
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why the store did not take what HQ itself has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk, or what HQ may use of it, is full.
    Full,
    /// It may be tried again.
    Busy,
    /// What is stored already cannot be read.
    Damaged,
    /// The disk failed, and nobody knows what is on it.
    Unknown,
}

impl Fault {
    /// Whether the same may be taken another time.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Fault::Full | Fault::Busy)
    }
}

impl From<WriteError<Infallible>> for Fault {
    fn from(error: WriteError<Infallible>) -> Self {
        match error {
            WriteError::Refused(never) => match never {},
            WriteError::Full => Fault::Full,
            WriteError::Busy | WriteError::Stopped => Fault::Busy,
            WriteError::Damaged => Fault::Damaged,
            WriteError::Unknown => Fault::Unknown,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => StoreError::Full,
            Fault::Damaged => StoreError::Damaged("what a start of HQ needs cannot be read"),
            Fault::Busy | Fault::Unknown => StoreError::Broken(fault.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Full => "there is no room: free the disk",
            Fault::Busy => "the store has too much to do, or is being closed",
            Fault::Damaged => "what is stored already is damaged: see the operators' guide",
            Fault::Unknown => "the disk failed: see the system's log",
        })
    }
}

/// Why something was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepError {
    /// It has a token already.
    Known,
    /// There are [`super::POPS_MAX`] POPs.
    TooManyPops,
    /// Its cluster has [`super::CLUSTER_POPS_MAX`] POPs.
    ClusterFull,
    /// There are as many clusters as there may be.
    TooManyClusters,
    /// The disk, or what HQ may use of it, is full.
    Full,
    /// It may be tried again.
    Busy,
    /// Nobody knows whether it happened.
    Unknown,
}

impl From<WriteError<KeepError>> for KeepError {
    fn from(error: WriteError<KeepError>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Full => KeepError::Full,
            WriteError::Busy | WriteError::Stopped => KeepError::Busy,
            WriteError::Damaged | WriteError::Unknown => KeepError::Unknown,
        }
    }
}
