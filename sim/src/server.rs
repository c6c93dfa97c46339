//! One POP: what survives its process, and the process itself, which drives the very machine that
//! servers run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clavitor_commercial::alerts;
use clavitor_commercial::cluster::Cluster;
use clavitor_commercial::debt::{self, SHOWN_ROWS_MAX};
use clavitor_commercial::frame::Member;
use clavitor_commercial::pop::{CommercialPop, Effect, Input};
use clavitor_commercial::replication::View;
use clavitor_commercial::sent::Sent;
use clavitor_commercial::skew;
use clavitor_core::hlc::Clock;
use clavitor_core::id::{Epoch, OpId, PopId, Seq, StoreId};
use clavitor_core::pop::{CommunityPop, Pop};
use clavitor_core::store::{Notice, Reader, State, load_fact};
use clavitor_core::time::{Instant, UnixTime};

mod ask;
mod boot;
mod clients;
mod drive;
mod effects;
mod groups;
mod job;
mod leases;
mod notes;
mod pit;
mod receive;
mod run;
mod send;
mod votes;

pub use leases::Right;
pub use notes::Keep;
pub use pit::Pit;

pub use job::{Ask, Back, Book, Done, Failed, Job, Take};

use crate::clocks::Clocks;
use crate::disk::Disk;
use crate::event::Event;
use send::Post;

/// A POP: its place, its disk and clocks, and its process, if one runs.
#[derive(Debug)]
pub struct Server {
    /// Its place in the world.
    pub index: u8,
    /// Its id.
    pub pop: PopId,
    /// The cluster as it is configured.
    pub cluster: Cluster,
    /// The place of every peer, in the order of the configuration.
    pub peers: Vec<u8>,
    /// Its data directory.
    pub disk: Disk,
    /// Its clocks.
    pub clocks: Clocks,
    /// Its process.
    pub process: Option<Box<Process>>,
    /// How many processes there have been: events of an earlier one mean nothing.
    pub life: u32,
    /// Until when the process stands still.
    pub paused_until: Instant,
    /// What reached the process meanwhile.
    pub deferred: VecDeque<Event>,
    /// Until when the disk has no room.
    pub full_until: Instant,
    /// Until when the disk does not answer.
    pub hangs_until: Instant,
    /// Until when the newest answer of the disk is late.
    pub slow_until: Instant,
    /// How many data directories it has had.
    pub stores: u8,
    /// How many groups of writes there have been.
    pub groups: u32,
    /// The last copy of its data directory.
    pub copy: Option<Disk>,
    /// When its data directory was last emptied or put back.
    pub replaced_at: Instant,
}

/// A running server: what a crash forgets.
#[derive(Debug)]
pub struct Process {
    /// Its machine.
    pub machine: Machine,
    /// The newest epoch it goes by.
    pub epoch: Option<Epoch>,
    /// What the machine last showed of its peers.
    pub views: Vec<View>,
    /// Whether it was imported and has yet to hear its peers.
    pub is_imported: bool,
    /// Whether its store takes writes.
    pub is_closing: bool,
    /// Whether it takes requests.
    pub is_accepting: bool,
    /// How many requests are in flight.
    pub requests: u32,
    /// How many transactions of bookkeeping are under way.
    pub books: u32,
    /// Its tarpit, if its edition has one.
    pub pit: Option<Pit>,
    /// Its right to take writes, and what it asks others about it.
    pub right: Right,
    peers_origin_ms: Option<i64>,
    waits: BTreeMap<OpId, Wait>,
    next_wait: u64,
    posts: BTreeMap<OpId, Post>,
    sent: Sent<()>,
    is_full: bool,
    mailbox: VecDeque<Input>,
    notice: Option<Notice>,
    /// How many commits the machine has yet to hear of.
    pub unnoticed: u32,
    notice_at: Instant,
    shelf: VecDeque<Book>,
    is_shelving: bool,
    writer: Writer,
    armed: BTreeSet<Instant>,
    awaits_quiet: bool,
    is_ended: bool,
}

/// A client that waits for a backup, after its write or before.
#[derive(Clone, Copy, Debug)]
struct Wait {
    id: u32,
    is_written: bool,
    released: Option<bool>,
}

/// What the store of a running server holds beside its rows.
#[derive(Debug)]
struct Writer {
    clock: Clock,
    state: State,
    store_id: StoreId,
    token_changes: u64,
    confirmed: Seq,
    queue: VecDeque<Job>,
    lazy: Vec<Job>,
    is_busy: bool,
    is_lazy_armed: bool,
    is_closed: bool,
    sync: crate::script::Sync,
}

/// The machine of either edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// One of a cluster.
    Commercial(Box<CommercialPop>),
    /// One alone.
    Community(CommunityPop),
}

impl Machine {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match (self, input) {
            (Machine::Commercial(pop), input) => pop.handle(now, input, out),
            (Machine::Community(pop), Input::Community(input)) => {
                let mut orders = Vec::new();
                pop.handle(now, input, &mut orders);
                out.extend(orders.into_iter().map(Effect::Community));
            }
            // What replication needs to know means nothing to it.
            (Machine::Community(_), _) => {}
        }
    }

    /// When it wants a tick, and why.
    pub fn next_wake(&self) -> Option<(Instant, &'static str)> {
        let wake = match self {
            Machine::Commercial(pop) => pop.next_wake(),
            Machine::Community(pop) => pop.next_wake(),
        };
        wake.map(|(at, why)| (at, why.0))
    }

    /// What it shows of the alerts for HQ.
    pub fn alerts(&self) -> alerts::View {
        match self {
            Machine::Commercial(pop) => pop.alerts(),
            Machine::Community(_) => alerts::View::default(),
        }
    }

    /// What it shows of its peers.
    pub fn views(&self, now: Instant) -> Vec<View> {
        match self {
            Machine::Commercial(pop) => pop.peers(now),
            Machine::Community(_) => Vec::new(),
        }
    }
}

impl Server {
    /// A server with an empty data directory, whose machine has been up for a while.
    pub fn new(index: u8, pops: u8, is_community: bool) -> Self {
        let url = |index: u8| format!("http://pop-{index}.test:1984");
        let peers: Vec<u8> = (0..pops).filter(|peer| *peer != index && !is_community).collect();
        let is_cluster = !peers.is_empty();
        let cluster = Cluster {
            name: "cluster".into(),
            own_url: url(index),
            primary_url: is_cluster.then(|| url(0)),
            peer_urls: peers.iter().map(|peer| url(*peer)).collect(),
        };
        let letter = char::from(b'a'.saturating_add(index));
        Self {
            index,
            pop: format!("{letter}-01").parse().unwrap_or_else(|_| unreachable!("a fixed id")),
            cluster,
            peers,
            disk: Disk::default(),
            clocks: Clocks::new(1_000_000 + u64::from(index) * 77_777),
            process: None,
            life: 0,
            paused_until: Instant(0),
            deferred: VecDeque::new(),
            full_until: Instant(0),
            hangs_until: Instant(0),
            slow_until: Instant(0),
            stores: 0,
            groups: 0,
            copy: None,
            replaced_at: Instant(0),
        }
    }

    /// Whether it lost its data and has yet to hear what its peers hold of it: whoever promotes it
    /// says that all that may be lost.
    pub fn has_data_to_hear(&self) -> bool {
        let is_waiting = self.process.as_ref().is_some_and(|process| process.is_imported);
        self.replaced_at > Instant(0) && is_waiting
    }

    /// Whether its process runs, and is not standing still.
    pub fn is_running(&self, now: Instant) -> bool {
        self.process.is_some() && now >= self.paused_until
    }

    /// Whether it would take a client's write.
    pub fn is_primary(&self) -> bool {
        let is_it = |process: &Process| match process.machine {
            Machine::Community(_) => true,
            Machine::Commercial(_) => process.epoch.is_some_and(|it| it.primary == self.pop),
        };
        self.process.as_deref().is_some_and(is_it)
    }

    /// The identity of the data directory, as the running process knows it.
    pub fn store_id(&self) -> Option<StoreId> {
        self.process.as_ref().map(|process| process.writer.store_id)
    }

    /// The newest sequence number that is on disk.
    pub fn last(&self) -> Option<Seq> {
        self.process.as_ref().map(|process| process.writer.state.seq)
    }

    /// Whether the writer has something to do.
    pub fn is_writing(&self) -> bool {
        self.process.as_ref().is_some_and(|process| {
            let writer = &process.writer;
            writer.is_busy || !writer.queue.is_empty() || !writer.lazy.is_empty()
        })
    }

    /// How far the newest timestamp on disk is ahead of the right time, in milliseconds.
    pub fn floor_ahead_ms(&self, now: Instant) -> u64 {
        let state: Option<State> = load_fact(&self.disk, "state").ok().flatten();
        let floor_ms = state.unwrap_or_default().floor.ms;
        floor_ms.saturating_sub(crate::clocks::true_wall(now).0)
    }

    /// How many records it owes, to all peers together.
    pub fn dirty(&self) -> u64 {
        let Some(process) = &self.process else { return 0 };
        let peers = self.cluster.peer_urls.iter().zip(&process.views);
        let debts =
            peers.map(|(url, view)| debt::of(&Reader::new(&self.disk), url, view, SHOWN_ROWS_MAX));
        debts.map(|debt| debt.map_or(0, |debt| debt.records)).sum()
    }

    /// Ends the process at once, as kill -9 does.
    pub fn kill(&mut self) -> bool {
        self.life += 1;
        self.deferred.clear();
        self.paused_until = Instant(0);
        self.process.take().is_some()
    }

    fn member(&self, process: &Process) -> Member {
        let (pop, store) = (self.pop, process.writer.store_id);
        Member { pop, store, url: self.cluster.own_url.clone() }
    }

    fn mint(&mut self, is_always_the_same: bool) -> StoreId {
        self.stores = if is_always_the_same { 1 } else { self.stores.wrapping_add(1) };
        let mut id = [0xA5; 16];
        id[0] = self.index + 1;
        id[1] = self.stores;
        StoreId(id)
    }
}

impl Process {
    /// What the peers' clocks show, if any is known.
    fn agreed_time(&self, monotonic: Instant) -> Option<UnixTime> {
        self.peers_origin_ms.map(|origin_ms| skew::agreed_time(origin_ms, monotonic))
    }

    /// What waits for the machine: nothing, between events.
    pub fn is_idle(&self) -> bool {
        self.mailbox.is_empty() && self.notice.is_none()
    }

    /// How many clients wait for a backup.
    pub fn waiting(&self) -> usize {
        self.waits.len()
    }
}
