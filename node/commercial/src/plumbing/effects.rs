//! What the machine's orders mean.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::frame::Verdict;
use clavitor_commercial::pop::{Effect, Input};
use clavitor_commercial::replication;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::pop;
use clavitor_core::record::Key;
use clavitor_node::entropy;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Stop, StoreError, Transaction};

use super::EPOCH;
use crate::tables::Tables;
use crate::{Commercial, lock};

impl<R: Runtime> Commercial<R> {
    pub(super) fn carry_out(
        self: &Arc<Self>,
        effect: Effect,
        facts: &mut Vec<Input>,
    ) -> Result<(), pop::Effect> {
        match effect {
            Effect::Community(effect) => return Err(effect),
            Effect::Peer { peer, effect } => self.carry_out_for_peer(peer, effect, facts),
            Effect::Release(release) => {
                if let Some(wait) = lock(&self.waits).remove(&release.op) {
                    // Nobody listens when the client has gone.
                    let _ = wait.send(release.is_on_backup);
                }
            }
            Effect::AdoptEpoch(epoch) => self.adopt_epoch(epoch),
            Effect::ClockJudged { peers_ahead_ms } => {
                self.peers_ahead_ms.store(peers_ahead_ms, Ordering::Release);
            }
            Effect::ImportSettled => {
                let edition = self.clone();
                self.runtime.spawn(async move { edition.settle_import().await });
            }
        }
        Ok(())
    }

    fn carry_out_for_peer(
        self: &Arc<Self>,
        peer: u8,
        effect: replication::Effect,
        facts: &mut Vec<Input>,
    ) {
        use replication::Effect as Peer;
        match effect {
            Peer::SendFrame(order) => self.send_frame(peer, &order, facts),
            Peer::CancelFrame { op } => {
                if let Some(flight) = lock(&self.flights).remove(&op) {
                    flight.abort();
                }
            }
            Peer::AdvanceCursor { op, cursor, setbacks } => {
                let flight = lock(&self.flights).remove(&op);
                let keys = flight.map(|flight| flight.into_keys()).unwrap_or_default();
                let kept = setbacks.iter().filter_map(|at| keys.get(*at as usize).cloned());
                self.advance_cursor(peer, cursor, kept.collect());
            }
            Peer::AdoptPeer { pop, store, cursor } => self.adopt_peer(peer, pop, store, cursor),
            Peer::DenyStore { store } => self.deny_store(peer, store),
            Peer::RetrySetbacks => self.retry_setbacks(peer),
            Peer::RolledBack { received } => self.replace_identity(received),
            Peer::RaiseAlert(alert) => self.alert_operator(alert),
        }
    }

    /// Bookkeeping that nobody waits for: a crash that loses it costs a frame sent twice.
    fn advance_cursor(&self, peer: u8, cursor: Seq, setbacks: Vec<Key>) {
        let (tables, urls, url) =
            (self.tables, self.cluster.peer_urls.clone(), self.peer_url(peer));
        let (_, views) = self.views();
        let others = (0u8..).zip(&views).filter(|(index, _)| *index != peer);
        let lowest = others.map(|(_, view)| view.acked).chain([cursor]).min().unwrap_or(cursor);
        self.store.set_confirmed(lowest);
        self.store.write_lazily(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.cursor = cursor;
            tables.set_peer(txn, &url, &row)?;
            for key in &setbacks {
                tables.add_setback(txn, &url, key, Verdict::Deferred)?;
            }
            confirm_lowest(&tables, txn, &urls)
        });
    }

    fn adopt_peer(self: &Arc<Self>, peer: u8, pop: PopId, store: StoreId, cursor: Seq) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.identity = Some((pop, store));
            row.cursor = cursor;
            row.denied = row.denied.filter(|denied| *denied != store);
            tables.set_peer(txn, &url, &row)?;
            tables.forget_former(txn, pop, store)?;
            tables.unconfirm(txn, cursor)
        });
    }

    fn deny_store(self: &Arc<Self>, peer: u8, store: StoreId) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.denied = Some(store);
            tables.set_peer(txn, &url, &row)
        });
    }

    fn retry_setbacks(self: &Arc<Self>, peer: u8) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            for key in tables.take_setbacks(txn, &url)? {
                txn.renumber(&key)?;
            }
            Ok(())
        });
    }

    /// This data directory is an old copy: its numbers were used before, for other records.
    fn replace_identity(self: &Arc<Self>, received: Seq) {
        let (tables, urls, edition) = (self.tables, self.cluster.peer_urls.clone(), self.clone());
        let fresh = StoreId(entropy::bytes());
        self.runtime.spawn(async move {
            let replaced = edition.store.write::<Seq, (), _>(0, move |txn| {
                txn.replace_identity(fresh, received)?;
                for url in &urls {
                    let mut row = tables.peer(&txn.reader(), url)?;
                    row.cursor = Seq(0);
                    tables.set_peer(txn, url, &row)?;
                }
                tables.unconfirm(txn, Seq(0))?;
                Ok(txn.last())
            });
            let Ok(last) = replaced.await else { return };
            let message = "the data directory is an old copy; its peers refill what it lost";
            edition.alert_operator(Alert::new(AlertType::RolledBack, message));
            edition.mailbox.push(Input::StoreReplaced { last });
        });
    }

    fn adopt_epoch(self: &Arc<Self>, newer: Epoch) {
        let edition = self.clone();
        self.runtime.spawn(async move {
            let adopted = edition.store.write::<(), (), _>(0, move |txn| {
                let known: Option<Epoch> = txn.fact::<Option<Epoch>>(EPOCH)?.flatten();
                if Some(newer) > known {
                    txn.set_fact(EPOCH, &Some(newer))?;
                }
                Ok(())
            });
            if adopted.await.is_ok() {
                let mut epoch = lock(&edition.epoch);
                *epoch = (*epoch).max(Some(newer));
                drop(epoch);
                edition.mailbox.push(Input::EpochChanged(newer));
            }
        });
    }

    fn in_background<F>(self: &Arc<Self>, mut operation: F)
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let store = self.store.clone();
        self.runtime.spawn(async move {
            // A failure leaves what a crash would: the next hello sorts it out.
            let write = store.write::<(), (), _>(0, move |txn| operation(txn).map_err(Stop::from));
            let _ = write.await;
        });
    }
}

fn confirm_lowest(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    urls: &[String],
) -> Result<(), StoreError> {
    let mut lowest = Seq(u64::MAX);
    for url in urls {
        lowest = lowest.min(tables.peer(&txn.reader(), url)?.cursor);
    }
    if lowest > Seq(0) {
        let now = txn.now();
        tables.confirm(txn, lowest, now)?;
    }
    Ok(())
}
