//! What can be seen of a cluster.

use clavitor_commercial::debt::SHOWN_ROWS_MAX;
use clavitor_commercial::replication::View;
use clavitor_core::alert::AlertType;
use clavitor_core::record::Record;

use super::super::fixtures;
use super::{A, Cluster, NAMES};
use crate::lock;

impl Cluster {
    pub(crate) fn records(&self, at: usize) -> Vec<Record> {
        fixtures::records(self.store(at))
    }

    pub(crate) fn alerts(&self, at: usize) -> Vec<AlertType> {
        lock(&self.pops[at].alerts).iter().map(|alert| alert.alert_type).collect()
    }

    /// How many records each frame on a link carried, hellos aside.
    pub(crate) fn batches(&self, from: usize, to: usize) -> Vec<usize> {
        let sent = self.sent.iter().filter(|sent| (sent.from, sent.to) == (from, to));
        sent.map(|sent| sent.records).filter(|records| *records > 0).collect()
    }

    pub(crate) fn view(&self, at: usize, of: usize) -> View {
        let url = format!("http://{}", NAMES[of]);
        let urls = &self.commercial(at).cluster.peer_urls;
        let index = urls.iter().position(|it| *it == url).unwrap();
        self.commercial(at).views().1[index].clone()
    }

    /// How many records a POP owes a peer, as operators are told.
    pub(crate) fn dirty(&self, at: usize, of: usize) -> u64 {
        let (_, views) = self.commercial(at).views();
        let url = format!("http://{}", NAMES[of]);
        let index = self.commercial(at).cluster.peer_urls.iter().position(|it| *it == url);
        self.commercial(at).debts(&views, SHOWN_ROWS_MAX).unwrap()[index.unwrap()].records
    }

    pub(crate) fn assert_same(&self) {
        for (at, name) in NAMES.iter().enumerate().take(self.pops.len()) {
            assert_eq!(self.records(at), self.records(A), "{name} differs from a");
        }
    }
}
