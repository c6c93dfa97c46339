//! A POP of a cluster: composes the machines of its peers, its waiting clients, its alerts and its
//! way out. It routes, and owns no policy.

use alloc::vec::Vec;

use clavitor_core::alert::Alert;
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::pop::{self as community, Pop, Wake};
use clavitor_core::shutdown::{self, Shutdown};
use clavitor_core::telemetry::{self, Telemetry};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use crate::alerts::{self, Router};
use crate::frame::Position;
use crate::lease::{self, Lease};
use crate::replication::{self, Replication, View};
use crate::skew::{Clocks, Skew};
use crate::waiters::Waiters;

mod leasing;
mod messages;

pub use messages::{Effect, Input, PeerReport};

/// What a POP is at start-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Its id.
    pub pop: PopId,
    /// The newest epoch it knows.
    pub epoch: Option<Epoch>,
    /// Its newest sequence number.
    pub last: Seq,
    /// What it knows of its peers, in the order of the configuration.
    pub peers: Vec<replication::Known>,
    /// How much may be in flight to each.
    pub window: replication::Window,
    /// Whether it was imported and has yet to hear its peers.
    pub is_imported: bool,
    /// What its alerts begin with.
    pub alerts: alerts::Start,
    /// What its right to take writes begins with.
    pub lease: lease::Start,
}

/// The Commercial edition's POP.
///
/// Invariant: peers keep their index for life; `unheard` names only existing peers, and none once
/// `is_imported` is settled; `is_replacing` from the order of a new identity until it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommercialPop {
    pop: PopId,
    epoch: Option<Epoch>,
    shutdown: Shutdown,
    peers: Vec<Replication>,
    waiters: Waiters,
    skew: Skew,
    is_imported: bool,
    unheard: Vec<u8>,
    ask_at: Option<Instant>,
    is_replacing: bool,
    telemetry: Telemetry,
    alerts: Router,
    lease: Lease,
}

/// How often an imported server asks its peers whether it has heard all, in milliseconds.
pub const ASK_MS: u64 = 500;

impl CommercialPop {
    /// The machine of a POP that starts.
    pub fn new(boot: Boot) -> Self {
        let count = u8::try_from(boot.peers.len()).unwrap_or(u8::MAX);
        let peers = (0..count).zip(boot.peers);
        let machine = |(index, known)| Replication::new(index, boot.window, known, boot.last);
        Self {
            pop: boot.pop,
            epoch: boot.epoch,
            shutdown: Shutdown::Running,
            peers: peers.map(machine).collect(),
            waiters: Waiters::default(),
            skew: Skew::default(),
            is_imported: boot.is_imported,
            ask_at: None,
            is_replacing: false,
            telemetry: Telemetry::default(),
            unheard: if boot.is_imported { (0..count).collect() } else { Vec::new() },
            alerts: Router::new(boot.alerts),
            lease: Lease::new(boot.lease, boot.epoch),
        }
    }

    /// Whether this POP takes client writes.
    pub fn is_primary(&self) -> bool {
        self.epoch.is_some_and(|epoch| epoch.primary == self.pop)
    }

    /// The newest epoch it knows.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// What operators see of its peers, in the order of the configuration.
    pub fn peers(&self, now: Instant) -> Vec<View> {
        self.peers.iter().map(|peer| peer.view(now)).collect()
    }

    /// What operators see of its right to take writes.
    pub fn lease(&self, now: Instant) -> lease::View {
        self.lease.view(now)
    }

    /// What operators see of the alerts for HQ.
    pub fn alerts(&self) -> alerts::View {
        self.alerts.view()
    }

    fn peer(&mut self, index: u8, now: Instant, input: replication::Input, out: &mut Vec<Effect>) {
        let Some(machine) = self.peers.get_mut(usize::from(index)) else {
            return;
        };
        let mut orders = Vec::new();
        machine.handle(now, input, &mut orders);
        for effect in orders {
            let is_replacement = matches!(effect, replication::Effect::RolledBack { .. });
            if is_replacement && core::mem::replace(&mut self.is_replacing, true) {
                // Peers find out about an old copy at the same time; one new identity is enough.
                continue;
            }
            out.push(match effect {
                replication::Effect::RaiseAlert(alert) => log(alert),
                effect => Effect::Peer { peer: index, effect },
            });
        }
    }

    fn every_peer(&mut self, now: Instant, input: &replication::Input, out: &mut Vec<Effect>) {
        for index in 0..u8::try_from(self.peers.len()).unwrap_or(u8::MAX) {
            self.peer(index, now, input.clone(), out);
        }
    }

    fn on_committed(
        &mut self,
        now: Instant,
        last: Seq,
        own: bool,
        from: &[(PopId, StoreId)],
        out: &mut Vec<Effect>,
    ) {
        let is_primary = self.is_primary();
        for index in 0..u8::try_from(self.peers.len()).unwrap_or(u8::MAX) {
            let identity = self.peers.get(usize::from(index)).and_then(Replication::identity);
            let is_relayed = from.iter().any(|source| identity != Some(*source));
            let owed = match (own || (is_relayed && is_primary), is_relayed) {
                (true, _) => replication::Owed::Now,
                (false, true) => replication::Owed::Later,
                (false, false) => replication::Owed::Not,
            };
            self.peer(index, now, replication::Input::Committed { last, owed }, out);
        }
    }

    fn on_answered(&mut self, now: Instant, report: PeerReport, out: &mut Vec<Effect>) {
        let PeerReport { peer, op, answer, clock, epoch } = report;
        if let replication::Answer::Acked(acked) = &answer {
            let mut released = Vec::new();
            for verdict in &acked.verdicts {
                use crate::frame::Verdict::{Already, Applied};
                if matches!(verdict.verdict, Applied | Already) {
                    self.waiters.on_confirmed(verdict.record, verdict.hlc, &mut released);
                }
            }
            out.extend(released.into_iter().map(Effect::Release));
            if acked.is_complete {
                self.on_complete(peer, out);
            }
        }
        // First: a new identity, if that is what the answer leads to, begins above the agreed time.
        if let Some(clocks) = clock {
            self.on_clock(now, peer, clocks, out);
        }
        self.peer(peer, now, replication::Input::FrameAnswered { op, answer }, out);
        if let Some(told) = epoch {
            self.tell_lease(now, lease::Input::EpochTold(told), out);
            out.extend(self.lease.may_adopt(told).then_some(Effect::AdoptEpoch(told)));
        }
    }

    fn on_clock(&mut self, now: Instant, peer: u8, clocks: Clocks, out: &mut Vec<Effect>) {
        let before = self.skew.median_origin_ms();
        out.extend(self.skew.observe(now, peer, clocks).map(log));
        let median =
            self.skew.median_origin_ms().filter(|_| self.skew.median_origin_ms() != before);
        out.extend(median.map(|peers_origin_ms| Effect::ClockJudged { peers_origin_ms }));
    }

    fn on_covered(
        &mut self,
        now: Instant,
        peer: (PopId, StoreId),
        position: &Position,
        out: &mut Vec<Effect>,
    ) {
        let is_it = |machine: &Replication| machine.identity() == Some(peer);
        if let Some(index) = self.peers.iter().position(is_it) {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            self.peer(index, now, replication::Input::Covered(position.clone()), out);
        }
    }

    fn on_epoch(&mut self, now: Instant, epoch: Epoch, out: &mut Vec<Effect>) {
        if Some(epoch) <= self.epoch {
            return;
        }
        self.epoch = Some(epoch);
        if !self.is_primary() {
            // Another primary writes now, and what it writes may beat what is waited for.
            let mut released = Vec::new();
            self.waiters.give_up(&mut released);
            out.extend(released.into_iter().map(Effect::Release));
        }
        self.tell_lease(now, lease::Input::EpochStored(epoch), out);
        self.every_peer(now, &replication::Input::EpochChanged, out);
    }

    fn on_complete(&mut self, peer: u8, out: &mut Vec<Effect>) {
        self.unheard.retain(|unheard| *unheard != peer);
        self.settle_import(out);
    }

    /// Asks the peers that an import waits for, until each says that it owes nothing.
    fn ask_unheard(&mut self, now: Instant, out: &mut Vec<Effect>) {
        // Who is away has a schedule of its own, and what is under way tells as much.
        let is_idle =
            |peer: &u8| self.peers.get(usize::from(*peer)).is_some_and(Replication::is_idle);
        let idle: Vec<u8> = self.unheard.iter().copied().filter(is_idle).collect();
        if idle.is_empty() || self.shutdown.is_requested() {
            self.ask_at = None;
            return;
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            for peer in idle {
                self.peer(peer, now, replication::Input::Resumed, out);
            }
            self.ask_at = None;
        }
        self.ask_at = self.ask_at.or(Some(now.plus_ms(ASK_MS)));
    }

    fn settle_import(&mut self, out: &mut Vec<Effect>) {
        if self.is_imported && self.unheard.is_empty() {
            self.is_imported = false;
            out.push(Effect::ImportSettled);
        }
    }

    fn on_community(&mut self, now: Instant, input: community::Input, out: &mut Vec<Effect>) {
        match input {
            community::Input::AlertRaised(_) => {}
            community::Input::ShutdownRequested => {
                self.telemetry(now, telemetry::Input::Stopped, out);
                self.shutdown(now, shutdown::Input::Requested, out);
                self.tell_lease(now, lease::Input::Closing, out);
            }
            community::Input::RequestsFinished => {
                self.shutdown(now, shutdown::Input::RequestsFinished, out);
            }
            community::Input::StoreClosed => {
                self.shutdown(now, shutdown::Input::StoreClosed, out);
            }
            community::Input::Tick => {
                self.shutdown(now, shutdown::Input::Tick, out);
                self.every_peer(now, &replication::Input::Tick, out);
                self.telemetry(now, telemetry::Input::Tick, out);
                self.tell_lease(now, lease::Input::Tick, out);
            }
            community::Input::TelemetryStarted { every_ms } => {
                self.telemetry(now, telemetry::Input::Started { every_ms }, out);
            }
            community::Input::ReportAnswered { op, status } => {
                self.telemetry(now, telemetry::Input::Answered { op, status }, out);
            }
        }
    }

    fn telemetry(&mut self, now: Instant, input: telemetry::Input, out: &mut Vec<Effect>) {
        let mut orders = Vec::new();
        self.telemetry.handle(now, input, &mut orders);
        let order = |order| Effect::Community(community::Effect::Telemetry(order));
        out.extend(orders.into_iter().map(order));
    }

    fn tell_router(&mut self, now: Instant, input: alerts::Input, out: &mut Vec<Effect>) {
        let mut orders = Vec::new();
        self.alerts.handle(now, input, &mut orders);
        out.extend(orders.into_iter().map(Effect::from));
    }

    /// Tells HQ too what the machines had to tell among the effects from `from` on.
    fn raise(&mut self, now: Instant, from: usize, out: &mut Vec<Effect>) {
        let alert = |effect: &Effect| match effect {
            Effect::Community(community::Effect::LogAlert(alert)) => Some(alert.clone()),
            _ => None,
        };
        let raised: Vec<Alert> = out.iter().skip(from).filter_map(alert).collect();
        for alert in raised {
            self.tell_router(now, alerts::Input::Raised(alert), out);
        }
    }

    /// Requests, peers and the lease can still raise an alert, so this comes last.
    fn settle_alerts(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_last =
            matches!(self.shutdown, Shutdown::Draining { peers: false, lease: false, .. });
        if is_last && self.alerts.is_settled() {
            self.shutdown(now, shutdown::Input::AlertsKept, out);
        }
    }

    fn shutdown(&mut self, now: Instant, input: shutdown::Input, out: &mut Vec<Effect>) {
        let mut orders = Vec::new();
        self.shutdown.handle(now, input, &mut orders);
        out.extend(orders.into_iter().map(|order| Effect::Community(order.into())));
    }

    fn release(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let mut released = Vec::new();
        self.waiters.on_tick(now, &mut released);
        if self.shutdown.is_requested() && !self.peers.iter().any(Replication::is_busy) {
            // Nobody is left who could confirm anything.
            self.waiters.give_up(&mut released);
            // A request that is still in flight may yet write something.
            if !matches!(self.shutdown, Shutdown::Draining { requests: true, .. }) {
                self.shutdown(now, shutdown::Input::PeersFlushed, out);
            }
        }
        out.extend(released.into_iter().map(Effect::Release));
    }

    fn route(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Community(input) => self.on_community(now, input, out),
            Input::Started => {
                self.settle_import(out);
                self.every_peer(now, &replication::Input::Started, out);
                self.tell_lease(now, lease::Input::Started, out);
            }
            Input::Committed { last, own, from, waiters, beaten } => {
                let mut released = Vec::new();
                waiters.into_iter().for_each(|waiter| self.waiters.add(now, waiter, &mut released));
                self.waiters.on_beaten(&beaten, &mut released);
                out.extend(released.into_iter().map(Effect::Release));
                self.on_committed(now, last, own, &from, out);
            }
            Input::FrameBuilt { peer, op, to, records, bytes } => {
                let input = replication::Input::FrameBuilt { op, to, records, bytes };
                self.peer(peer, now, input, out);
            }
            Input::FrameAnswered(report) => self.on_answered(now, report, out),
            Input::PeerHeard { peer, store, received, is_hello } => {
                let input = replication::Input::PeerHeard { store, received, is_hello };
                self.peer(peer, now, input, out);
            }
            Input::PeerCovered { peer, store, position } => {
                self.on_covered(now, (peer, store), &position, out)
            }
            Input::VerificationStored { peer } => {
                self.peer(peer, now, replication::Input::VerificationStored, out);
            }
            Input::PeerComplete { peer } => self.on_complete(peer, out),
            Input::EpochChanged(epoch) => self.on_epoch(now, epoch, out),
            Input::EpochTold(epoch) => {
                self.tell_lease(now, lease::Input::EpochTold(epoch), out);
            }
            Input::Promoted(epoch) => {
                // A promotion is a person's word that this copy is the one to go on with.
                self.unheard.clear();
                self.settle_import(out);
                self.on_epoch(now, epoch, out);
            }
            Input::Resumed => self.every_peer(now, &replication::Input::Resumed, out),
            Input::StoreReplaced { last } => {
                self.is_replacing = false;
                self.every_peer(now, &replication::Input::StoreReplaced { last }, out);
            }
            Input::AlertsKept { .. }
            | Input::AlertsUnkept { .. }
            | Input::AlertsDropped { .. }
            | Input::AlertPosted { .. } => {}
            Input::Lease(input) => self.on_lease(now, input, out),
        }
    }
}

impl Pop for CommercialPop {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        let (from, about_alerts) = (out.len(), input.about_alerts());
        self.route(now, input, out);
        self.ask_unheard(now, out);
        self.release(now, out);
        self.follow_lease(now, out);
        self.raise(now, from, out);
        if let Some(input) = about_alerts {
            self.tell_router(now, input, out);
        }
        self.settle_alerts(now, out);
    }

    fn next_wake(&self) -> Option<(Instant, Wake)> {
        let shutdown = self.shutdown.next_wake().map(|at| (at, Wake("shutdown")));
        let waiter = self.waiters.next_wake().map(|at| (at, Wake("waiter")));
        let peers = self.peers.iter().filter_map(Replication::next_wake);
        let unheard = self.ask_at.map(|at| (at, Wake("unheard")));
        let alerts = self.alerts.next_wake().map(|at| (at, Wake("alerts")));
        let telemetry = self.telemetry.next_wake().map(|at| (at, Wake("telemetry")));
        let lease = self.lease.next_wake();
        let own = [shutdown, waiter, unheard, alerts, telemetry, lease].into_iter().flatten();
        peers.chain(own).min_by_key(|(at, _)| *at)
    }
}

fn log(alert: Alert) -> Effect {
    Effect::Community(community::Effect::LogAlert(alert))
}

#[cfg(test)]
mod tests;
