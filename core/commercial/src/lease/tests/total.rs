use proptest::prelude::*;

use super::*;
use clavitor_core::codec;
use clavitor_core::id::Seq;

fn any_pop() -> impl Strategy<Value = PopId> {
    prop::sample::select(vec!["a", "b", "c", "x"]).prop_map(pop)
}

fn any_epoch() -> impl Strategy<Value = Epoch> {
    let number = prop_oneof![0..5u64, Just(u64::MAX)];
    (number, any_pop()).prop_map(|(number, primary)| Epoch { number, primary })
}

fn any_op() -> impl Strategy<Value = OpId> {
    prop_oneof![(0..40u64), any::<u64>()].prop_map(OpId)
}

fn any_ms() -> impl Strategy<Value = u64> {
    prop_oneof![0..7_000u64, Just(u64::MAX), any::<u64>()]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let grant = (any_epoch(), 0..4u64, prop::collection::vec(any_pop(), 0..20), any_ms()).prop_map(
        |(epoch, version, members, lease_ms)| Grant { epoch, version, members, lease_ms },
    );
    prop_oneof![
        4 => (grant, prop::option::of(any_pop()))
            .prop_map(|(grant, hand_over_to)| Answer::Lead { grant, hand_over_to }),
        1 => prop::option::of(any_epoch()).prop_map(|epoch| Answer::Follow { epoch }),
        2 => (any_epoch(), any_ms())
            .prop_map(|(epoch, floor_ms)| Answer::Promote { epoch, floor_ms }),
        1 => Just(Answer::Duplicate),
    ]
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (any::<bool>(), any::<u64>(), prop::option::of(any_epoch()))
        .prop_map(|(is_given, challenge, epoch)| Vote { is_given, challenge, epoch })
}

fn any_outcome() -> impl Strategy<Value = Renewed> {
    prop_oneof![
        4 => any_answer().prop_map(Renewed::Answered),
        1 => Just(Renewed::Denied),
        1 => Just(Renewed::Unanswered),
    ]
}

fn any_input() -> impl Strategy<Value = Input> {
    let peers = (any::<u8>(), any_pop()).prop_map(|(peer, pop)| Input::PeerKnown { peer, pop });
    let asked = (any_op(), any_pop(), any_epoch(), any_ms(), any::<u64>()).prop_map(
        |(op, from, epoch, lease_ms, challenge)| Input::VoteAsked {
            op,
            from,
            epoch,
            lease_ms,
            challenge,
        },
    );
    let plain = prop::sample::select(vec![
        Input::Started,
        Input::Tick,
        Input::BecameReady,
        Input::Closing,
        Input::Flushed,
    ]);
    prop_oneof![
        2 => plain,
        1 => any_epoch().prop_map(Input::EpochStored),
        4 => (any_op(), any_outcome()).prop_map(|(op, outcome)| Input::Renewed { op, outcome }),
        1 => (any_op(), any::<bool>()).prop_map(|(op, is_news)| Input::WatchEnded { op, is_news }),
        1 => (any_op(), prop::option::of(any_epoch()))
            .prop_map(|(op, epoch)| Input::Accepted { op, epoch }),
        1 => asked,
        2 => (any_op(), prop::option::of(any_vote()))
            .prop_map(|(op, vote)| Input::VoteAnswered { op, vote }),
        1 => any_op().prop_map(|op| Input::WritesClosed { op, last: Seq(9) }),
        1 => (any_op(), prop::option::of(any_pop()))
            .prop_map(|(op, to)| Input::SwitchoverAsked { op, to }),
        1 => peers,
        1 => prop::option::of(0..200u64).prop_map(|behind| Input::TargetSeen { behind }),
    ]
}

/// The input as it would be if it answered what is asked right now.
fn likely(input: Input, out: &[Effect]) -> Input {
    let newest = |is_it: fn(&Effect) -> Option<OpId>| out.iter().rev().find_map(is_it);
    match input {
        Input::Renewed { op, outcome } => {
            let known = newest(|effect| match effect {
                Effect::Renew { op, .. } => Some(*op),
                _ => None,
            });
            Input::Renewed { op: known.unwrap_or(op), outcome }
        }
        Input::VoteAnswered { op, vote } => {
            let known = newest(|effect| match effect {
                Effect::AskVote { op, .. } => Some(*op),
                _ => None,
            });
            Input::VoteAnswered { op: known.unwrap_or(op), vote }
        }
        Input::WritesClosed { op, last } => {
            let known = newest(|effect| match effect {
                Effect::CloseWrites { op, .. } => Some(*op),
                _ => None,
            });
            Input::WritesClosed { op: known.unwrap_or(op), last }
        }
        Input::Accepted { op, epoch } => {
            let known = newest(|effect| match effect {
                Effect::Accept { op, .. } => Some(*op),
                _ => None,
            });
            Input::Accepted { op: known.unwrap_or(op), epoch }
        }
        input => input,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_nothing_breaks_and_nothing_is_asked_for_too_often(
        has_hq in prop::bool::weighted(0.9),
        is_merging in any::<bool>(),
        term in prop::option::of(any_epoch()),
        steps in prop::collection::vec((any_input(), any::<bool>(), 0..4_000u64), 1..200),
    ) {
        let fencing = if is_merging { Fencing::Merge } else { Fencing::Lease };
        let mut lease = Lease::new(Start { has_hq, fencing, ..start() }, term);
        let (mut now, mut out) = (at(0), vec![]);
        for (input, is_likely, ms) in steps {
            now = now.plus_ms(ms);
            let input = if is_likely { likely(input, &out) } else { input };
            let seen = out.len();
            let answered = matches!(input, Input::VoteAsked { .. });
            lease.handle(now, input, &mut out);
            let new = &out[seen..];
            prop_assert!(new.len() <= 60, "{new:?}");
            let votes = new.iter().filter(|effect| matches!(effect, Effect::AnswerVote { .. }));
            prop_assert_eq!(votes.count(), usize::from(answered));
            let renewals = new.iter().filter(|effect| matches!(effect, Effect::Renew { .. }));
            prop_assert!(renewals.count() <= 1);
            prop_assert!(has_hq || lease.next_wake().is_none());
            let until = lease.until();
            prop_assert!(until <= now.plus_ms(crate::renewal::LEASE_MS_MAX), "beyond any lease");
            // What is due was done: a driver that ticks at once is not asked to tick again.
            lease.handle(now, Input::Tick, &mut out);
            prop_assert!(lease.next_wake().is_none_or(|(wake, _)| wake > now));
        }
        let checkpoint = codec::encode(&lease);
        prop_assert_eq!(codec::decode::<Lease>(&checkpoint), Ok(lease));
    }
}
