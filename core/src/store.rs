//! What is stored and how: records, the index of changes and facts, over ordered tables of bytes.
//!
//! Everything that is decided inside a transaction is decided here or in modules over this one, so
//! that servers and the simulator run the same code: a server's tables are LMDB's, the simulator's
//! are maps.
//!
//! Reading order: `rows` is what a transaction can do to tables, `keys` and `values` are what is in
//! them; `reader`, `page` and `transaction` are the operations over both; `identity` opens a store
//! and `restamp` repairs one.

mod checksum;
mod error;
mod identity;
mod keys;
mod page;
mod reader;
mod restamp;
mod rows;
mod transaction;
mod values;

pub use error::{Stop, StoreError};
pub use identity::{
    HQ_SCHEMA, IMPORTED, IMPORTING, Identity, IdentityError, Owner, Purpose, SCHEMA, load_fact,
    save_fact, settle_identity,
};
pub use keys::{decode_key, encode_key};
pub use page::{EntryPage, EntryRow, LoserPage, LoserRow};
pub use reader::{ChangeRow, HeadRow, Reader};
pub use rows::{CHANGES, META, OWN_TABLES, Pair, RECORDS, Row, Rows, RowsMut, TABLES_MAX, Table};
pub use transaction::{Awaited, Basis, DISK_RESERVE, Notice, Outcome, Transaction};
pub use values::{
    Change, DAMAGED_RECORD, Origin, State, Stored, decode_change, decode_stored,
    decode_stored_head, is_live, split_stored,
};
