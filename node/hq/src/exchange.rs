//! What those who ask share with the machine that decides: the machine itself, who waits for its
//! answers, and what becomes of its orders.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::renewal::Answer;
use clavitor_core::id::Epoch;
use clavitor_hq_core::control::{ClusterName, Control, Effect, Event, Input, NotSwitched, Start};
use clavitor_node::{entropy, log, wall};

use crate::dns;
use crate::dns::updates::{News, Updater};
use crate::history::{Happened, What};
use crate::hq::StartError;
use crate::keeper::{Keep, Keeper, Work};
use crate::live::Live;
use crate::lock;
use crate::mailbox::Mailbox;
use crate::pointer::{Pointer, Whom};
use crate::presence::{About, Presence};
use crate::questions::Questions;
use crate::registry::{Name, Registry};
use crate::settings::Settings;
use crate::watches::Watches;

/// What those who ask share with the machine.
pub(crate) struct Exchange {
    /// The machine. Only its driver tells it anything.
    pub(crate) control: Mutex<Control>,
    /// Facts on their way to it.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Renewals that wait.
    pub(crate) renewals: Questions<Answer>,
    /// Operators who wait.
    pub(crate) switchovers: Questions<Result<Epoch, NotSwitched>>,
    /// Who is told when to renew.
    pub(crate) watches: Watches,
    /// What POPs say about themselves.
    pub(crate) presence: Presence,
    /// Who looks on.
    pub(crate) live: Live,
    /// What is counted.
    pub(crate) counters: Counters,
    /// What is on its way to the disk.
    pub(crate) keeper: Keeper,
    /// Where DNS points.
    pub(crate) pointer: Pointer,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Renewals that were answered.
    pub(crate) renewals: AtomicU64,
    /// Promotions that were ordered.
    pub(crate) promotions: AtomicU64,
    /// Terms that began.
    pub(crate) primaries: AtomicU64,
}

impl Exchange {
    /// With whatever is on disk, which DNS answers by from then on. The work is to be carried out beside it.
    pub(crate) fn new(
        registry: &Registry,
        settings: &Settings,
        dns: dns::Server,
    ) -> Result<(Self, Work), StartError> {
        let clusters = registry.clusters()?;
        let registered: BTreeSet<Name> =
            registry.pops()?.into_iter().map(|(name, _)| name).collect();
        let mailbox = Arc::new(Mailbox::default());
        // A process that ended between two commits left the machine's rows behind those of tokens.
        let in_rows: BTreeSet<Name> = clusters
            .iter()
            .flat_map(|(cluster, row)| {
                row.pops.iter().map(|pop| Name { cluster: cluster.clone(), pop: *pop })
            })
            .collect();
        for Name { cluster, pop } in registered.difference(&in_rows).cloned() {
            mailbox.push(Input::Registered { cluster, pop });
        }
        for Name { cluster, pop } in in_rows.difference(&registered).cloned() {
            mailbox.push(Input::Removed { cluster, pop });
        }
        let is_first = registry.begin()?;
        let known = registry.known()?;
        let heard: BTreeSet<&Name> = known.iter().map(|(name, ..)| name).collect();
        let unheard = registered.iter().filter(|name| !heard.contains(name));
        let unheard = unheard.map(|name| (name.cluster.clone(), name.pop)).collect();
        let (lease_ms, failback_ms) = (settings.lease_ms, settings.failback_ms);
        let names: Vec<ClusterName> = clusters.keys().cloned().collect();
        let start = Start { clusters, unheard, is_first, lease_ms, failback_ms };
        let (keeper, work) = Keeper::new();
        let live = Live::default();
        let updater = settings.dns_update.clone().map(|target| {
            let (keeper, live) = (keeper.clone(), live.clone());
            Updater::start(target, move |news| on_updates(&keeper, &live, news))
        });
        let updater = updater.transpose().map_err(|error| StartError::Dns(error.to_string()))?;
        let mut exchange = Self {
            control: Mutex::new(Control::new(wall::instant(), start)),
            mailbox,
            renewals: Questions::default(),
            switchovers: Questions::default(),
            watches: Watches::new(u32::from_be_bytes(entropy::bytes()).into()),
            presence: Presence::new(known),
            live,
            counters: Counters::default(),
            keeper,
            pointer: Pointer::new(dns, updater),
        };
        names.iter().for_each(|cluster| exchange.point_dns(cluster));
        // Before, it would have said that there is no such name, which resolvers remember.
        exchange.pointer.answer().map_err(StartError::Dns)?;
        Ok((exchange, work))
    }

    /// Carries out an order of the machine.
    pub(crate) fn perform(&self, effect: Effect) {
        match effect {
            Effect::Answer { op, answer } => {
                self.counters.renewals.fetch_add(1, Ordering::Relaxed);
                self.renewals.answer(op, answer);
            }
            Effect::Overtaken { op } => self.renewals.give_up(op),
            Effect::Keep { op, cluster, row } => {
                self.keeper.keep(Keep::Cluster(op, cluster, Box::new(row)));
                self.live.changed();
            }
            Effect::Wake { cluster, pop } => self.watches.wake(&Name { cluster, pop }),
            Effect::AnswerSwitchover { op, outcome } => self.switchovers.answer(op, outcome),
            Effect::Happened { cluster, event } => self.on_happened(cluster, event),
        }
    }

    fn on_happened(&self, cluster: ClusterName, event: Event) {
        match event {
            Event::PromotionOrdered(_) => {
                self.counters.promotions.fetch_add(1, Ordering::Relaxed);
            }
            Event::PrimaryChanged(_) => {
                self.counters.primaries.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        self.happened(cluster, What::Decided(event));
    }

    /// Keeps that something happened, and tells it.
    pub(crate) fn happened(&self, cluster: ClusterName, what: What) {
        log::line(&format!("{cluster}: {}", what.words()));
        self.keeper.keep(Keep::Happened(Happened { at: wall::unix_time(), cluster, what }));
        self.live.changed();
    }

    /// Whether it is the primary of the newest term in which a lease was given.
    pub(crate) fn is_primary(&self, name: &Name) -> bool {
        lock(&self.control).holder(&name.cluster) == Some(name.pop)
    }

    /// Takes note of what a POP says about itself.
    pub(crate) fn note(&self, name: &Name, about: About) {
        let known = about.known.clone();
        let news = self.presence.note(name, about);
        if news.is_known_new {
            self.keeper.keep(Keep::Known(name.clone(), known, wall::unix_time()));
            self.point_dns(&name.cluster);
        }
        if news.is_known_new || news.is_state_new {
            self.live.changed();
        } else {
            self.live.beat();
        }
    }

    /// A primary was given a lease, where operators were told that there is none.
    pub(crate) fn lease_held(&self, cluster: &str) {
        self.keeper.keep(Keep::LeaseHeld(cluster.to_owned()));
        self.live.changed();
    }

    /// A POP is no more.
    pub(crate) fn forget(&self, name: &Name) {
        self.presence.forget(name);
        self.watches.forget(name);
    }

    /// Lets DNS name whoever is primary of a cluster. Called whenever that, or where it is, may have
    /// changed.
    pub(crate) fn point_dns(&self, cluster: &str) {
        let look = || {
            let holder = lock(&self.control).holder(cluster);
            let addresses = holder.map_or_else(Vec::new, |pop| {
                self.presence.addresses(&Name { cluster: cluster.to_owned(), pop })
            });
            Whom { holder, addresses }
        };
        let tell = |pop| self.happened(cluster.to_owned(), What::DnsMoved(pop));
        self.pointer.point(cluster, look, tell);
    }

    /// Lets everybody go who is made to wait.
    pub(crate) fn stop(&self) {
        self.watches.stop();
        self.live.stop();
    }

    /// Keeps when each POP was last seen, and nothing after that.
    pub(crate) fn keep_presence(&self) {
        for (name, known, at) in self.presence.all_known() {
            self.keeper.keep(Keep::Known(name, known, at));
        }
        self.keeper.close();
    }
}

/// Tells operators whether another server takes updates of the zone.
fn on_updates(keeper: &Keeper, live: &Live, news: News) {
    let failure = match news {
        News::Failing(failure) => Some(failure.to_string()),
        News::Mended => None,
    };
    log::line(&match &failure {
        Some(failure) => format!("updates of the zone are not taken: {failure}"),
        None => "updates of the zone are taken again".to_owned(),
    });
    keeper.keep(Keep::DnsUpdates(failure));
    live.changed();
}
