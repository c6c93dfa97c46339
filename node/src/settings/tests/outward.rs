//! Proxies, the tarpit and telemetry.

use super::*;

const HOST: &str = "http://127.0.0.1:1986";

fn telemetry(pairs: &[(&str, &str)], is_commercial: bool) -> Option<TelemetrySettings> {
    let loaded = load(flags(pairs), &Environment::default(), is_commercial);
    loaded.expect("it loads").settings.telemetry
}

#[test]
fn telemetry_is_off_unless_a_host_is_given() {
    for is_commercial in [false, true] {
        assert!(telemetry(&[], is_commercial).is_none());
        let given = telemetry(&[("telemetry-host", HOST)], is_commercial).expect("it is on");
        assert_eq!((given.host.as_str(), given.freq_s), (HOST, 300));
        assert!(given.token.is_none() && given.region.is_empty());
    }
}

#[test]
fn the_old_variables_turn_it_on_in_the_commercial_edition() {
    let environment = Environment::of([
        ("TELEMETRY_HOST", HOST),
        ("TELEMETRY_TOKEN", SECRET),
        ("TELEMETRY_FREQ", "60"),
        ("POP_REGION", "ca-west"),
    ]);
    let loaded = load(vec![], &environment, true).expect("it loads");
    let telemetry = loaded.settings.telemetry.as_ref().expect("it is on");
    assert_eq!((telemetry.freq_s, telemetry.region.as_str()), (60, "ca-west"));
    assert_eq!(telemetry.token.as_ref().map(|it| it.expose().to_vec()), Some(SECRET.into()));
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].starts_with("TELEMETRY_TOKEN: every process this one starts"));
    assert!(!format!("{loaded:?}{}", loaded.report()).contains(SECRET));
}

#[test]
fn the_community_edition_takes_telemetry_from_flags_alone() {
    let scratch = Scratch::new();
    let text = "telemetry_host = \"nonsense\"\ntelemetry_freq = 7\n";
    let file = scratch.file("c.toml", text);
    let environment = Environment::of([("TELEMETRY_HOST", HOST), ("TELEMETRY_TOKEN", SECRET)]);
    let given = |more: &[(&str, &str)]| {
        let pairs = [&[("config", file.as_str())], more].concat();
        load(flags(&pairs), &environment, false).expect("it loads")
    };
    let loaded = given(&[]);
    assert!(loaded.settings.telemetry.is_none());
    assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
    assert!(loaded.report().contains("(ignored)"));
    let loaded = given(&[("telemetry-host", HOST)]);
    let telemetry = loaded.settings.telemetry.expect("a person asked");
    assert_eq!(telemetry.freq_s, 300, "the file's word does not count");
    assert!(telemetry.token.is_none());
}

#[test]
fn a_host_beyond_this_machine_needs_consent() {
    let remote = ("telemetry-host", "http://hq.example:80");
    assert!(problem(&[remote]).starts_with("--telemetry-host: http://hq.example:80 is not loopb"));
    assert_eq!(problem(&[remote, ("allow-plain-http", "true")]), "no problem");
    assert!(problem(&[("telemetry-host", "https://hq")]).contains("TLS is not there yet"));
    for bad in ["0", "-1", "often", "86401", "1.5", ""] {
        assert_ne!(problem(&[("telemetry-host", HOST), ("telemetry-freq", bad)]), "no problem");
    }
}

#[test]
fn a_token_must_fit_into_a_header_and_into_reason() {
    let scratch = Scratch::new();
    let with = |text: &str| {
        let file = scratch.file("token", text);
        problem(&[("telemetry-host", HOST), ("telemetry-token-file", &file)])
    };
    assert_eq!(with(SECRET), "no problem");
    assert!(with("short").contains("too short"));
    assert!(with(&format!("{SECRET} {SECRET}")).contains("visible ASCII"));
    assert!(with(&format!("{SECRET}é")).contains("visible ASCII"));
    let loaded = load_flags(&[("telemetry-freq", "5")]).expect("it loads");
    assert_eq!(loaded.warnings, ["--telemetry-freq: means nothing without --telemetry-host"]);
}

#[test]
fn the_tarpit_has_bounds() {
    let tarpit = |pairs: &[(&str, &str)]| load_flags(pairs).expect("it loads").settings.tarpit;
    assert_eq!(tarpit(&[]), TarpitSettings { connections_max: 1_000, per_address: None });
    let given = tarpit(&[("tarpit-connections-max", "0"), ("tarpit-per-address", "3")]);
    assert_eq!(given, TarpitSettings { connections_max: 0, per_address: Some(3) });
    assert_eq!(
        problem(&[("tarpit-per-address", "0")]),
        "--tarpit-per-address: \"0\" is not a number from 1 to 100000"
    );
    assert_ne!(problem(&[("tarpit-connections-max", "+5")]), "no problem");
}

#[test]
fn proxies_are_networks_and_few() {
    let loaded = load_flags(&[("trusted-proxy", "10.0.0.0/8"), ("trusted-proxy", "::1")]);
    assert_eq!(loaded.expect("it loads").settings.trusted_proxies.len(), 2);
    let everyone = load_flags(&[("trusted-proxy", "0.0.0.0/0")]).expect("it loads");
    assert!(everyone.warnings[0].contains("trusts everyone"), "{:?}", everyone.warnings);
    let environment = Environment::of([("CLAVITOR_TRUSTED_PROXY", "10.0.0.0/8, ::1")]);
    let loaded = load(vec![], &environment, false).expect("it loads");
    assert_eq!(loaded.settings.trusted_proxies.len(), 2);
    assert_eq!(
        problem(&[("trusted-proxy", "10.0.0.1/8")]),
        "--trusted-proxy: \"10.0.0.1/8\" is neither an IP address nor a network such as 10.0.0.0/8"
    );
    assert!(problem(&[("trusted-proxy", "::1"); 33]).contains("at most 32"));
}
