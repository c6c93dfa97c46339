//! Runs one operation inside a transaction: everything that is decided here is decided by the core.

use clavitor_commercial::admission::{self, Refused as NotAdmitted};
use clavitor_commercial::apply::Applied;
use clavitor_commercial::cluster::Cluster;
use clavitor_commercial::frame::Refusal;
use clavitor_commercial::received::Received;
use clavitor_commercial::{apply, books, epoch, journal, tables};
use clavitor_core::credential::{AccessToken, Scope, TokenId};
use clavitor_core::entry::{Precondition, Put, Refused};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::PopId;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::Key;
use clavitor_core::store::{RowsMut, Stop, StoreError, Transaction};
use clavitor_core::time::UnixTime;
use clavitor_core::token;

use super::job::{Ask, Book, Done, Failed, Job, Take};
use crate::canary::Canary;
use crate::event::Wrote;
use crate::script::{Condition, Request};

/// How an operation's run inside a transaction ended.
pub(super) enum Ran {
    /// Its answer is known, and holds once the transaction is on disk.
    Answered(Done),
    /// It decided against writing, or found no room to.
    Refused(Done),
    /// Storage failed under it.
    Failed,
}

/// What an operation may know of its server.
pub(super) struct Context<'a> {
    pub(super) pop: PopId,
    pub(super) cluster: &'a Cluster,
    pub(super) is_community: bool,
    pub(super) is_imported: bool,
    pub(super) agreed: Option<UnixTime>,
    pub(super) bug: Option<Canary>,
}

impl Job {
    /// What is answered if it changed nothing.
    pub(super) fn failed(self, why: Failed) -> Done {
        match self {
            Job::Ask(ask) => Done::Ask(ask, Err(why)),
            Job::Take(take) => Done::Take(take, Err(why)),
            Job::Promote => Done::Promote(Err(why)),
            Job::Book(book) => Done::Book(book, Err(why)),
        }
    }
}

impl Context<'_> {
    pub(super) fn run<R: RowsMut>(&self, txn: &mut Transaction<'_, R>, job: &Job) -> Ran {
        match job {
            Job::Ask(ask) => {
                let wrote = self.ask(txn, ask).and_then(|wrote| in_epoch(txn, wrote));
                ended(job, wrote, |wrote| Done::Ask(*ask, Ok(wrote.map(Box::new))), Failed::Asked)
            }
            Job::Take(take) => {
                let applied = if self.bug == Some(Canary::NoReplayGuard) {
                    take_again(txn, take)
                } else {
                    apply::take(txn, &take.frame, &take.records)
                };
                let done = |applied| Done::Take(take.clone(), Ok(Box::new(applied)));
                ended(job, applied, done, Failed::Frame)
            }
            Job::Promote => {
                let promoted = epoch::promote(txn, self.pop).map_err(Stop::from);
                ended(job, promoted, |epoch| Done::Promote(Ok(epoch)), |()| Failed::Full)
            }
            Job::Book(book) => {
                let booked = self.book(txn, book).map_err(Stop::from);
                ended(job, booked, |()| Done::Book(book.clone(), Ok(())), |()| Failed::Full)
            }
        }
    }

    fn book<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        book: &Book,
    ) -> Result<(), StoreError> {
        let url = |peer: &u8| self.cluster.peer_url(*peer);
        let urls = &self.cluster.peer_urls;
        match book {
            Book::AdvanceCursor { peer, cursor, setbacks, .. } => {
                books::advance_cursor(txn, urls, url(peer), *cursor, setbacks)
            }
            Book::AdoptPeer { peer, pop, store, cursor } => {
                books::adopt_peer(txn, url(peer), (*pop, *store), *cursor)
            }
            Book::Verified { peer, .. } => books::verified(txn, url(peer)),
            Book::DenyStore { peer, store } => books::deny_store(txn, url(peer), *store),
            Book::RetrySetbacks { peer } => books::retry_setbacks(txn, url(peer)),
            Book::ReplaceIdentity { fresh, received } => {
                books::replace_identity(txn, self.pop, urls, *fresh, *received, self.agreed)
            }
            Book::AdoptEpoch(newer) => epoch::adopt(txn, *newer),
            Book::ImportSettled => books::settle_import(txn),
        }
    }

    fn ask<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        ask: &Ask,
    ) -> Result<Option<Wrote>, Stop<&'static str>> {
        if !self.is_community && self.bug != Some(Canary::NoEpochCheck) {
            admission::admit(txn, self.pop, self.is_imported, self.agreed)
                .map_err(|stop| stop.map(not_admitted))?;
        }
        match ask.request {
            Request::Put { key, bytes, condition, .. } => {
                let precondition = precondition(condition, ask.seen);
                self.put(txn, ask, key, precondition, Some(blob(ask.id, bytes)))
            }
            Request::Delete { key, .. } => self.put(txn, ask, key, Precondition::Always, None),
            Request::CreateToken { token, .. } => create(txn, ask, token),
            Request::RevokeToken { token, .. } => revoke(txn, ask, token),
            Request::RestoreLoser { key } => restore(txn, ask, key),
            Request::Get { .. } => Ok(None),
        }
    }

    fn put<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        ask: &Ask,
        key: u8,
        precondition: Precondition,
        blob: Option<Vec<u8>>,
    ) -> Result<Option<Wrote>, Stop<&'static str>> {
        let (vault, entry) = (vault(), entry(key));
        let record_key = Key::Entry(vault.clone(), entry.clone());
        let seen = txn.head(&record_key)?.map(|head| head.hlc);
        let deleted = blob.is_none();
        let blob = blob.unwrap_or_default();
        let mut put = Put { vault, entry, precondition, deleted, blob };
        let written = put.apply(txn, ask.wait).map_err(|stop| stop.map(refused))?;
        Ok(Some(Wrote {
            id: ask.id,
            key: record_key,
            hlc: written.hlc,
            seen,
            restored: None,
            is_revocation: false,
            epoch: None,
        }))
    }
}

/// Notes the epoch that a write belongs to, whoever admitted it.
fn in_epoch<R: RowsMut>(
    txn: &Transaction<'_, R>,
    wrote: Option<Wrote>,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let epoch = epoch::known(&txn.reader())?;
    Ok(wrote.map(|wrote| Wrote { epoch, ..wrote }))
}

fn precondition(condition: Condition, seen: Option<Hlc>) -> Precondition {
    match condition {
        Condition::Always => Precondition::Always,
        Condition::Exists => Precondition::Exists,
        Condition::Absent => Precondition::Absent,
        Condition::Seen => seen.map_or(Precondition::Absent, Precondition::Is),
    }
}

fn ended<T, E>(
    job: &Job,
    result: Result<T, Stop<E>>,
    done: impl FnOnce(T) -> Done,
    refused: impl FnOnce(E) -> Failed,
) -> Ran {
    match result {
        Ok(value) => Ran::Answered(done(value)),
        Err(Stop::Refused(refusal)) => Ran::Refused(job.clone().failed(refused(refusal))),
        Err(Stop::Storage(StoreError::Full)) => Ran::Refused(job.clone().failed(Failed::Full)),
        Err(Stop::Storage(_)) => Ran::Failed,
    }
}

/// Takes a frame as if its range had never been received.
fn take_again<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    take: &Take,
) -> Result<Applied, Stop<Refusal>> {
    let (frame, source) = (&take.frame, &take.frame.source);
    let known = tables::received(&txn.reader(), source.pop, source.store)?;
    let is_replay = !frame.is_hello() && known.covers(frame.range);
    if is_replay {
        tables::set_received(txn, source.pop, source.store, &Received::default())?;
    }
    let applied = apply::take(txn, frame, &take.records)?;
    if is_replay {
        tables::set_received(txn, source.pop, source.store, &known)?;
        return Ok(Applied { received: known.prefix, ..applied });
    }
    Ok(applied)
}

fn create<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    number: u16,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = token_id(number);
    let key = Key::Token(id);
    // Ids are random, so none is made twice; the script may ask twice.
    if txn.head(&key)?.is_some() {
        return Err(Stop::Refused("taken"));
    }
    let token = AccessToken {
        id,
        vault: Some(vault()),
        scope: Scope::Write,
        label: String::new(),
        secret_hash: [7; 32],
        created: txn.now(),
        expires: None,
        revoked: None,
    };
    token::create(txn, token, ask.wait)?;
    wrote_token(txn, ask, key, false)
}

fn revoke<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    number: u16,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = token_id(number);
    let revoked = token::revoke(txn, id, |_| true, ask.wait);
    let revoked = revoked.map_err(|stop| stop.map(|_| "CV-NOT-FOUND"))?;
    if !revoked.is_new {
        return Err(Stop::Refused("revoked"));
    }
    wrote_token(txn, ask, Key::Token(id), true)
}

fn wrote_token<R: RowsMut>(
    txn: &Transaction<'_, R>,
    ask: &Ask,
    key: Key,
    is_revocation: bool,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = ask.id;
    let hlc = txn.head(&key)?.map(|head| head.hlc);
    Ok(hlc.map(|hlc| Wrote {
        id,
        key,
        hlc,
        seen: None,
        restored: None,
        is_revocation,
        epoch: None,
    }))
}

fn restore<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    key: u8,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let (vault, entry) = (vault(), entry(key));
    let lost = txn.losers(&vault, &entry)?.first().copied().ok_or(Stop::Refused("CV-NOT-FOUND"))?;
    let record_key = Key::Entry(vault.clone(), entry.clone());
    let seen = txn.head(&record_key)?.map(|head| head.hlc);
    let hlc = journal::restore(txn, &vault, &entry, lost);
    let hlc = hlc.map_err(|stop| stop.map(|_| "CV-NOT-FOUND"))?;
    Ok(Some(Wrote {
        id: ask.id,
        key: record_key,
        hlc,
        seen,
        restored: Some(lost),
        is_revocation: false,
        epoch: None,
    }))
}

fn not_admitted(refused: NotAdmitted) -> &'static str {
    match refused {
        NotAdmitted::NotPrimary(_) => "CV-NOT-PRIMARY",
        NotAdmitted::Imported => "CV-IMPORTED",
        NotAdmitted::Clock => "CV-CLOCK",
    }
}

fn refused(refused: Refused) -> &'static str {
    match refused {
        Refused::Precondition => "CV-PRECONDITION",
        Refused::NotFound => "CV-NOT-FOUND",
    }
}

/// The vault of every simulated entry.
pub(super) fn vault() -> VaultName {
    VaultName::try_from("vault".to_owned()).unwrap_or_else(|_| unreachable!("a fixed name"))
}

/// The name of an entry.
pub(super) fn entry(key: u8) -> EntryName {
    EntryName::try_from(format!("e{key}")).unwrap_or_else(|_| unreachable!("a plain name"))
}

fn token_id(number: u16) -> TokenId {
    let mut id = [0; 12];
    id[..2].copy_from_slice(&number.to_be_bytes());
    TokenId(id)
}

/// No two requests write the same blob.
fn blob(id: u32, bytes: u32) -> Vec<u8> {
    let mut blob = id.to_le_bytes().to_vec();
    blob.resize(usize::try_from(bytes).unwrap_or_default().max(4), 0x5A);
    blob
}
