//! The start of a process: what it settles and finds out from its data directory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clavitor_commercial::alerts::Start;
use clavitor_commercial::pop::{Boot, CommercialPop, Input};
use clavitor_commercial::replication::Window;
use clavitor_commercial::sent::Sent;
use clavitor_commercial::tarpit::Limits;
use clavitor_commercial::{boot, journal, lease};
use clavitor_core::hlc::Clock;
use clavitor_core::id::{Epoch, Seq};
use clavitor_core::pop::{self as community, CommunityPop};
use clavitor_core::store::{
    Basis, Identity, Outcome, Purpose, RECORDS, Reader, Transaction, settle_identity,
};
use clavitor_core::time::Instant;

use super::{Machine, Pit, Process, Right, Server, Writer};
use crate::around::Around;
use crate::canary::Canary;
use crate::event::Fact;
use crate::knobs::Knobs;
use crate::script::Sync;

/// What the start has settled.
struct Booted {
    epoch: Option<Epoch>,
    is_imported: bool,
}

impl Server {
    /// Starts a process, if none runs.
    ///
    /// # Panics
    /// If the data directory is not one that this server can have written.
    pub fn start(&mut self, is_community: bool, around: &mut Around) {
        if self.process.is_some() {
            return;
        }
        let identity = self.settle(around);
        let now = self.clocks.wall(around.now);
        let mut clock = Clock::new(identity.pop, identity.state.floor);
        let basis = Basis {
            state: identity.state,
            store_id: identity.store_id,
            now,
            quota: self.disk.bytes_max() / 100 * 90,
            disk_left: u64::MAX,
            confirmed: Seq(u64::MAX),
            token_changes: 0,
        };
        let alerts = self.alerts(around);
        let lease = self.lease(around);
        let (outcome, machine, known) = self.boot(&mut clock, basis, is_community, alerts, lease);
        let Booted { epoch, is_imported } = known;
        let views = machine.views(self.clocks.monotonic(around.now));
        let confirmed = views.iter().map(|view| view.acked).min().unwrap_or(Seq(u64::MAX));
        let writer = Writer {
            clock,
            state: outcome.state,
            store_id: outcome.store_id,
            token_changes: 0,
            confirmed,
            queue: VecDeque::new(),
            lazy: Vec::new(),
            is_busy: false,
            is_lazy_armed: false,
            is_closed: false,
            sync: Sync::default(),
        };
        let mut process = Process {
            machine,
            epoch,
            views,
            is_imported,
            is_closing: false,
            is_accepting: true,
            requests: 0,
            books: 0,
            right: Right::default(),
            pit: (!is_community).then(|| Pit::new(limits(&around.knobs))),
            peers_origin_ms: None,
            waits: BTreeMap::new(),
            next_wait: 0,
            posts: BTreeMap::new(),
            sent: Sent::default(),
            is_full: false,
            mailbox: VecDeque::new(),
            notice: None,
            unnoticed: 0,
            notice_at: Instant(0),
            shelf: VecDeque::new(),
            is_shelving: false,
            writer,
            armed: BTreeSet::new(),
            awaits_quiet: false,
            is_ended: false,
        };
        process.tell(Input::Started);
        if around.knobs.report_s > 0 {
            let every_ms = u64::from(around.knobs.report_s) * 1_000;
            process.tell(Input::Community(community::Input::TelemetryStarted { every_ms }));
        }
        self.process = Some(Box::new(process));
        around.facts.push(Fact::Started(self.index));
    }

    /// What the start settles in the data directory, and the machine that begins with it.
    fn boot(
        &mut self,
        clock: &mut Clock,
        basis: Basis,
        is_community: bool,
        alerts: Start,
        lease: lease::Start,
    ) -> (Outcome, Machine, Booted) {
        let (cluster, urls, pop) = (&self.cluster, &self.cluster.peer_urls, self.pop);
        let mut txn = Transaction::begin(self.disk.begin(), clock, basis);
        let (mut epoch, mut is_imported) = (None, false);
        if !is_community {
            let settled = boot::settle(&mut txn, cluster, pop).expect("rows are whole");
            (epoch, is_imported) = (settled.epoch, settled.is_imported);
            journal::list_unlisted(&mut txn).expect("rows are whole");
            boot::note_unverified(&mut txn, urls).expect("rows are whole");
        }
        let (sheet, outcome) = txn.finish().expect("rows are whole");
        sheet.commit(RECORDS);
        let known = Booted { epoch, is_imported };
        if is_community {
            return (outcome, Machine::Community(CommunityPop::default()), known);
        }
        let last = outcome.state.seq;
        let peers = boot::known_peers(&Reader::new(&self.disk), urls, last);
        let peers = peers.expect("rows are whole");
        let window = Window::STANDARD;
        let boot = Boot { pop, epoch, last, peers, window, is_imported, alerts, lease };
        (outcome, Machine::Commercial(Box::new(CommercialPop::new(boot))), known)
    }

    /// What the right to take writes begins with.
    fn lease(&self, around: &Around) -> lease::Start {
        let start = lease::Start::without_hq(self.pop);
        if around.knobs.leases.is_none() {
            return start;
        }
        lease::Start {
            has_hq: true,
            // Never the same twice.
            seed: u64::from(self.life) << 8 | u64::from(self.index),
            is_preferred: self.index == 0,
            ..start
        }
    }

    fn settle(&mut self, around: &Around) -> Identity {
        let fresh = self.mint(around.bugs.is(Canary::NoStoreIdentity));
        let pop = self.pop;
        let mut sheet = self.disk.begin();
        let identity = settle_identity(&mut sheet, Purpose::Vaults, Some(pop), || fresh.0);
        let identity = identity.expect("a data directory of this very server");
        if identity.has_changed {
            sheet.commit(RECORDS);
        }
        identity
    }
}

/// How many scanners its tarpit holds.
fn limits(knobs: &Knobs) -> Limits {
    let per_address = (knobs.per_address > 0).then(|| knobs.per_address.into());
    Limits { held_max: knobs.tarpit.into(), per_address }
}
