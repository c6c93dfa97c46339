//! Programs that guess paths get nothing, and take nothing from those who have business here.

use clavitor_tests::scanner::Scanner;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Connecting, Edition, Server, Session, metrics};

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
    let (ran, missed) = scan.finish(seconds(10));
    // The scan alone can be over before a session has had its turn.
    std::thread::sleep(seconds(1));
    for session in sessions {
        session.end().assert_untouched(scanner.name(), seconds(2));
    }
    assert!(ran.has_ended, "still scanning: {}", ran.output);
    assert_eq!(missed, WORDS, "words that were answered with 404: {}", ran.output);
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
