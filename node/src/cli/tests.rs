use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::client::{Precondition, Target};
use super::*;

fn parse_line(line: &[&str], environment: &Environment) -> Result<Command, Usage> {
    let offer = Offer { is_commercial: false, own: &[] };
    parse(line.iter().map(OsString::from), environment, offer)
}

fn parsed(line: &[&str]) -> Command {
    parse_line(line, &Environment::default()).expect("a valid command line")
}

fn refused(line: &[&str]) -> String {
    parse_line(line, &Environment::default()).expect_err("an invalid command line").message
}

fn action(line: &[&str]) -> Action {
    match parsed(line) {
        Command::Client(command) => command.action,
        other => panic!("not a client command: {other:?}"),
    }
}

fn help_text(line: &[&str]) -> String {
    match parsed(line) {
        Command::Help(text) => text,
        other => panic!("not help: {other:?}"),
    }
}

fn target(line: &[&str], environment: &Environment) -> Target {
    match parse_line(line, environment) {
        Ok(Command::Client(command)) => command.target,
        other => panic!("not a client command: {other:?}"),
    }
}

#[test]
fn nothing_at_all_serves() {
    assert!(matches!(parsed(&[]), Command::Serve(_)));
    assert!(matches!(parsed(&["serve"]), Command::Serve(_)));
    for line in [&["--listen", "127.0.0.1:7"][..], &["serve", "--listen=127.0.0.1:7"]] {
        match parsed(line) {
            Command::Serve(loaded) => assert_eq!(loaded.settings.listen.port(), 7),
            other => panic!("not serve: {other:?}"),
        }
    }
    match parsed(&["--allow-plain-http", "--listen", "0.0.0.0:7"]) {
        Command::Serve(loaded) => assert!(loaded.settings.allow_plain_http),
        other => panic!("not serve: {other:?}"),
    }
}

#[test]
fn config_check_takes_what_serve_takes() {
    match parsed(&["config", "check", "--data-dir", "/d"]) {
        Command::ConfigCheck(loaded) => assert_eq!(loaded.settings.data_dir, Path::new("/d")),
        other => panic!("not config check: {other:?}"),
    }
    assert!(refused(&["config", "check", "--listen", "x"]).starts_with("--listen: "));
}

#[test]
fn version_and_help_are_found() {
    for line in [&["--version"][..], &["-V"], &["serve", "--version"]] {
        assert!(matches!(parsed(line), Command::Version), "{line:?}");
    }
    for line in [&["--help"][..], &["-h"], &["help"]] {
        assert!(help_text(line).contains("Usage: clavitor [COMMAND]"), "{line:?}");
    }
    for line in [&["entry", "--help"][..], &["help", "entry"], &["entry", "-h"]] {
        assert!(help_text(line).contains("entry restore"), "{line:?}");
    }
    assert_eq!(help_text(&["help", "token", "create"]), help_text(&["token", "create", "--help"]));
}

#[test]
fn the_overview_lists_every_command() {
    let text = help_text(&["--help"]);
    for spec in COMMANDS {
        assert!(text.contains(&format!("\n  {:<20} {}\n", spec.name(), spec.summary)));
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn each_help_is_complete() {
    for spec in COMMANDS {
        let mut line = spec.words.to_vec();
        line.push("--help");
        let text = help_text(&line);
        let options = spec.all_options().map(|option| option.name);
        for name in options.chain(spec.settings().map(|setting| setting.name)) {
            assert!(text.contains(&format!("  --{name}")), "{} --{name}", spec.name());
        }
        assert!(spec.operands.iter().all(|operand| text.contains(operand)));
        assert!(!spec.summary.is_empty() && !spec.examples.is_empty());
        assert!(text.contains(&format!("Usage: clavitor {}", spec.name())));
        assert!(spec.examples.iter().all(|example| text.contains(&program::named(example))));
    }
    let serve = help_text(&["serve", "--help"]);
    assert!(crate::settings::TABLE.iter().all(|setting| serve.contains(setting.name)));
}

#[test]
fn slips_get_a_suggestion() {
    assert_eq!(refused(&["sttaus"]), "unknown command \"sttaus\", did you mean \"status\"?");
    assert_eq!(refused(&["wombat"]), "unknown command \"wombat\"");
    assert_eq!(refused(&["entry", "lst"]), "unknown command \"entry lst\", did you mean \"list\"?");
    assert_eq!(refused(&["token"]), "token: needs one of create, list, revoke");
    assert_eq!(
        refused(&["--lisetn", "x"]),
        "unknown option \"--lisetn\", did you mean \"--listen\"?"
    );
    assert_eq!(
        refused(&["entry", "list", "v", "--jsn"]),
        "unknown option \"--jsn\", did you mean \"--json\"?"
    );
    assert_eq!(refused(&["-x"]), "unknown option \"-x\"");
    assert!(refused(&["--json", "status"]).starts_with("unknown option \"--json\""));
    assert!(refused(&["--listen", "127.0.0.1:1", "serve"]).contains("must come first"));
}

#[test]
fn a_secret_beside_a_slip_is_not_shown() {
    assert!(!refused(&["--replication-tokn=hunter2"]).contains("hunter2"));
}

#[test]
fn usage_points_to_the_right_help() {
    let usage =
        |line: &[&str]| parse_line(line, &Environment::default()).expect_err("invalid").to_string();
    assert!(usage(&["entry", "put"]).ends_with("`clavitor entry put --help` says how it is used"));
    assert!(usage(&["wombat"]).ends_with("`clavitor --help` says how it is used"));
}

#[test]
fn wrong_numbers_of_operands_are_refused() {
    assert_eq!(refused(&["entry", "put", "v"]), "entry put: ENTRY must be given");
    assert_eq!(refused(&["entry", "put"]), "entry put: VAULT and ENTRY must be given");
    assert_eq!(refused(&["status", "x"]), "unexpected argument \"x\"");
    assert_eq!(refused(&["entry", "get", "v", "e", "x"]), "unexpected argument \"x\"");
    assert_eq!(refused(&["entry", "get", "", "e"]), "VAULT: is empty");
    assert_eq!(refused(&["status", "--json=yes"]), "--json: takes no value");
    assert_eq!(refused(&["status", "--json", "--json"]), "--json: given twice");
    assert_eq!(refused(&["status", "--server"]), "--server: needs a value");
}

#[test]
fn client_commands_find_their_server_and_token() {
    let none = Environment::default();
    let default = target(&["status"], &none);
    assert_eq!(default.server.to_string(), "http://127.0.0.1:1984");
    assert_eq!(default.token_file, Path::new("./clavitor-data/admin.token"));
    let environment = Environment::of([
        ("CLAVITOR_SERVER", "http://localhost:7"),
        ("CLAVITOR_TOKEN_FILE", "/t"),
        ("CLAVITOR_LISTEN", "nonsense that is the server's business"),
    ]);
    let of_environment = target(&["status"], &environment);
    assert_eq!(of_environment.server.to_string(), "http://localhost:7");
    assert_eq!(of_environment.token_file, Path::new("/t"));
    let line = ["status", "--server", "http://127.0.0.1:8", "--token-file", "/u"];
    let of_flags = target(&line, &environment);
    assert_eq!(of_flags.server.to_string(), "http://127.0.0.1:8");
    assert_eq!(of_flags.token_file, Path::new("/u"));
}

#[test]
fn a_token_leaves_the_machine_only_with_consent() {
    let line = ["status", "--server", "http://calgary:1984"];
    assert!(refused(&line).starts_with("--server: http://calgary:1984 is not loopback"));
    let allowed = Environment::of([("CLAVITOR_ALLOW_PLAIN_HTTP", "1")]);
    assert!(parse_line(&line, &allowed).is_ok());
    let mut line = line.to_vec();
    line.push("--allow-plain-http");
    assert!(parse_line(&line, &Environment::default()).is_ok());
    assert!(refused(&["status", "--server", "https://calgary"]).contains("TLS is not there yet"));
}

#[test]
fn a_misspelt_variable_stops_a_client_command() {
    let environment = Environment::of([("CLAVITOR_SERVR", "http://127.0.0.1:7")]);
    let usage = parse_line(&["entry", "delete", "v", "e"], &environment).expect_err("misspelt");
    assert!(usage.message.contains("did you mean \"CLAVITOR_SERVER\"?"));
}

#[test]
fn status_promote_and_resume_are_read() {
    assert_eq!(action(&["status"]), Action::Status { is_json: false });
    assert_eq!(action(&["status", "--json"]), Action::Status { is_json: true });
    assert_eq!(action(&["promote"]), Action::Promote { is_json: false });
    let to = Some("zurich-01".to_owned());
    assert_eq!(action(&["switchover"]), Action::Switchover { to: None, is_json: false });
    assert_eq!(
        action(&["switchover", "--to", "zurich-01", "--json"]),
        Action::Switchover { to, is_json: true }
    );
    let resume = Action::ReplicationResume { is_json: false };
    assert_eq!(action(&["replication", "resume"]), resume);
}

#[test]
fn token_commands_are_read() {
    let line =
        ["token", "create", "--scope", "read", "--vault", "v", "--expires-in", "30d", "--label=l"];
    assert_eq!(
        action(&line),
        Action::TokenCreate {
            scope: Scope::Read,
            vault: Some("v".into()),
            label: Some("l".into()),
            expires_in_s: Some(2_592_000),
            is_ack_backup: false,
            is_json: false,
        }
    );
    assert_eq!(action(&["token", "list", "--json"]), Action::TokenList { is_json: true });
    assert_eq!(
        action(&["token", "revoke", "7", "--ack-backup"]),
        Action::TokenRevoke { id: "7".into(), is_ack_backup: true, is_json: false }
    );
    assert!(refused(&["token", "create"]).starts_with("--scope: must be given"));
    assert!(refused(&["token", "create", "--scope", "all"]).contains("\"all\" is none of"));
    assert!(refused(&["token", "create", "--scope", "read"]).starts_with("--vault: must be"));
    assert!(matches!(
        action(&["token", "create", "--scope", "admin"]),
        Action::TokenCreate { vault: None, .. }
    ));
}

#[test]
fn durations_have_units() {
    let seconds = |text: &str| match parse_line(
        &["token", "create", "--scope", "admin", "--expires-in", text],
        &Environment::default(),
    ) {
        Ok(Command::Client(ClientCommand {
            action: Action::TokenCreate { expires_in_s, .. },
            ..
        })) => expires_in_s,
        _ => None,
    };
    assert_eq!(seconds("3600"), Some(3600));
    assert_eq!(seconds("90s"), Some(90));
    assert_eq!(seconds("5m"), Some(300));
    assert_eq!(seconds("12h"), Some(43_200));
    assert_eq!(seconds("2w"), Some(1_209_600));
    for text in ["", "0", "0d", "d", "1y", "-1", "1.5h", "1d1h", "99999999999999999999", "3e18w"] {
        assert_eq!(seconds(text), None, "{text}");
    }
    assert_eq!(seconds("18446744073709551615w"), None);
}

#[test]
fn entry_commands_are_read() {
    let put = |file: Option<&str>, precondition| Action::EntryPut {
        vault: "v".into(),
        entry: "e".into(),
        file: file.map(PathBuf::from),
        precondition,
        is_ack_backup: false,
    };
    assert_eq!(action(&["entry", "put", "v", "e"]), put(None, Precondition::None));
    assert_eq!(action(&["entry", "put", "v", "e", "-"]), put(None, Precondition::None));
    assert_eq!(
        action(&["entry", "put", "v", "e", "f", "--if-none-match", "*"]),
        put(Some("f"), Precondition::Absent)
    );
    for etag in ["1-2-a", "\"1-2-a\""] {
        assert_eq!(
            action(&["entry", "put", "v", "e", "f", "--if-match", etag]),
            put(Some("f"), Precondition::Version("1-2-a".into()))
        );
    }
    assert_eq!(
        action(&["entry", "get", "v", "e", "--output", "o"]),
        Action::EntryGet { vault: "v".into(), entry: "e".into(), output: Some("o".into()) }
    );
    assert_eq!(
        action(&["entry", "list", "v", "--prefix", "p", "--json"]),
        Action::EntryList { vault: "v".into(), prefix: Some("p".into()), is_json: true }
    );
    assert_eq!(
        action(&["entry", "delete", "v", "--ack-backup", "--", "-e"]),
        Action::EntryDelete { vault: "v".into(), entry: "-e".into(), is_ack_backup: true }
    );
    assert_eq!(
        action(&["entry", "conflicts", "v"]),
        Action::EntryConflicts { vault: "v".into(), is_json: false }
    );
    assert_eq!(
        action(&["entry", "restore", "v", "7"]),
        Action::EntryRestore { vault: "v".into(), conflict_id: "7".into() }
    );
}

#[test]
fn nonsensical_preconditions_are_refused() {
    let refused_put = |more: &[&str]| refused(&[&["entry", "put", "v", "e"][..], more].concat());
    assert!(refused_put(&["--if-none-match", "x"]).contains("only '*' is possible"));
    assert!(refused_put(&["--if-match", "a b"]).contains("is not an ETag"));
    assert!(refused_put(&["--if-match", ""]).contains("is not an ETag"));
    assert!(refused_put(&["--if-match", "a", "--if-none-match", "*"]).contains("combined"));
}

#[test]
fn export_import_and_check_are_read() {
    let export =
        |file: Option<&str>, force| Action::Export { file: file.map(PathBuf::from), force };
    assert_eq!(action(&["export", "f"]), export(Some("f"), false));
    assert_eq!(action(&["export", "-", "--force"]), export(None, true));
    match parsed(&["import", "f", "--data-dir", "/d"]) {
        Command::Import { file, data } => {
            assert_eq!(
                (file.as_path(), data.data_dir.as_path()),
                (Path::new("f"), Path::new("/d"))
            );
        }
        other => panic!("not import: {other:?}"),
    }
    assert!(refused(&["import", "-"]).contains("cannot read standard input"));
    assert!(refused(&["import"]).contains("FILE must be given"));
    match parsed(&["check", "--restamp"]) {
        Command::Check { data, restamp } => {
            assert!(restamp);
            assert_eq!(data.data_dir, Path::new("./clavitor-data"));
        }
        other => panic!("not check: {other:?}"),
    }
    assert!(matches!(parsed(&["check"]), Command::Check { restamp: false, .. }));
    assert!(refused(&["check", "--listen", "127.0.0.1:1"]).starts_with("unknown option"));
}

#[test]
fn exit_codes_are_fixed() {
    assert_eq!([Exit::Done, Exit::Refused, Exit::Unreached].map(Exit::code), [0, 1, 2]);
}
