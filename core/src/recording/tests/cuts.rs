//! Kills in the middle of a write, and bytes that nobody wrote.

use super::*;

/// A ring that wrapped, whose newest segment has a few steps.
fn wrapped() -> Rig {
    let mut rig = Rig::new();
    rig.fill_until(6);
    rig.turn(&[b"a", b"b"]);
    rig
}

/// Where something was written, apart from the header.
fn written(bytes: &[u8]) -> Vec<usize> {
    let ends = (0..TINY.segments()).flat_map(|number| {
        let at = TINY.segment_at(number) as usize;
        let last = (at..at + 4096).rev().find(|at| bytes[*at] != 0);
        at..last.map_or(at, |last| last + 1)
    });
    ends.collect()
}

#[test]
fn a_write_cut_off_at_any_byte_costs_its_own_steps_at_most() {
    let mut rig = wrapped();
    let before = rig.tape.bytes();
    let steps = rerun(&before);
    rig.turn(&[b"last", b"words"]);
    let after = rig.tape.bytes();
    let (at, length) = *rig.tape.0.borrow().writes.last().unwrap();
    let mut costs = Vec::new();
    for cut in at as usize..=at as usize + length {
        let mut bytes = before.clone();
        bytes[at as usize..cut].copy_from_slice(&after[at as usize..cut]);
        let recording = read(&bytes).unwrap();
        let got = rerun(&bytes) - steps;
        // A piece ends with a byte that is not zero: what is not whole is seen to be torn.
        let is_between = cut == at as usize || got > costs.last().copied().unwrap_or(0);
        assert_eq!(recording.segments.last().unwrap().is_torn, !is_between, "cut at {cut}");
        costs.push(got);
    }
    assert_eq!(costs.last(), Some(&2));
    costs.dedup();
    assert_eq!(costs, [0, 1, 2]);
}

#[test]
fn a_new_segment_cut_off_at_any_byte_leaves_the_others() {
    let mut rig = wrapped();
    rig.fill_until(7);
    let after = rig.tape.bytes();
    let at = TINY.segment_at(7) as usize;
    let length = rig.tape.0.borrow().writes.iter().rev().find(|it| it.0 == at as u64).unwrap().1;
    for cut in at..at + length {
        let mut bytes = after.clone();
        bytes[cut..at + 4096].fill(0);
        let numbers: Vec<_> =
            read(&bytes).unwrap().segments.iter().map(|it| it.checkpoint.number).collect();
        assert_eq!(numbers, [4, 5, 6]);
        let mut again = Rig::resume(bytes);
        again.turn(&[b"again"]);
        let bytes = again.tape.bytes();
        assert_eq!(read(&bytes).unwrap().segments[3].checkpoint.number, 7);
        rerun(&bytes);
    }
}

#[test]
fn a_kill_while_the_oldest_segment_is_cleared_leaves_the_others() {
    let before = wrapped().tape.bytes();
    let at = TINY.segment_at(7) as usize;
    for cleared in [8, 100, 4_000, 4_096] {
        let mut bytes = before.clone();
        bytes[at..at + cleared].fill(0);
        let segments = read(&bytes).unwrap().segments.len();
        assert_eq!(segments, 3, "{cleared} bytes cleared");
        assert_eq!(read(&Rig::resume(bytes).tape.bytes()).unwrap().segments.len(), 4);
    }
}

#[test]
fn the_torn_end_of_a_process_stays_readable_behind_the_next_one() {
    let mut rig = wrapped();
    rig.turn(&[b"torn"]);
    let (at, length) = *rig.tape.0.borrow().writes.last().unwrap();
    let mut bytes = rig.tape.bytes();
    bytes[at as usize + length - 20..][..20].fill(0);
    let mut next = Rig::resume(bytes);
    next.turn(&[b"alive"]);
    let bytes = next.tape.bytes();
    let segments = read(&bytes).unwrap().segments;
    assert_eq!(segments.iter().filter(|it| it.is_torn).count(), 1);
    assert!(segments[2].is_torn && segments[3].checkpoint.follows == Follows::Start);
    rerun(&bytes);
}

#[test]
fn a_torn_end_before_a_segment_that_continues_it_is_refused() {
    let rig = wrapped();
    let mut bytes = rig.tape.bytes();
    let end = TINY.segment_at(4) as usize + 4096;
    let last = (0..end).rev().find(|at| bytes[*at] != 0).unwrap();
    bytes[last] = 0;
    let what = "the segment before it is cut off";
    let at = TINY.segment_at(5);
    assert_eq!(read(&bytes).unwrap_err(), RecordingError::Damaged { at, what });
}

#[test]
fn every_byte_that_was_written_counts() {
    let mut rig = Rig::new();
    rig.fill_until(1);
    rig.turn(&[b"a", b"b"]);
    let bytes = rig.tape.bytes();
    for (at, mask) in (0..4096).chain(written(&bytes)).zip([0x01, 0x80, 0xff].iter().cycle()) {
        let mut bytes = bytes.clone();
        bytes[at] ^= mask;
        assert!(read(&bytes).is_err(), "byte {at} with {mask:#x}");
    }
}

#[test]
fn bytes_where_nothing_was_written_change_no_step() {
    let bytes = wrapped().tape.bytes();
    let written = written(&bytes);
    let blank: Vec<_> = (4096..bytes.len()).filter(|at| !written.contains(at)).collect();
    let steps = rerun(&bytes);
    let mut refused = 0;
    for at in blank.iter().copied().step_by(7) {
        let mut bytes = bytes.clone();
        bytes[at] = 0x5a;
        match read(&bytes) {
            Err(_) => refused += 1,
            Ok(_) => assert_eq!(rerun(&bytes), steps, "byte {at}"),
        }
    }
    assert!(refused * 10 > blank.len() / 7 * 9, "{refused} of {}", blank.len() / 7);
}

#[test]
fn a_recording_of_another_length_is_refused_with_both() {
    let bytes = wrapped().tape.bytes();
    let expected = bytes.len() as u64;
    for cut in [4_096, 5_000, bytes.len() - 1] {
        let found = cut as u64;
        let error = read(&bytes[..cut]).unwrap_err();
        assert_eq!(error, RecordingError::Size { found, expected });
        assert!(error.to_string().contains("cut short"), "{error}");
    }
    assert!(matches!(read(&bytes[..40]), Err(RecordingError::Size { found: 40, .. })));
    assert_eq!(read(&bytes[..9]).unwrap_err(), RecordingError::Foreign);
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read(&longer).unwrap_err().to_string().contains("too long"));
}

#[test]
fn an_empty_recording_says_so() {
    let tape = Memory::of(vec![0; TINY.bytes() as usize]);
    drop(Writer::create(tape.clone(), TINY).unwrap());
    assert_eq!(read(&tape.bytes()).unwrap_err(), RecordingError::Empty);
}
