use super::received::Received;
use super::rig::{Mood, PEER_STORE};
use super::*;

const OTHER: StoreId = StoreId([3; 16]);

/// A peer that has 120 records of ours, all confirmed.
fn with_history() -> Rig {
    let mut rig = Rig::new();
    rig.write(120);
    rig.settle();
    rig.assert_done();
    rig.sent.clear();
    rig.effects.clear();
    rig
}

fn empty_the_peer(rig: &mut Rig) {
    rig.peer_store = OTHER;
    rig.received = Received::default();
    rig.peer_has.clear();
}

fn adopted(rig: &Rig) -> Vec<(StoreId, Seq)> {
    let adopted = |effect: &Effect| match effect {
        Effect::AdoptPeer { store, cursor, .. } => Some((*store, *cursor)),
        _ => None,
    };
    rig.effects.iter().filter_map(adopted).collect()
}

#[test]
fn a_first_contact_learns_who_the_peer_is_and_says_hello_again_by_name() {
    let mut rig = Rig::booting(Known::default(), 3);
    rig.input(Input::Started);
    rig.settle();
    let names: Vec<_> = rig.sent.iter().map(|sent| sent.order.identity.is_some()).collect();
    assert_eq!(names, [false, true, true]);
    assert_eq!(adopted(&rig), [(PEER_STORE, Seq(0))]);
    rig.assert_done();
}

#[test]
fn an_emptied_peer_gets_everything_on_the_next_write() {
    let mut rig = with_history();
    empty_the_peer(&mut rig);
    rig.write(1);
    rig.settle();
    assert_eq!(adopted(&rig), [(OTHER, Seq(0))]);
    assert_eq!(rig.sizes(), [1, 100, 21]);
    rig.assert_done();
}

#[test]
fn an_emptied_peer_gets_everything_on_its_hello_without_a_write() {
    let mut rig = with_history();
    empty_the_peer(&mut rig);
    rig.hears(OTHER, true);
    rig.settle();
    assert_eq!(rig.sizes(), [100, 20]);
    assert_eq!(alerts(&rig.effects), []);
    rig.assert_done();
}

#[test]
fn a_rolled_back_receiver_gets_exactly_the_missing_range() {
    let lose = |rig: &mut Rig| {
        rig.received = Received::up_to(50);
        rig.peer_has.retain(|_, seq| *seq <= 50);
    };
    let mut rig = with_history();
    lose(&mut rig);
    rig.hears(PEER_STORE, true);
    rig.settle();
    assert_eq!((rig.sizes(), rig.sent[1].order.after), (vec![70], Seq(50)));
    assert_eq!(adopted(&rig), [(PEER_STORE, Seq(50))], "the stored cursor goes down too");
    rig.assert_done();
    // Without a hello the ack of the next frame tells.
    let mut rig = with_history();
    lose(&mut rig);
    rig.write(1);
    rig.settle();
    rig.assert_done();
}

#[test]
fn a_rolled_back_sender_learns_it_once_and_sends_nothing_until_it_has_a_new_identity() {
    let known = Known {
        identity: Some((pop("b"), PEER_STORE)),
        cursor: Seq(5),
        clean_to: Seq(5),
        setbacks: 0,
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 5);
    rig.received.prefix = 9;
    rig.input(Input::Started);
    rig.settle();
    assert_eq!(rig.effects, [Effect::RolledBack { received: Seq(9) }]);
    rig.write(7);
    rig.hears(PEER_STORE, true);
    rig.input(Input::Resumed);
    rig.settle();
    rig.advance_to(10_000_000);
    assert_eq!((rig.effects.len(), rig.sent.len()), (1, 1));
    assert!(!rig.machine.is_busy(), "shutdown does not wait for it");
    // Under the new identity the peer has received nothing, and everything is owed.
    rig.received = Received::default();
    rig.input(Input::StoreReplaced { last: Seq(12) });
    rig.settle();
    assert_eq!(rig.sizes(), [12]);
    rig.assert_done();
}

#[test]
fn writing_on_after_a_roll_back_does_not_hide_it() {
    let known = Known {
        identity: Some((pop("b"), PEER_STORE)),
        cursor: Seq(5),
        clean_to: Seq(5),
        setbacks: 0,
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 5);
    rig.received.prefix = 9;
    rig.write(20);
    rig.settle();
    assert_eq!(rig.effects, [Effect::RolledBack { received: Seq(9) }]);
}

#[test]
fn a_restart_after_a_roll_back_does_not_hide_it() {
    let known = Known {
        identity: Some((pop("b"), PEER_STORE)),
        cursor: Seq(5),
        clean_to: Seq(5),
        unverified: Some(Seq(5)),
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 25);
    rig.received.prefix = 9;
    rig.input(Input::Started);
    rig.settle();
    assert_eq!(rig.effects, [Effect::RolledBack { received: Seq(9) }]);
}

#[test]
fn no_data_is_sent_before_it_is_stored_that_this_is_no_old_copy() {
    let mut rig = Rig::booting(Known { unverified: Some(Seq(0)), ..Known::default() }, 5);
    rig.is_store_slow = true;
    rig.input(Input::Started);
    rig.settle();
    rig.advance_to(100_000);
    assert!(rig.effects.contains(&Effect::Verified));
    assert!(rig.peer_has.is_empty(), "a crash now would look like a roll-back at the next start");
    rig.input(Input::VerificationStored);
    rig.settle();
    assert_eq!(rig.peer_has.len(), 5);
}

#[test]
fn a_peer_that_has_nothing_unknown_verifies_the_copy_once() {
    let mut rig = with_history();
    rig.effects.clear();
    rig.write(1);
    rig.input(Input::Resumed);
    rig.settle();
    assert!(!rig.effects.contains(&Effect::Verified), "a process is verified once");
}

#[test]
fn a_stranger_under_the_peers_id_is_denied_when_the_peer_answers_for_itself() {
    let mut rig = with_history();
    rig.hears(OTHER, false);
    rig.settle();
    assert!(rig.effects.contains(&Effect::DenyStore { store: OTHER }));
    assert_eq!(alerts(&rig.effects), [AlertType::DuplicatePopId]);
    assert_eq!(rig.sizes(), [], "nothing is sent again");
    rig.assert_done();
}

#[test]
fn a_stranger_that_turns_out_to_be_the_emptied_peer_is_adopted_and_not_denied() {
    let mut rig = with_history();
    rig.mood = Mood::Down;
    rig.write(1);
    rig.settle();
    empty_the_peer(&mut rig);
    rig.mood = Mood::Up;
    rig.hears(OTHER, true);
    rig.settle();
    assert_eq!(adopted(&rig), [(OTHER, Seq(0))]);
    assert_eq!(alerts(&rig.effects), []);
    rig.assert_done();
}

#[test]
fn two_data_directories_that_take_turns_at_one_url_are_a_failure_not_a_loop() {
    let mut rig = with_history();
    rig.write(1);
    for turn in 0..200u8 {
        if rig.in_flight.is_empty() {
            let Some((at, _)) = rig.machine.next_wake() else {
                break;
            };
            rig.now_ms = at.ms_since(Instant(0));
            rig.input(Input::Tick);
        } else {
            rig.peer_store = StoreId([turn % 2 + 20; 16]);
            rig.received = Received::default();
            rig.answer(0);
        }
        if rig.state() == State::Suspended {
            break;
        }
    }
    assert_eq!(rig.state(), State::Suspended);
    assert!(rig.sent.len() < 30, "{} frames", rig.sent.len());
    assert_eq!(rig.sizes(), [1], "and none of them carries a record");
}

#[test]
fn a_hello_while_frames_are_in_flight_that_says_something_is_missing_starts_over() {
    let mut rig = with_history();
    rig.write(100);
    rig.received = Received::up_to(60);
    rig.peer_has.retain(|_, seq| *seq <= 60);
    rig.hears(PEER_STORE, true);
    rig.settle();
    rig.assert_done();
}

/// It was rolled back, and took a new identity: what it once wrote itself was never sent to it.
#[test]
fn a_peer_under_a_new_identity_gets_everything_even_if_it_says_it_has_received_it() {
    let mut rig = with_history();
    rig.peer_store = OTHER;
    rig.peer_has.clear();
    rig.hears(OTHER, true);
    rig.settle();
    assert_eq!(adopted(&rig), [(OTHER, Seq(0))]);
    assert_eq!(rig.sizes(), [100, 20]);
}

#[test]
fn a_hello_that_was_sent_before_a_stranger_was_heard_does_not_judge_it() {
    let mut rig = with_history();
    rig.now_ms = 5_000;
    rig.input(Input::Started);
    let hello = rig.in_flight.remove(0);
    let answer = rig.apply(&hello);
    // The peer answers, is emptied and says hello; that hello overtakes the answer.
    empty_the_peer(&mut rig);
    rig.hears(OTHER, true);
    rig.input(Input::FrameAnswered { op: hello.order.op, answer });
    rig.settle();
    assert_eq!(alerts(&rig.effects), []);
    assert_eq!(adopted(&rig), [(OTHER, Seq(0))]);
    rig.assert_done();
}

#[test]
fn a_flood_of_hellos_that_claim_a_loss_is_answered_with_one_hello_a_second() {
    let mut rig = with_history();
    for at in 0..100 {
        rig.advance_to(10_000 + at * 50);
        rig.input(Input::PeerHeard { store: PEER_STORE, received: Seq(0), is_hello: true });
        rig.settle();
    }
    assert_eq!(rig.sizes(), []);
    assert!(rig.sent.len() <= 6, "{} hellos in 5 s", rig.sent.len());
    rig.advance_to(20_000);
    rig.assert_done();
}

#[test]
fn alerts_name_a_peer_by_its_url_only_while_nobody_knows_its_id() {
    let url = "http://10.0.0.2:1984";
    for (identity, name) in
        [(None, ("peer_url", url)), (Some((pop("b"), PEER_STORE)), ("peer", "b"))]
    {
        let mut rig = Rig::booting(Known { identity, url: url.into(), ..Known::default() }, 1);
        rig.mood = Mood::Refusing(Refusal::Auth);
        rig.input(Input::Started);
        rig.settle();
        let details = details(&rig.effects);
        let names: Vec<_> = details[0].iter().filter(|(name, _)| *name != "code").collect();
        assert_eq!(names, [(&name.0.into(), &name.1.into())]);
    }
}
