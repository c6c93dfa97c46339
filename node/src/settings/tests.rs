mod hq;
mod outward;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-settings-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Scratch(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a temporary file can be written");
        path.to_str().expect("temporary paths are UTF-8").to_owned()
    }

    fn secret(&self) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file("secret", &format!("{SECRET}\n"));
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).expect("the file is ours");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn flags(pairs: &[(&str, &str)]) -> Vec<Flag> {
    let flag = |(name, value): &(&str, &str)| Flag {
        setting: setting_of_flag(name).expect("a flag of the table"),
        value: value.into(),
    };
    pairs.iter().map(flag).collect()
}

fn load_flags(pairs: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    load(flags(pairs), &Environment::default(), true)
}

fn problem(pairs: &[(&str, &str)]) -> String {
    load_flags(pairs).map_or_else(|error| error.to_string(), |_| "no problem".to_owned())
}

/// A pair that is complete but for the secret.
const PAIR: [(&str, &str); 4] = [
    ("pop-id", "calgary-01"),
    ("listen", "127.0.0.1:1984"),
    ("replication-primary", "http://127.0.0.1:1984"),
    ("replication-backup", "HTTP://LOCALHOST:1985/"),
];

fn pair_and(more: &[(&'static str, &str)]) -> Result<Loaded, SettingsError> {
    let scratch = Scratch::new();
    let secret = scratch.secret();
    let mut pairs = PAIR.to_vec();
    pairs.push(("replication-token-file", &secret));
    let kept = pairs.into_iter().filter(|(name, _)| {
        *name == "replication-backup" || more.iter().all(|(other, _)| other != name)
    });
    load_flags(&kept.chain(more.iter().copied()).collect::<Vec<_>>())
}

fn pair_problem(more: &[(&'static str, &str)]) -> String {
    pair_and(more).map_or_else(|error| error.to_string(), |_| "no problem".to_owned())
}

#[test]
fn every_key_has_one_row_and_every_name_is_its_own() {
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(setting(TABLE, row.key).name, row.name);
        assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{}", row.name);
        assert!(!row.help.is_empty());
    }
}

#[test]
fn nothing_given_is_a_working_server() {
    for is_commercial in [false, true] {
        let loaded = load(vec![], &Environment::default(), is_commercial).expect("it loads");
        assert_eq!(loaded.settings.data_dir, Path::new("./clavitor-data"));
        assert_eq!(loaded.settings.listen.to_string(), "127.0.0.1:1984");
        assert_eq!(loaded.settings.metrics_listen, None);
        assert_eq!(loaded.settings.cluster_name(), "default");
        assert_eq!(loaded.settings.pop_id, None);
        assert!(loaded.settings.replication.is_none());
        assert_eq!(loaded.warnings, Vec::<String>::new());
        #[cfg(target_pointer_width = "64")]
        assert_eq!(loaded.settings.data_bytes_max, 64 << 30);
    }
}

#[test]
fn flags_win_over_environment_which_wins_over_file() {
    let scratch = Scratch::new();
    let text = "listen = \"127.0.0.1:1\"\npop_id = \"file\"\ncluster = \"file\"\n";
    let file = scratch.file("c.toml", text);
    let environment = Environment::of([
        ("CLAVITOR_LISTEN", "127.0.0.1:2"),
        ("CLAVITOR_POP_ID", "environment"),
        ("CLAVITOR_CONFIG", file.as_str()),
    ]);
    let loaded = load(flags(&[("listen", "127.0.0.1:3")]), &environment, false).expect("it loads");
    assert_eq!(loaded.settings.listen.port(), 3);
    assert_eq!(loaded.settings.pop_id.as_deref(), Some("environment"));
    assert_eq!(loaded.settings.cluster.as_deref(), Some("file"));
    let report = loaded.report();
    let line_of = |name: &str| {
        let line = report.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line_of("listen"), "listen 127.0.0.1:3 flag --listen");
    assert_eq!(line_of("pop-id"), "pop-id environment environment CLAVITOR_POP_ID");
    assert_eq!(line_of("cluster"), format!("cluster file file {file}:3:11"));
    assert_eq!(line_of("data-dir"), "data-dir ./clavitor-data default");
    assert_eq!(line_of("metrics-listen"), "metrics-listen - default");
}

#[test]
fn a_switch_can_be_taken_back() {
    let environment = Environment::of([("CLAVITOR_ALLOW_PLAIN_HTTP", "true")]);
    let load = |pairs: &[(&str, &str)]| load(flags(pairs), &environment, false);
    assert!(load(&[]).is_ok_and(|loaded| loaded.settings.allow_plain_http));
    let taken_back = load(&[("allow-plain-http", "false")]);
    assert!(taken_back.is_ok_and(|loaded| !loaded.settings.allow_plain_http));
}

#[test]
fn what_is_wrong_names_its_source() {
    assert!(problem(&[("listen", "x")]).starts_with("--listen: \"x\" is not an IP address"));
    assert_eq!(
        problem(&[("allow-plain-http", "maybe")]),
        "--allow-plain-http: \"maybe\" is neither true nor false"
    );
    let environment = Environment::of([("CLAVITOR_POP_ID", "Calgary")]);
    let error = load(vec![], &environment, false).expect_err("a capital letter");
    assert!(error.to_string().starts_with("CLAVITOR_POP_ID: \"Calgary\" is not a name"));
    let scratch = Scratch::new();
    let file = scratch.file("c.toml", "\ndata_bytes_max = \"1\"\n");
    let error = problem(&[("config", &file)]);
    assert_eq!(error, format!("{file}:2:18: data_bytes_max: \"1\" is not between 1MiB and 1TiB"));
}

#[test]
fn empty_doubled_and_unreadable_are_refused() {
    assert_eq!(problem(&[("pop-id", "")]), "--pop-id: is empty");
    assert_eq!(problem(&[("data-dir", "")]), "--data-dir: is empty");
    assert_eq!(problem(&[("pop-id", "a"), ("pop-id", "b")]), "--pop-id: given twice");
    assert!(
        problem(&[("config", "/nonexistent/c.toml")])
            .starts_with("--config: cannot read /nonexistent/c.toml: No such file")
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = problem(&[("listen", "x"), ("pop-id", "X"), ("data-bytes-max", "1")]);
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn unknown_variables_are_refused_with_a_suggestion() {
    let environment = Environment::of([("CLAVITOR_POPID", "a")]);
    let error = load(vec![], &environment, false).expect_err("unknown");
    assert!(error.to_string().contains("did you mean \"CLAVITOR_POP_ID\"?"));
}

#[test]
fn the_flight_recorder_is_off_unless_its_file_is_given() {
    assert!(load_flags(&[]).is_ok_and(|loaded| loaded.settings.flight_recorder.is_none()));
    let recorder = |pairs| load_flags(pairs).expect("it loads").settings.flight_recorder;
    let file = PathBuf::from("/f");
    let with_default = recorder(&[("flight-recorder", "/f")]);
    let bytes = 16 << 20;
    assert_eq!(with_default, Some(FlightRecorderSettings { file: file.clone(), bytes }));
    let with_size = recorder(&[("flight-recorder", "/f"), ("flight-recorder-bytes", "2MiB")]);
    assert_eq!(with_size, Some(FlightRecorderSettings { file, bytes: 2 << 20 }));
    assert_eq!(problem(&[("flight-recorder", "")]), "--flight-recorder: is empty");
    assert_eq!(
        problem(&[("flight-recorder-bytes", "2MiB")]),
        "--flight-recorder-bytes: means nothing without --flight-recorder FILE"
    );
    assert_eq!(
        problem(&[("flight-recorder", "/f"), ("flight-recorder-bytes", "2GiB")]),
        "--flight-recorder-bytes: \"2GiB\" is not between 1MiB and 1GiB"
    );
}

#[test]
fn leaving_loopback_needs_consent() {
    for name in ["listen", "metrics-listen"] {
        let error = problem(&[(name, "0.0.0.0:1984")]);
        assert!(error.starts_with(&format!("--{name}: 0.0.0.0:1984 is not loopback")), "{error}");
        let consented = load_flags(&[(name, "0.0.0.0:1984"), ("allow-plain-http", "true")]);
        assert!(consented.is_ok());
    }
    let error = pair_problem(&[("replication-backup", "http://10.0.0.7:1984")]);
    assert!(error.starts_with("--replication-backup: http://10.0.0.7:1984 is not loopback"));
}

#[test]
fn a_pair_is_normalised() {
    let loaded = pair_and(&[]).expect("it loads");
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let replication = loaded.settings.replication.expect("it was asked for");
    assert_eq!(replication.primary, "http://127.0.0.1:1984");
    assert_eq!(replication.backups, ["http://localhost:1985"]);
    assert_eq!(replication.advertise_url, "http://127.0.0.1:1984");
    assert_eq!(replication.pop_id, "calgary-01");
    assert_eq!(replication.secret.expose(), SECRET.as_bytes());
}

#[test]
fn a_list_in_the_environment_is_split_at_commas() {
    let scratch = Scratch::new();
    let secret = scratch.secret();
    let environment = Environment::of([
        ("CLAVITOR_POP_ID", "a"),
        ("CLAVITOR_REPLICATION_PRIMARY", "http://127.0.0.1:1984"),
        ("CLAVITOR_REPLICATION_BACKUP", "http://127.0.0.1:1985, http://127.0.0.1:1986"),
        ("CLAVITOR_REPLICATION_TOKEN_FILE", secret.as_str()),
    ]);
    let loaded = load(vec![], &environment, true).expect("it loads");
    assert_eq!(loaded.settings.replication.map(|replication| replication.backups.len()), Some(2));
}

#[test]
fn half_of_replication_says_what_is_missing() {
    assert_eq!(
        problem(&[("replication-primary", "http://127.0.0.1:1984")]),
        "--replication-primary: replication also needs --pop-id and at least one \
         --replication-backup and --replication-token-file"
    );
    assert!(problem(&PAIR).ends_with("replication also needs --replication-token-file"));
    assert!(problem(&PAIR[1..]).contains("replication also needs --pop-id"));
}

#[test]
fn the_own_url_must_be_one_of_the_cluster() {
    let error = pair_problem(&[("listen", "127.0.0.1:2000")]);
    assert_eq!(
        error,
        "--advertise-url (not given, so http:// and --listen): http://127.0.0.1:2000 is not one \
         of the cluster's URLs, which are http://127.0.0.1:1984, http://localhost:1985"
    );
    let error = pair_problem(&[("advertise-url", "http://127.0.0.1:7")]);
    assert!(error.starts_with("--advertise-url: http://127.0.0.1:7 is not one of"), "{error}");
    let loaded = pair_and(&[("advertise-url", "http://LocalHost:1985")]).expect("it loads");
    assert_eq!(loaded.settings.advertise_url.as_deref(), Some("http://localhost:1985"));
}

#[test]
fn the_cluster_has_no_duplicates_and_a_limit() {
    let error = pair_problem(&[("replication-backup", "http://127.0.0.1:1984/")]);
    assert!(error.contains("http://127.0.0.1:1984 is named twice in the cluster"), "{error}");
    let urls: Vec<String> = (0..15).map(|n| format!("http://127.0.0.1:{}", 3000 + n)).collect();
    let more: Vec<_> = urls.iter().map(|url| ("replication-backup", url.as_str())).collect();
    assert_eq!(pair_problem(&more[..14]), "no problem");
    assert!(pair_problem(&more).contains("16 backups are given; a cluster has at most 15"));
}

#[test]
fn https_is_refused_with_its_reason() {
    let error = pair_problem(&[("replication-backup", "https://127.0.0.1:1986")]);
    assert!(error.contains("TLS is not there yet"), "{error}");
}

#[test]
fn weak_unreadable_and_doubled_secrets_are_refused() {
    let scratch = Scratch::new();
    let short = scratch.file("short", "too short\n");
    let error = pair_problem(&[("replication-token-file", &short)]);
    assert!(error.starts_with("--replication-token-file: a secret of 9 bytes is too short"));
    let dull = scratch.file("dull", &"ab".repeat(40));
    let error = pair_problem(&[("replication-token-file", &dull)]);
    assert!(error.contains("only 2 different bytes"), "{error}");
    let error = pair_problem(&[("replication-token-file", "/nonexistent/s")]);
    assert!(error.starts_with("--replication-token-file: cannot read /nonexistent/s: No such"));
    let error = pair_problem(&[("replication-token", SECRET)]);
    assert_eq!(error, "--replication-token: given beside --replication-token-file; give only one");
}

#[test]
fn a_direct_secret_works_and_warns_and_is_never_shown() {
    let mut pairs = PAIR.to_vec();
    pairs.push(("replication-token", SECRET));
    let loaded = load_flags(&pairs).expect("it loads");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].starts_with("--replication-token: whoever lists"));
    let shown = format!("{loaded:?}\n{}", loaded.report());
    assert!(!shown.contains(SECRET) && shown.contains("(set)") && shown.contains("(secret)"));
    pairs.pop();
    pairs.push(("replication-token", "hunter2"));
    assert!(!problem(&pairs).contains("hunter2"));
}

#[test]
fn a_secret_file_open_to_others_warns() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let open = scratch.file("open", SECRET);
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&open, mode).expect("the file is ours");
    let loaded = pair_and(&[("replication-token-file", &open)]).expect("it loads");
    assert!(loaded.warnings[0].contains("other accounts may read"), "{:?}", loaded.warnings);
}

#[test]
fn community_warns_once_per_commercial_setting_and_serves() {
    let scratch = Scratch::new();
    let text = "replication_primary = \"https://nonsense\"\nreplication_backup = 7\n";
    let file = scratch.file("c.toml", text);
    let environment = Environment::of([
        ("CLAVITOR_REPLICATION_PRIMARY", "ftp://nonsense"),
        ("TELEMETRY_HOST", "https://hq"),
        ("TELEMETRY_TOKEN", "hunter2"),
        ("TELEMETRY_FREQ", "often"),
        ("POP_REGION", "west"),
    ]);
    let pairs = [("config", file.as_str()), ("replication-token-file", "/nonexistent")];
    let loaded = load(flags(&pairs), &environment, false).expect("it serves all the same");
    let named = |name: &str| {
        let warnings = loaded.warnings.iter();
        warnings.filter(|warning| warning.contains(name)).count()
    };
    assert_eq!(loaded.warnings.len(), 7);
    assert!(loaded.warnings.iter().all(|warning| warning.contains("only the commercial edition")));
    assert!(loaded.settings.telemetry.is_none());
    assert_eq!(named("CLAVITOR_REPLICATION_PRIMARY: "), 1);
    assert_eq!(named(":2:22: replication_backup: "), 1);
    assert_eq!(named("--replication-token-file: "), 1);
    assert_eq!(named("TELEMETRY_TOKEN: "), 1);
    assert!(loaded.settings.replication.is_none());
    let report = loaded.report();
    assert!(report.contains("(ignored)") && !report.contains("hunter2"));
}

#[test]
fn a_stopped_directory_needs_no_secret() {
    let pairs = [("data-dir", "/d"), ("replication-token-file", "/nonexistent")];
    let data = load_data(flags(&pairs), &Environment::default(), true).expect("it loads");
    assert_eq!(data.data_dir, Path::new("/d"));
    assert!(load_data(flags(&[("data-bytes-max", "1")]), &Environment::default(), true).is_err());
}

#[test]
fn the_help_lists_every_setting_with_its_default() {
    let unbroken = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = help(TABLE.iter(), false);
    for row in TABLE {
        assert!(text.contains(row.name), "{}", row.name);
        let default = format!("default: {}", row.default);
        assert!(row.default.is_empty() || unbroken(&text).contains(&default), "{default}");
    }
    let remark = "commercial edition only]";
    assert_eq!(unbroken(&text).matches(remark).count(), 13);
    assert!(!unbroken(&help(TABLE.iter(), true)).contains(remark));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
