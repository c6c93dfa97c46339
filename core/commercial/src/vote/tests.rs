use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::cluster::Cluster;
use crate::frame::{open_ack, open_frame};

const SECRET: &[u8] = b"an inter-POP secret of 32 bytes!";

fn keys() -> Keys {
    Keys::derive(SECRET)
}

fn pop(id: &str) -> PopId {
    id.parse().unwrap()
}

fn member(id: &str, store: u8) -> Member {
    Member { pop: pop(id), store: StoreId([store; 16]), url: format!("http://{id}:1984") }
}

fn ask() -> Ask {
    Ask {
        source: member("a", 7),
        voter: pop("b"),
        destination: "http://b:1984".to_string(),
        destination_store: Some(StoreId([9; 16])),
        cluster: "main".to_string(),
        epoch: Epoch { number: 3, primary: pop("a") },
        lease_ms: 6_000,
        challenge: 0x0102_0304_0506_0708,
        nonce: [5; 16],
    }
}

fn vote() -> Vote {
    Vote { is_given: true, challenge: 11, epoch: Some(Epoch { number: 3, primary: pop("a") }) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// Computed from the description of the format, by other code than this.
const ASKED: &str = "\
    01010000000000000061070707070707070707070707070707070d00000000000000687474703a2f\
    2f613a313938340100000000000000620d00000000000000687474703a2f2f623a31393834010909\
    090909090909090909090909090904000000000000006d61696e0300000000000000010000000000\
    00006170170000000000000807060504030201050505050505050505050505050505057448ebe384\
    fcf7ea73f89cc45154fc8138e22c7f9c3bb989bca06256655d3302\
";

const ANSWERED: &str = "\
    01010000000000000062090909090909090909090909090909090d00000000000000687474703a2f\
    2f623a31393834877057ed63e66e3245991c071597378b603b101d0ca605af1f972e9a37ce7a3101\
    0b000000000000000103000000000000000100000000000000619f36616e6f9a48030a3645728cae\
    252a01d35a1fddd3e2ad417643f1d9f33a2f\
";

/// Old and new POPs must understand each other while a cluster is brought up to date.
#[test]
fn the_bytes_on_the_wire_stay_as_they_are() {
    let asked = seal_ask(&ask(), &keys());
    let answered = seal_vote(member("b", 9), &asked, vote(), &keys());
    assert_eq!(hex(&asked), ASKED);
    assert_eq!(hex(&answered), ANSWERED);
}

#[test]
fn a_question_and_its_answer_survive_the_wire() {
    let asked = seal_ask(&ask(), &keys());
    assert_eq!(open_ask(&asked, &keys()), Ok(ask()));
    let answered = seal_vote(member("b", 9), &asked, vote(), &keys());
    assert_eq!(open_vote(&answered, &keys(), &asked, &ask()), Some(vote()));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let asked = seal_ask(&ask(), &keys());
    let answered = seal_vote(member("b", 9), &asked, vote(), &keys());
    let open = |bytes: &[u8]| open_vote(bytes, &keys(), &asked, &ask());
    for bit in 0..asked.len() * 8 {
        let mut bytes = asked.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { Refusal::Version } else { Refusal::Auth };
        assert_eq!(open_ask(&bytes, &keys()), Err(expected), "bit {bit}");
    }
    for bit in 0..answered.len() * 8 {
        let mut bytes = answered.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&bytes), None, "bit {bit}");
    }
    assert!((0..asked.len()).all(|length| open_ask(&asked[..length], &keys()).is_err()));
    assert!((0..answered.len()).all(|length| open(&answered[..length]).is_none()));
    assert_eq!(open(&[answered.as_slice(), &[0]].concat()), None);
}

#[test]
fn a_vote_counts_for_the_one_question_it_answers() {
    let asked = seal_ask(&ask(), &keys());
    let answered = seal_vote(member("b", 9), &asked, vote(), &keys());
    let again = Ask { nonce: [6; 16], ..ask() };
    let asked_again = seal_ask(&again, &keys());
    assert_eq!(open_vote(&answered, &keys(), &asked_again, &again), None);
}

#[test]
fn nobody_votes_for_somebody_else() {
    let asked = seal_ask(&ask(), &keys());
    let at_b = |voter: Member| Member { url: "http://b:1984".to_string(), ..voter };
    for voter in [member("c", 9), at_b(member("c", 9)), member("b", 8)] {
        let answered = seal_vote(voter.clone(), &asked, vote(), &keys());
        assert_eq!(open_vote(&answered, &keys(), &asked, &ask()), None, "{voter:?}");
    }
}

#[test]
fn no_message_is_taken_for_one_of_another_kind() {
    let payload = codec::encode(&ask());
    for purpose in [Purpose::Frame, Purpose::Ack, Purpose::Vote] {
        assert_eq!(open_ask(&seal(payload.clone(), purpose, &keys()), &keys()), Err(Refusal::Auth));
    }
    let asked = seal_ask(&ask(), &keys());
    assert_eq!(open_frame(&asked, &keys()), Err(Refusal::Auth));
    assert_eq!(open_ack(&asked, &keys(), &[0; 32], "", 0), None);
    let answer = Answer { voter: member("b", 9), ask: digest(&asked), vote: vote() };
    for purpose in [Purpose::Frame, Purpose::Ack, Purpose::Ask] {
        let answered = seal(codec::encode(&answer), purpose, &keys());
        assert_eq!(open_vote(&answered, &keys(), &asked, &ask()), None);
    }
}

/// Even the holder of the secret must not get a question through that breaks a rule.
#[test]
fn an_authentic_question_that_breaks_a_rule_is_malformed() {
    let broken = [
        Ask { lease_ms: LEASE_MS_MAX + 1, ..ask() },
        Ask { epoch: Epoch { number: 3, primary: pop("c") }, ..ask() },
    ];
    for ask in broken {
        assert_eq!(open_ask(&seal_ask(&ask, &keys()), &keys()), Err(Refusal::Malformed));
    }
    let long = Ask { cluster: "c".repeat(ASK_BYTES_MAX), ..ask() };
    assert_eq!(open_ask(&seal_ask(&long, &keys()), &keys()), Err(Refusal::TooLarge));
}

#[test]
fn a_question_is_for_one_pop_of_one_cluster_and_from_a_peer() {
    let cluster = Cluster {
        name: "main".to_string(),
        own_url: "http://b:1984".to_string(),
        primary_url: None,
        peer_urls: vec!["http://c:1984".to_string(), "http://a:1984".to_string()],
    };
    let check = |ask: &Ask| cluster.check_ask(pop("b"), StoreId([9; 16]), ask);
    assert_eq!(check(&ask()), Ok(1));
    assert_eq!(check(&Ask { destination_store: None, ..ask() }), Ok(1));
    let own = Ask { source: member("b", 7), ..ask() };
    let stranger =
        Ask { source: Member { url: "http://x:1984".into(), ..member("a", 7) }, ..ask() };
    for (ask, refusal) in [
        (Ask { cluster: "other".to_string(), ..ask() }, Refusal::Cluster),
        (Ask { destination: "http://c:1984".to_string(), ..ask() }, Refusal::Destination),
        (Ask { voter: pop("c"), ..ask() }, Refusal::Destination),
        (Ask { destination_store: Some(StoreId([8; 16])), ..ask() }, Refusal::Store),
        (own, Refusal::Duplicate),
        (stranger, Refusal::Member),
    ] {
        assert_eq!(check(&ask), Err(refusal));
    }
}

fn any_pop() -> impl Strategy<Value = PopId> {
    "[a-z0-9-]{1,31}".prop_map(|id| id.parse().unwrap())
}

fn any_member() -> impl Strategy<Value = Member> {
    (any_pop(), any::<[u8; 16]>(), ".{0,60}").prop_map(|(pop, store, url)| Member {
        pop,
        store: StoreId(store),
        url,
    })
}

prop_compose! {
    fn any_ask()(
        source in any_member(),
        voter in any_pop(),
        (destination, cluster) in (".{0,60}", ".{0,40}"),
        destination_store in prop::option::of(any::<[u8; 16]>()),
        number in any::<u64>(),
        lease_ms in 0..=LEASE_MS_MAX,
        challenge in any::<u64>(),
        nonce in any::<[u8; 16]>(),
    ) -> Ask {
        let epoch = Epoch { number, primary: source.pop };
        let destination_store = destination_store.map(StoreId);
        Ask { source, voter, destination, destination_store, cluster, epoch, lease_ms, challenge, nonce }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_question_and_answer_reads_back(
        ask in any_ask(),
        store in any::<[u8; 16]>(),
        (is_given, challenge) in (any::<bool>(), any::<u64>()),
        epoch in prop::option::of((any::<u64>(), any_pop())),
    ) {
        let asked = seal_ask(&ask, &keys());
        prop_assert_eq!(open_ask(&asked, &keys()), Ok(ask.clone()));
        let store = ask.destination_store.unwrap_or(StoreId(store));
        let voter = Member { pop: ask.voter, store, url: ask.destination.clone() };
        let epoch = epoch.map(|(number, primary)| Epoch { number, primary });
        let vote = Vote { is_given, challenge, epoch };
        let answered = seal_vote(voter, &asked, vote, &keys());
        prop_assert!(asked.len() <= ASK_BYTES_MAX && answered.len() <= VOTE_BYTES_MAX);
        prop_assert_eq!(open_vote(&answered, &keys(), &asked, &ask), Some(vote));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        is_authentic in any::<bool>(),
        is_versioned in any::<bool>(),
    ) {
        if is_versioned {
            bytes.insert(0, codec::VERSION);
        }
        let sealed = |purpose| {
            if is_authentic { seal(bytes.clone(), purpose, &keys()) } else { bytes.clone() }
        };
        prop_assert!(open_ask(&sealed(Purpose::Ask), &keys()).is_err());
        prop_assert!(open_vote(&sealed(Purpose::Vote), &keys(), &[], &ask()).is_none());
    }

    #[test]
    fn an_authentic_question_with_damaged_content_never_panics(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut payload = codec::encode(&ask());
        let at = at.index(payload.len());
        payload[at] = byte;
        let sealed = seal(payload, Purpose::Ask, &keys());
        if let Ok(read) = open_ask(&sealed, &keys()) {
            prop_assert_eq!(seal_ask(&read, &keys()), sealed, "one encoding per question");
        }
    }
}

#[test]
fn the_secret_is_not_on_the_wire() {
    let asked: Vec<u8> = seal_ask(&ask(), &keys());
    assert!(!asked.windows(SECRET.len()).any(|window| window == SECRET));
}
