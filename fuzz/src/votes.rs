//! Questions for lease votes and their answers: hostile bytes, and hostile content under a MAC that is
//! right.

use clavitor_commercial::frame::{Keys, digest, open_ack, open_frame};
use clavitor_commercial::renewal::LEASE_MS_MAX;
use clavitor_commercial::vote::{
    ASK_BYTES_MAX, Answer, Ask, VOTE_BYTES_MAX, open_ask, open_vote, seal_ask, seal_vote,
};
use clavitor_core::codec;

use crate::frames::SECRET;
use crate::frames::seal::{Purpose, sealed};

/// Opens the bytes as a question and as an answer, as they are and under MACs that are right: what
/// opens keeps every rule, is the one encoding of what it says, answers the one question that it
/// names, by the one voter that was asked, and passes for nothing else.
pub fn vote_decoding(bytes: &[u8]) {
    let keys = Keys::derive(SECRET);
    assert!(open_ask(bytes, &keys).is_err(), "nobody makes up a MAC");
    check_ask(bytes, &keys);
    check_vote(bytes, &keys);
}

fn check_ask(bytes: &[u8], keys: &Keys) {
    let authentic = sealed(SECRET, Purpose::Ask, bytes);
    let opened = open_ask(&authentic, keys);
    if let Ok(ask) = &opened {
        assert!(ask.lease_ms <= LEASE_MS_MAX && ask.epoch.primary == ask.source.pop);
        assert!(authentic.len() <= ASK_BYTES_MAX);
        assert_eq!(seal_ask(ask, keys), authentic, "one encoding per question");
    }
    for purpose in [Purpose::Frame, Purpose::Ack, Purpose::Vote] {
        assert!(open_ask(&sealed(SECRET, purpose, bytes), keys).is_err(), "another MAC");
    }
    assert!(open_frame(&authentic, keys).is_err(), "a question is no frame");
    assert_eq!(open_ack(&authentic, keys, &[0; 32], "http://b:1984", 1), None);
}

fn check_vote(bytes: &[u8], keys: &Keys) {
    let authentic = sealed(SECRET, Purpose::Vote, bytes);
    let Ok(answer) = codec::decode::<Answer>(bytes) else { return };
    let asked = b"a question";
    let ask = Ask {
        source: answer.voter.clone(),
        voter: answer.voter.pop,
        destination: answer.voter.url.clone(),
        destination_store: Some(answer.voter.store),
        cluster: "main".to_owned(),
        epoch: clavitor_core::id::Epoch { number: 1, primary: answer.voter.pop },
        lease_ms: 6_000,
        challenge: 0,
        nonce: [0; 16],
    };
    let is_right = answer.ask == digest(asked) && authentic.len() <= VOTE_BYTES_MAX;
    let opened = open_vote(&authentic, keys, asked, &ask);
    assert_eq!(opened, is_right.then_some(answer.vote), "it answers the question it names");
    if is_right {
        let again = seal_vote(answer.voter.clone(), asked, answer.vote, keys);
        assert_eq!(again, authentic, "one encoding per answer");
    }
    let elsewhere = Ask { destination: format!("{}x", ask.destination), ..ask.clone() };
    let mut store = answer.voter.store;
    store.0[0] ^= 1;
    let other = Ask { destination_store: Some(store), ..ask.clone() };
    for wrong in [elsewhere, other] {
        assert_eq!(open_vote(&authentic, keys, asked, &wrong), None, "another was asked");
    }
    for purpose in [Purpose::Frame, Purpose::Ack, Purpose::Ask] {
        assert_eq!(open_vote(&sealed(SECRET, purpose, bytes), keys, asked, &ask), None);
    }
}
