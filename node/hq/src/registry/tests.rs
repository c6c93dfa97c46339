use std::convert::Infallible;
use std::path::PathBuf;

use clavitor_core::id::{OpId, StoreId};
use clavitor_node::store::{self, block_on};

use super::*;
use crate::history::Happened;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("clavitor-hq-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    fn open(&self) -> Registry {
        Registry::open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn name(cluster: &str, pop: &str) -> Name {
    Name { cluster: cluster.into(), pop: pop.parse().unwrap() }
}

fn close(registry: Registry) {
    block_on(registry.close());
}

#[test]
fn a_pop_is_known_by_its_token_alone_and_across_starts() {
    let scratch = Scratch::new("token");
    let registry = scratch.open();
    assert!(registry.begin().unwrap());
    let calgary = block_on(registry.register(name("main", "calgary"), false)).unwrap();
    let zurich = block_on(registry.register(name("main", "zurich"), false)).unwrap();
    close(registry);
    let registry = scratch.open();
    assert!(!registry.begin().unwrap(), "others may hold leases of it");
    assert_eq!(registry.whose(&calgary).unwrap(), Some(name("main", "calgary")));
    assert_eq!(registry.whose(&zurich).unwrap(), Some(name("main", "zurich")));
    let forged = Presented { id: calgary.id, secret: zurich.secret };
    assert_eq!(registry.whose(&forged).unwrap(), None);
}

#[test]
fn a_second_token_is_only_given_in_place_of_the_first() {
    let scratch = Scratch::new("replace");
    let registry = scratch.open();
    let first = block_on(registry.register(name("main", "calgary"), false)).unwrap();
    let again = block_on(registry.register(name("main", "calgary"), false)).err();
    assert_eq!(again, Some(KeepError::Known));
    let second = block_on(registry.register(name("main", "calgary"), true)).unwrap();
    assert_eq!(registry.whose(&first).unwrap(), None);
    assert_eq!(registry.whose(&second).unwrap(), Some(name("main", "calgary")));
    assert_eq!(registry.pops().unwrap().len(), 1);
    assert!(block_on(registry.remove(name("main", "calgary"))).unwrap());
    assert!(!block_on(registry.remove(name("main", "calgary"))).unwrap());
    assert_eq!(registry.whose(&second).unwrap(), None);
    assert_eq!(registry.pops().unwrap(), []);
}

#[test]
fn a_cluster_has_no_more_pops_than_a_grant_may_name() {
    let scratch = Scratch::new("full");
    let registry = scratch.open();
    let add = |cluster: &str, at: usize| {
        block_on(registry.register(name(cluster, &format!("pop-{at}")), false)).err()
    };
    for at in 0..CLUSTER_POPS_MAX {
        assert_eq!(add("main", at), None);
    }
    assert_eq!(add("main", 99), Some(KeepError::ClusterFull));
    assert_eq!(add("mai", 0), None, "another cluster, although its name begins alike");
}

/// What the machine stores when a process of this POP was given the lease of a term.
fn led(registry: &Registry, number: u64, pop: &str, start: u64) -> Row {
    let granted = Some(Epoch { number, primary: pop.parse().unwrap() });
    let holder = Some(control::Holder { start, store: StoreId([1; 16]) });
    let pops = vec!["calgary".parse().unwrap(), "zurich".parse().unwrap()];
    let row = Row { epoch: granted, granted, holder, pops, ..Row::default() };
    let keep = Keep::Cluster(OpId(1), "main".to_owned(), Box::new(row.clone()));
    block_on(registry.keep(vec![keep])).unwrap();
    row
}

#[test]
fn a_holder_whose_token_was_replaced_is_gone_also_for_a_machine_that_never_heard_of_it() {
    let scratch = Scratch::new("gone");
    let registry = scratch.open();
    for pop in ["calgary", "zurich"] {
        block_on(registry.register(name("main", pop), false)).unwrap();
    }
    let row = led(&registry, 1, "calgary", 7);
    block_on(registry.register(name("main", "zurich"), true)).unwrap();
    assert_eq!(registry.clusters().unwrap()["main"], row, "it is another one's");
    block_on(registry.register(name("main", "calgary"), true)).unwrap();
    // What the machine had ordered before it heard of that is written after.
    led(&registry, 1, "calgary", 7);
    close(registry);
    let registry = scratch.open();
    assert_eq!(registry.clusters().unwrap()["main"], Row { holder: None, ..row });
    let row = led(&registry, 2, "calgary", 8);
    assert_eq!(registry.clusters().unwrap()["main"], row, "the new process holds a new one");

    assert!(block_on(registry.remove(name("main", "calgary"))).unwrap());
    block_on(registry.register(name("main", "calgary"), false)).unwrap();
    assert_eq!(registry.clusters().unwrap()["main"], Row { holder: None, ..row });
}

fn open_incidents(registry: &Registry) -> Vec<String> {
    let filter = incidents::Filter { is_open: Some(true), ..incidents::Filter::default() };
    let page = registry.incidents(&filter, None, 100).unwrap();
    page.incidents.into_iter().map(|incident| incident.kind).collect()
}

fn lost(cluster: &str, pop: &str) -> Keep {
    let what = What::Decided(Event::PopLost(pop.parse().unwrap()));
    Keep::Happened(Happened { at: UnixTime(1), cluster: cluster.to_owned(), what })
}

#[test]
fn nothing_is_open_about_a_pop_that_was_removed() {
    let scratch = Scratch::new("removed");
    let registry = scratch.open();
    for pop in ["calgary", "zurich"] {
        block_on(registry.register(name("main", pop), false)).unwrap();
        block_on(registry.keep(vec![lost("main", pop)])).unwrap();
    }
    assert_eq!(open_incidents(&registry), ["pop_lost", "pop_lost"]);
    assert!(block_on(registry.remove(name("main", "calgary"))).unwrap());
    assert_eq!(open_incidents(&registry), ["pop_lost"]);
    // It was ordered before, and is written after.
    block_on(registry.keep(vec![lost("main", "calgary")])).unwrap();
    assert_eq!(open_incidents(&registry), ["pop_lost"]);
    let expired = What::Decided(Event::LeaseExpired(Epoch::after(None, "zurich".parse().unwrap())));
    let expired = Happened { at: UnixTime(2), cluster: "main".to_owned(), what: expired };
    block_on(registry.keep(vec![Keep::Happened(expired)])).unwrap();
    assert_eq!(open_incidents(&registry), ["no_primary", "pop_lost"]);
    assert!(block_on(registry.remove(name("main", "zurich"))).unwrap());
    assert_eq!(open_incidents(&registry), Vec::<String>::new());
}

#[test]
fn damage_is_not_called_a_full_disk() {
    let scratch = Scratch::new("damage");
    let registry = scratch.open();
    let spoilt = registry.store.write_blocking::<_, Infallible, _>(|txn| {
        txn.rows_mut().put(tables::EVENTS, b"no number", &[]).map_err(Stop::from)
    });
    spoilt.unwrap();
    assert_eq!(block_on(registry.keep(vec![lost("main", "calgary")])), Err(Fault::Damaged));
    assert!(!StoreError::from(Fault::Damaged).to_string().contains("full"));
}

#[test]
fn a_lost_lease_is_over_when_a_primary_holds_one() {
    let scratch = Scratch::new("lease");
    let registry = scratch.open();
    let name = name("main", "calgary");
    let alert = Alert {
        kind: "lease_lost".to_owned(),
        source: Source { cluster: Some(name.cluster), pop: Some(name.pop), ..Source::default() },
        raised_at: UnixTime(1),
        message: "this primary holds no lease".to_owned(),
        details: BTreeMap::new(),
    };
    block_on(registry.take_alert(incidents::Key([1; 16]), alert)).unwrap();
    assert!(registry.is_lease_missed("main") && !registry.is_lease_missed("other"));
    block_on(registry.keep(vec![Keep::LeaseHeld("main".to_owned())])).unwrap();
    assert!(!registry.is_lease_missed("main"));
    assert_eq!(open_incidents(&registry), Vec::<String>::new());
}

#[test]
fn the_directory_belongs_to_one_hq() {
    let scratch = Scratch::new("lock");
    let registry = scratch.open();
    let error = Registry::open(&scratch.0).err().unwrap().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(registry);
}

#[test]
fn a_newer_layout_and_another_servers_directory_are_refused() {
    let scratch = Scratch::new("newer");
    let registry = scratch.open();
    registry.keep_fact(HQ_SCHEMA, SCHEMA + 1).unwrap();
    close(registry);
    let error = Registry::open(&scratch.0).err().unwrap().to_string();
    assert!(error.contains("newer version of HQ (schema 2"), "{error}");

    let scratch = Scratch::new("foreign");
    let opening = Opening { dir: &scratch.0, bytes_max: 1 << 20, pop: None };
    let vaults = store::Store::open(&opening, wall::unix_time, |_| {}).unwrap();
    block_on(vaults.close());
    drop(vaults);
    let file = scratch.0.join("data.mdb");
    let before = std::fs::read(&file).unwrap();
    let error = Registry::open(&scratch.0).err().unwrap().to_string();
    assert!(error.contains("belongs to a server of vaults"), "{error}");
    assert!(std::fs::read(&file).unwrap() == before, "nothing changes");

    let scratch = Scratch::new("own");
    close(scratch.open());
    let file = scratch.0.join("data.mdb");
    let before = std::fs::read(&file).unwrap();
    for pop in [None, Some("calgary".parse().unwrap())] {
        let opening = Opening { dir: &scratch.0, bytes_max: 1 << 30, pop };
        let error =
            store::Store::open(&opening, wall::unix_time, |_| {}).err().unwrap().to_string();
        assert!(error.contains("belongs to HQ"), "{error}");
        assert!(store::restamp(&opening, wall::unix_time).is_err());
    }
    assert!(std::fs::read(&file).unwrap() == before, "nothing changes");
}
