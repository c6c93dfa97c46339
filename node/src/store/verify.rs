//! Verifies a stopped data directory, row by row.

use clavitor_core::id::Seq;
use clavitor_core::record::Record;
use clavitor_core::store::{
    CHANGES, RECORDS, Rows, Stop, StoreError, decode_change, encode_key, is_live, split_stored,
};

use super::error::OpenError;
use super::{Opening, Reader, Store, WallClock};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, without names or content.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records were read.
    pub records: u64,
    /// How many of them are entries that are there.
    pub entries: u64,
    /// What is wrong; the first [`FINDINGS_MAX`] are listed.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub finding_count: u64,
}

/// The most findings that are listed.
pub const FINDINGS_MAX: usize = 20;

impl Verified {
    fn find(&mut self, what: impl Into<String>) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { what: what.into() });
        }
    }
}

/// Reads every row of a stopped data directory and checks what must hold between them.
pub fn verify(opening: &Opening<'_>, now: WallClock) -> Result<Verified, OpenError> {
    if !opening.dir.join("data.mdb").exists() {
        return Err(OpenError::Missing);
    }
    let store = Store::open(opening, now, |_| {})?;
    let mut verified = Verified::default();
    // A damaged page ends the walk over its table, and is a finding like any other.
    if let Err(error) = store.read(|reader| verify_records(&store, reader, &mut verified)) {
        verified.find(error.to_string());
    }
    if let Err(error) = store.read(|reader| verify_changes(reader, &mut verified)) {
        verified.find(error.to_string());
    }
    if verified.entries != store.entries() && verified.findings.is_empty() {
        verified.find(format!(
            "{} entries are counted, {} are there",
            store.entries(),
            verified.entries
        ));
    }
    super::block_on(store.close());
    Ok(verified)
}

fn verify_records(
    store: &Store,
    reader: &Reader<'_>,
    verified: &mut Verified,
) -> Result<(), StoreError> {
    for (at, row) in reader.rows().all(RECORDS)?.enumerate() {
        let (key, stored) = row?;
        let decoded = split_stored(stored).ok();
        let decoded = decoded.and_then(|(seq, encoded)| Some((seq, Record::decode(encoded).ok()?)));
        let Some((seq, record)) = decoded else {
            verified.find(format!("record {at} cannot be read"));
            continue;
        };
        verified.records += 1;
        verified.entries += u64::from(is_live(&record.head));
        if encode_key(&record.head.key()) != key {
            verified.find(format!("record {at} is stored under another record's key"));
        }
        let row = reader.rows().get(CHANGES, &seq.0.to_be_bytes())?;
        let listed = row.map(decode_change).transpose()?.is_some_and(|(_, listed)| listed == key);
        if !listed {
            verified.find(format!("record {at} is missing from the index of changes"));
        }
        if seq > store.last() {
            verified.find(format!("record {at} has a sequence number from the future"));
        }
    }
    Ok(())
}

fn verify_changes(reader: &Reader<'_>, verified: &mut Verified) -> Result<(), StoreError> {
    for row in reader.changes(Seq(0))? {
        let (seq, _, key) = row?;
        if reader.rows().get(RECORDS, key)?.is_none() {
            verified.find(format!("change {seq} names a record that is not there"));
        }
    }
    Ok(())
}

/// Gives every record whose timestamp is later than `now` a timestamp of now: the way back after a
/// clock ran far ahead and its timestamps would win over every later write. The order among the
/// records is kept. Answers how many were changed.
pub fn restamp(opening: &Opening<'_>, now: WallClock) -> Result<u64, OpenError> {
    if !opening.dir.join("data.mdb").exists() {
        return Err(OpenError::Missing);
    }
    let store = Store::open(opening, now, |_| {})?;
    let limit = now().plus_ms(RESTAMP_TOLERANCE_MS);
    let changed =
        store.write_blocking::<u64, (), _>(move |txn| txn.restamp(limit).map_err(Stop::from));
    super::block_on(store.close());
    changed.map_err(|_| OpenError::Store(StoreError::Damaged("a record cannot be restamped")))
}

/// Timestamps up to this far ahead are left alone, in milliseconds.
const RESTAMP_TOLERANCE_MS: u64 = 60_000;
