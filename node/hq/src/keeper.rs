//! Writes what HQ decides and sees, in the order it was ordered: whatever waits shares one
//! transaction.

use std::sync::{Arc, Mutex};

use clavitor_core::id::OpId;
use clavitor_core::time::UnixTime;
use clavitor_hq_core::control::{ClusterName, Input, Row};
use clavitor_node::log;

use crate::history::Happened;
use crate::lock;
use crate::mailbox::Mailbox;
use crate::presence::Known;
use crate::registry::{Fault, Name, Registry};

/// The most orders of one transaction.
const BATCH_MAX: usize = 256;

/// The most orders that may wait before what nobody waits for is left out.
const WAITING_MAX: usize = 8_192;

/// Something to keep.
#[derive(Clone, Debug)]
pub(crate) enum Keep {
    /// A cluster's row, for the machine: it waits to be told.
    Cluster(OpId, ClusterName, Box<Row>),
    /// Something that happened.
    Happened(Happened),
    /// What a POP says about itself, and when.
    Known(Name, Known, UnixTime),
    /// A primary of this cluster was given a lease.
    LeaseHeld(ClusterName),
    /// Another server does not take updates of the zone, and why; `None` is that it does again.
    DnsUpdates(Option<String>),
}

/// Takes orders.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    orders: async_channel::Sender<Keep>,
    health: Arc<Health>,
}

/// Carries them out.
pub(crate) struct Work {
    orders: async_channel::Receiver<Keep>,
    health: Arc<Health>,
}

/// What is wrong with the disk, if anything is.
#[derive(Debug, Default)]
struct Health {
    fault: Mutex<Option<Fault>>,
}

impl Health {
    /// Tells a person, once, that it does not take what it is given; and once that it does again.
    fn note(&self, kept: Result<(), Fault>) {
        let before = std::mem::replace(&mut *lock(&self.fault), kept.err());
        if before == kept.err() {
            return;
        }
        log::line(&match kept {
            Ok(()) => "what HQ decides is stored again".to_owned(),
            Err(fault) => format!(
                "error: HQ cannot store what it decides, so nobody is promoted and no member is added: {fault}"
            ),
        });
    }
}

impl Keeper {
    pub(crate) fn new() -> (Keeper, Work) {
        let (sender, receiver) = async_channel::unbounded();
        let health = Arc::<Health>::default();
        (Keeper { orders: sender, health: health.clone() }, Work { orders: receiver, health })
    }

    /// Why the disk does not take what it is given, if it does not.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *lock(&self.health.fault)
    }

    /// What comes from now on is not kept.
    pub(crate) fn close(&self) {
        self.orders.close();
    }

    /// Keeps something, soon. What the machine waits for is bounded by the number of clusters; all
    /// else is left out if the disk is so far behind.
    pub(crate) fn keep(&self, keep: Keep) {
        if matches!(keep, Keep::Cluster(..)) || self.orders.len() < WAITING_MAX {
            let _ = self.orders.try_send(keep);
        }
    }
}

impl Work {
    /// Carries out orders as long as there are any to come.
    pub(crate) async fn run(self, registry: Registry, mailbox: Arc<Mailbox>) {
        let Work { orders, health } = self;
        while let Ok(first) = orders.recv().await {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(next) = orders.try_recv()
            {
                batch.push(next);
            }
            let op = |keep: &Keep| match keep {
                Keep::Cluster(op, ..) => Some(*op),
                Keep::Happened(_) | Keep::Known(..) | Keep::LeaseHeld(_) | Keep::DnsUpdates(_) => {
                    None
                }
            };
            let ops: Vec<OpId> = batch.iter().filter_map(op).collect();
            let kept = registry.keep(batch).await;
            health.note(kept);
            let is_kept = kept.is_ok();
            ops.into_iter().for_each(|op| mailbox.push(Input::Kept { op, is_kept }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_disk_is_told_in_its_own_words() {
        let (keeper, work) = Keeper::new();
        assert_eq!(keeper.fault(), None);
        for fault in [Fault::Full, Fault::Damaged] {
            work.health.note(Err(fault));
            assert_eq!(keeper.fault(), Some(fault));
        }
        assert!(!Fault::Damaged.to_string().contains("room"));
        work.health.note(Ok(()));
        assert_eq!(keeper.fault(), None);
    }

    #[test]
    fn what_nobody_waits_for_is_left_out_before_it_fills_the_memory() {
        let (keeper, work) = Keeper::new();
        for _ in 0..2 * WAITING_MAX {
            keeper.keep(Keep::DnsUpdates(None));
        }
        assert_eq!(work.orders.len(), WAITING_MAX);
        keeper.keep(Keep::Cluster(OpId(1), "main".into(), Box::default()));
        assert_eq!(work.orders.len(), WAITING_MAX + 1, "the machine waits for this");
        keeper.close();
        keeper.keep(Keep::DnsUpdates(None));
        assert_eq!(work.orders.len(), WAITING_MAX + 1);
    }
}
