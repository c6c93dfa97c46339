//! Runs one operation inside a transaction: everything that is decided here is decided by the core.

use clavitor_commercial::admission::Standing;
use clavitor_commercial::alerts::outbox;
use clavitor_commercial::apply::Applied;
use clavitor_commercial::cluster::Cluster;
use clavitor_commercial::frame::Refusal;
use clavitor_commercial::received::Received;
use clavitor_commercial::{apply, books, epoch, tables};
use clavitor_core::id::Epoch;
use clavitor_core::record::Item;
use clavitor_core::store::{Origin, RowsMut, Stop, StoreError, Transaction};

use super::job::{Accept, Book, Done, Failed, Job, Take};
use crate::canary::Canary;

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
    pub(super) standing: Standing,
    pub(super) cluster: &'a Cluster,
    pub(super) is_community: bool,
    pub(super) bug: Option<Canary>,
}

impl Job {
    /// What is answered if it changed nothing.
    pub(super) fn failed(self, why: Failed) -> Done {
        match self {
            Job::Ask(ask) => Done::Ask(ask, Err(why)),
            Job::Take(take) => Done::Take(take, Err(why)),
            Job::Promote => Done::Promote(Err(why)),
            Job::Accept(accept) => Done::Accept(accept, Err(why)),
            Job::Book(book) => Done::Book(book, Err(why)),
            Job::Keep(keep) => Done::Keep(keep, Err(why)),
        }
    }
}

impl Context<'_> {
    pub(super) fn run<R: RowsMut>(&self, txn: &mut Transaction<'_, R>, job: &Job) -> Ran {
        match job {
            Job::Ask(ask) => {
                let wrote = self.answer(txn, ask);
                ended(job, wrote, |wrote| Done::Ask(*ask, Ok(wrote.map(Box::new))), Failed::Asked)
            }
            Job::Take(take) => {
                let applied = match self.bug {
                    Some(Canary::NoReplayGuard) => take_again(txn, take),
                    Some(Canary::LastArrivalWins) => take_over(txn, take),
                    _ => apply::take(txn, &take.frame, &take.records),
                };
                let done = |applied| Done::Take(take.clone(), Ok(Box::new(applied)));
                ended(job, applied, done, Failed::Frame)
            }
            Job::Promote => {
                let promoted = epoch::promote(txn, self.standing.pop).map_err(Stop::from);
                ended(job, promoted, |epoch| Done::Promote(Ok(epoch)), |()| Failed::Full)
            }
            Job::Accept(it) => {
                let accepted = self.accept(txn, it);
                let done = |epoch| Done::Accept(*it, Ok(epoch));
                ended(job, accepted.map_err(Stop::from), done, |()| Failed::Full)
            }
            Job::Book(book) => {
                let booked = self.book(txn, book).map_err(Stop::from);
                ended(job, booked, |()| Done::Book(book.clone(), Ok(())), |()| Failed::Full)
            }
            Job::Keep(keep) => {
                let kept = outbox::keep(txn, &keep.put, &keep.remove).map_err(Stop::from);
                ended(job, kept, |at| Done::Keep(keep.clone(), Ok(at)), |()| Failed::Full)
            }
        }
    }

    fn accept<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        it: &Accept,
    ) -> Result<Epoch, StoreError> {
        if self.bug == Some(Canary::StaleEpochStored) {
            epoch::store(txn, Some(it.epoch))?;
        }
        epoch::accept(txn, it.epoch, it.floor_ms)
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
            Book::ReplaceIdentity { fresh, received } => books::replace_identity(
                txn,
                self.standing.pop,
                urls,
                *fresh,
                *received,
                self.standing.agreed,
            ),
            Book::AdoptEpoch(newer) if self.bug == Some(Canary::StaleEpochStored) => {
                epoch::store(txn, Some(*newer))
            }
            Book::AdoptEpoch(newer) => epoch::adopt(txn, *newer),
            Book::ImportSettled => books::settle_import(txn),
        }
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

/// Takes a frame, and holds what it brought whatever was there.
fn take_over<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    take: &Take,
) -> Result<Applied, Stop<Refusal>> {
    let applied = apply::take(txn, &take.frame, &take.records)?;
    let source = &take.frame.source;
    let origin = Origin { pop: source.pop, store: source.store, seq: take.frame.range.to };
    for record in take.records.iter().flatten() {
        let is_entry = matches!(record.head.item, Item::Entry { .. });
        if is_entry && txn.head(&record.head.key())?.as_ref() != Some(&record.head) {
            txn.put(record, Some(origin))?;
        }
    }
    Ok(applied)
}
