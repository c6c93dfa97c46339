//! What HQ keeps on disk: which POPs there are and what they prove themselves with.

mod error;

use std::collections::BTreeMap;
use std::path::Path;

use clavitor_core::credential::{Presented, TokenId};
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::UnixTime;
use clavitor_hq_core::control::{self, ClusterName, Event, NoRoom, Row};
use clavitor_hq_core::incidents::{self, Alert, DNS_UPDATE_FAILED, Source};
use clavitor_node::http::CONNECTIONS_MAX;
use clavitor_node::server::end_after_failure;
use clavitor_node::store::{
    HQ_SCHEMA, Opening, Reader, Rows, RowsMut, Stop, Store, StoreError, Table, Transaction,
};
use clavitor_node::{entropy, wall};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::history::{self, Filter, Page, What};
use crate::keeper::Keep;
use crate::presence::Known;
use crate::reports;
use crate::tables::{
    self, CLUSTERS, GONE, KNOWN, POPS, TABLES, TOKENS, cluster_prefix, pop_key, read_pop_key,
};

pub use error::{Fault, KeepError, OpenError};

/// The version of the layout of HQ's tables.
pub const SCHEMA: u32 = 1;

/// The most POPs of one HQ, all clusters together.
pub const POPS_MAX: usize = 1_536;

/// The most POPs of one cluster.
pub const CLUSTER_POPS_MAX: usize = control::POPS_MAX;

// Each has two connections, and operators some besides.
const _: () = assert!(2 * POPS_MAX + 512 <= CONNECTIONS_MAX);

const BEGUN_FACT: &str = "hq_begun";

/// The size of the storage map: far above what the bounds of all tables together come to.
const MAP_BYTES: u64 = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 1 << 28 };

/// A POP among those of all clusters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its id there.
    pub pop: PopId,
}

/// What is stored of a secret text that somebody proves themselves with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its public part.
    pub id: TokenId,
    /// The hash of the other one.
    pub secret_hash: [u8; 32],
}

impl Credential {
    /// A new one, and its text.
    pub(crate) fn mint() -> (Presented, Credential) {
        let presented = Presented { id: TokenId(entropy::bytes()), secret: entropy::bytes() };
        let credential = Credential { id: presented.id, secret_hash: presented.secret_hash() };
        (presented, credential)
    }

    /// Whether this is it; takes the same time whatever the secret.
    pub(crate) fn is(&self, presented: &Presented) -> bool {
        self.id == presented.id && presented.matches(&self.secret_hash)
    }
}

/// What is stored of a POP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// What it proves itself with.
    pub credential: Credential,
    /// When it was given that.
    pub since: UnixTime,
}

/// The process that held the lease of a term under the id of a POP whose token was replaced or taken away:
/// a person's word that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
    granted: Epoch,
    start: u64,
}

impl Gone {
    /// Whoever holds the lease of a cluster, or held it last.
    fn of(row: &Row) -> Option<Self> {
        Some(Self { granted: row.granted?, start: row.holder?.start })
    }
}

/// HQ's store. Clones share it.
#[derive(Clone)]
pub struct Registry {
    store: Store,
}

impl Registry {
    /// Opens HQ's data directory for this process alone, making it if needed.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let opening = Opening { dir, bytes_max: MAP_BYTES, pop: None };
        let store = Store::open_for_hq(&opening, SCHEMA, wall::unix_time, end_after_failure)?;
        let schema: Option<u32> = store.read(|reader| reader.fact(HQ_SCHEMA))?;
        if let Some(found) = schema.filter(|found| *found > SCHEMA) {
            return Err(OpenError::NewerSchema { found });
        }
        TABLES.into_iter().try_for_each(|table| store.open_table(table))?;
        Ok(Self { store })
    }

    /// Takes note that HQ begins its work; whether it does so for the first time.
    pub fn begin(&self) -> Result<bool, StoreError> {
        let is_first = self.fact::<bool>(BEGUN_FACT)?.is_none();
        if is_first {
            self.keep_fact(BEGUN_FACT, true)?;
        }
        Ok(is_first)
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Finishes what was begun; nothing is kept any more.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// A single fact.
    pub(crate) fn fact<T>(&self, name: &str) -> Result<Option<T>, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.store.read(|reader| reader.fact(name))
    }

    /// Stores a single fact, and waits for the disk.
    pub(crate) fn keep_fact<T>(&self, name: &'static str, value: T) -> Result<(), StoreError>
    where
        T: Serialize + Send + 'static,
    {
        let keep = move |txn: &mut Transaction<'_>| txn.set_fact(name, &value).map_err(Stop::from);
        Ok(self.store.write_blocking(keep).map_err(Fault::from)?)
    }

    /// Gives a POP its token, or another one in place of it.
    pub async fn register(&self, name: Name, replace: bool) -> Result<Presented, KeepError> {
        let (presented, credential) = Credential::mint();
        let row = Registered { credential, since: wall::unix_time() };
        let write = move |txn: &mut Transaction<'_>| register(txn, &name, &row, replace);
        self.store.write(0, write).await?;
        Ok(presented)
    }

    /// Takes a POP's token from it; whether there was one.
    pub async fn remove(&self, name: Name) -> Result<bool, KeepError> {
        let write = move |txn: &mut Transaction<'_>| -> Result<bool, Stop<KeepError>> {
            let key = pop_key(&name.cluster, &name.pop);
            let Some(row) = tables::load::<Registered>(txn.rows(), POPS, &key)? else {
                return Ok(false);
            };
            let rows = txn.rows_mut();
            note_gone(rows, &name)?;
            rows.delete(TOKENS, &row.credential.id.0)?;
            rows.delete(KNOWN, &key)?;
            reports::forget(rows, &name)?;
            let was_there = rows.delete(POPS, &key)?;
            let is_last = rows.prefixed(POPS, &cluster_prefix(&name.cluster))?.next().is_none();
            incidents::removed(rows, wall::unix_time(), &name.cluster, name.pop, is_last)?;
            Ok(was_there)
        };
        Ok(self.store.write(0, write).await?)
    }

    /// Whose token this is.
    pub fn whose(&self, presented: &Presented) -> Result<Option<Name>, StoreError> {
        self.store.read(|reader| {
            let rows = reader.rows();
            let Some(name) = tables::load::<Name>(rows, TOKENS, &presented.id.0)? else {
                return Ok(None);
            };
            let key = pop_key(&name.cluster, &name.pop);
            let row = tables::load::<Registered>(rows, POPS, &key)?;
            Ok(row.filter(|row| row.credential.is(presented)).map(|_| name))
        })
    }

    /// Every POP that has a token, by cluster and id.
    pub fn pops(&self) -> Result<Vec<(Name, Registered)>, StoreError> {
        self.of_pops(POPS)
    }

    /// What POPs last said of themselves, and when.
    pub(crate) fn known(&self) -> Result<Vec<(Name, Known, UnixTime)>, StoreError> {
        let rows = self.of_pops::<(Known, UnixTime)>(KNOWN)?;
        Ok(rows.into_iter().map(|(name, (known, at))| (name, known, at)).collect())
    }

    /// The rows of all clusters, as the machine is to start with them.
    pub(crate) fn clusters(&self) -> Result<BTreeMap<ClusterName, Row>, StoreError> {
        let damaged = StoreError::Damaged("the name of a cluster cannot be read");
        self.store.read(|reader| {
            let rows = reader.rows().all(CLUSTERS)?;
            rows.map(|row| {
                let (key, value) = row?;
                let name = std::str::from_utf8(key).map_err(|_| damaged.clone())?;
                let mut row: Row = tables::decode(value)?;
                let gone = tables::load::<Gone>(reader.rows(), GONE, key)?;
                if gone.is_some() && gone == Gone::of(&row) {
                    row.holder = None;
                }
                Ok((name.to_owned(), row))
            })
            .collect()
        })
    }

    /// Keeps all of this, or nothing of it.
    pub(crate) async fn keep(&self, batch: Vec<Keep>) -> Result<(), Fault> {
        let keep = move |txn: &mut Transaction<'_>| {
            let rows = txn.rows_mut();
            batch.iter().try_for_each(|keep| keep_one(rows, keep)).map_err(Stop::from)
        };
        Ok(self.store.write(0, keep).await?)
    }

    /// Some of what happened.
    pub(crate) fn history(&self, filter: &Filter) -> Result<Page, StoreError> {
        self.store.read(|reader| history::page(reader.rows(), filter))
    }

    /// Takes an alert: once it is on disk, it is shown.
    pub(crate) async fn take_alert(
        &self,
        key: incidents::Key,
        alert: Alert,
    ) -> Result<incidents::Outcome, KeepError> {
        let bytes = alert.bytes();
        let take = move |txn: &mut Transaction<'_>| {
            let now = wall::unix_time();
            incidents::take(txn.rows_mut(), now, key, alert.clone()).map_err(Stop::from)
        };
        Ok(self.store.write(bytes, take).await?)
    }

    /// An operator says that an incident is over.
    pub(crate) async fn resolve(&self, id: u64) -> Result<Option<incidents::Incident>, KeepError> {
        let resolve = move |txn: &mut Transaction<'_>| {
            incidents::resolve(txn.rows_mut(), wall::unix_time(), id).map_err(Stop::from)
        };
        Ok(self.store.write(0, resolve).await?)
    }

    /// Some of the incidents.
    pub(crate) fn incidents(
        &self,
        filter: &incidents::Filter<'_>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<incidents::Page, StoreError> {
        self.store.read(|reader| incidents::page(reader.rows(), filter, after, limit))
    }

    /// How many incidents are open.
    pub(crate) fn open_incidents(&self) -> Result<u64, StoreError> {
        self.store.read(|reader| incidents::open_count(reader.rows()))
    }

    /// Whether a POP of a cluster takes no writes for want of a lease, as far as operators were told.
    pub(crate) fn is_lease_missed(&self, cluster: &str) -> bool {
        let missed = self.store.read(|reader| incidents::is_lease_missed(reader.rows(), cluster));
        missed.unwrap_or_default()
    }

    /// Keeps a server's report.
    pub(crate) async fn keep_report(&self, name: Name, report: Vec<u8>) -> Result<(), KeepError> {
        let bytes = report.len();
        let keep = move |txn: &mut Transaction<'_>| {
            reports::keep(txn.rows_mut(), &name, wall::unix_time(), &report).map_err(Stop::from)
        };
        Ok(self.store.write(bytes, keep).await?)
    }

    /// A server's report.
    pub(crate) fn report(&self, name: &Name) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(|reader| reports::load(reader.rows(), name))
    }

    /// Whose reports there are, and when each came.
    pub(crate) fn reports(&self) -> Result<Vec<(Name, UnixTime)>, StoreError> {
        self.store.read(|reader| reports::all(reader.rows()))
    }

    fn of_pops<T>(&self, table: Table) -> Result<Vec<(Name, T)>, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.store.read(|reader| {
            let rows = reader.rows().all(table)?;
            rows.map(|row| {
                let (key, value) = row?;
                let (cluster, pop) = read_pop_key(key)?;
                Ok((Name { cluster, pop }, tables::decode(value)?))
            })
            .collect()
        })
    }
}

fn keep_one(rows: &mut impl RowsMut, keep: &Keep) -> Result<(), StoreError> {
    match keep {
        Keep::Cluster(_, name, row) => tables::save(rows, CLUSTERS, name.as_bytes(), row),
        Keep::Happened(happened) => {
            if let What::Decided(event) = &happened.what
                && !is_about_a_stranger(rows, &happened.cluster, event)?
            {
                incidents::happened(rows, happened.at, &happened.cluster, event)?;
            }
            history::keep(rows, happened)
        }
        Keep::LeaseHeld(cluster) => incidents::lease_held(rows, wall::unix_time(), cluster),
        Keep::DnsUpdates(failure) => keep_dns_updates(rows, failure.as_deref()),
        Keep::Known(name, known, at) => {
            let key = pop_key(&name.cluster, &name.pop);
            // It may have been removed meanwhile.
            match rows.get(POPS, &key)?.is_some() {
                true => tables::save(rows, KNOWN, &key, &(known, at)),
                false => Ok(()),
            }
        }
    }
}

/// Whether it is about a POP that was removed meanwhile: nobody could see that an incident of it ends.
fn is_about_a_stranger(rows: &impl Rows, cluster: &str, event: &Event) -> Result<bool, StoreError> {
    match event {
        Event::PopLost(pop) | Event::Duplicate(pop) => {
            Ok(rows.get(POPS, &pop_key(cluster, pop))?.is_none())
        }
        _ => Ok(false),
    }
}

fn keep_dns_updates(rows: &mut impl RowsMut, failure: Option<&str>) -> Result<(), StoreError> {
    let (now, source, kind) = (wall::unix_time(), Source::default(), DNS_UPDATE_FAILED);
    let Some(failure) = failure else {
        return incidents::settle(rows, now, &source, kind).map(|_| ());
    };
    let alert = Alert {
        kind: kind.to_owned(),
        source,
        raised_at: now,
        message: format!("another server does not take updates of the zone: {failure}"),
        details: BTreeMap::new(),
    };
    incidents::raise(rows, now, alert, 1).map(|_| ())
}

fn register(
    txn: &mut Transaction<'_>,
    name: &Name,
    row: &Registered,
    replace: bool,
) -> Result<(), Stop<KeepError>> {
    let key = pop_key(&name.cluster, &name.pop);
    let old = tables::load::<Registered>(txn.rows(), POPS, &key)?;
    match &old {
        Some(_) if !replace => return Err(Stop::Refused(KeepError::Known)),
        None => check_room(&txn.reader(), &name.cluster)?,
        Some(_) => {}
    }
    let rows = txn.rows_mut();
    if let Some(old) = old {
        note_gone(rows, name)?;
        rows.delete(TOKENS, &old.credential.id.0)?;
    }
    tables::save(rows, POPS, &key, row)?;
    tables::save(rows, TOKENS, &row.credential.id.0, name)?;
    Ok(())
}

/// The machine is told as well, and stores what it makes of that; but this process may end before. Once
/// another one holds a lease, or that one's row has none, this says nothing any more.
fn note_gone(rows: &mut impl RowsMut, name: &Name) -> Result<(), StoreError> {
    let cluster = name.cluster.as_bytes();
    let row = tables::load::<Row>(rows, CLUSTERS, cluster)?;
    let gone = row.as_ref().and_then(Gone::of).filter(|gone| gone.granted.primary == name.pop);
    gone.map_or(Ok(()), |gone| tables::save(rows, GONE, cluster, &gone))
}

fn check_room(reader: &Reader<'_, impl Rows>, cluster: &str) -> Result<(), Stop<KeepError>> {
    let rows = reader.rows();
    let prefix = cluster_prefix(cluster);
    let members = rows.prefixed(POPS, &prefix)?.count();
    let is_known = members > 0 || rows.get(CLUSTERS, cluster.as_bytes())?.is_some();
    if rows.count(POPS)? >= POPS_MAX as u64 {
        return Err(Stop::Refused(KeepError::TooManyPops));
    }
    let clusters = usize::try_from(rows.count(CLUSTERS)?).unwrap_or(usize::MAX);
    let room = control::room(is_known.then_some(members), clusters);
    room.map_err(|full| {
        Stop::Refused(match full {
            NoRoom::InCluster => KeepError::ClusterFull,
            NoRoom::ForCluster => KeepError::TooManyClusters,
        })
    })
}

#[cfg(test)]
mod tests;
