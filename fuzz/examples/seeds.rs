//! Writes the valid inputs that fuzzing starts from into the corpus, as `seed-…`:
//! `cargo run -p clavitor-fuzz --example seeds`.

use std::fs;
use std::io;
use std::path::Path;

use clavitor_commercial::frame::{
    Ack, Frame, Member, PeerPosition, Position, Range, Verdict, digest,
};
use clavitor_commercial::lease::Vote;
use clavitor_commercial::vote::{Answer, Ask};
use clavitor_core::codec::{self, Block};
use clavitor_core::credential::{AccessToken, Scope, TokenId};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Context, Head, Item, Record, loser_id, successor};
use clavitor_core::time::UnixTime;

fn main() -> io::Result<()> {
    let all: [(&str, Vec<Vec<u8>>); 16] = [
        ("ack_decoding", acks()),
        ("client_address", forwarded()),
        ("dns_question", questions()),
        ("flight_recording", noise(10)),
        ("frame_decoding", frames()),
        ("frame_round_trip", noise(6)),
        ("json_bodies", bodies()),
        ("lease_machine", noise(12)),
        ("names", names()),
        ("pop_machine", noise(12)),
        ("record_decoding", records().iter().map(Record::encode).collect()),
        ("replication_machine", noise(12)),
        ("request_target", targets()),
        ("settings_file", settings()),
        ("vote_decoding", votes()),
        ("world", noise(10)),
    ];
    for (target, seeds) in all {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (at, bytes) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{at:02}")), bytes)?;
        }
    }
    Ok(())
}

/// What a POP says when it renews, with `POP` in place of its id and `MORE` of the rest.
const RENEWAL: &str = concat!(
    r#"{"pop":"POP","cluster":"main","renewal":{"start":7,"store":"0123456789abcdef0123456789abcdef","#,
    r#""epoch":{"number":1,"primary":"a"},"grant":null,"is_released":false,"is_ready":true,"#,
    r#""is_preferred":true,"refuses_ms":0,"voted_ms":0,"#,
    r#""held":[{"pop":"POP","store":"0123456789abcdef0123456789abcdef","seq":3}],"floor_ms":1,MORE},"#,
    r#""about":{"url":"http://127.0.0.1:1984","dns_addresses":["127.0.0.1","::1"],"version":"0.1.0","#,
    r#""edition":"commercial","runtime":"tokio","region":"","uptime_s":1,"entries":3,"#,
    r#""dirty":[{"peer":"b","dirty":1,"oldest_dirty_ms":null,"state":"idle"}],"tarpit_held":0,"#,
    r#""clock":1700000000000}}"#,
);

const LEAD: &str = concat!(
    r#"{"answer":{"lead":{"grant":{"epoch":{"number":1,"primary":"a"},"version":1,"#,
    r#""members":["a","b"],"lease_ms":6000},"hand_over_to":null}},"now":1}"#,
);

const ALERT: &str = concat!(
    r#"{"edition":"commercial","type":"clock_skew","message":"off","hostname":"h","pop_region":"","#,
    r#""timestamp":"2026-01-02T03:04:05.678Z","details":{"count":"3","ms":61000}}"#,
);

fn bodies() -> Vec<Vec<u8>> {
    let renewal = |pop: &str, more: &str| RENEWAL.replace("POP", pop).replace("MORE", more);
    let plain = r#""wish":null,"kept_back":null"#;
    let (first, backup) = (renewal("a", plain), renewal("b", plain));
    let wish = renewal("a", r#""wish":{"to":"b"},"kept_back":"too_far_behind""#);
    let promote =
        r#"{"answer":{"promote":{"epoch":{"number":2,"primary":"a"},"floor_ms":9}},"now":1}"#;
    let follow = r#"{"answer":{"follow":{"epoch":null}},"now":1}"#;
    let texts = [
        [first.as_str(), &backup, &first].join("\n"),
        [backup.as_str(), &wish].join("\n"),
        [LEAD, LEAD, follow].join("\n"),
        [follow, promote, LEAD].join("\n"),
        [ALERT, ALERT].join("\n"),
        r#"{"pop":"a","cluster":"main","uptime_s":1}"#.to_owned(),
        r#"{"generation":18446744073709551615}"#.to_owned(),
        "{\"answer\":\"duplicate\"}\n[]\nnull\n{}".to_owned(),
    ];
    texts.map(String::into_bytes).into()
}

fn forwarded() -> Vec<Vec<u8>> {
    let texts = [
        "192.0.2.1",
        "8.8.8.8, 192.0.2.1, 10.0.0.2",
        "8.8.8.8\n[2001:db8::1]:443\nfd00::1, 10.0.0.2:80",
        "unknown, 192.0.2.7:1",
        "10.0.0.0/8",
        "fd00::/8",
        "::ffff:10.0.0.0",
    ];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn questions() -> Vec<Vec<u8>> {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    const EDNS: &[u8] = &[0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0];
    const NEWER_EDNS: &[u8] = &[0, 0, 41, 0x02, 0, 0, 1, 0, 0, 0, 4, 0, 10, 0, 0];
    let all = [
        ("red.vault.test", A, &[][..]),
        ("rEd.VAULT.test", AAAA, EDNS),
        ("wide.vault.test", AAAA, &[]),
        ("wide.vault.test", AAAA, EDNS),
        ("none.vault.test", A, &[]),
        ("ns1.vault.test", A, EDNS),
        ("vault.test", 6, &[]),
        ("vault.test", 2, NEWER_EDNS),
        ("vault.test", 255, &[]),
        ("vault.test", 252, EDNS),
        ("nobody.vault.test", 16, EDNS),
        ("example.com", A, &[]),
    ];
    all.map(|(name, record_type, additional)| question(name, record_type, additional)).into()
}

fn question(name: &str, record_type: u16, additional: &[u8]) -> Vec<u8> {
    let additionals = u8::from(!additional.is_empty());
    let mut bytes = vec![0, 7, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, additionals];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(record_type.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(additional);
    bytes
}

fn pop(id: &str) -> PopId {
    id.parse().expect("the id of a POP")
}

fn hlc(ms: u64, by: &str) -> Hlc {
    Hlc { ms, counter: 1, pop: pop(by) }
}

fn vault() -> VaultName {
    VaultName::try_from("team".to_owned()).expect("a vault name")
}

fn entry() -> EntryName {
    EntryName::try_from("Bank / Zürich".to_owned()).expect("an entry name")
}

fn item(deleted: bool) -> Item {
    Item::Entry { vault: vault(), entry: entry(), deleted }
}

fn token(revoked: Option<Hlc>, vault: Option<VaultName>) -> Item {
    Item::Token(AccessToken {
        id: TokenId([7; 12]),
        vault,
        scope: Scope::Write,
        label: "laptop".to_owned(),
        secret_hash: [3; 32],
        created: UnixTime(1_700_000_000_000),
        expires: revoked.map(|at| at.time()),
        revoked,
    })
}

fn records() -> Vec<Record> {
    let first = Head { hlc: hlc(1_000, "a"), context: Context::default(), item: item(false) };
    let second = successor(Some(&first), &[hlc(900, "b")], hlc(2_000, "a"), item(false));
    let third = successor(Some(&second), &[], hlc(3_000, "c"), item(true));
    let alone = |item| Head { hlc: hlc(4_000, "b"), context: Context::default(), item };
    let loser = Item::Loser { vault: vault(), entry: entry(), deleted: false };
    let heads = [
        (first, "opaque"),
        (second, "more of it"),
        (third, ""),
        (alone(token(None, None)), ""),
        (alone(token(Some(hlc(4_000, "b")), Some(vault()))), ""),
        (alone(loser), "lost"),
    ];
    heads.map(|(head, blob)| Record { head, blob: blob.into() }).into()
}

fn member(id: &str) -> Member {
    Member { pop: pop(id), store: StoreId([1; 16]), url: format!("http://{id}:1984") }
}

fn frames() -> Vec<Vec<u8>> {
    let hello = Frame {
        source: member("a"),
        destination: "http://b:1984".to_owned(),
        destination_store: None,
        cluster: "main".to_owned(),
        epoch: None,
        range: Range { after: Seq(9), to: Seq(9) },
        sent: UnixTime(1_700_000_000_000),
        is_complete: true,
        received: Seq(4),
        peers: Vec::new(),
        records: Vec::new(),
    };
    let peer = PeerPosition { peer: pop("c"), store: StoreId([5; 16]), received: Seq(8) };
    let full = Frame {
        destination_store: Some(StoreId([2; 16])),
        epoch: Some(Epoch { number: 3, primary: pop("a") }),
        range: Range { after: Seq(9), to: Seq(200) },
        is_complete: false,
        peers: vec![peer],
        records: records().iter().map(|record| Block(record.encode())).collect(),
        ..hello.clone()
    };
    let one = Frame { peers: Vec::new(), records: full.records[..1].to_vec(), ..full.clone() };
    let unreadable = Frame { records: vec![Block(vec![1, 2, 3])], ..full.clone() };
    [hello, full, one, unreadable].iter().map(codec::encode).collect()
}

fn acks() -> Vec<Vec<u8>> {
    let hello = Ack {
        acker: member("b"),
        frame: digest(b"a frame"),
        epoch: None,
        received: Seq(200),
        verdicts: Vec::new(),
        positions: Vec::new(),
        is_complete: true,
        wall: UnixTime(1_700_000_000_000),
    };
    let position = Position { source: pop("c"), store: StoreId([5; 16]), received: Seq(8) };
    let one = Ack { verdicts: vec![Verdict::Applied], ..hello.clone() };
    let full = Ack {
        epoch: Some(Epoch { number: 3, primary: pop("a") }),
        verdicts: vec![Verdict::Applied, Verdict::Already, Verdict::Deferred, Verdict::Rejected],
        positions: vec![position.clone(); 16],
        is_complete: false,
        ..hello.clone()
    };
    let too_many = Ack { positions: vec![position; 17], ..full.clone() };
    [hello, one, full, too_many].iter().map(codec::encode).collect()
}

fn votes() -> Vec<Vec<u8>> {
    let ask = Ask {
        source: member("a"),
        voter: pop("b"),
        destination: "http://b:1984".to_owned(),
        destination_store: None,
        cluster: "main".to_owned(),
        epoch: Epoch { number: 3, primary: pop("a") },
        lease_ms: 6_000,
        challenge: 7,
        nonce: [4; 16],
    };
    let named = Ask { destination_store: Some(StoreId([2; 16])), ..ask.clone() };
    let not_its = Ask { epoch: Epoch { number: 3, primary: pop("c") }, ..ask.clone() };
    let vote = Vote { is_given: true, challenge: 8, epoch: Some(ask.epoch) };
    let answer = Answer { voter: member("b"), ask: digest(b"a question"), vote };
    let refusal = Vote { is_given: false, epoch: None, ..vote };
    let another = Answer { ask: [9; 32], vote: refusal, ..answer.clone() };
    let asks = [ask, named, not_its];
    asks.iter().map(codec::encode).chain([answer, another].iter().map(codec::encode)).collect()
}

fn names() -> Vec<Vec<u8>> {
    let lost = loser_id(&entry(), hlc(0x1a, "calgary-01"));
    let token = TokenId([0xa7; 12]).to_string();
    let texts = ["team", "Bank / Zürich", "..", "1a-2-calgary-01", "calgary-01", &lost, &token];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn targets() -> Vec<Vec<u8>> {
    let texts = [
        "/v1/vaults/team/entries/Bank%20%2F%20Z%C3%BCrich",
        "/v1/vaults/team/entries?prefix=a%2Bb+c&after=x&limit=5",
        "/role/primary",
        "team/Bank / Zürich",
        "/v1/vaults/team/conflicts/1a-2-b.c3a9/restore",
        "http://host/v1//%ff/%2/%zz?limit=0&limit=1",
        "prefix=%00&ack=backup",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn settings() -> Vec<Vec<u8>> {
    let cluster = "pop_id = \"calgary-01\"\ncluster = \"main\"\nlisten = \"10.0.0.1:1984\"\n\
                   allow_plain_http = true\nadvertise_url = \"http://10.0.0.1:1984\"\n\
                   replication_primary = \"http://10.0.0.1:1984\"\n\
                   replication_backup = [\"http://10.0.0.2:1984\", \"http://zurich\"]\n\
                   replication_token = \"0123456789abcdef0123456789abcdef\"\n";
    let texts = [
        "",
        "listen = \"127.0.0.1:0\"\nmetrics_listen = \"[::1]:9\"\ndata_dir = \"d\"\n",
        "data_bytes_max = \"64GiB\" # how much\n",
        "data_bytes_max = 1048576\n",
        cluster,
        "listn = 1\n[wombats]\nx = \"é\"\n",
        "listen = \n",
        "replication_backup = [\"http://a\", 7]\n",
        // Nobody to replicate to is not the same as no replication.
        "pop_id = \"a\"\nlisten = \"127.0.0.1:1\"\nreplication_primary = \"http://127.0.0.1:1\"\n\
         replication_backup = []\nreplication_token = \"0123456789abcdef0123456789abcdef\"\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Bytes that only look random, of growing length: the stories that machines are told.
fn noise(count: u64) -> Vec<Vec<u8>> {
    let one = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let byte = move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small numbers are likelier to mean something.
            if state & 1 == 0 { state.to_le_bytes()[2] } else { state.to_le_bytes()[2] % 16 }
        };
        (0..seed * 64).map(byte).collect()
    };
    (1..=count).map(one).collect()
}
