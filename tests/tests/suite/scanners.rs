//! Programs that guess paths get nothing, and take nothing from those who have business here.

use clavitor_tests::scanner::Scanner;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Connecting, Edition, Server, ServerBuilder, Session, metrics};

const WORDS: usize = 24;

fn is_here(scanner: Scanner) -> bool {
    let is_here = clavitor_tests::foreign::find(scanner.name()).is_some();
    if !is_here {
        println!("skipped: a scan: {} is not installed", scanner.name());
    }
    is_here
}

/// The Community edition answers every guess at once.
fn community_is_scanned_by(scanner: Scanner) {
    if !is_here(scanner) {
        return;
    }
    let server = Server::start(Edition::Community);
    let sessions =
        [Connecting::Once, Connecting::Anew].map(|connecting| Session::start(&server, connecting));
    let scan = scanner.start(&server, WORDS).expect("it is installed");
    let scanned = scan.finish(seconds(10));
    // The scan alone can be over before a session has had its turn.
    std::thread::sleep(seconds(1));
    for session in sessions {
        session.end().assert_untouched(scanner.name(), seconds(2));
    }
    let output = &scanned.ran.output;
    assert!(scanned.ran.has_ended, "still scanning: {output}");
    assert_eq!(scanned.missed(), WORDS, "words that were answered with 404: {output}");
    let refused = metrics::counted_under_code(&server.client().metrics(), "CV-NO-ROUTE");
    assert!(refused >= WORDS as f64, "{refused} of at least {WORDS} were counted");
}

#[test]
fn gobuster_asks_the_community_edition_all_its_words_and_nobody_notices() {
    community_is_scanned_by(Scanner::Gobuster);
}

#[test]
fn ffuf_asks_the_community_edition_all_its_words_and_nobody_notices() {
    community_is_scanned_by(Scanner::Ffuf);
}

#[test]
fn dirb_asks_the_community_edition_all_its_words_and_nobody_notices() {
    community_is_scanned_by(Scanner::Dirb);
}

/// How many the Commercial edition may hold here.
const HELD_MAX: f64 = 4.0;

/// The Commercial edition holds some and drops the rest; answers how many it dropped.
fn commercial_holds(scanner: Scanner) -> Option<f64> {
    if !is_here(scanner) {
        return None;
    }
    let server = ServerBuilder::new(Edition::Commercial)
        .arguments(["--tarpit-connections-max", &HELD_MAX.to_string()])
        .start();
    let client = server.client();
    let value = |name: &str| metrics::value(&client.metrics(), name);
    let sessions =
        [Connecting::Once, Connecting::Anew].map(|connecting| Session::start(&server, connecting));
    let scan = scanner.start(&server, WORDS).expect("it is installed");
    let ended = std::thread::spawn(move || scan.finish(seconds(5)));
    while !ended.is_finished() {
        let held = value("clavitor_tarpit_held");
        assert!(held <= HELD_MAX, "{held} are held at once");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let scanned = ended.join().expect("no panic");
    for session in sessions {
        session.end().assert_untouched(scanner.name(), seconds(2));
    }
    let output = &scanned.ran.output;
    assert!(!scanned.ran.has_ended, "the scan came to an end within seconds: {output}");
    assert_eq!(scanned.missed(), 0, "words that it got rid of: {output}");
    assert!(value("clavitor_tarpit_held_total") >= 1.0, "nobody was held");
    assert!(value("clavitor_tarpit_bytes_total") >= 1.0, "nobody got a byte");
    eventually("all slots are free", seconds(3), || value("clavitor_tarpit_held") < 1.0);
    Some(value("clavitor_tarpit_dropped_total"))
}

#[test]
fn gobuster_is_held_by_the_commercial_edition_and_nobody_notices() {
    commercial_holds(Scanner::Gobuster);
}

#[test]
fn ffuf_is_held_by_the_commercial_edition_or_dropped_and_nobody_notices() {
    if let Some(dropped) = commercial_holds(Scanner::Ffuf) {
        assert!(dropped >= 1.0, "forty at a time, of whom {HELD_MAX} are held");
    }
}

#[test]
fn dirb_is_held_by_the_commercial_edition_and_nobody_notices() {
    commercial_holds(Scanner::Dirb);
}
