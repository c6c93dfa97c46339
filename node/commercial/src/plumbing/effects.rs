//! What the machine's orders mean.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::pop::{Effect, Input};
use clavitor_commercial::{books, epoch, replication};
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_core::id::{Epoch, Seq, StoreId};
use clavitor_core::pop;
use clavitor_core::record::Key;
use clavitor_node::entropy;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Stop, Transaction, WriteError};

use crate::{Commercial, lock};

impl<R: Runtime> Commercial<R> {
    pub(super) fn carry_out(
        self: &Arc<Self>,
        effect: Effect,
        facts: &mut Vec<Input>,
    ) -> Result<(), pop::Effect> {
        match effect {
            Effect::Community(effect) => {
                if let (pop::Effect::StopAccepting, Some(tarpit)) = (&effect, &self.tarpit) {
                    tarpit.stop();
                }
                return Err(effect);
            }
            Effect::Peer { peer, effect } => self.carry_out_for_peer(peer, effect, facts),
            Effect::Release(release) => {
                if let Some(wait) = lock(&self.waits).remove(&release.op) {
                    // Nobody listens when the client has gone.
                    let _ = wait.send(release.is_on_backup);
                }
            }
            Effect::AdoptEpoch(epoch) => self.adopt_epoch(epoch),
            Effect::ClockJudged { peers_origin_ms } => {
                *lock(&self.peers_origin_ms) = Some(peers_origin_ms);
            }
            Effect::ImportSettled => self.keep_surely(
                |txn: &mut Transaction<'_>| books::settle_import(txn),
                |edition| edition.is_imported.store(false, Ordering::Release),
            ),
            Effect::KeepAlerts { op, put, remove } => self.keep_alerts(op, put, remove),
            Effect::PostAlert { op, item } => self.post_alert(op, &item),
            Effect::CancelPost { op } => self.cancel_post(op),
            Effect::Lease(effect) => self.perform_lease(effect),
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
        let url = self.peer_url(peer);
        match effect {
            Peer::SendFrame(order) => self.send_frame(peer, &order, facts),
            Peer::CancelFrame { op } => {
                if let Some((abort, _)) = lock(&self.sent).take(op) {
                    abort.abort();
                }
            }
            Peer::AdvanceCursor { op, cursor, setbacks } => {
                let keys = lock(&self.sent).take(op).map(|(_, keys)| keys).unwrap_or_default();
                self.advance_cursor(peer, cursor, books::kept(&keys, &setbacks));
            }
            Peer::AdoptPeer { pop, store, cursor } => {
                self.keep(move |txn| books::adopt_peer(txn, &url, (pop, store), cursor), |_| {});
            }
            Peer::Verified => self.verified(peer),
            Peer::DenyStore { store } => {
                self.keep(move |txn| books::deny_store(txn, &url, store), |_| {});
            }
            Peer::RetrySetbacks => self.keep(move |txn| books::retry_setbacks(txn, &url), |_| {}),
            Peer::RolledBack { received } => self.replace_identity(received),
            Peer::RaiseAlert(alert) => self.alert_operator(alert),
        }
    }

    /// Data waits for this: a disk that is full must not keep it back.
    fn verified(self: &Arc<Self>, peer: u8) {
        let (url, edition) = (self.peer_url(peer), self.clone());
        let stored = move |edition: &Arc<Self>| {
            edition.mailbox.push(Input::VerificationStored { peer });
        };
        self.runtime.spawn(async move {
            let again = url.clone();
            let book =
                move |txn: &mut Transaction<'_>| books::verified(txn, &url).map_err(Stop::from);
            match edition.store.write::<(), (), _>(0, book).await {
                Ok(()) => stored(&edition),
                Err(error) => {
                    if error == WriteError::Full {
                        stored(&edition);
                    }
                    edition.keep(move |txn| books::verified(txn, &again), stored);
                }
            }
        });
    }

    /// Bookkeeping that nobody waits for: a crash that loses it costs a frame sent twice.
    fn advance_cursor(self: &Arc<Self>, peer: u8, cursor: Seq, setbacks: Vec<Key>) {
        let (urls, url) = (self.cluster.peer_urls.clone(), self.peer_url(peer));
        let (_, views) = self.views();
        self.store.set_confirmed(books::lowest_confirmed(&views, peer, cursor));
        let must_last = !setbacks.is_empty();
        let book = move |txn: &mut Transaction<'_>| {
            books::advance_cursor(txn, &urls, &url, cursor, &setbacks)
        };
        // What waits for room may be about frames that this cursor passes: it must not overtake
        // that.
        if must_last || self.is_keeping() {
            self.keep(book, |_| {});
        } else {
            self.store.write_lazily(book);
        }
    }

    /// This data directory is an old copy: its numbers were used before, for other records.
    fn replace_identity(self: &Arc<Self>, received: Seq) {
        let (urls, clocks) = (self.cluster.peer_urls.clone(), self.clone());
        let fresh = StoreId(entropy::bytes());
        let message = "the data directory is an old copy; its peers refill what it lost";
        self.alert_operator(Alert::new(AlertType::RolledBack, message));
        let replace = move |txn: &mut Transaction<'_>| {
            let (pop, agreed) = (clocks.store.pop(), clocks.agreed_time());
            books::replace_identity(txn, pop, &urls, fresh, received, agreed)
        };
        self.keep_surely(replace, |edition| {
            let last = edition.store.last();
            edition.mailbox.push(Input::StoreReplaced { last });
        });
    }

    pub(crate) fn adopt_epoch(self: &Arc<Self>, newer: Epoch) {
        let edition = self.clone();
        self.runtime.spawn(async move {
            let adopt =
                move |txn: &mut Transaction<'_>| epoch::adopt(txn, newer).map_err(Stop::from);
            if edition.store.write::<(), (), _>(0, adopt).await.is_ok() {
                edition.note_epoch(newer);
            }
        });
    }
}
