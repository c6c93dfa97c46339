//! Records as peers and exports bring them.

use clavitor_commercial::merge::{merge_entry, merge_loser, merge_token};
use clavitor_core::record::{
    BLOB_BYTES_MAX, Item, RECORD_BYTES_MAX, Record, decode_head, loser_id, parse_loser_id,
    view_entry,
};

/// Decodes the bytes as a record: what decodes is the one encoding of what it says, every way of
/// reading it agrees, and it merges with itself into nothing.
pub fn record_decoding(bytes: &[u8]) {
    let decoded = Record::decode(bytes);
    let head = decode_head(bytes);
    let view = view_entry(bytes);
    let Ok(record) = decoded else { return };
    assert_eq!(record.encode(), bytes, "one encoding per record");
    assert_eq!(head, Ok((record.head.clone(), record.blob.len())));
    assert!(bytes.len() <= RECORD_BYTES_MAX && record.blob.len() <= BLOB_BYTES_MAX);
    assert!(record.head.hlc.is_plausible());
    match &record.head.item {
        Item::Entry { deleted, .. } => {
            let view = view.expect("an entry that decodes has a view");
            assert_eq!((view.hlc, view.deleted, view.blob), {
                (record.head.hlc, *deleted, &*record.blob)
            });
            assert!(!record.head.context.covers(record.head.hlc), "nothing replaces itself");
            assert!(merge_entry(Some(&record), &[], &record).is_nothing());
            assert_eq!(merge_entry(None, &[], &record).hold.as_ref(), Some(&record));
        }
        Item::Token(_) => {
            assert!(view.is_err() && record.blob.is_empty());
            assert!(merge_token(Some(&record), &record).is_nothing());
        }
        Item::Loser { entry, .. } => {
            assert!(view.is_err());
            assert!(merge_loser(Some(&record), None, &record).is_nothing());
            let id = loser_id(entry, record.head.hlc);
            assert_eq!(parse_loser_id(&id), Some((entry.clone(), record.head.hlc)));
        }
    }
    let same = Record::decode(bytes);
    assert_eq!(same.map(|same| same.content_digest()), Ok(record.content_digest()));
}
