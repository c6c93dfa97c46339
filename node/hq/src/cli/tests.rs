use std::ffi::OsString;

use clavitor_node::cli::{Command, Offer, parse};

use super::*;
use crate::registry::Name;
use clavitor_node::settings::HQ_VARIABLES;

const OFFER: Offer = Offer { is_commercial: true, own: COMMANDS };

fn parsed(line: &[&str]) -> Result<(&'static Spec, Arguments), String> {
    match parse(line.iter().map(OsString::from), &Environment::default(), OFFER) {
        Ok(Command::Own(spec, arguments)) => Ok((spec, arguments)),
        Ok(other) => Err(format!("{other:?}")),
        Err(usage) => Err(usage.message),
    }
}

fn loaded(line: &[&str], environment: &Environment) -> Result<(Settings, Vec<String>), String> {
    let line = [&["hq", "serve"], line].concat();
    let (_, mut arguments) = parsed(&line)?;
    serving::settings(&mut arguments, environment).map_err(|usage| usage.message)
}

fn settings(line: &[&str]) -> Result<Settings, String> {
    loaded(line, &Environment::default()).map(|(settings, _)| settings)
}

fn action(line: &[&str]) -> Result<pops::Action, String> {
    let (spec, mut arguments) = parsed(line)?;
    let read = match spec.words {
        ["hq", "pop", "add"] => reading::add(&mut arguments),
        _ => reading::remove(&mut arguments),
    };
    read.map_err(|usage| usage.message)
}

#[test]
fn serving_needs_no_options() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:1986");
    assert_eq!(settings.dns_listen.to_string(), "127.0.0.1:5353");
    assert_eq!((settings.zone.as_str(), settings.lease_ms), ("vault.test", 6_000));
    assert_eq!(settings.failback_ms, None);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    for (line, reason) in [
        (&["--listen", "0.0.0.0:1986"][..], "--allow-plain-http"),
        (&["--listen", "localhost"], "not an IP address and port"),
        (&["--zone", "vault..test"], "a zone is a name such as"),
        (&["--zone", "-a.test"], "a zone is a name such as"),
        (&["--zone", &"a.".repeat(120)], "a zone is a name such as"),
        (&["--zone", ""], "--zone: is empty"),
        (&["--lease-seconds", "3"], "not a number from 4 to 6"),
        (&["--lease-seconds", "7"], "not a number from 4 to 6"),
        (&["--failback-seconds", "0"], "not a number from 1"),
        (&["--data-dir", ""], "is empty"),
        (&["--dns-update", "ns1.example.com"], "needs --dns-update-key-file"),
        (&["--dns-update-key-file", "key"], "means nothing without --dns-update"),
        (&["--dns-update", "a:0", "--dns-update-key-file", "key"], "not a server and port"),
        (&["--dns-update", "a", "--dns-update-key-file", "/nonexistent/key"], "cannot read"),
        (&["--zoen", "a.test"], "did you mean \"--zone\"?"),
        (&["here"], "unexpected argument"),
    ] {
        let error = settings(line).unwrap_err();
        assert!(error.contains(reason), "{line:?}: {error}");
    }
    assert!(settings(&["--listen", "0.0.0.0:1986", "--allow-plain-http"]).is_ok());
    assert_eq!(settings(&["--zone", "Vaults.Example.Com."]).unwrap().zone, "vaults.example.com");
}

#[test]
fn every_setting_has_its_own_name_and_a_variable_that_servers_know() {
    for (index, row) in serving::TABLE.iter().enumerate() {
        assert_eq!(clavitor_node::settings::setting(serving::TABLE, row.key).name, row.name);
        let name = row.name.to_ascii_uppercase().replace('-', "_");
        assert_eq!(row.variable(), format!("CLAVITOR_HQ_{name}"));
        assert!(HQ_VARIABLES.contains(&row.variable), "{}", row.variable);
        assert!(serving::TABLE[..index].iter().all(|other| other.name != row.name), "{name}");
    }
    assert_eq!(HQ_VARIABLES.len(), serving::TABLE.len());
}

#[test]
fn flags_win_over_environment_which_wins_over_file() {
    let file = std::env::temp_dir().join(format!("clavitor-hq-{}.toml", std::process::id()));
    let text = "listen = \"127.0.0.1:1\"\ndns_listen = \"127.0.0.1:2\"\nzone = \"file.test\"\n\
                lease_seconds = 5\ntrusted_proxy = [\"10.0.0.0/8\", \"192.0.2.1\"]\n";
    std::fs::write(&file, text).unwrap();
    let environment = Environment::of([
        ("CLAVITOR_HQ_CONFIG", file.to_str().unwrap()),
        ("CLAVITOR_HQ_DNS_LISTEN", "127.0.0.1:20"),
        ("CLAVITOR_HQ_ZONE", "environment.test"),
        // A server's, which is no business of HQ's.
        ("CLAVITOR_LISTEN", "127.0.0.1:1984"),
    ]);
    let (settings, warnings) = loaded(&["--zone", "flag.test"], &environment).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:1");
    assert_eq!(settings.dns_listen.to_string(), "127.0.0.1:20");
    assert_eq!((settings.zone.as_str(), settings.lease_ms), ("flag.test", 5_000));
    assert_eq!((settings.trusted_proxies.len(), warnings), (2, vec![]));

    std::fs::write(&file, "zone = \"a.test\"\npop_id = \"a\"\nlistn = \"x\"\n").unwrap();
    let error = loaded(&[], &environment).unwrap_err();
    assert!(error.contains("toml:2:1: unknown key \"pop_id\""), "{error}");
    assert!(error.contains("toml:3:1: unknown key \"listn\", did you mean \"listen\"?"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = loaded(&[], &Environment::of([("CLAVITOR_HQ_ZOEN", "x")])).unwrap_err();
    assert!(error.contains("did you mean \"CLAVITOR_HQ_ZONE\"?"), "{error}");
    let error = loaded(&[], &Environment::of([("CLAVITOR_HQ_LISTEN", "0.0.0.0:1")])).unwrap_err();
    assert!(error.starts_with("CLAVITOR_HQ_LISTEN: 0.0.0.0:1 is not loopback"), "{error}");
}

#[test]
fn proxies_are_trusted_as_servers_trust_them() {
    let line = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"];
    let trusted = settings(&line).unwrap().trusted_proxies;
    assert!(trusted.len() == 2 && trusted[1].contains([10, 1, 2, 3].into()));
    let wrong = settings(&["--trusted-proxy", "10.0.0.1/8"]).unwrap_err();
    assert!(wrong.contains("neither an IP address nor a network"), "{wrong}");
    let everyone = ["--trusted-proxy", "0.0.0.0/0"];
    let (_, warnings) = loaded(&everyone, &Environment::default()).unwrap();
    assert!(warnings[0].contains("trusts everyone"), "{warnings:?}");
}

#[test]
fn the_server_of_the_zone_has_the_address_that_is_listened_on_or_given() {
    let of = |line: &[&str]| {
        let (settings, warnings) = loaded(line, &Environment::default())?;
        let addresses: Vec<String> =
            settings.dns_addresses.iter().map(ToString::to_string).collect();
        Ok::<_, String>((addresses.join(" "), warnings.join(" ")))
    };
    assert_eq!(of(&[]), Ok(("127.0.0.1".to_owned(), String::new())));
    for wildcard in ["0.0.0.0:53", "[::]:53"] {
        let listen = ["--dns-listen", wildcard];
        let (addresses, warning) = of(&listen).unwrap();
        assert!(addresses.is_empty() && warning.contains("ns1.vault.test, which"), "{warning}");
        assert!(warning.contains("--dns-address IP"), "{warning}");
        let both = ["--dns-address", "192.0.2.7", "--dns-address=2001:db8::7"];
        let told = of(&[&listen[..], &both].concat());
        assert_eq!(told, Ok(("192.0.2.7 2001:db8::7".to_owned(), String::new())));
    }
    let behind = of(&["--dns-listen", "10.0.0.7:53", "--dns-address", "192.0.2.7"]);
    assert_eq!(behind, Ok(("192.0.2.7".to_owned(), String::new())));
    let two = of(&["--dns-address", "192.0.2.7", "--dns-address", "192.0.2.8"]).unwrap_err();
    assert!(two.contains("one of IPv4 and one of IPv6"), "{two}");
    let wildcard = of(&["--dns-address", "0.0.0.0"]).unwrap_err();
    assert!(wildcard.contains("is not the IP address of a server"), "{wildcard}");
}

#[test]
fn a_pop_is_named_with_its_cluster() {
    let named = |line: &[&str]| action(&[&["hq", "pop", "add"], line].concat());
    let expected = Name { cluster: "main".into(), pop: "calgary-01".parse().unwrap() };
    assert_eq!(
        named(&["calgary-01", "--cluster", "main"]),
        Ok(pops::Action::Add { name: expected.clone(), is_replacing: false })
    );
    assert_eq!(
        action(&["hq", "pop", "remove", "calgary-01", "--cluster=main"]),
        Ok(pops::Action::Remove { name: expected })
    );
    assert!(named(&["calgary-01"]).unwrap_err().contains("--cluster: must be given"));
    assert!(named(&["--cluster", "main"]).unwrap_err().contains("POP must be given"));
    assert!(named(&["Calgary", "--cluster", "main"]).unwrap_err().contains("is not a name"));
    assert!(named(&["calgary-01", "--cluster", "ns1"]).unwrap_err().contains("HQ's own"));
    assert!(named(&["calgary-01", "--cluster", ""]).unwrap_err().contains("is not a name"));
}

#[test]
fn groups_of_commands_explain_themselves() {
    assert_eq!(parsed(&["hq"]).unwrap_err(), "hq: needs one of serve, pop");
    assert_eq!(parsed(&["hq", "pop"]).unwrap_err(), "hq pop: needs one of add, list, remove");
    assert_eq!(
        parsed(&["hq", "pop", "ad"]).unwrap_err(),
        "unknown command \"hq pop ad\", did you mean \"add\"?"
    );
    let help = parsed(&["help", "hq", "pop"]).unwrap_err();
    assert!(help.contains("hq pop remove") && !help.contains("hq serve"), "{help}");
    let help = parsed(&["--help"]).unwrap_err();
    assert!(help.contains("hq serve") && help.contains("entry get"), "{help}");
}

#[test]
fn an_hq_elsewhere_needs_consent() {
    let target = |line: &[&str]| {
        let (_, mut arguments) = parsed(&[&["hq", "pop", "list"], line].concat()).unwrap();
        reading::target(&mut arguments).map_err(|usage| usage.message)
    };
    let default = target(&[]).unwrap();
    assert_eq!(default.server.to_string(), "http://127.0.0.1:1986");
    assert_eq!(default.token_file.to_str(), Some("./clavitor-hq/admin.token"));
    let elsewhere = ["--server", "http://hq.example:1986"];
    assert!(target(&elsewhere).unwrap_err().contains("--allow-plain-http"));
    assert!(target(&[&elsewhere[..], &["--allow-plain-http"]].concat()).is_ok());
}

#[test]
fn a_demo_needs_no_options_and_takes_so_many_rounds_at_the_most() {
    let asked = |line: &[&str]| {
        let (_, mut arguments) = parsed(&[&["demo"], line].concat())?;
        let options = demonstration::options(&mut arguments, &Environment::default());
        options.map_err(|usage| usage.message)
    };
    let plain = asked(&[]).unwrap();
    assert_eq!((plain.rounds, plain.switchovers), (1, 1));
    assert!(plain.data_dir.is_none() && !plain.is_json && !plain.is_staying && plain.may_colour);
    let all = ["--rounds", "100", "--switchovers=0", "--json", "--stay", "--data-dir", "here"];
    let all = asked(&all).unwrap();
    assert_eq!((all.rounds, all.switchovers, all.is_json, all.is_staying), (100, 0, true, true));
    assert_eq!(all.data_dir, Some("here".into()));
    for (line, reason) in [
        (&["--rounds", "0"][..], "--rounds: "),
        (&["--rounds", "101"], "--rounds: "),
        (&["--switchovers", "-1"], "--switchovers: "),
        (&["--data-dir", ""], "--data-dir: is empty"),
        (&["--server", "x"], "unknown option"),
    ] {
        let error = asked(line).unwrap_err();
        assert!(error.contains(reason), "{line:?}: {error}");
    }
}
