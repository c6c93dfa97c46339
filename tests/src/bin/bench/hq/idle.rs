//! What wakes a governed pair, and HQ, while nothing is asked of them: renewals.

use std::time::Duration;

use clavitor_tests::sleeper::{self, AWAKE, Sleeper};
use clavitor_tests::{Governed, metrics, process};

use crate::report;

/// The time-outs of what clients left behind pass within this.
const REST: Duration = Duration::from_secs(60);

const WINDOW: Duration = Duration::from_secs(30);

/// A POP wakes less often than this in the window, if it does so for a renewal every two seconds, for one
/// more at its edge, and once to ask anew whether there is news.
const WAKES_END: f64 = 18.0;

pub(crate) fn measure() {
    let governed = Governed::pair();
    std::thread::sleep(REST);
    let renewals = || metrics::value(&governed.operator().metrics(), "clavitor_hq_renewals_total");
    let renewals_before = renewals();
    // The question itself woke HQ.
    std::thread::sleep(2 * AWAKE);
    let [primary, backup] = [0, 1].map(|index| &governed.cluster.pops[index].server);
    let names = ["the backup", "the primary", "HQ"];
    let ids = [backup.id(), primary.id(), governed.hq.id()];
    let cpu_before = ids.map(process::cpu_time);
    let sleepers = sleeper::watch(ids, WINDOW);
    let cpu = [0, 1, 2].map(|at| process::cpu_time(ids[at]) - cpu_before[at]);
    let renewed = renewals() - renewals_before;
    assert_eq!(governed.primary(), Some(0), "nobody took over meanwhile");
    report::told("renewals of an idle pair in 30 s, of both POPs", &format!("{renewed:.0}"));
    for ((name, sleeper), cpu) in names.into_iter().zip(sleepers).zip(cpu) {
        let Sleeper { wakes, switches, .. } = sleeper;
        let what = format!("  {name}: times woken");
        match name {
            "HQ" => report::told(&what, &wakes.to_string()),
            _ => report::below(&what, "", f64::from(wakes), WAKES_END),
        }
        let figure = format!("{:.1} /s", switches as f64 / WINDOW.as_secs_f64());
        report::told(&format!("  {name}: voluntary context switches"), &figure);
        report::told(&format!("  {name}: time on a core"), &format!("{} ms", cpu.as_millis()));
    }
}
