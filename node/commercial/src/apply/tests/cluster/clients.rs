//! What clients and operators do.

use std::sync::atomic::Ordering;

use clavitor_commercial::epoch;
use clavitor_commercial::pop::Input;
use clavitor_core::entry::{Precondition, Put};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, OpId};
use clavitor_node::http::Problem;
use clavitor_node::plumbing::Plumbing;
use clavitor_node::store::{Stop, Transaction, WriteError};

use super::super::fixtures::{entry, pop_id, vault};
use super::{Cluster, NAMES};
use crate::lock;

impl Cluster {
    /// A client's write; the code of the refusal, if it is refused.
    pub(crate) fn write(&mut self, at: usize, name: &str, blob: &str) -> Result<Hlc, &'static str> {
        let hlcs = self.write_all(at, &[(name, blob)], None)?;
        Ok(hlcs[0])
    }

    /// Writes of clients that make one group.
    pub(crate) fn write_all(
        &mut self,
        at: usize,
        entries: &[(&str, &str)],
        op: Option<OpId>,
    ) -> Result<Vec<Hlc>, &'static str> {
        let commercial = self.commercial(at).clone();
        if !self.judges_clocks {
            *lock(&commercial.peers_origin_ms) = None;
        }
        let entries: Vec<(String, Vec<u8>)> =
            entries.iter().map(|(name, blob)| ((*name).into(), (*blob).into())).collect();
        let written = self.store(at).write_blocking::<_, Problem, _>(move |txn| {
            commercial.admit(txn)?.map_err(Stop::Refused)?;
            let put = |(name, blob): &(String, Vec<u8>)| put(txn, name, blob, op);
            entries.iter().map(put).collect::<Result<Vec<Hlc>, _>>()
        });
        written.map_err(|error| match error {
            WriteError::Refused(problem) => problem.code(),
            other => panic!("{other:?}"),
        })
    }

    /// So many entries of these names, in one group.
    pub(crate) fn write_batch(&mut self, at: usize, prefix: &str, count: usize) {
        let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number:04}")).collect();
        let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        self.write_all(at, &entries, None).unwrap();
    }

    /// What an operator's `promote` does.
    pub(crate) fn promote(&mut self, at: usize) {
        let pop = pop_id(NAMES[at]);
        let promoted =
            self.store(at).write_blocking::<Epoch, (), _>(move |txn| Ok(epoch::promote(txn, pop)?));
        let epoch = promoted.unwrap();
        *lock(&self.commercial(at).epoch) = Some(epoch);
        self.commercial(at).is_imported.store(false, Ordering::Release);
        self.tell(at, Input::Promoted(epoch));
        self.settle();
    }
}

fn put(
    txn: &mut Transaction<'_>,
    name: &str,
    blob: &[u8],
    op: Option<OpId>,
) -> Result<Hlc, Stop<Problem>> {
    let precondition = Precondition::Always;
    let (vault, entry, blob) = (vault(), entry(name), blob.to_vec());
    let written = Put { vault, entry, precondition, deleted: false, blob }.apply(txn, op);
    written.map(|written| written.hlc).map_err(|stop| stop.map(|refused| panic!("{refused:?}")))
}
