//! A revoked access token never comes back.

use clavitor_commercial::frame::Verdict::{Already, Applied};
use clavitor_core::credential::TokenId;
use clavitor_core::record::{Item, Key};
use clavitor_node::store::Stop;

use super::cluster::{A, B, C, Cluster};
use super::fixtures::{Receiver, frame, hlc, image, is_revoked, token};

#[test]
fn a_revocation_wins_over_an_active_copy_with_any_timestamp() {
    let revoked = token(1, hlc(5, "a"), Some(hlc(4, "a")));
    for ms in [1, 5, 9] {
        let b = Receiver::new();
        b.taken(&frame("a", 0, 1, std::slice::from_ref(&revoked)));
        let last = b.store.last();
        let old = b.taken(&frame("c", 0, 1, &[token(1, hlc(ms, "c"), None)]));
        assert_eq!((old.verdicts.as_slice(), b.store.last()), ([Already].as_slice(), last));
        assert!(is_revoked(&b.store, 1), "{ms}");
    }
}

#[test]
fn a_revocation_is_taken_even_if_its_timestamp_is_the_older_one() {
    let b = Receiver::new();
    b.taken(&frame("c", 0, 1, &[token(1, hlc(9, "c"), None)]));
    let revoked = token(1, hlc(5, "a"), Some(hlc(4, "a")));
    assert_eq!(b.taken(&frame("a", 0, 1, &[revoked])).verdicts, [Applied]);
    assert!(is_revoked(&b.store, 1));
}

#[test]
fn an_old_frame_does_not_bring_an_access_token_back() {
    let b = Receiver::new();
    let old = frame("a", 0, 1, &[token(1, hlc(1, "a"), None)]);
    b.taken(&old);
    b.taken(&frame("a", 1, 2, &[token(1, hlc(5, "a"), Some(hlc(4, "a")))]));
    let before = image(&b.store);
    assert_eq!(b.taken(&old).verdicts, [Already]);
    assert!(image(&b.store) == before);
}

#[test]
fn access_tokens_are_never_journalled() {
    let b = Receiver::new();
    b.taken(&frame("a", 0, 1, &[token(1, hlc(1, "a"), None)]));
    b.taken(&frame("c", 0, 1, &[token(1, hlc(2, "c"), Some(hlc(2, "c")))]));
    assert_eq!(super::fixtures::records(&b.store).len(), 1);
    assert_eq!(image(&b.store)["journal"], []);
}

/// Makes or revokes a token as the API does.
pub(super) fn put_token(cluster: &mut Cluster, at: usize, id: u8, is_revoked: bool) {
    let put = cluster.store(at).write_blocking::<(), (), _>(move |txn| {
        let key = Key::Token(TokenId([id; 12]));
        let held = txn.record(&key)?.map(|stored| stored.record);
        let mut record = held.unwrap_or_else(|| token(id, hlc(0, "a"), None));
        if let Item::Token(token) = &mut record.head.item {
            token.revoked = is_revoked.then(|| txn.next_hlc());
        }
        record.head.hlc = txn.next_hlc();
        txn.put(&record, None).map(drop).map_err(Stop::from)
    });
    put.unwrap();
    cluster.settle();
}

#[test]
fn an_access_token_and_its_revocation_reach_every_pop() {
    let mut cluster = Cluster::new(3);
    put_token(&mut cluster, A, 1, false);
    cluster.assert_same();
    assert!(!is_revoked(cluster.store(C), 1));
    put_token(&mut cluster, A, 1, true);
    cluster.assert_same();
    assert!(is_revoked(cluster.store(B), 1) && is_revoked(cluster.store(C), 1));
}

#[test]
fn a_revocation_survives_that_its_server_was_rolled_back() {
    let mut cluster = Cluster::new(2);
    put_token(&mut cluster, A, 1, false);
    let copy = cluster.copy(A);
    put_token(&mut cluster, A, 1, true);
    cluster.put_back(A, &copy);
    assert!(!is_revoked(cluster.store(A), 1));
    cluster.settle();
    cluster.heal();
    assert!(is_revoked(cluster.store(A), 1) && is_revoked(cluster.store(B), 1));
}
