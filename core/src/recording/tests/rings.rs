//! Wrapping, restarting, and what a ring must hold.

use super::*;

#[test]
fn a_recording_is_as_large_as_asked_and_no_larger() {
    for bytes in [0, BYTES_MIN, 3_000_000, 16 << 20, 100 << 20, BYTES_MAX, u64::MAX] {
        let layout = Layout::within(bytes, ID);
        let asked = bytes.clamp(BYTES_MIN, BYTES_MAX);
        assert!(layout.bytes() <= asked && layout.bytes() > asked - asked / 16, "{bytes}");
        assert!(layout.segments() >= 8);
        assert_eq!(Layout::decode(&layout.encode()), Ok(layout));
    }
}

#[test]
fn a_ring_that_wrapped_holds_the_newest_segments_and_they_run_again() {
    let mut rig = Rig::new();
    rig.fill_until(9);
    let bytes = rig.tape.bytes();
    let segments = read(&bytes).unwrap().segments;
    let numbers: Vec<_> = segments.iter().map(|it| it.checkpoint.number).collect();
    assert_eq!(numbers, [6, 7, 8, 9]);
    assert!(segments.iter().all(|it| matches!(it.checkpoint.follows, Follows::Segment(_))));
    assert!(rerun(&bytes) > 20);
}

#[test]
fn checkpoints_tell_the_wall_clock_by_the_monotonic_one() {
    let mut rig = Rig::new();
    rig.fill_until(2);
    let bytes = rig.tape.bytes();
    for segment in read(&bytes).unwrap().segments {
        let since_ms = segment.checkpoint.at.ms_since(Instant::from_ms(500));
        assert_eq!(segment.checkpoint.wall, UnixTime(1_000_000 + since_ms));
    }
}

#[test]
fn a_restart_goes_on_in_the_next_segment() {
    let mut rig = Rig::new();
    rig.turn(&[b"one"]);
    let mut rig = Rig::resume(rig.tape.bytes());
    rig.turn(&[b"two"]);
    let mut rig = Rig::resume(rig.tape.bytes());
    rig.fill_until(5);
    let bytes = rig.tape.bytes();
    let segments = read(&bytes).unwrap().segments;
    let starts: Vec<_> = segments
        .iter()
        .map(|it| (it.checkpoint.number, it.checkpoint.follows == Follows::Start))
        .collect();
    assert_eq!(starts, [(2, true), (3, false), (4, false), (5, false)]);
    assert!(rerun(&bytes) > 10);
}

#[test]
fn a_recording_that_was_cut_short_is_continued_only_by_its_own_kind() {
    let refused = |bytes: Vec<u8>| {
        let tape = Memory::of(bytes);
        match Writer::resume(tape.clone(), tape.len()) {
            Err(ResumeError::Refused(error)) => error,
            Err(ResumeError::Tape(Full)) => panic!("the tape can be read"),
            Ok(_) => panic!("it was continued"),
        }
    };
    assert_eq!(refused(vec![]), RecordingError::Foreign);
    assert_eq!(refused(b"a diary".to_vec()), RecordingError::Foreign);
    assert_eq!(refused(vec![0; 20_480]), RecordingError::Foreign);
    let mut bytes = Rig::new().tape.bytes();
    bytes[16] = 9;
    assert_eq!(refused(bytes.clone()), RecordingError::Format { found: 9 });
    assert_eq!(read(&bytes).unwrap_err(), RecordingError::Format { found: 9 });
}

#[test]
fn a_segment_that_is_missing_swapped_old_or_of_another_recording_is_refused() {
    let mut rig = Rig::new();
    rig.fill_until(5);
    let old = rig.tape.bytes();
    rig.fill_until(8);
    let bytes = rig.tape.bytes();
    let place = |number| {
        let at = TINY.segment_at(number) as usize;
        at..at + TINY.segment_bytes() as usize
    };
    let put = |number, from: &[u8], from_number| {
        let mut bytes = bytes.clone();
        bytes[place(number)].copy_from_slice(&from[place(from_number)]);
        read(&bytes).map(|_| ()).unwrap_err()
    };
    let at = TINY.segment_at(7);
    let damaged = |what| RecordingError::Damaged { at, what };
    assert_eq!(put(7, &vec![0; bytes.len()], 7), damaged("a segment is missing"));
    assert_eq!(put(7, &bytes, 6), damaged("a segment lies in another's place"));
    assert_eq!(put(7, &old, 3), damaged("a segment is not of its turn"));
    let mut foreign = bytes.clone();
    foreign[32] ^= 1;
    foreign[..4096].copy_from_slice(&Layout::tiny(4, [8; 16]).encode());
    let digest = "the digest of a piece does not match";
    let first = RecordingError::Damaged { at: 4096, what: digest };
    assert_eq!(read(&foreign).unwrap_err(), first);
}

#[test]
fn segments_of_two_lives_do_not_continue_each_other() {
    let mut rig = Rig::new();
    rig.fill_until(1);
    let before = rig.tape.bytes();
    rig.fill_until(2);
    let one = rig.tape.bytes();
    // Another life from the same moment, in which the same segment went differently.
    let mut rig = Rig::new();
    rig.turn(&[b"otherwise"]);
    rig.fill_until(2);
    let mut other = rig.tape.bytes();
    let at = TINY.segment_at(1) as usize;
    assert_ne!(before[at..at + 200], other[at..at + 200]);
    other[at..at + 4096].copy_from_slice(&one[at..at + 4096]);
    let what = "it does not continue the segment before it";
    assert_eq!(read(&other).unwrap_err(), RecordingError::Damaged { at: at as u64, what });
}
