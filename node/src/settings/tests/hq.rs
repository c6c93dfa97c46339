//! The control plane.

use super::super::Fencing;
use super::*;

const HQ: &str = "http://127.0.0.1:1986";

fn with_hq(more: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    let pairs = [&[("hq", HQ), ("pop-id", "a-1"), ("hq-token", SECRET)], more].concat();
    load(flags(&pairs), &Environment::default(), true)
}

fn addresses(more: &[(&str, &str)]) -> Vec<String> {
    let hq = with_hq(more).expect("it loads").settings.hq.expect("there is one");
    hq.dns_addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn a_control_plane_needs_an_id_and_a_token() {
    let error = load(flags(&[("hq", HQ)]), &Environment::default(), true).expect_err("too little");
    assert_eq!(error.problems, ["--hq: a control plane also needs --pop-id and --hq-token-file"]);
    let loaded = with_hq(&[]).expect("it loads");
    let hq = loaded.settings.hq.as_ref().expect("there is one");
    assert_eq!((hq.url.as_str(), hq.pop_id.as_str(), hq.fencing), (HQ, "a-1", Fencing::Lease));
    assert!(!format!("{loaded:?}{}", loaded.report()).contains(SECRET));
}

#[test]
fn telemetry_and_alerts_go_there_unless_another_host_is_given() {
    let telemetry = |more: &[(&str, &str)]| {
        let loaded = with_hq(more).expect("it loads");
        let telemetry = loaded.settings.telemetry.expect("it is on");
        (telemetry.host, telemetry.token.map(|token| token.expose().to_vec()))
    };
    assert_eq!(telemetry(&[]), (HQ.to_owned(), Some(SECRET.into())));
    let other = ("telemetry-host", "http://127.0.0.1:9");
    assert_eq!(telemetry(&[other]), ("http://127.0.0.1:9".to_owned(), None));
}

#[test]
fn dns_answers_with_what_is_given_else_with_the_url_s_host() {
    assert_eq!(addresses(&[]), ["127.0.0.1"]);
    let url = ("advertise-url", "http://[2001:db8::1]:1984");
    assert_eq!(addresses(&[url]), ["2001:db8::1"]);
    let given = [url, ("dns-address", "203.0.113.7"), ("dns-address", "2001:db8::7")];
    assert_eq!(addresses(&given), ["203.0.113.7", "2001:db8::7"]);
    let loaded = with_hq(&[("advertise-url", "http://calgary.example:80")]).expect("it loads");
    assert!(loaded.warnings.iter().any(|it| it.contains("--dns-address")), "{:?}", loaded.warnings);
}

#[test]
fn what_dns_cannot_answer_with_is_refused() {
    for bad in ["0.0.0.0", "::", "224.0.0.1", "calgary", "10.0.0.0/8", "1.2.3.4:5"] {
        let error = with_hq(&[("dns-address", bad)]).expect_err(bad);
        assert!(error.problems[0].contains("is not the IP address of a server"), "{error}");
    }
    let two = [("dns-address", "10.0.0.1"), ("dns-address", "10.0.0.2")];
    assert!(with_hq(&two).expect_err("two").problems[0].contains("one of IPv4 and one of IPv6"));
}

#[test]
fn fencing_is_lease_or_merge() {
    let fencing = |text| with_hq(&[("fencing", text)]).map(|it| it.settings.hq.unwrap().fencing);
    assert_eq!(fencing("merge").ok(), Some(Fencing::Merge));
    let error = fencing("none").expect_err("neither");
    assert_eq!(error.problems, ["--fencing: \"none\" is neither \"lease\" nor \"merge\""]);
}

#[test]
fn a_control_plane_beyond_this_machine_needs_consent() {
    let error = load(
        flags(&[("hq", "http://10.0.0.1:1986"), ("pop-id", "a"), ("hq-token", SECRET)]),
        &Environment::default(),
        true,
    );
    assert!(error.expect_err("plain").problems[0].contains("--allow-plain-http"));
}

#[test]
fn what_belongs_to_a_control_plane_means_nothing_without_one() {
    let pairs = [("dns-address", "10.0.0.1"), ("fencing", "merge")];
    let loaded = load(flags(&pairs), &Environment::default(), true).expect("it loads");
    assert!(loaded.settings.hq.is_none());
    let said = loaded.warnings.iter().filter(|it| it.contains("means nothing without --hq"));
    assert_eq!(said.count(), 2);
    let loaded = load(flags(&[("hq", "nonsense")]), &Environment::default(), false);
    assert!(loaded.expect("ignored").settings.hq.is_none());
}
