//! What kind of world a run is: how many POPs, how much traffic, and which faults how often. Drawn
//! anew for every run of a swarm, some faults off altogether, and printed before the run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canary::Canary;
use crate::entropy::Entropy;

mod leases;

pub use leases::Leases;

macro_rules! rates {
    ($($(#[$doc:meta])* $name:ident: $most:literal,)*) => {
        /// How often each fault happens, in thousandths.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Rates {
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Rates {
            /// Each fault is off in every second run, else as often as `most` times what is drawn.
            fn draw(entropy: &mut Entropy) -> Self {
                Self {
                    $($name: match entropy.below(4) {
                        0 | 1 => 0,
                        2 => u32::try_from(entropy.between(1, $most / 5 + 1)).unwrap_or_default(),
                        _ => u32::try_from(entropy.between(1, $most)).unwrap_or_default(),
                    },)*
                }
            }
        }

        impl fmt::Display for Rates {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(if self.$name > 0 {
                    write!(f, " {}={}", stringify!($name), self.$name)?;
                })*
                Ok(())
            }
        }
    };
}

rates! {
    /// Of frames: lost, and nobody is told.
    lost: 300,
    /// Of frames: the connection is reset.
    reset: 200,
    /// Of frames: arrives twice.
    doubled: 200,
    /// Of frames: taken, but its answer is lost.
    answer_lost: 300,
    /// Of frames: takes ten times longer than others may.
    late: 200,
    /// Of actions: a process is killed.
    crash: 40,
    /// Of actions: a process is stopped for a while.
    pause: 40,
    /// Of actions: a server is asked to end.
    shutdown: 30,
    /// Of actions: a link is cut in one direction.
    cut: 40,
    /// Of actions: a wall clock is set, forwards or back.
    clock: 25,
    /// Of actions: a monotonic clock runs fast or slow from now on.
    drift: 10,
    /// Of actions: a disk is full for a while.
    disk_full: 25,
    /// Of actions: a disk does not answer for a while.
    disk_hang: 25,
    /// Of groups of writes: the commit fails, and the process ends.
    disk_error: 8,
    /// Of groups of writes: committed, but answered much later.
    unanswered: 60,
    /// Of groups of writes: the machine hears of the commit a moment later.
    unnoticed: 200,
    /// Of actions: another POP is promoted.
    promote: 25,
    /// Of actions: an operator asks for another try.
    resume: 10,
    /// Of actions: an old, tampered or misdirected frame arrives, or a forged ack.
    attack: 60,
    /// Of actions: a data directory is emptied.
    empty: 4,
    /// Of actions: a data directory is replaced by an older copy.
    restore: 4,
    /// Of actions: scanners come.
    scan: 20,
    /// Of actions: alerts are raised for no reason.
    storm: 30,
    /// Of actions: HQ is not in the mood.
    mood: 30,
}

/// What kind of world a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knobs {
    /// How many POPs.
    pub pops: u8,
    /// Whether they run the Community edition: each alone.
    pub is_community: bool,
    /// How many client operations are drawn.
    pub operations: u32,
    /// How many entries they are about.
    pub keys: u8,
    /// The longest pause between two actions, in milliseconds, when things are busy.
    pub pace_ms: u32,
    /// Of actions, in thousandths: minutes pass before the next one.
    pub lull: u32,
    /// Of client operations, in thousandths: they reach a POP that may not be the primary.
    pub astray: u32,
    /// Of writes, in thousandths: the client waits for a backup.
    pub ack_backup: u32,
    /// The longest time a frame takes one way, in milliseconds.
    pub delay_ms: u32,
    /// The longest time a commit takes, in milliseconds.
    pub sync_ms: u32,
    /// The largest blob, in bytes.
    pub blob_bytes: u32,
    /// How many connections a tarpit holds.
    pub tarpit: u8,
    /// How many of one address; 0 is as many as there are.
    pub per_address: u8,
    /// Whether there is an HQ to tell.
    pub has_hq: bool,
    /// How often servers report, in seconds; 0 is never.
    pub report_s: u16,
    /// Whether HQ gives leases, and what goes wrong around it; else roles come from the configuration.
    pub leases: Option<Leases>,
    /// The faults.
    pub rates: Rates,
    /// A planted bug, if any.
    pub canary: Option<Canary>,
}

impl Default for Knobs {
    /// Two POPs, no faults, nothing drawn.
    fn default() -> Self {
        Self {
            pops: 2,
            is_community: false,
            operations: 0,
            keys: 3,
            pace_ms: 50,
            lull: 0,
            astray: 0,
            ack_backup: 0,
            delay_ms: 2,
            sync_ms: 1,
            blob_bytes: 16,
            tarpit: 8,
            per_address: 0,
            has_hq: false,
            report_s: 0,
            leases: None,
            rates: Rates::default(),
            canary: None,
        }
    }
}

impl Knobs {
    /// The knobs of a small run: a pair of POPs and about 200 client operations.
    pub fn lite(entropy: &mut Entropy) -> Self {
        let operations = u32::try_from(entropy.between(150, 250)).unwrap_or(200);
        Self { pops: 2, operations, ..Self::draw(entropy) }
    }

    /// The knobs of a run of up to five POPs; in about half of them HQ gives leases.
    pub fn full(entropy: &mut Entropy) -> Self {
        if entropy.chance(500) {
            return Self::led(entropy);
        }
        let pops = entropy.pick(&[1, 2, 2, 3, 3, 4, 5]);
        let operations = entropy.pick(&[50, 150, 400, 1_000]);
        let is_community = pops == 1 && entropy.chance(500);
        Self { pops, operations, is_community, ..Self::draw(entropy) }
    }

    /// The faults that a planted bug needs to show itself happen more often.
    pub fn favour(&mut self) {
        let rates = &mut self.rates;
        match self.canary {
            Some(Canary::WaiterByCursor) => {
                (self.ack_backup, rates.unnoticed) = (400, 300);
            }
            Some(Canary::MisdirectedAck) => (self.ack_backup, rates.attack) = (400, 100),
            Some(Canary::NoReplayGuard) => (rates.clock, rates.answer_lost) = (40, 200),
            Some(Canary::UnprovenFrame) => rates.attack = 100,
            Some(Canary::BatchThenSleep) => {
                (self.keys, self.pace_ms, self.lull) = (150, 60, 0);
                (rates.crash, rates.pause) = (0, 15);
            }
            Some(Canary::BooksOutOfOrder) => {
                (rates.disk_full, rates.clock) = (60, 60);
                (rates.empty, rates.restore) = (0, 0);
            }
            Some(Canary::SuspendedForEver) => {
                (self.lull, rates.pause, rates.cut) = (20, 40, 40);
                (self.has_hq, self.report_s) = (false, 0);
            }
            Some(Canary::NoStoreIdentity | Canary::NoImportWait) => rates.empty = 10,
            Some(Canary::EndlessGrace | Canary::LostExit) => {
                (rates.shutdown, self.has_hq, self.report_s) = (30, false, 0);
            }
            Some(Canary::BackupByTimeout) => (self.ack_backup, rates.lost) = (400, 200),
            Some(Canary::ForgottenSetback) => {
                (rates.clock, rates.empty, rates.restore) = (60, 0, 0);
            }
            Some(Canary::LastArrivalWins) => (rates.promote, rates.cut) = (40, 40),
            Some(Canary::NoStartupDrain) => rates.crash = 30,
            Some(Canary::WallClockTimestamp) => rates.clock = 25,
            Some(
                Canary::SlotReturnedTwice | Canary::SlotLeakedOnHalfClose | Canary::CapAfterHolding,
            ) => rates.scan = 20,
            Some(Canary::TarpitNotCut) => (rates.scan, rates.shutdown) = (20, 30),
            Some(
                Canary::AlertBeforeStored
                | Canary::AlertForgottenEarly
                | Canary::KeyDrawnAnew
                | Canary::OfferChanged
                | Canary::StormInFull,
            ) => (self.has_hq, rates.storm, rates.answer_lost) = (true, 30, 200),
            Some(Canary::LossUnreported) => {
                // Long enough for HQ to refuse an alert again and again, and take others meanwhile.
                (self.has_hq, self.lull, self.pace_ms) = (true, 0, 6_000);
                (rates.storm, rates.mood) = (200, 20);
                (rates.empty, rates.restore) = (0, 0);
            }
            Some(Canary::AlertsLeftBehind | Canary::ShutdownWaitsForHq) => {
                (self.has_hq, rates.storm, rates.mood, rates.shutdown) = (true, 30, 30, 30);
            }
            Some(Canary::ReportAfterSignal | Canary::ReportRepeated) => {
                (self.report_s, self.lull, rates.shutdown) = (90, 20, 30);
            }
            Some(canary) if canary.is_of_leases() => self.favour_leases(canary),
            _ => {}
        }
    }

    fn draw(entropy: &mut Entropy) -> Self {
        Self {
            keys: entropy.pick(&[1, 2, 3, 8, 8, 150]),
            pace_ms: entropy.pick(&[3, 20, 60, 400]),
            lull: entropy.pick(&[0, 0, 5, 20]),
            astray: entropy.pick(&[0, 20, 200]),
            ack_backup: entropy.pick(&[0, 100, 400]),
            delay_ms: entropy.pick(&[1, 5, 40, 900]),
            sync_ms: entropy.pick(&[1, 4, 30]),
            blob_bytes: entropy.pick(&[8, 16, 64]),
            rates: Rates::draw(entropy),
            tarpit: entropy.pick(&[1, 2, 8, 24]),
            per_address: entropy.pick(&[0, 0, 1, 3]),
            has_hq: entropy.chance(500),
            report_s: entropy.pick(&[0, 0, 0, 0, 90, 600]),
            ..Self::default()
        }
    }
}

impl fmt::Display for Knobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edition = if self.is_community { "community" } else { "commercial" };
        write!(f, "edition={edition} pops={} operations={}", self.pops, self.operations)?;
        write!(f, " keys={} pace_ms={} lull={}", self.keys, self.pace_ms, self.lull)?;
        write!(f, " astray={} ack_backup={}", self.astray, self.ack_backup)?;
        write!(f, " delay_ms={} sync_ms={}", self.delay_ms, self.sync_ms)?;
        write!(f, " blob_bytes={} tarpit={}", self.blob_bytes, self.tarpit)?;
        write!(f, " per_address={} has_hq={}", self.per_address, self.has_hq)?;
        write!(f, " report_s={}{}", self.report_s, self.rates)?;
        if let Some(leases) = &self.leases {
            write!(f, " {leases}")?;
        }
        self.canary.map_or(Ok(()), |canary| write!(f, " canary={canary}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_faults_are_off_in_every_run_and_each_is_on_in_some() {
        let all: Vec<Rates> =
            (0..64).map(|seed| Knobs::lite(&mut Entropy::of_seed(seed)).rates).collect();
        assert!(all.iter().all(|rates| rates.to_string() != Rates::default().to_string()));
        assert!(
            all.iter().any(|rates| rates.empty > 0) && all.iter().any(|rates| rates.empty == 0)
        );
        assert!(all.iter().any(|rates| rates.lost > 0) && all.iter().any(|rates| rates.lost == 0));
    }
}
