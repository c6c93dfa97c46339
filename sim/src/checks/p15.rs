//! [P15] Alerts survive HQ being away and kill -9, and each is shown once: what was stored is shown
//! under its key, or counted as lost and reported; nothing is shown more often than it was raised.

use std::collections::{BTreeMap, HashMap, VecDeque};

use clavitor_commercial::alerts::{HOLD_BACK_MS, ITEMS_MAX, Item, LOST_ITEMS_MAX, further};
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::digest;
use crate::event::Fact;
use crate::server::Server;

/// So many items of equal alerts may come to be within the time that further ones are held back.
const EQUAL_MAX: usize = 4;

/// What equal alerts are counted under.
type Kind = u64;

/// What became of the alerts of every server.
#[derive(Debug)]
pub(super) struct Told {
    servers: Vec<Alerts>,
    /// What HQ shows, as it first came.
    shown: HashMap<[u8; 16], Item>,
}

/// The alerts of one server. Those that report losses are counted apart.
#[derive(Debug, Default)]
struct Alerts {
    is_excused: bool,
    /// The outbox on disk.
    rows: BTreeMap<u64, (Kind, Item)>,
    /// How often each kind was raised.
    kinds: HashMap<Kind, u64>,
    /// How often each type was raised, and is shown: of many kinds, some are counted in others.
    types: BTreeMap<AlertType, Counts>,
    all: Counts,
    /// What earlier processes lost, and the newest one did.
    lost: (u64, u64),
    /// What no process that ended has left behind.
    forgotten: i64,
    /// What is on disk no more and was never shown: of this process, and ever.
    gone: (u64, u64),
    /// How much of that is reported at HQ.
    reported: u64,
    /// The last order to store something found no room.
    has_no_room: bool,
    /// When items of equal alerts came to be, by the process's own clock.
    made: HashMap<Kind, VecDeque<Instant>>,
    ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    raised: u64,
    shown: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    at: Instant,
    raised: u64,
    /// It was asked twice, stood still, or its disk did not take everything.
    is_excused: bool,
}

impl Told {
    pub(super) fn new(pops: usize) -> Self {
        let servers = (0..pops).map(|_| Alerts::default()).collect();
        Self { servers, shown: HashMap::new() }
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        if !is_routed(sight) {
            return Ok(());
        }
        match fact {
            Fact::Alerted(pop, alert) => {
                self.servers[usize::from(*pop)].raise(alert);
                Ok(())
            }
            Fact::AlertsKept { pop, put, remove } => self.kept(*pop, put, remove, sight),
            Fact::AlertsUnkept(pop) => {
                self.servers[usize::from(*pop)].has_no_room = true;
                Ok(())
            }
            Fact::AlertPosted { pop, item } => self.posted(*pop, item, sight),
            Fact::AlertTaken { pop, item, is_new } => self.taken(*pop, item, *is_new, sight),
            Fact::Started(pop) => {
                let alerts = &mut self.servers[usize::from(*pop)];
                alerts.made.clear();
                alerts.has_no_room = false;
                (alerts.gone.0, alerts.ending) = (0, None);
                Ok(())
            }
            Fact::EndAsked(pop) => {
                let at = sight.around.now;
                let alerts = &mut self.servers[usize::from(*pop)];
                let is_excused = alerts.ending.is_some();
                alerts.ending = Some(Ending { at, raised: alerts.all.raised, is_excused });
                Ok(())
            }
            Fact::Exited(pop) => self.exited(*pop, sight),
            Fact::Ended(pop) => {
                self.balance(*pop);
                Ok(())
            }
            Fact::Emptied(pop) => {
                let alerts = &mut self.servers[usize::from(*pop)];
                alerts.is_excused = true;
                alerts.rows.clear();
                Ok(())
            }
            Fact::PutBack(pop) => {
                let alerts = &mut self.servers[usize::from(*pop)];
                alerts.is_excused = true;
                alerts.rows = rows_of(sight.server(*pop));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes note of what processes count as lost.
    pub(super) fn note(&mut self, sight: Sight<'_>) {
        if is_routed(sight) {
            for server in sight.servers {
                if let Some(process) = &server.process {
                    let alerts = &mut self.servers[usize::from(server.index)];
                    alerts.lost.1 = process.machine.alerts().lost;
                    if let Some(ending) = &mut alerts.ending {
                        ending.is_excused |= ending.is_hindered(server);
                    }
                }
            }
        }
    }

    /// Everything that waited is shown, and everything lost is reported.
    pub(super) fn at_rest(&self, server: &Server) -> Held {
        let alerts = &self.servers[usize::from(server.index)];
        let pop = server.pop;
        if let Some((_, item)) = alerts.rows.values().next() {
            return broken("P15", format!("{pop} rests, and {} still waits", told(item)));
        }
        if alerts.is_excused {
            return Ok(());
        }
        let left = alerts.left(0);
        if left > 0 {
            return broken("P15", format!("{left} alerts of {pop} are neither shown nor lost"));
        }
        if alerts.reported < alerts.gone.1 {
            let (gone, reported) = (alerts.gone.1, alerts.reported);
            return broken("P15", format!("{pop} lost {gone} alerts, and HQ knows of {reported}"));
        }
        Ok(())
    }

    fn kept(&mut self, pop: u8, put: &[Item], remove: &[u64], sight: Sight<'_>) -> Held {
        let (server, at) = (sight.server(pop), usize::from(pop));
        self.servers[at].has_no_room = false;
        for number in remove {
            let Some((_, item)) = self.servers[at].rows.remove(number) else { continue };
            if self.shown.contains_key(&item.key) || is_report(&item.alert) {
                continue;
            }
            let lost = server.process.as_ref().map_or(0, |it| it.machine.alerts().lost);
            let alerts = &mut self.servers[at];
            alerts.gone.0 += u64::from(item.count);
            alerts.gone.1 += u64::from(item.count);
            if alerts.gone.0 > lost && !alerts.is_excused {
                let what = format!("{} forgets {}, which HQ never took", server.pop, told(&item));
                return broken("P15", what);
            }
        }
        for item in put {
            let kind = kind_of(&item.alert);
            let is_new = self.servers[at].rows.insert(item.number, (kind, item.clone())).is_none();
            if is_new {
                self.made(pop, kind, item, sight)?;
            }
            self.lined(pop, kind, item, sight)?;
        }
        let (rows, most) = (self.servers[at].rows.len(), ITEMS_MAX + LOST_ITEMS_MAX);
        if rows > most {
            return broken("P15", format!("{} keeps {rows} alerts, not {most}", server.pop));
        }
        Ok(())
    }

    /// The line in the local log comes first.
    fn lined(&self, pop: u8, kind: Kind, item: &Item, sight: Sight<'_>) -> Held {
        let alerts = &self.servers[usize::from(pop)];
        let counts = alerts.types.get(&item.alert.alert_type).copied().unwrap_or_default();
        let is_known =
            alerts.kinds.contains_key(&kind) || item.alert == further(item.alert.alert_type);
        let has_line = is_known && u64::from(item.count) <= counts.raised;
        if is_report(&item.alert) || has_line {
            return Ok(());
        }
        let (pop, raised) = (sight.server(pop).pop, counts.raised);
        broken("P15", format!("{pop} has {raised} lines of {}", told(item)))
    }

    /// A storm of equal alerts is few items.
    fn made(&mut self, pop: u8, kind: Kind, item: &Item, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let alerts = &mut self.servers[usize::from(pop)];
        let now = server.clocks.monotonic(sight.around.now);
        let made = alerts.made.entry(kind).or_default();
        made.push_back(now);
        while made.front().is_some_and(|at| now.ms_since(*at) >= HOLD_BACK_MS) {
            made.pop_front();
        }
        // Where there is no place, what came last may be the first to go.
        if made.len() > EQUAL_MAX && alerts.lost.1 == 0 && !is_report(&item.alert) {
            let what = format!(
                "{} makes {} items of equal alerts, {}",
                server.pop,
                made.len(),
                told(item)
            );
            return broken("P15", what);
        }
        Ok(())
    }

    /// Nothing is sent that is not stored, as far as there is room.
    fn posted(&self, pop: u8, item: &Item, sight: Sight<'_>) -> Held {
        let alerts = &self.servers[usize::from(pop)];
        let is_stored =
            alerts.rows.get(&item.number).is_some_and(|(_, row)| is_sent_alike(row, item));
        if is_stored || alerts.has_no_room {
            return self.lined(pop, kind_of(&item.alert), item, sight);
        }
        broken("P15", format!("{} sends {} before it is stored", sight.server(pop).pop, told(item)))
    }

    fn taken(&mut self, pop: u8, item: &Item, is_new: bool, sight: Sight<'_>) -> Held {
        let (at, name) = (usize::from(pop), sight.server(pop).pop);
        if !is_new {
            let first = self.shown.get(&item.key);
            let is_alike = first.is_some_and(|first| is_sent_alike(first, item));
            if !is_alike && !self.servers[at].is_excused {
                let what = format!("{name} sends {} under the key of another", told(item));
                return broken("P15", what);
            }
            return Ok(());
        }
        self.shown.insert(item.key, item.clone());
        let alerts = &mut self.servers[at];
        if is_report(&item.alert) {
            alerts.reported += u64::from(item.count);
            return Ok(());
        }
        let counts = alerts.types.entry(item.alert.alert_type).or_default();
        counts.shown += u64::from(item.count);
        alerts.all.shown += u64::from(item.count);
        if counts.shown > counts.raised {
            let Counts { raised, shown } = *counts;
            let what = format!(
                "{} of {name} is shown {shown} times, and was raised {raised} times",
                told(item)
            );
            return broken("P15", what);
        }
        Ok(())
    }

    /// Who ends as it was asked to leaves nothing behind that was raised before.
    fn exited(&mut self, pop: u8, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let stored = self.stored(pop);
        let alerts = &mut self.servers[usize::from(pop)];
        let Some(ending) = alerts.ending else { return Ok(()) };
        let later = i64::try_from(alerts.all.raised - ending.raised).unwrap_or(i64::MAX);
        let left = alerts.left(stored) - later;
        if left > 0 && !ending.is_excused && !alerts.is_excused {
            return broken("P16", format!("{} is gone, and {left} alerts with it", server.pop));
        }
        Ok(())
    }

    /// How many alerts are on disk that are not shown.
    fn stored(&self, pop: u8) -> u64 {
        let rows = self.servers[usize::from(pop)].rows.values();
        let waiting =
            rows.filter(|(_, item)| !self.shown.contains_key(&item.key) && !is_report(&item.alert));
        waiting.map(|(_, item)| u64::from(item.count)).sum()
    }

    /// Nothing is promised of what was in no outbox when a process ended.
    fn balance(&mut self, pop: u8) {
        let stored = self.stored(pop);
        let alerts = &mut self.servers[usize::from(pop)];
        alerts.forgotten += alerts.left(stored);
        alerts.lost = (alerts.lost.0 + alerts.lost.1, 0);
    }
}

impl Ending {
    fn is_hindered(&self, server: &Server) -> bool {
        let disk = server.full_until.max(server.hangs_until);
        disk.max(server.slow_until).max(server.paused_until) > self.at
    }
}

impl Alerts {
    fn raise(&mut self, alert: &Alert) {
        // What the router itself has to say is for the local log.
        let is_routers = alert.alert_type == AlertType::AuthError && alert.details.is_empty();
        if is_report(alert) || is_routers {
            return;
        }
        self.all.raised += 1;
        *self.kinds.entry(kind_of(alert)).or_default() += 1;
        self.types.entry(alert.alert_type).or_default().raised += 1;
    }

    /// How many alerts are neither shown nor lost nor stored; below 0 if some are counted twice.
    fn left(&self, stored: u64) -> i64 {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let lost = self.lost.0 + self.lost.1;
        count(self.all.raised) - count(self.all.shown + lost + stored) - self.forgotten
    }
}

/// Whether anybody is to be told.
fn is_routed(sight: Sight<'_>) -> bool {
    sight.around.knobs.has_hq && !sight.around.knobs.is_community
}

fn is_report(alert: &Alert) -> bool {
    alert.alert_type == AlertType::AlertsLost
}

/// Whether HQ gets the same bytes of both: how often a clock was doubted is nobody else's business.
fn is_sent_alike(one: &Item, other: &Item) -> bool {
    Item { doubts: 0, ..one.clone() } == Item { doubts: 0, ..other.clone() }
}

fn kind_of(alert: &Alert) -> Kind {
    digest::of(&codec::encode(alert))
}

fn told(item: &Item) -> String {
    let Item { number, count, alert, .. } = item;
    format!("item {number}, {count} times {}", alert.alert_type)
}

fn rows_of(server: &Server) -> BTreeMap<u64, (Kind, Item)> {
    use clavitor_commercial::alerts::outbox;
    let loaded = outbox::load(&server.disk).expect("rows are whole");
    let row = |item: Item| (item.number, (kind_of(&item.alert), item));
    loaded.items.into_iter().map(row).collect()
}
