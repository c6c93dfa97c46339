//! A pair on small hosts: each POP has a memory cgroup of 48 MiB, for the pages of its files too. What does
//! not work there is a panic, not a figure.

use std::time::Instant;

use clavitor_tests::cluster::{ClusterBuilder, Pop};
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Cluster, MemoryCgroup, Runtime, process};

use crate::load::{Load, Template};
use crate::tarpit::crowd::Crowd;
use crate::tarpit::pit::{GUESS, held};
use crate::{CLIENTS, ENTRIES, report};

const MEMORY_MAX: u64 = 48 * 1024 * 1024;

/// How many strangers each POP holds meanwhile.
const HELD: usize = 1_000;

/// So many blobs of the largest size are written, too: more than the memory that there is.
const LARGE: usize = 64;
const LARGE_BYTES: usize = 1024 * 1024;

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn measure() {
    let what = "a pair on smol, each POP in a memory cgroup of 48 MiB";
    if let Err(reason) = MemoryCgroup::new(MEMORY_MAX) {
        return report::skipped(what, &reason);
    }
    process::raise_open_files();
    let both = [Runtime::Smol; 2];
    let mut pair = ClusterBuilder::new(2).runtimes(&both).memory_max(MEMORY_MAX).start();
    fill(&pair);
    let opened = Instant::now();
    let hold = |pop: &Pop| {
        let mut crowd = Crowd::default();
        crowd.come(pop.server.address(), GUESS, HELD);
        crowd
    };
    let crowds: Vec<Crowd> = pair.pops.iter().map(hold).collect();
    fill(&pair);
    operate(&pair);
    for pop in &pair.pops {
        let held = held(&pop.server);
        assert!(held >= HELD as f64, "{held} are held {:?} later", opened.elapsed());
    }
    told(&pair, "1,000 held");
    drop(crowds);
    write_large(&pair);
    fail_over(&mut pair);
    told(&pair, "in the end");
    for pop in &pair.pops {
        assert_eq!(memory(pop).killed(), 0, "{}: killed for want of memory", pop.id);
    }
    report::told(what, "works");
}

/// Writes every entry, and waits until the backup has them.
fn fill(pair: &Cluster) {
    let primary = &pair.pops[0].server;
    let put = Template::put(&primary.admin_token(), "");
    Load::connect(primary.address(), CLIENTS, put).run(0..ENTRIES);
    pair.settle();
    for pop in &pair.pops {
        assert_eq!(pop.client().node()["entries"], ENTRIES, "{}", pop.id);
        let get = Template::get(&pop.server.admin_token());
        Load::connect(pop.server.address(), CLIENTS, get).run(0..ENTRIES);
    }
}

/// What clients and operators do.
fn operate(pair: &Cluster) {
    let (primary, backup) = (pair.primary(), pair.backup());
    primary.put_acked("v", "e", b"acknowledged by both").expect(201);
    assert_eq!(backup.blob("v", "e").as_deref(), Some(&b"acknowledged by both"[..]));
    let reader = primary.scoped(Some("v"), "read");
    reader.get("v", "e").expect(200);
    assert_eq!(primary.list("bench").len() as u64, ENTRIES);
    primary.delete("v", "e").expect(204);
    backup.put("v", "e", b"x").expect_problem(503, "CV-NOT-PRIMARY");
    for client in [&primary, &backup] {
        client.fetch("/readyz").expect(200);
        client.fetch("/v1/export").expect(200);
    }
}

fn write_large(pair: &Cluster) {
    let blob = vec![7; LARGE_BYTES];
    std::thread::scope(|scope| {
        for at in 0..8 {
            let (primary, blob) = (pair.primary(), &blob);
            scope.spawn(move || {
                for number in (at..LARGE).step_by(8) {
                    primary.put("large", &format!("e{number}"), blob).expect(201);
                }
            });
        }
    });
    pair.settle();
    for pop in &pair.pops {
        for number in 0..LARGE {
            let found = pop.client().blob("large", &format!("e{number}"));
            assert!(found.as_ref() == Some(&blob), "{}: e{number}", pop.id);
        }
    }
}

/// The primary dies, the backup takes over, and the old primary comes back.
fn fail_over(pair: &mut Cluster) {
    pair.pops[0].server.kill9();
    pair.backup().promote().expect(200);
    pair.backup().put("v", "meanwhile", b"x").expect(201);
    pair.pops[0].server.start_again();
    eventually("the old primary has what it missed", seconds(30), || {
        pair.primary().blob("v", "meanwhile").is_some()
    });
    pair.settle();
}

fn told(pair: &Cluster, when: &str) {
    for (pop, role) in pair.pops.iter().zip(["primary", "backup"]) {
        let (memory, id) = (memory(pop), pop.server.id());
        let peak = memory.peak().map_or(f64::NAN, |bytes| bytes as f64 / MIB);
        let [all, own] = [process::resident_with_files_kib(id), process::resident_kib(id)];
        let [all, own] = [all, own].map(|kib| kib as f64 / 1024.0);
        let what = format!("{role}, {when}: most in use, resident, of that its own");
        report::told(&what, &format!("{peak:.1} / {all:.1} / {own:.1} MiB"));
        report::told("  times the limit was met", &memory.times_full().to_string());
    }
}

fn memory(pop: &Pop) -> &MemoryCgroup {
    pop.server.memory().expect("it has one")
}
