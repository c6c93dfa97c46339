//! Drives the machine: facts in, orders out, asleep until the next wake-up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clavitor_hq_core::control::{ClusterName, Effect, Event, Input};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use futures_util::future::select;

use crate::exchange::Exchange;
use crate::lock;

/// Runs for as long as HQ does.
pub(crate) async fn run<R: Runtime>(exchange: Arc<Exchange>, runtime: R) {
    loop {
        let mut facts = exchange.mailbox.take();
        let next_wake = lock(&exchange.control).next_wake();
        if next_wake.is_some_and(|at| at <= wall::instant()) {
            facts.push_back(Input::Tick);
        }
        if facts.is_empty() {
            rest(&exchange, &runtime).await;
            continue;
        }
        let mut moved = BTreeSet::new();
        for fact in facts {
            step(&exchange, fact, &mut moved);
        }
        moved.iter().for_each(|cluster: &ClusterName| exchange.point_dns(cluster));
    }
}

fn step(exchange: &Exchange, fact: Input, moved: &mut BTreeSet<ClusterName>) {
    if let Input::Removed { cluster, .. } = &fact {
        moved.insert(cluster.clone());
    }
    let mut effects = Vec::new();
    lock(&exchange.control).handle(wall::instant(), fact, &mut effects);
    for effect in effects {
        if let Effect::Happened { cluster, event: Event::PrimaryChanged(_) } = &effect {
            moved.insert(cluster.clone());
        }
        exchange.perform(effect);
    }
}

async fn rest<R: Runtime>(exchange: &Exchange, runtime: &R) {
    let next_wake = lock(&exchange.control).next_wake();
    let rung = exchange.mailbox.rung();
    match next_wake {
        None => rung.await,
        Some(at) => {
            let left_ns = at.0.saturating_sub(wall::instant().0);
            // A timer that fires early would spin; a millisecond is what timers resolve.
            let left = Duration::from_nanos(left_ns) + Duration::from_millis(1);
            select(std::pin::pin!(rung), runtime.sleep(left)).await;
        }
    }
}
