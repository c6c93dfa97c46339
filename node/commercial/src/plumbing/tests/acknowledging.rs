use clavitor_core::token;

use super::super::*;
use super::requests::{ask, ask_late, store_token};
use crate::apply::tests::cluster::{A, Cluster};

const UNKNOWN: &str = "CV-OUTCOME-UNKNOWN";

/// A write that is answered in one way by who may acknowledge, and not at all by who may not any
/// longer.
#[track_caller]
fn is_answered_with(cluster: &mut Cluster, head: &str, answer: &str) {
    let admin = store_token(cluster, 3);
    let said = ask(cluster, &admin, head, |_| {});
    assert!(said.starts_with(answer), "{said}");
    let said = ask(cluster, &admin, head, |it| it.right.hold(Instant(0)));
    assert!(said.starts_with("503") && said.contains(UNKNOWN), "{said}");
    cluster.commercial(A).right.hold(Instant(u64::MAX));
}

#[test]
fn a_token_that_was_revoked_before_is_confirmed_by_who_may_acknowledge_alone() {
    let mut cluster = Cluster::new(2);
    let (admin, other) = (store_token(&cluster, 1), store_token(&cluster, 2));
    let head = format!("DELETE /v1/tokens/{}", other.id);
    let first = ask(&mut cluster, &admin, &head, |it| it.right.hold(Instant(0)));
    assert!(first.contains(UNKNOWN), "{first}");
    cluster.commercial(A).right.hold(Instant(u64::MAX));
    is_answered_with(&mut cluster, &head, "200 ");
    is_answered_with(&mut cluster, &format!("{head}?ack=backup"), "200 ");
}

#[test]
fn a_write_with_nothing_left_to_do_is_answered_by_who_may_acknowledge_alone() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "x").unwrap();
    let entry = "/v1/vaults/v/entries";
    let create = format!("PUT {entry}/k\nIf-None-Match: *\r\nContent-Length: 0\r\n");
    is_answered_with(&mut cluster, &create, "412 ");
    is_answered_with(&mut cluster, &format!("DELETE {entry}/gone"), "404 ");
    let restore = "POST /v1/vaults/v/conflicts/5-0-a.6b/restore\nContent-Length: 0\r\n";
    is_answered_with(&mut cluster, restore, "404 ");
    is_answered_with(&mut cluster, "DELETE /v1/tokens/090909090909090909090909", "404 ");
}

#[test]
fn a_write_that_happened_is_answered_by_who_may_acknowledge_alone() {
    let mut cluster = Cluster::new(2);
    let put = "PUT /v1/vaults/v/entries/k\nContent-Length: 0\r\n";
    is_answered_with(&mut cluster, put, "20");
    is_answered_with(&mut cluster, "DELETE /v1/vaults/v/entries/k", "204 ");
    let make = "POST /v1/tokens\nContent-Length: 17\r\n\r\n{\"scope\":\"admin\"}";
    is_answered_with(&mut cluster, make, "201 ");
}

#[test]
fn a_token_that_is_revoked_before_its_writes_turn_comes_writes_nothing() {
    let mut cluster = Cluster::new(2);
    let heads = [
        "PUT /v1/vaults/v/entries/k\nContent-Length: 0\r\n",
        "POST /v1/vaults/v/conflicts/5-0-a.6b/restore\nContent-Length: 0\r\n",
        "DELETE /v1/tokens/090909090909090909090909",
    ];
    for (id, head) in (10..).zip(heads) {
        let access = store_token(&cluster, id);
        let (revoked, last) = (access.id, cluster.store(A).last());
        let revoke = move |txn: &mut Transaction<'_>| {
            token::revoke(txn, revoked, |_| true, None).unwrap();
        };
        let said = ask_late(&mut cluster, &access, head, revoke, |_| {});
        assert!(said.starts_with("401 "), "{head}: {said}");
        assert_eq!(cluster.store(A).last(), last.next(), "but for the revocation");
    }
}
