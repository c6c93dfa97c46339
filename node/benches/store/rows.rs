//! The rows that a write of 1 KiB leaves in the store's tables, byte for byte in their sizes.

use clavitor_core::codec;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::Seq;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Head, Item, Key, Record, successor};
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Change, State, encode_key};

/// The size of a blob.
pub(crate) const BLOB_BYTES: usize = 1024;

/// The vault of every entry.
pub(crate) fn vault() -> VaultName {
    VaultName::try_from("bench".to_owned()).expect("a vault name")
}

/// The name of an entry.
pub(crate) fn entry(number: u64) -> EntryName {
    EntryName::try_from(format!("entry-{number:08}")).expect("an entry name")
}

/// What an entry says.
pub(crate) fn item(number: u64) -> Item {
    Item::Entry { vault: vault(), entry: entry(number), deleted: false }
}

/// The key of an entry.
pub(crate) fn key(number: u64) -> Key {
    Key::Entry(vault(), entry(number))
}

/// Numbers below `bound` without an order, the same ones every time.
pub(crate) fn shuffled(bound: u64) -> impl FnMut() -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

/// One write's rows.
pub(crate) struct Rows {
    /// The key of the record.
    pub(crate) key: Vec<u8>,
    /// The stored record; begins with its sequence number.
    pub(crate) record: Vec<u8>,
    /// The row of the index of changes.
    pub(crate) change: Vec<u8>,
    /// What the store counts.
    pub(crate) state: Vec<u8>,
}

impl Rows {
    /// The rows of an entry that was written before.
    pub(crate) fn of(number: u64) -> Self {
        let hlc = |ms| Hlc { ms, counter: 0, pop: "local-00000000".parse().expect("a POP id") };
        let before: Head = successor(None, &[], hlc(1), item(number));
        let record = Record {
            head: successor(Some(&before), &[], hlc(2), item(number)),
            blob: vec![7; BLOB_BYTES],
        };
        let key = encode_key(&key(number));
        let change = codec::encode(&Change { origin: None, bytes: 0, since: UnixTime(0) });
        const SEQ_AND_CHECKSUM: [u8; 16] = [0; 16];
        const CHANGE_LENGTH: [u8; 2] = [0; 2];
        Self {
            record: [SEQ_AND_CHECKSUM.as_slice(), &record.encode()].concat(),
            change: [CHANGE_LENGTH.as_slice(), &change, &key].concat(),
            state: codec::encode(&State { seq: Seq(0), ..State::default() }),
            key,
        }
    }
}
