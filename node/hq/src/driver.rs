//! Drives the machine: facts in, orders out, asleep until the next wake-up.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use clavitor_hq_core::control::{ClusterName, Effect, Event, Input};
use clavitor_node::alarm::Alarm;
use clavitor_node::wall;
use futures_util::future::select;

use crate::exchange::Exchange;
use crate::lock;

/// Runs for as long as HQ does.
pub(crate) async fn run(exchange: Arc<Exchange>, mut alarm: impl Alarm) {
    loop {
        let mut facts = exchange.mailbox.take();
        let next_wake = lock(&exchange.control).next_wake();
        if next_wake.is_some_and(|at| at <= wall::instant()) {
            facts.push_back(Input::Tick);
        }
        if facts.is_empty() {
            rest(&exchange, &mut alarm).await;
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

async fn rest(exchange: &Exchange, alarm: &mut impl Alarm) {
    let next_wake = lock(&exchange.control).next_wake();
    select(pin!(exchange.mailbox.rung()), pin!(alarm.wait(next_wake))).await;
}
