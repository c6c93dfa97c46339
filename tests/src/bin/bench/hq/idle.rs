//! What wakes a governed pair, and HQ, while nothing is asked of them: renewals.

use std::time::{Duration, Instant};

use clavitor_tests::{Governed, Server, metrics, process};

use crate::report;

/// The time-outs of what clients left behind pass within this.
const REST: Duration = Duration::from_secs(60);

const WINDOW: Duration = Duration::from_secs(30);

/// How often to look whether a process ran; it does not notice.
const LOOK: Duration = Duration::from_millis(20);

/// What a renewal wakes a process for is over within this.
const AWAKE: Duration = Duration::from_millis(200);

/// A POP wakes less often than this in the window, if it does so for a renewal every two seconds, for one
/// more at its edge, and once to ask anew whether there is news.
const WAKES_END: f64 = 18.0;

/// A process that is looked at.
struct Sleeper {
    name: &'static str,
    id: u32,
    first: u64,
    last: u64,
    ran_at: Option<Instant>,
    wakes: u32,
    cpu: Duration,
}

pub(crate) fn measure() {
    let governed = Governed::pair();
    std::thread::sleep(REST);
    let renewals = || metrics::value(&governed.operator().metrics(), "clavitor_hq_renewals_total");
    let renewals_before = renewals();
    // The question itself woke HQ.
    std::thread::sleep(2 * AWAKE);
    let [primary, backup] = [0, 1].map(|index| &governed.cluster.pops[index].server);
    let mut sleepers = [
        Sleeper::new("the backup", backup),
        Sleeper::new("the primary", primary),
        Sleeper::new("HQ", &governed.hq),
    ];
    let started = Instant::now();
    while started.elapsed() < WINDOW {
        std::thread::sleep(LOOK);
        sleepers.iter_mut().for_each(Sleeper::look);
    }
    let cpu = sleepers.each_ref().map(|sleeper| process::cpu_time(sleeper.id) - sleeper.cpu);
    let renewed = renewals() - renewals_before;
    assert_eq!(governed.primary(), Some(0), "nobody took over meanwhile");
    report::told("renewals of an idle pair in 30 s, of both POPs", &format!("{renewed:.0}"));
    for (sleeper, cpu) in sleepers.iter().zip(cpu) {
        let what = format!("  {}: times woken", sleeper.name);
        match sleeper.name {
            "HQ" => report::told(&what, &sleeper.wakes.to_string()),
            _ => report::below(&what, "", f64::from(sleeper.wakes), WAKES_END),
        }
        let switches = (sleeper.last - sleeper.first) as f64 / WINDOW.as_secs_f64();
        let figure = format!("{switches:.1} /s");
        report::told(&format!("  {}: voluntary context switches", sleeper.name), &figure);
        let figure = format!("{} ms", cpu.as_millis());
        report::told(&format!("  {}: time on a core", sleeper.name), &figure);
    }
}

impl Sleeper {
    fn new(name: &'static str, server: &Server) -> Self {
        let id = server.id();
        let (first, cpu) = (process::voluntary_switches(id).0, process::cpu_time(id));
        Self { name, id, first, last: first, ran_at: None, wakes: 0, cpu }
    }

    /// Counts whatever runs within [`AWAKE`] as one.
    fn look(&mut self) {
        let (switches, now) = (process::voluntary_switches(self.id).0, Instant::now());
        if switches != self.last {
            let is_new = self.ran_at.is_none_or(|ran_at| now - ran_at > AWAKE);
            self.wakes += u32::from(is_new);
            (self.last, self.ran_at) = (switches, Some(now));
        }
    }
}
