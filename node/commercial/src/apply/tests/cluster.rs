//! Two or three POPs in one process: real stores, real frames, the real driver; the network and
//! everything that can go wrong is the test's.

mod clients;
mod views;

use std::fs;
use std::sync::{Arc, Mutex};

use clavitor_commercial::frame::{Ack, Frame, Keys, Refusal};
use clavitor_commercial::pop::Input;
use clavitor_core::alert::Alert;
use clavitor_core::edition::Edition;
use clavitor_core::pop;
use clavitor_node::driver::{Driver, Mailbox};
use clavitor_node::plumbing::{Parts, Plumbing};
use clavitor_node::runtime::{Runtime, Unreachable};
use clavitor_node::settings::{
    ReplicationSettings, Secret, Settings, TarpitSettings, TelemetrySettings,
};
use clavitor_node::store::{Store, block_on};

use super::executor::{Executor, TestRuntime};
use super::fixtures::{Dir, MIB, WallClock, monday};
use super::network::{Fate, HeldAnswers, Letter, Sent, carry};
use crate::{Commercial, lock};

/// More rounds than this without coming to rest is a hot loop.
const ROUNDS_MAX: usize = 20_000;

const NAMES: [&str; 3] = ["a", "b", "c"];

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;

type Fates = Box<dyn FnMut(&Letter) -> Fate>;

/// A POP's data directory, and its process while it runs.
pub(crate) struct Pop {
    pub(crate) dir: Dir,
    pub(crate) clock: WallClock,
    pub(crate) alerts: Arc<Mutex<Vec<Alert>>>,
    running: Option<Running>,
}

impl Pop {
    fn new() -> Self {
        Self { dir: Dir::new(), clock: monday, alerts: Arc::default(), running: None }
    }
}

struct Running {
    store: Store,
    commercial: Arc<Commercial<TestRuntime>>,
}

pub(crate) struct Cluster {
    pub(crate) pops: Vec<Pop>,
    pub(crate) executor: Executor,
    pub(crate) sent: Vec<Sent>,
    pub(crate) held: Vec<Letter>,
    pub(crate) held_answers: HeldAnswers,
    /// Stores' clocks stand still or are set by the test; acks are stamped with the real time.
    pub(crate) judges_clocks: bool,
    /// Of POPs that are started from now on.
    pub(crate) telemetry: Option<TelemetrySettings>,
    keys: Keys,
    fates: Fates,
}

impl Cluster {
    /// POPs that run and have said hello; the first one is primary.
    pub(crate) fn new(pops: usize) -> Self {
        let mut cluster = Self::stopped(pops);
        (0..pops).for_each(|at| cluster.start(at));
        cluster.settle();
        // A new server asks again half a second later; here no time passes.
        cluster.heal();
        cluster.sent.clear();
        cluster
    }

    pub(crate) fn stopped(pops: usize) -> Self {
        Self {
            pops: (0..pops).map(|_| Pop::new()).collect(),
            executor: Executor::default(),
            sent: Vec::new(),
            held: Vec::new(),
            held_answers: HeldAnswers::default(),
            judges_clocks: false,
            telemetry: None,
            keys: keys(),
            fates: Box::new(|_| Fate::Deliver),
        }
    }

    pub(crate) fn add_a_stopped_pop(&mut self) {
        self.pops.push(Pop::new());
    }

    pub(crate) fn start(&mut self, at: usize) {
        let settings = self.settings(at);
        let pop = &mut self.pops[at];
        let store = pop.dir.open(NAMES[at], settings.data_bytes_max, pop.clock);
        let mailbox = Arc::new(Mailbox::default());
        let runtime = self.executor.runtime(at);
        let alerts = pop.alerts.clone();
        let log = Arc::new(move |alert: &Alert| lock(&alerts).push(alert.clone()));
        let parts = Parts { runtime: runtime.clone(), settings, store: store.clone(), log };
        let (commercial, machine) =
            Commercial::<TestRuntime>::compose(parts, mailbox.clone()).unwrap();
        let observer = mailbox.clone();
        store.observe(move |notice| {
            observer.committed(notice);
            observer.ring();
        });
        let driver =
            Driver::new(machine, commercial.clone(), mailbox.clone(), runtime.alarm().unwrap());
        let alerts = pop.alerts.clone();
        self.executor.spawn(at, async move {
            let log = |effect| {
                if let pop::Effect::LogAlert(alert) = effect {
                    lock(&alerts).push(alert);
                }
                true
            };
            driver.run(log).await;
        });
        commercial.start_replication();
        pop.running = Some(Running { store, commercial });
    }

    /// The process goes away; what the writer had accepted is on disk.
    pub(crate) fn stop(&mut self, at: usize) {
        self.executor.kill(at);
        if let Some(running) = self.pops[at].running.take() {
            block_on(running.store.close());
        }
    }

    pub(crate) fn restart(&mut self, at: usize) {
        self.stop(at);
        self.start(at);
        self.settle();
    }

    /// A copy of the data directory.
    pub(crate) fn copy(&mut self, at: usize) -> Vec<u8> {
        self.stop(at);
        let copy = fs::read(self.pops[at].dir.data_file()).unwrap();
        self.start(at);
        self.settle();
        copy
    }

    pub(crate) fn put_back(&mut self, at: usize, copy: &[u8]) {
        self.stop(at);
        fs::write(self.pops[at].dir.data_file(), copy).unwrap();
        self.start(at);
    }

    pub(crate) fn empty(&mut self, at: usize) {
        self.stop(at);
        self.pops[at].dir = Dir::new();
    }

    pub(crate) fn store(&self, at: usize) -> &Store {
        &self.pops[at].running.as_ref().unwrap().store
    }

    pub(crate) fn commercial(&self, at: usize) -> &Arc<Commercial<TestRuntime>> {
        &self.pops[at].running.as_ref().unwrap().commercial
    }

    /// Decides over every frame from now on.
    pub(crate) fn decide(&mut self, fates: impl FnMut(&Letter) -> Fate + 'static) {
        self.fates = Box::new(fates);
    }

    /// Cuts links, in this direction only; everything else is delivered.
    pub(crate) fn cut(&mut self, links: &[(usize, usize)]) {
        let links = links.to_vec();
        self.decide(move |letter| {
            let is_cut = links.iter().any(|link| letter.is_on(*link));
            if is_cut { Fate::Lose } else { Fate::Deliver }
        });
    }

    /// Everything is delivered, and every POP gives every peer another try.
    pub(crate) fn heal(&mut self) {
        self.decide(|_| Fate::Deliver);
        (0..self.pops.len()).for_each(|at| self.tell(at, Input::Resumed));
        self.settle();
    }

    pub(crate) fn tell(&self, at: usize, input: Input) {
        if let Some(running) = &self.pops[at].running {
            running.commercial.mailbox.push(input);
        }
    }

    /// Runs until nobody has anything left to do but wait.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut has_moved = self.executor.run();
            for parcel in self.executor.collect() {
                has_moved = true;
                let to = NAMES.iter().position(|name| parcel.url == format!("http://{name}"));
                let frame = clavitor_commercial::frame::open_frame(&parcel.body, &self.keys);
                let frame = frame.unwrap();
                let (from, body, reply) = (parcel.from, parcel.body, parcel.reply);
                self.post(Letter { from, to: to.unwrap(), frame, body, reply });
            }
            if has_moved {
                continue;
            }
            self.write_out();
            if !self.executor.run() {
                return;
            }
        }
        panic!("the cluster does not come to rest");
    }

    /// Waits until every writer has done all it was given, bookkeeping included.
    pub(crate) fn write_out(&self) {
        for running in self.pops.iter().filter_map(|pop| pop.running.as_ref()) {
            running.store.write_blocking::<(), (), _>(|_| Ok(())).unwrap();
        }
    }

    fn post(&mut self, letter: Letter) {
        let (from, to, frame) = (letter.from, letter.to, &letter.frame);
        let (records, range) = (frame.records.len(), (frame.range.after, frame.range.to));
        self.sent.push(Sent { from, to, records, range });
        match (self.fates)(&letter) {
            Fate::Lose => drop(letter.reply.send(Err(Unreachable))),
            Fate::Hold => self.held.push(letter),
            fate => self.deliver(letter, fate),
        }
    }

    pub(crate) fn deliver(&mut self, letter: Letter, fate: Fate) {
        let Some(running) = &self.pops[letter.to].running else {
            return drop(letter.reply.send(Err(Unreachable)));
        };
        let (commercial, keys) = (running.commercial.clone(), self.keys.clone());
        let held = self.held_answers.clone();
        self.executor.spawn(letter.to, carry(commercial, keys, letter, fate, held));
    }

    /// Hands a POP a frame that nobody here sent.
    pub(crate) fn apply(&mut self, at: usize, frame: Frame) -> Result<Ack, Refusal> {
        let (commercial, done) = (self.commercial(at).clone(), Arc::new(Mutex::new(None)));
        let answer = done.clone();
        let digest = clavitor_commercial::frame::digest(b"hand-made");
        self.executor.spawn(at, async move {
            *lock(&answer) = Some(commercial.apply(frame, digest).await);
        });
        self.settle();
        let answer = lock(&done).take();
        answer.unwrap()
    }

    fn settings(&self, at: usize) -> Settings {
        let url = |name: &str| format!("http://{name}");
        let replication = ReplicationSettings {
            primary: url(NAMES[A]),
            backups: NAMES[1..self.pops.len()].iter().map(|name| url(name)).collect(),
            secret: secret(),
            advertise_url: url(NAMES[at]),
            pop_id: NAMES[at].to_string(),
        };
        Settings {
            data_dir: self.pops[at].dir.path().to_path_buf(),
            listen: ([127, 0, 0, 1], 0).into(),
            metrics_listen: None,
            allow_plain_http: true,
            data_bytes_max: 64 * MIB,
            flight_recorder: None,
            pop_id: Some(NAMES[at].to_string()),
            cluster: None,
            advertise_url: Some(url(NAMES[at])),
            hq: None,
            replication: Some(replication),
            trusted_proxies: Vec::new(),
            tarpit: TarpitSettings { connections_max: 0, per_address: None },
            telemetry: self.telemetry.clone(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.pops.len()).for_each(|at| self.stop(at));
    }
}

fn secret() -> Secret {
    Secret::new((0..64).collect()).unwrap()
}

/// The cluster's.
pub(crate) fn keys() -> Keys {
    Keys::derive(secret().expose())
}
