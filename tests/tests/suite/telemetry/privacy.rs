//! Nothing that clients store, name or are leaves towards whoever is reported to.

use clavitor_tests::cluster::{self, ClusterBuilder};
use clavitor_tests::hq::ALERTS_PATH;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Client, Edition, Hq, Scratch, Server, eventually};
use serde_json::json;

const VAULT: &str = "vault-mark-q7x2";
const ENTRY: &str = "entry mark ü k9";
const LABEL: &str = "label mark w4n8";
const BLOB: &[u8] = b"blob mark \x00\xff\xfe z3v6 and so on";
const CLIENT: &str = "198.51.100.77";
const CLIENT_6: &str = "2001:db8:77::beef";

/// Something that must not leave, with a name for it.
type Mark = (String, Vec<u8>);

fn mark(name: &str, bytes: impl AsRef<[u8]>) -> Mark {
    (name.to_owned(), bytes.as_ref().to_vec())
}

fn marks() -> Vec<Mark> {
    vec![
        mark("vault", VAULT),
        mark("entry", ENTRY),
        mark("label", LABEL),
        mark("blob", BLOB),
        mark("client", CLIENT),
        mark("client over IPv6", CLIENT_6),
    ]
}

/// The marks that are somewhere in `bytes`, as they are or in one of the usual disguises.
fn found(bytes: &[u8], marks: &[Mark]) -> Vec<String> {
    let lower = bytes.to_ascii_lowercase();
    let mut found = Vec::new();
    for (name, mark) in marks {
        assert!(mark.len() >= 8, "{name} is too short to be a mark");
        let hex: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
        let encoded = clavitor_tests::client::encode(&String::from_utf8_lossy(mark));
        let escaped = json!(String::from_utf8_lossy(mark)).to_string();
        let escaped = escaped.trim_matches('"');
        let in_lower = [hex, encoded.to_lowercase(), escaped.to_lowercase()];
        let is_plain = contains(&lower, &mark.to_ascii_lowercase());
        let is_disguised = in_lower.iter().any(|form| contains(&lower, form.as_bytes()));
        let is_base64 = base64_forms(mark).iter().any(|form| contains(bytes, form.as_bytes()));
        if is_plain || is_disguised || is_base64 {
            found.push(name.clone());
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// What of `bytes` stands in base64 text for sure, wherever in the text they begin.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut forms = Vec::new();
    for last_two in [b"+/", b"-_"] {
        let alphabet: Vec<u8> = LETTERS.iter().chain(last_two).copied().collect();
        for shift in 0..3 {
            let shifted = [&vec![0; shift][..], bytes].concat();
            let digits = (0..shifted.len() * 8 / 6).skip((shift * 8).div_ceil(6)).map(|at| {
                let bit = |place: usize| shifted[place / 8] >> (7 - place % 8) & 1;
                let value = (at * 6..at * 6 + 6).fold(0, |value, place| value << 1 | bit(place));
                char::from(alphabet[usize::from(value)])
            });
            forms.push(digits.collect());
        }
    }
    forms
}

/// Writes, reads, refuses and fails with everything marked, as the marked clients; returns the
/// access tokens there are.
fn leave_marks(server: &Server) -> Vec<Mark> {
    let admin = server.client();
    let path = clavitor_tests::client::entry_path(VAULT, ENTRY);
    let mut tokens = vec![mark("admin token", server.admin_token())];
    let document = json!({"vault": VAULT, "scope": "write", "label": LABEL});
    let made = admin.post("/v1/tokens", &document).expect(201).json();
    let token = made["token"].as_str().expect("a token's text");
    tokens.push(mark("access token", token));
    tokens.push(mark("access token's id", made["id"].as_str().expect("an id")));
    let wrong = Client::new(&server.url(), Some("wrong-mark-0123456789abcdef0123456789"));
    tokens.push(mark("wrong token", "wrong-mark-0123456789abcdef0123456789"));
    for client in [CLIENT, CLIENT_6] {
        let from = [("x-forwarded-for", client)];
        let of = admin.with_token(token);
        assert!(of.send("PUT", &path, &from, Some(BLOB)).is_done());
        of.send("GET", &path, &from, None).expect(200);
        of.send("GET", "/v1/tokens", &from, None).expect(403);
        wrong.send("GET", &path, &from, None).expect(401);
        of.send("GET", &format!("/v1/{VAULT}/{LABEL}").replace(' ', "-"), &from, None).expect(404);
        of.send("PUT", &path, &[from[0], ("if-match", "\"1-0-no-such\"")], Some(BLOB));
    }
    fill(&admin, &path);
    tokens
}

/// Until there is no room, which an alert tells.
fn fill(admin: &Client, path: &str) {
    let blob = BLOB.repeat(4_000);
    let is_full = (0..200).any(|number| {
        admin.send("PUT", &format!("{path}-{number}"), &[], Some(&blob)).status == 507
    });
    assert!(is_full, "a small store fills up");
}

/// The words for a small store behind a proxy that reports to `hq` every second.
fn words(hq: &Hq) -> Vec<String> {
    let url = hq.url();
    let words = ["--telemetry-host", &url, "--telemetry-freq", "1", "--trusted-proxy", "127.0.0.1"];
    words.into_iter().chain(["--data-bytes-max", "2MiB"]).map(str::to_owned).collect()
}

/// Waits for reports that were made after everything happened, and searches what came.
fn search(hq: &Hq, servers: &[&Server], marks: &[Mark]) {
    let before = hq.requests(super::PATH).len();
    let enough = before + 3 * servers.len();
    eventually("later reports came", seconds(30), || hq.requests(super::PATH).len() >= enough);
    for server in servers {
        assert_eq!(server.lines_with("OPERATOR ALERT [storage_full]").len(), 1, "{}", server.log());
        // The marks did get there: the server names who it refused.
        assert!(!server.lines_with(CLIENT).is_empty(), "{}", server.log());
    }
    assert_eq!(found(&hq.bytes(), marks), [""; 0]);
    // The telemetry token is in its header and nowhere else.
    for post in [super::PATH, ALERTS_PATH].into_iter().flat_map(|path| hq.requests(path)) {
        assert!(post.message.header("authorization").is_some());
        assert_eq!(found(&post.message.body, &[telemetry_token()]), [""; 0]);
    }
    // What is searched is what was sent, and the search sees in it what is there.
    assert_eq!(found(&hq.bytes(), &[telemetry_token()]), ["telemetry token"]);
    assert_eq!(found(&hq.bytes(), &[mark("a field", "resident_bytes")]), ["a field"]);
}

fn telemetry_token() -> Mark {
    mark("telemetry token", cluster::new_secret(23).trim_ascii())
}

#[test]
fn a_community_report_says_nothing_private() {
    let (hq, scratch) = (Hq::start(), Scratch::new("telemetry"));
    let token = scratch.file("token", &cluster::new_secret(23));
    let server = clavitor_tests::ServerBuilder::new(Edition::Community)
        .arguments(words(&hq))
        .arguments(["--telemetry-token-file".as_ref(), token.as_os_str()])
        .start();
    let mut marks = [marks(), leave_marks(&server)].concat();
    marks.push(mark("path", server.data().to_string_lossy().as_bytes()));
    search(&hq, &[&server], &marks);
}

#[test]
fn a_commercial_report_says_nothing_private() {
    let (hq, scratch) = (Hq::start(), Scratch::new("telemetry"));
    let token = scratch.file("token", &cluster::new_secret(23));
    let token = token.to_string_lossy().into_owned();
    let words = [words(&hq), vec!["--telemetry-token-file".to_owned(), token]].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let cluster = ClusterBuilder::new(2).arguments(&words).start();
    let primary = &cluster.pops[0].server;
    let mut marks = [marks(), leave_marks(primary)].concat();
    marks.push(mark("inter-POP secret", cluster::new_secret(7).trim_ascii()));
    marks.push(mark("backup's admin token", cluster.pops[1].server.admin_token()));
    for pop in &cluster.pops {
        marks.push(mark("path", pop.server.data().to_string_lossy().as_bytes()));
    }
    search(&hq, &[primary], &marks);
    assert!(!hq.alerts_of("storage_full").is_empty(), "alerts were searched too");
    // Peers go by their ids in reports; only the alerts' details may name their URLs.
    let urls: Vec<Mark> =
        cluster.pops.iter().map(|pop| mark("URL", pop.server.address().to_string())).collect();
    let reports = hq.requests(super::PATH);
    assert!(reports.iter().all(|post| found(&post.message.body, &urls).is_empty()));
    let id = [mark("peer's id", "zurich-01")];
    assert!(reports.iter().any(|post| found(&post.message.body, &id).len() == 1));
}

#[test]
fn the_search_finds_every_mark_in_every_disguise() {
    let marks = marks();
    for (name, bytes) in &marks {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut samples = vec![
            bytes.clone(),
            bytes.to_ascii_uppercase(),
            hex.into_bytes(),
            clavitor_tests::client::encode(&text).into_bytes(),
            json!({"message": text}).to_string().into_bytes(),
        ];
        samples.extend(base64_forms(bytes).into_iter().map(String::into_bytes));
        for sample in samples {
            let around = [b"{\"schema\":1,\"x\":\"".as_slice(), &sample, b"\"}"].concat();
            let shown = String::from_utf8_lossy(&around).into_owned();
            assert_eq!(found(&around, &marks), [name.as_str()], "{shown}");
        }
    }
    assert_eq!(found(b"{\"schema\":1,\"hostname\":\"somewhere\"}", &marks), [""; 0]);
    // Known answers, so that the disguises are real ones.
    assert_eq!(base64_forms(b"foobar")[0], "Zm9vYmFy");
    assert!("eHhmb29iYXI=".contains(&base64_forms(b"foobar")[2]));
}
