use alloc::string::ToString;
use alloc::vec::Vec;

use clavitor_core::credential::{AccessToken, Scope, TokenId};
use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Context, Head, Item, Record};
use clavitor_core::time::UnixTime;

use super::site::Site;
use super::{hlc, order};
use crate::merge::merge_token;

pub(super) fn token(at: Hlc, revoked: Option<Hlc>) -> Record {
    let item = Item::Token(AccessToken {
        id: TokenId([7; 12]),
        vault: None,
        scope: Scope::Write,
        label: "laptop".to_string(),
        secret_hash: [3; 32],
        created: UnixTime(1),
        expires: None,
        revoked,
    });
    Record { head: Head { hlc: at, context: Context::default(), item }, blob: Vec::new() }
}

fn is_revoked(record: &Record) -> bool {
    matches!(&record.head.item, Item::Token(token) if token.revoked.is_some())
}

#[test]
fn revocation_wins_in_any_order() {
    let revoked = |ms, pop| token(hlc(ms, pop), Some(hlc(ms, pop)));
    let set =
        [token(hlc(1, "a"), None), revoked(5, "b"), revoked(5, "c"), token(hlc(9, "a"), None)];
    let end = order::same_in_every_order(&set);
    assert_eq!(end.values().collect::<Vec<_>>(), [&set[2]]);
}

#[test]
fn an_old_export_cannot_resurrect_a_revoked_token() {
    let revoked = token(hlc(2, "a"), Some(hlc(2, "a")));
    for ms in [1, 2, 3, Hlc::MS_MAX] {
        let exported = token(hlc(ms, "z"), None);
        assert!(merge_token(Some(&revoked), &exported).is_nothing(), "{ms}");
        let mut imported = Site::new("b");
        imported.apply(&exported);
        imported.apply(&revoked);
        imported.apply(&exported);
        assert!(imported.records.values().all(is_revoked));
    }
}

#[test]
fn a_token_is_never_journalled() {
    let merged = merge_token(Some(&token(hlc(1, "a"), None)), &token(hlc(2, "b"), None));
    assert_eq!(merged.journal, None);
    assert!(merged.settled.is_empty());
}
