//! HQ's DNS as the programs of others see it.

use clavitor_tests::governed::ZONE;
use clavitor_tests::resolver::{Asker, Said};
use clavitor_tests::{Governed, foreign};

const FIRST: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
const SECOND: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

fn is_here(names: &[&str]) -> bool {
    let missing = names.iter().find(|name| foreign::find(name).is_none());
    if let Some(missing) = missing {
        println!("skipped: DNS as others see it: {missing} is not installed");
    }
    missing.is_none()
}

/// A pair whose addresses in DNS differ.
fn pair() -> Governed {
    Governed::named_pair(&[FIRST, SECOND].map(|both| both.map(str::to_owned).into()))
}

/// The answers, without whatever else was said.
fn answers(said: &Said) -> Vec<&str> {
    said.sections.get("ANSWER").into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn dig_and_kdig_agree_on_every_answer() {
    if !is_here(&Asker::ALL.map(Asker::name)) {
        return;
    }
    let governed = pair();
    let ways: [(&[&str], bool, Option<u16>); 5] = [
        (&["+notcp", "+noedns"], false, None),
        (&["+tcp", "+noedns"], true, None),
        (&["+notcp", "+edns=0", "+bufsize=512"], false, Some(1232)),
        (&["+notcp", "+edns=0", "+bufsize=4096", "+dnssec"], false, Some(1232)),
        (&["+tcp", "+edns=0", "+bufsize=1232"], true, Some(1232)),
    ];
    let cluster = format!("test-cluster.{ZONE}");
    let a = format!("{cluster}. 5 IN A {}", FIRST[0]);
    let aaaa = format!("{cluster}. 5 IN AAAA {}", FIRST[1]);
    let ns = format!("{ZONE}. 300 IN NS ns1.{ZONE}.");
    let unknown = format!("nobody.{ZONE}");
    let soa = format!("{ZONE}. 5 IN SOA ns1.{ZONE}. hostmaster.{ZONE}. ");
    let questions: [(&str, &str, &str, &[&str]); 9] = [
        (&cluster, "A", "NOERROR", &[&a]),
        (&cluster, "AAAA", "NOERROR", &[&aaaa]),
        (&cluster, "ANY", "NOERROR", &[&a]),
        (&cluster, "TXT", "NOERROR", &[]),
        (ZONE, "SOA", "NOERROR", &[&soa]),
        (ZONE, "NS", "NOERROR", &[&ns]),
        (&unknown, "A", "NXDOMAIN", &[]),
        (&unknown, "ANY", "NXDOMAIN", &[]),
        ("vault.example", "A", "REFUSED", &[]),
    ];
    for (name, kind, status, expected) in questions {
        for (way, is_tcp, payload_bytes) in ways {
            let words = [&[name, kind], way].concat();
            let [dig, kdig] = Asker::ALL.map(|asker| asker.ask(governed.dns, &words));
            assert_eq!(dig, kdig, "dig and kdig on {words:?}");
            let about = (dig.status.as_str(), dig.is_tcp, dig.payload_bytes);
            assert_eq!(about, (status, is_tcp, payload_bytes), "{words:?}");
            let found = answers(&dig);
            let is_same = found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
            assert!(is_same, "{words:?}: {found:?}, and not {expected:?}");
            let is_ours = dig.flags.iter().any(|flag| flag == "aa");
            assert_eq!(is_ours, status != "REFUSED", "{words:?}: {:?}", dig.flags);
            let is_none_of_ours = expected.is_empty() && status != "REFUSED";
            let authority = dig.sections.get("AUTHORITY").map_or(&[][..], Vec::as_slice);
            assert_eq!(authority.len(), usize::from(is_none_of_ours), "{words:?}: {authority:?}");
            assert!(authority.iter().all(|record| record.starts_with(&soa)), "{authority:?}");
        }
    }
}
