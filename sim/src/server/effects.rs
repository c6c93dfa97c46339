//! What the machine's orders mean, and what follows from what is on disk.

use clavitor_commercial::books;
use clavitor_commercial::pop::{Effect, Input};
use clavitor_commercial::replication;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::Epoch;
use clavitor_core::pop as community;

use super::{Book, Done, Failed, Job, Keep, Process, Server};
use crate::around::Around;
use crate::canary::Canary;
use crate::event::{Fact, ToProcess};

/// How long to wait before bookkeeping that found no room is tried again, in milliseconds.
const PERSIST_AGAIN_MS: u64 = 1_000;

impl Server {
    pub(super) fn perform(
        &mut self,
        process: &mut Process,
        effect: Effect,
        facts: &mut Vec<Input>,
        around: &mut Around,
    ) {
        match effect {
            Effect::Community(effect) => self.perform_community(process, effect, around),
            Effect::Peer { peer, effect } => {
                self.perform_for_peer(process, peer, effect, facts, around);
            }
            Effect::Release(release) => self.release(process, release, around),
            Effect::AdoptEpoch(epoch) => self.book(process, Book::AdoptEpoch(epoch), around),
            Effect::ClockJudged { peers_origin_ms } => {
                process.peers_origin_ms = Some(peers_origin_ms);
            }
            Effect::ImportSettled => self.book(process, Book::ImportSettled, around),
            Effect::KeepAlerts { op, put, remove } => {
                self.keep_alerts(process, Keep { op, put, remove }, around);
            }
            Effect::PostAlert { op, item } => self.post_alert(op, item, around),
            // The machine does not hear an answer that it does not wait for.
            Effect::CancelPost { .. } => {}
            Effect::Lease(effect) => self.perform_lease(process, effect, around),
        }
    }

    /// Its line is written at once; then the machine hears of it.
    pub(super) fn alert(&self, process: &mut Process, alert: Alert, around: &mut Around) {
        around.facts.push(Fact::Alerted(self.index, alert.clone()));
        process.tell(Input::Community(community::Input::AlertRaised(alert)));
    }

    fn perform_community(
        &mut self,
        process: &mut Process,
        effect: community::Effect,
        around: &mut Around,
    ) {
        match effect {
            community::Effect::LogAlert(alert) => {
                around.facts.push(Fact::Alerted(self.index, alert));
            }
            community::Effect::StopAccepting => {
                process.is_accepting = false;
                process.awaits_quiet = true;
                self.stop_pit(process, around);
            }
            community::Effect::CloseStore => {
                process.is_closing = true;
                self.close_if_done(process, around);
            }
            community::Effect::Exit => {
                process.is_ended = true;
                around.facts.push(Fact::Exited(self.index));
            }
            community::Effect::Telemetry(order) => self.report(order, around),
        }
    }

    fn perform_for_peer(
        &mut self,
        process: &mut Process,
        peer: u8,
        effect: replication::Effect,
        facts: &mut Vec<Input>,
        around: &mut Around,
    ) {
        use replication::Effect as Peer;
        let pop = self.index;
        match effect {
            Peer::SendFrame(order) => self.send(process, peer, &order, facts, around),
            Peer::CancelFrame { op } => {
                process.sent.take(op);
                process.posts.remove(&op);
            }
            Peer::AdvanceCursor { op, cursor, setbacks } => {
                let keys = process.sent.take(op).map(|((), keys)| keys).unwrap_or_default();
                let setbacks = books::kept(&keys, &setbacks);
                let lowest = books::lowest_confirmed(&process.views, peer, cursor);
                process.writer.confirmed = lowest;
                let fact = Fact::Advanced { pop, peer, op, cursor, setbacks: setbacks.clone() };
                around.facts.push(fact);
                let is_kept = !around.bugs.is(Canary::ForgottenSetback);
                let setbacks = if is_kept { setbacks } else { Vec::new() };
                // What waits for room may be about frames that this cursor passes.
                let is_lazy = setbacks.is_empty() && !process.is_shelving;
                self.book(process, Book::AdvanceCursor { peer, cursor, setbacks, is_lazy }, around);
            }
            Peer::AdoptPeer { pop: id, store, cursor } => {
                around.facts.push(Fact::Adopted { pop, peer, store, cursor });
                self.book(process, Book::AdoptPeer { peer, pop: id, store, cursor }, around);
            }
            // Data waits for it, so it waits for nothing else.
            Peer::Verified => {
                self.book(process, Book::Verified { peer, is_again: false }, around);
            }
            Peer::DenyStore { store } => {
                self.book(process, Book::DenyStore { peer, store }, around);
            }
            Peer::RetrySetbacks => self.book(process, Book::RetrySetbacks { peer }, around),
            Peer::RolledBack { received } => {
                let fresh = self.mint(around.bugs.is(Canary::NoStoreIdentity));
                let message = "the data directory is an old copy; its peers refill what it lost";
                self.alert(process, Alert::new(AlertType::RolledBack, message), around);
                self.book(process, Book::ReplaceIdentity { fresh, received }, around);
            }
            Peer::RaiseAlert(raised) => self.alert(process, raised, around),
        }
    }

    /// Bookkeeping that must not be forgotten comes to disk in the order it was given.
    fn book(&mut self, process: &mut Process, book: Book, around: &mut Around) {
        process.books += 1;
        if book.is_lazy() {
            self.submit_lazily(process, Job::Book(book), around);
        } else if !book.is_kept() || around.bugs.is(Canary::BooksOutOfOrder) {
            self.submit(process, Job::Book(book), around);
        } else {
            process.shelf.push_back(book);
            self.next_book(process, around);
        }
    }

    fn next_book(&mut self, process: &mut Process, around: &mut Around) {
        if !process.is_shelving
            && let Some(book) = process.shelf.pop_front()
        {
            process.is_shelving = true;
            self.submit(process, Job::Book(book), around);
        }
    }

    /// What follows once an operation's group is on disk or given up.
    pub(super) fn finish(&mut self, process: &mut Process, done: Done, around: &mut Around) {
        match done {
            Done::Ask(ask, wrote) => self.on_asked(process, ask, wrote.map(drop), around),
            Done::Take(take, applied) => self.on_taken(process, *take, applied, around),
            Done::Promote(Ok(epoch)) => {
                process.is_imported = false;
                process.epoch = process.epoch.max(Some(epoch));
                process.tell(Input::Promoted(epoch));
            }
            Done::Promote(Err(_)) => {}
            Done::Accept(it, accepted) => self.on_accepted(process, it, accepted),
            Done::Book(book, result) => self.on_booked(process, book, result, around),
            Done::Keep(keep, kept) => self.on_kept(process, keep.op, kept, around),
        }
    }

    fn on_booked(
        &mut self,
        process: &mut Process,
        book: Book,
        result: Result<(), Failed>,
        around: &mut Around,
    ) {
        if result == Err(Failed::Full) && book.is_kept() {
            let event = ToProcess::Again(Box::new(Job::Book(book)));
            return around.later(PERSIST_AGAIN_MS, self.index, self.life, event);
        }
        process.books = process.books.saturating_sub(1);
        if book.is_kept() {
            process.is_shelving = false;
            self.next_book(process, around);
        }
        match (book, result) {
            (Book::Verified { peer, .. }, Ok(())) => {
                process.tell(Input::VerificationStored { peer });
            }
            (Book::Verified { peer, is_again: false }, Err(failed)) => {
                self.book(process, Book::Verified { peer, is_again: true }, around);
                if failed == Failed::Full {
                    process.tell(Input::VerificationStored { peer });
                }
            }
            (Book::ReplaceIdentity { .. }, Ok(())) => {
                let last = process.writer.state.seq;
                process.tell(Input::StoreReplaced { last });
            }
            (Book::AdoptEpoch(epoch), Ok(())) => note_epoch(process, epoch),
            (Book::ImportSettled, Ok(())) => process.is_imported = false,
            _ => {}
        }
    }
}

impl Book {
    /// Whether nobody waits for it, and a crash may lose it.
    fn is_lazy(&self) -> bool {
        matches!(self, Book::AdvanceCursor { is_lazy: true, .. })
    }

    /// Whether it is tried again until there is room, and everything behind it waits.
    fn is_kept(&self) -> bool {
        let is_tried_once =
            matches!(self, Book::AdoptEpoch(_) | Book::Verified { is_again: false, .. });
        !is_tried_once && !self.is_lazy()
    }
}

/// Goes by an epoch that is stored, unless a newer one came in between.
pub(super) fn note_epoch(process: &mut Process, epoch: Epoch) {
    if Some(epoch) > process.epoch {
        process.epoch = Some(epoch);
        process.tell(Input::EpochChanged(epoch));
    }
}
