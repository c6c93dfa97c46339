use super::*;
use crate::apply::tests::cluster::{A, B, Cluster};

/// What HQ is told of the debts of `a`.
fn told(cluster: &Cluster) -> Value {
    let at = At {
        url: String::new(),
        authorization: None,
        addresses: Vec::new(),
        region: String::new(),
    };
    cluster.commercial(A).about(&at)["dirty"][0].clone()
}

#[test]
fn a_renewal_looks_at_so_many_changes_and_says_if_there_are_more() {
    let mut cluster = Cluster::new(2);
    cluster.cut(&[(A, B)]);
    cluster.write_batch(A, "k", RENEWAL_ROWS_MAX);
    let all = told(&cluster);
    assert_eq!((&all["dirty"], &all["dirty_or_more"]), (&json!(10_000), &json!(false)));
    cluster.write_batch(A, "more", 5);
    let some = told(&cluster);
    assert_eq!((&some["dirty"], &some["dirty_or_more"]), (&json!(10_000), &json!(true)));
    assert_eq!(cluster.dirty(A, B), 10_005, "whoever asks is told");
}
