//! The model of HQ: takes alerts and reports, shows each alert once by its key, and is not always in
//! the mood.

use std::collections::BTreeSet;

use clavitor_commercial::alerts::Item;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::OpId;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use crate::network::POPS_MAX;

pub mod site;

/// HQ's place among the links.
pub const HQ: u8 = 7;

const _: () = assert!(HQ as usize == POPS_MAX - 1, "it is the last one");

/// What HQ does in place of taking what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mood {
    /// It cannot be reached.
    Away,
    /// It takes connections, and answers nothing.
    Hangs,
    /// It does not accept anybody's token.
    Denies,
    /// It answers that it cannot take anything now.
    Busy,
    /// It will not have alerts of some types.
    Refuses,
}

/// Something on its way to HQ.
#[derive(Clone, Debug)]
pub struct Note {
    /// Who sent it.
    pub from: u8,
    /// By which process.
    pub life: u32,
    /// The sender's order.
    pub op: OpId,
    /// An alert; else it is a report.
    pub alert: Option<Item>,
    /// How long the answer takes, in microseconds.
    pub back_us: u32,
    /// Whether the answer gets lost.
    pub is_answer_lost: bool,
}

/// How HQ answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Not at all, ever.
    None,
    /// There is no connection, or this status.
    Status(Option<u16>),
}

/// HQ.
///
/// Invariant: `shown` has every key that was ever taken.
#[derive(Debug, Default)]
pub struct Hq {
    mood: Option<(Mood, Instant)>,
    shown: BTreeSet<[u8; 16]>,
}

impl Hq {
    /// From now on it is in such a mood, for a while.
    pub fn turn(&mut self, mood: Mood, until: Instant) {
        self.mood = Some((mood, until));
    }

    /// It does as it should.
    pub fn heal(&mut self) {
        self.mood = None;
    }

    /// What it does now in place of taking what it is sent.
    pub fn mood(&self, now: Instant) -> Option<Mood> {
        self.mood.filter(|(_, until)| now < *until).map(|(mood, _)| mood)
    }

    /// Takes what it is sent, or not; answers whether an alert is shown that was not before.
    pub fn take(&mut self, now: Instant, note: &Note) -> (Reply, bool) {
        let status = match (self.mood(now), &note.alert) {
            (Some(Mood::Away), _) => return (Reply::Status(None), false),
            (Some(Mood::Hangs), _) => return (Reply::None, false),
            (Some(Mood::Denies), _) => 401,
            (Some(Mood::Busy), _) => 503,
            (Some(Mood::Refuses), Some(item)) if is_refused(item.alert.alert_type) => 422,
            (_, Some(item)) => {
                let is_new = self.shown.insert(item.key);
                return (Reply::Status(Some(if is_new { 201 } else { 200 })), is_new);
            }
            (_, None) => 202,
        };
        (Reply::Status(Some(status)), false)
    }
}

fn is_refused(alert_type: AlertType) -> bool {
    matches!(
        alert_type,
        AlertType::ClockSkew | AlertType::StorageFull | AlertType::ReplicationExhausted
    )
}

/// Alerts of a storm, each of one of so many kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// How many.
    pub count: u16,
    /// Of how many kinds.
    pub kinds: u8,
    /// Where among the kinds it begins.
    pub first: u8,
}

/// The most alerts of one storm.
pub const STORM_MAX: u16 = 4_000;

/// What a storm's alerts are about. None of them says anything about this world.
const TYPES: &[AlertType] = &[
    AlertType::ClockSkew,
    AlertType::StorageFull,
    AlertType::AuthSystemError,
    AlertType::JournalTrimmed,
    AlertType::FlightRecorderFailed,
    AlertType::RecordRefused,
    AlertType::EqualTimestamps,
    AlertType::AuthError,
    AlertType::StorageFailed,
];

impl Storm {
    /// One of its alerts.
    pub fn alert(&self, nth: u16) -> Alert {
        let kind = nth.checked_rem(self.kinds.into()).unwrap_or_default();
        let kind = kind + u16::from(self.first);
        let at = usize::from(kind) % TYPES.len();
        Alert::new(TYPES[at], "one of a storm").with("kind", kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clavitor_commercial::alerts::Sender;

    fn note(alert_type: AlertType) -> Note {
        let (alert, sender) = (Alert::new(alert_type, ""), Sender::default());
        let item = Item { number: 1, key: [1; 16], alert, count: 1, at: None, doubts: 0, sender };
        let alert = Some(item);
        Note { from: 0, life: 0, op: OpId(1), alert, back_us: 0, is_answer_lost: false }
    }

    #[test]
    fn an_alert_is_shown_once_by_its_key() {
        let mut hq = Hq::default();
        let note = note(AlertType::AuthError);
        assert_eq!(hq.take(Instant(1), &note), (Reply::Status(Some(201)), true));
        assert_eq!(hq.take(Instant(1), &note), (Reply::Status(Some(200)), false));
    }

    #[test]
    fn moods_end_and_show_nothing() {
        let moods = [Mood::Away, Mood::Hangs, Mood::Denies, Mood::Busy, Mood::Refuses];
        for mood in moods {
            let mut hq = Hq::default();
            hq.turn(mood, Instant(5));
            assert!(!hq.take(Instant(4), &note(AlertType::ClockSkew)).1, "{mood:?}");
            assert!(hq.take(Instant(5), &note(AlertType::ClockSkew)).1, "{mood:?}");
        }
    }

    #[test]
    fn a_storm_is_of_as_many_kinds_as_it_says() {
        let storm = Storm { count: 50, kinds: 3, first: 9 };
        let mut all: Vec<Alert> = (0..storm.count).map(|nth| storm.alert(nth)).collect();
        all.sort_by_key(ToString::to_string);
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}
