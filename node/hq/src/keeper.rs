//! Writes what HQ decides and sees, in the order it was ordered: whatever waits shares one
//! transaction.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clavitor_core::id::OpId;
use clavitor_core::time::UnixTime;
use clavitor_hq_core::control::{ClusterName, Input, KEEP_AGAIN_MS, Row};
use clavitor_node::log;
use futures_util::future::{Either, select};

use crate::history::Happened;
use crate::lock;
use crate::mailbox::Mailbox;
use crate::presence::Known;
use crate::registry::{Fault, Name};

/// The most orders of one transaction.
const BATCH_MAX: usize = 256;

/// The most orders that may wait before what nobody waits for is left out.
const WAITING_MAX: usize = 8_192;

/// The most of what the disk did not take that is given to it again. Of more, what came last is left out:
/// how an outage began is what a person looks for.
const OWED_MAX: usize = 1_024;

/// How long to wait for a next order before what the disk did not take is given to it again.
pub(crate) const AGAIN: Duration = Duration::from_millis(KEEP_AGAIN_MS);

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

impl Keep {
    /// What the machine is to be told about, if it waits: it orders again what was not kept.
    fn op(&self) -> Option<OpId> {
        match self {
            Keep::Cluster(op, ..) => Some(*op),
            Keep::Happened(_) | Keep::Known(..) | Keep::LeaseHeld(_) | Keep::DnsUpdates(_) => None,
        }
    }
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
    /// Carries out orders as long as there are any to come. `keep` stores all it is given or nothing, and
    /// `pause` lasts for [`AGAIN`].
    pub(crate) async fn run<K, P>(
        self,
        mailbox: Arc<Mailbox>,
        keep: impl Fn(Vec<Keep>) -> K,
        pause: impl Fn() -> P,
    ) where
        K: Future<Output = Result<(), Fault>>,
        P: Future<Output = ()>,
    {
        let Work { orders, health } = self;
        // What nobody would order again.
        let mut owed = Vec::new();
        loop {
            let next = match owed.is_empty() {
                true => Some(orders.recv().await),
                false => match select(pin!(orders.recv()), pin!(pause())).await {
                    Either::Left((next, _)) => Some(next),
                    Either::Right(_) => None,
                },
            };
            let mut batch = std::mem::take(&mut owed);
            let is_over = matches!(next, Some(Err(_)));
            if let Some(Ok(first)) = next {
                batch.push(first);
                let more = std::iter::from_fn(|| orders.try_recv().ok());
                batch.extend(more.take(BATCH_MAX - 1));
            }
            if !batch.is_empty() {
                owed = try_once(batch, &mailbox, &health, &keep).await;
            }
            if is_over {
                return;
            }
        }
    }
}

/// Gives the disk a batch; what of it is to be given to it again. What the machine waits for does not
/// fail for what else there is: a disk with little room may take it alone.
async fn try_once<K: Future<Output = Result<(), Fault>>>(
    batch: Vec<Keep>,
    mailbox: &Mailbox,
    health: &Health,
    keep: impl Fn(Vec<Keep>) -> K,
) -> Vec<Keep> {
    let (awaited, mut owed): (Vec<Keep>, Vec<Keep>) =
        batch.iter().cloned().partition(|keep| keep.op().is_some());
    let ops: Vec<OpId> = awaited.iter().filter_map(Keep::op).collect();
    let kept = keep(batch).await;
    health.note(kept);
    let is_mixed = !awaited.is_empty() && !owed.is_empty();
    let is_kept = kept.is_ok() || (is_mixed && keep(awaited).await.is_ok());
    ops.into_iter().for_each(|op| mailbox.push(Input::Kept { op, is_kept }));
    // What the store could take at no time must not keep from the disk whatever comes with it.
    if kept.err().is_none_or(|fault| !fault.may_pass()) {
        owed.clear();
    }
    owed.truncate(OWED_MAX);
    owed
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use clavitor_node::store::block_on;

    use super::*;
    use crate::history::What;

    fn event(number: usize) -> Keep {
        let what = What::Registered("calgary".parse().unwrap());
        Keep::Happened(Happened { at: UnixTime(number as u64), cluster: "main".into(), what })
    }

    fn row(op: u64) -> Keep {
        Keep::Cluster(OpId(op), "main".into(), Box::default())
    }

    /// An order's number, and whether the machine waits for it.
    fn number(keep: &Keep) -> (u64, bool) {
        match keep {
            Keep::Cluster(op, ..) => (op.0, true),
            Keep::Happened(happened) => (happened.at.0, false),
            other => panic!("{other:?}"),
        }
    }

    /// What a disk was given that answers like this, and what the machine was told.
    fn ran(
        orders: impl IntoIterator<Item = Keep>,
        answers: &[Result<(), Fault>],
    ) -> (Vec<Vec<(u64, bool)>>, Vec<Input>) {
        let (keeper, work) = Keeper::new();
        orders.into_iter().for_each(|order| keeper.keep(order));
        let (mailbox, given) = (Arc::<Mailbox>::default(), RefCell::new(Vec::new()));
        let keep = |batch: Vec<Keep>| {
            let mut given = given.borrow_mut();
            given.push(batch.iter().map(number).collect());
            if given.len() == answers.len() {
                keeper.close();
            }
            std::future::ready(answers[given.len() - 1])
        };
        block_on(work.run(mailbox.clone(), keep, || std::future::ready(())));
        (given.into_inner(), mailbox.take().into())
    }

    fn kept(op: u64, is_kept: bool) -> Input {
        Input::Kept { op: OpId(op), is_kept }
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_given_to_it_again_but_for_what_the_machine_will_order() {
        let orders = [event(1), row(2), event(3)];
        let failing = [Err(Fault::Full), Err(Fault::Full), Err(Fault::Busy), Ok(())];
        let (given, told) = ran(orders, &failing);
        let (all, row) = (vec![(1, false), (2, true), (3, false)], vec![(2, true)]);
        let again = vec![(1, false), (3, false)];
        assert_eq!(given, [all, row, again.clone(), again]);
        assert_eq!(told, [kept(2, false)], "it is told once");
    }

    #[test]
    fn what_the_machine_waits_for_does_not_fail_for_what_else_there_is() {
        let (given, told) = ran([event(1), row(2)], &[Err(Fault::Full), Ok(()), Ok(())]);
        assert_eq!(given[1..], [vec![(2, true)], vec![(1, false)]]);
        assert_eq!(told, [kept(2, true)]);
    }

    #[test]
    fn what_waits_to_be_given_again_comes_first_and_with_what_is_new() {
        let orders = (0..=BATCH_MAX).map(event).chain([row(9)]);
        let (given, told) = ran(orders, &[Err(Fault::Full), Ok(())]);
        assert_eq!(given[1].len(), BATCH_MAX + 2);
        assert_eq!((given[1][0], given[1][BATCH_MAX + 1]), ((0, false), (9, true)));
        assert_eq!(told, [kept(9, true)]);
    }

    #[test]
    fn what_waits_to_be_given_again_is_bounded() {
        let mut answers = [Err(Fault::Full); OWED_MAX / BATCH_MAX + 2];
        answers[OWED_MAX / BATCH_MAX + 1] = Ok(());
        let given = ran((0..OWED_MAX).map(event), &answers).0;
        assert_eq!(given.last().map(Vec::len), Some(OWED_MAX), "so many are");
        let given = ran((0..=OWED_MAX).map(event), &answers).0;
        let last = given.last().unwrap();
        assert_eq!((last.len(), last[0]), (OWED_MAX, (0, false)), "how it began is kept");
    }

    #[test]
    fn what_the_store_can_never_take_is_not_given_to_it_again() {
        let (given, told) = ran([event(1), row(2)], &[Err(Fault::Damaged); 2]);
        assert_eq!(given.len(), 2);
        assert_eq!(told, [kept(2, false)]);
    }

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
