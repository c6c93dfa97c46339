//! What goes wrong, and how it is put right.

use clavitor_core::id::{Epoch, OpId, PopId, StoreId};
use clavitor_hq_core::control::Input;

use crate::Action;
use crate::pop::Process;
use crate::world::{CLUSTER, Happening, MS, World};

impl World {
    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.is_healed = true;
        self.cut.clear();
        self.cut_from_hq.clear();
        self.is_disk_failing = false;
        self.hq_stalled_until_us = 0;
        if self.control.is_none() {
            self.start_hq(false);
        }
        for name in self.names.clone() {
            let of_it = |process: &&mut Process| process.pop == name && process.is_alive;
            let alive: Vec<&mut Process> = self.processes.iter_mut().filter(of_it).collect();
            let is_doubled = alive.len() > 1;
            for (at, process) in alive.into_iter().enumerate() {
                process.is_alive = at == 0;
                process.paused_until_us = 0;
                process.is_ready = true;
            }
            if is_doubled || !self.is_registered(name) || self.is_replaced(name) {
                self.tell_hq(Input::Registered { cluster: CLUSTER.into(), pop: name });
            }
            if self.alive(name).is_none() {
                self.restart(name);
            }
        }
    }

    fn name(&self, at: u8) -> PopId {
        self.names[usize::from(at) % self.names.len()]
    }

    pub(crate) fn on_action(&mut self, action: Action) {
        match action {
            Action::Wait => {}
            Action::CutHq { pop, is_outward } => {
                self.cut_from_hq.insert((self.name(pop), is_outward));
            }
            Action::Cut { from, to } => {
                self.cut.insert((self.name(from), self.name(to)));
            }
            Action::Join => {
                self.cut.clear();
                self.cut_from_hq.clear();
            }
            Action::CrashPop { pop } => {
                if let Some(at) = self.alive(self.name(pop)) {
                    self.stop(at);
                }
            }
            Action::RestartPop { pop } => {
                let pop = self.name(pop);
                self.stop_all(pop);
                self.restart(pop);
            }
            Action::PausePop { pop, ms } => {
                if let Some(at) = self.alive(self.name(pop)) {
                    self.processes[at].paused_until_us = self.now_us + u64::from(ms) * MS;
                }
            }
            Action::Unready { pop, is_ready } => {
                if let Some(at) = self.alive(self.name(pop)) {
                    self.processes[at].is_ready = is_ready;
                }
            }
            Action::Release { pop } => {
                if let Some(at) = self.alive(self.name(pop)) {
                    self.happen(Happening::Release { at });
                }
            }
            Action::Duplicate { pop } => {
                let (pop, number) = (self.name(pop), self.processes.len() as u8);
                let alive = self.processes.iter().filter(|one| one.pop == pop && one.is_alive);
                if self.knobs.has_duplicates && alive.count() == 1 {
                    self.start_process(pop, StoreId([100 + number; 16]), None);
                }
            }
            Action::PromoteByHand { pop } => self.promote_by_hand(self.name(pop)),
            Action::Replace { pop } => {
                let pop = self.name(pop);
                self.stop_all(pop);
                self.tell_hq(Input::Registered { cluster: CLUSTER.into(), pop });
                self.restart(pop);
            }
            Action::Remove { pop } => {
                let pop = self.name(pop);
                self.stop_all(pop);
                self.tell_hq(Input::Removed { cluster: CLUSTER.into(), pop });
            }
            Action::CrashHq => self.crash_hq(),
            Action::StartHq => {
                self.crash_hq();
                self.start_hq(false);
            }
            Action::StallHq { ms } => self.hq_stalled_until_us = self.now_us + u64::from(ms) * MS,
            Action::FailDisk { is_failing } => self.is_disk_failing = is_failing,
            Action::Switchover { to } => {
                self.count += 1;
                let (op, to) = (OpId(self.count), Some(self.name(to)));
                self.tell_hq(Input::SwitchoverAsked { op, cluster: CLUSTER.into(), to });
            }
        }
    }

    fn stop_all(&mut self, pop: PopId) {
        while let Some(at) = self.alive(pop) {
            self.stop(at);
        }
    }

    fn stop(&mut self, at: usize) {
        // What it was about to store may be there.
        let is_stored = self.chance(2) == 0;
        let accepting = self.processes[at].accepting.take();
        if let Some(epoch) = accepting.filter(|_| is_stored) {
            self.processes[at].adopt(epoch);
        }
        self.processes[at].is_alive = false;
    }

    /// Somebody starts a POP without HQ, makes it primary, and starts it with HQ again.
    fn promote_by_hand(&mut self, pop: PopId) {
        self.stop_all(pop);
        self.restart(pop);
        let at = self.processes.len() - 1;
        self.processes[at].epoch = Some(Epoch::after(self.processes[at].epoch, pop));
    }

    /// Whether the data directory that held the newest lease is not in use any more.
    fn is_replaced(&self, pop: PopId) -> bool {
        let held = self.disk.get(CLUSTER).and_then(|row| row.holder.zip(row.granted));
        let held = held.filter(|(_, granted)| granted.primary == pop);
        let store = self.alive(pop).map(|at| self.processes[at].store);
        held.is_some_and(|(holder, _)| store.is_some_and(|store| store != holder.store))
    }
}
