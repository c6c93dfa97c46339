//! Scanners from Debian against both editions: their time and ours, and a session beside them.

use std::time::{Duration, Instant};

use clavitor_tests::scanner::Scanner;
use clavitor_tests::session::Outcome;
use clavitor_tests::{Connecting, Edition, Server, Session, metrics, process};

use crate::report;

/// A scan of the Community edition is over before the kernel's clock has ticked; more words tell more.
const WORDS_COMMUNITY: usize = 50_000;
const WORDS_COMMERCIAL: usize = 100;

/// A scan of the Commercial edition may take an hour; what is done in so long tells enough.
const SCAN_MAX: Duration = Duration::from_secs(120);

/// How long a session is watched.
const SESSION: Duration = Duration::from_secs(12);

pub(crate) fn measure() {
    for edition in Edition::ALL {
        let alone = beside(edition, |_| std::thread::sleep(SESSION));
        report::told(&format!("a session alone, {}", edition.name()), &told(alone));
        for scanner in Scanner::ALL {
            let what = format!("{}, seconds per 100 words, {}", scanner.name(), edition.name());
            if clavitor_tests::foreign::find(scanner.name()).is_none() {
                report::skipped(&what, &format!("{} is not installed", scanner.name()));
                continue;
            }
            scan(scanner, edition, &what);
            let outcome = beside(edition, |server| scan_on(scanner, server, edition));
            report::told("  a session beside it", &told(outcome));
        }
    }
}

/// A scan by itself.
fn scan(scanner: Scanner, edition: Edition, what: &str) {
    let server = Server::start(edition);
    let client = server.client();
    client.metrics();
    let before = process::cpu_time(server.id());
    let scan = scanner.start(&server, words(edition)).expect("it is installed");
    let ran = scan.finish(SCAN_MAX).ran;
    let cpu_s = (process::cpu_time(server.id()) - before).as_secs_f64();
    let text = client.metrics();
    let value = |name| metrics::value(&text, name);
    let asked = match edition {
        Edition::Community => metrics::counted_under_code(&text, "CV-NO-ROUTE"),
        Edition::Commercial => {
            value("clavitor_tarpit_held_total") + value("clavitor_tarpit_dropped_total")
        }
    };
    let is_given_up = ran.has_ended && asked < words(edition) as f64;
    // What is still held when the time is over is not done.
    let done = asked - value("clavitor_tarpit_held");
    let per_hundred = |seconds: f64| 100.0 * seconds / done;
    if is_given_up {
        let figure = format!("gave up: {asked} asked in {:.1} s", ran.elapsed.as_secs_f64());
        report::told(what, &figure);
    } else {
        let seconds = ran.elapsed.as_secs_f64();
        report::told(what, &format!("{:.3} s", per_hundred(seconds)));
        let figure = format!("{done} in {seconds:.1} s");
        report::told("  requests done", &figure);
    }
    report::told("  our CPU, of the run", &format!("{cpu_s:.2} s"));
    if !is_given_up {
        report::told("  our CPU, per 100 words", &format!("{:.4} s", per_hundred(cpu_s)));
    }
}

/// Scans again and again, for as long as a session is watched.
fn scan_on(scanner: Scanner, server: &Server, edition: Edition) {
    let started = Instant::now();
    while let Some(left) = SESSION.checked_sub(started.elapsed()) {
        let scan = scanner.start(server, words(edition)).expect("it is installed");
        scan.finish(left);
    }
}

fn words(edition: Edition) -> usize {
    match edition {
        Edition::Community => WORDS_COMMUNITY,
        Edition::Commercial => WORDS_COMMERCIAL,
    }
}

/// What a session sees while something happens to its server.
fn beside(edition: Edition, happens: impl FnOnce(&Server)) -> Outcome {
    let server = Server::start(edition);
    let session = Session::start(&server, Connecting::Once);
    happens(&server);
    session.end()
}

fn told(mut outcome: Outcome) -> String {
    let requests = outcome.reads.len() + outcome.writes.len() + outcome.failures.len();
    let failures = outcome.failures.len();
    let p99 = |times: &mut Vec<Duration>| report::percentile_ms(times, 99);
    let (reads, writes) = (p99(&mut outcome.reads), p99(&mut outcome.writes));
    format!("{failures} of {requests} failed; p99 of GET {reads:.2} ms, of PUT {writes:.2} ms")
}
