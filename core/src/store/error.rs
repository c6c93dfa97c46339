//! What can go wrong in a transaction.

use alloc::string::String;
use core::fmt;

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

impl core::error::Error for StoreError {}

/// Why an operation stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop<E> {
    /// It decided against writing.
    Refused(E),
    /// Storage failed under it.
    Storage(StoreError),
}

impl<E> Stop<E> {
    /// The same stop, with its refusal in the words of another boundary.
    pub fn map<F>(self, refusal: impl FnOnce(E) -> F) -> Stop<F> {
        match self {
            Stop::Refused(refused) => Stop::Refused(refusal(refused)),
            Stop::Storage(error) => Stop::Storage(error),
        }
    }
}

impl<E> From<StoreError> for Stop<E> {
    fn from(error: StoreError) -> Self {
        Stop::Storage(error)
    }
}
