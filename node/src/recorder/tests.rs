use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clavitor_core::pop::{CommunityPop, Input, Pop};
use clavitor_core::recording::{self, BYTES_MIN, Follows};

use super::*;

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-recorder-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Result<Recorder, RecorderError> {
        Recorder::open(&self.0, BYTES_MIN)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.0).expect("the recording is there")
    }

    fn refusal(&self) -> String {
        self.open().map(|_| ()).expect_err("it must be refused").to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn record(recorder: &mut Recorder, inputs: usize) {
    let mut pop = CommunityPop::default();
    recorder.start("community", &pop);
    for ms in 0..inputs {
        let (now, mut out) = (Instant::from_ms(ms as u64), Vec::new());
        recorder.input(&pop, now, &Input::Tick);
        pop.handle(now, Input::Tick, &mut out);
        recorder.effects(&out);
    }
    assert!(recorder.flush().is_none());
}

#[test]
fn a_file_is_made_at_its_full_size_and_continued_by_the_next_process() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    for process in 1..=2 {
        let mut recorder = scratch.open().expect("it can be made");
        record(&mut recorder, 3);
        let bytes = scratch.bytes();
        let segments = recording::read(&bytes).expect("it reads back").segments;
        assert_eq!(segments.len(), process);
        let is_whole =
            |it: &recording::Segment<'_>| it.steps == 3 && it.checkpoint.follows == Follows::Start;
        assert!(segments.iter().all(is_whole));
    }
    let metadata = fs::metadata(&scratch.0).expect("the file is there");
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert!(metadata.len() <= BYTES_MIN);
}

#[test]
fn an_empty_file_that_is_taken_over_is_its_owners_alone_from_then_on() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    fs::write(&scratch.0, "").expect("a temporary file can be written");
    fs::set_permissions(&scratch.0, Permissions::from_mode(0o644)).expect("it is ours");
    record(&mut scratch.open().expect("it can be taken over"), 1);
    let metadata = fs::metadata(&scratch.0).expect("the file is there");
    assert_eq!(metadata.mode() & 0o777, 0o600);
}

#[test]
fn what_is_no_recording_is_refused_and_left_alone() {
    for content in [&b"a diary"[..], &[0; 8_192]] {
        let scratch = Scratch::new();
        fs::write(&scratch.0, content).expect("a temporary file can be written");
        let error = scratch.refusal();
        assert!(error.contains("it is not a recording"), "{error}");
        assert_eq!(scratch.bytes(), content);
    }
}

#[test]
fn a_recording_of_another_size_is_refused_with_the_size_that_fits() {
    let scratch = Scratch::new();
    record(&mut scratch.open().expect("it can be made"), 1);
    let before = scratch.bytes();
    let error = Recorder::open(&scratch.0, 2 * BYTES_MIN).map(|_| ()).expect_err("another size");
    let RecorderError::OtherSize { found } = error else { panic!("{error}") };
    assert_eq!(scratch.bytes(), before);
    assert!(Recorder::open(&scratch.0, found).is_ok(), "the size it names fits");
}

#[test]
fn two_recorders_do_not_share_a_file() {
    let scratch = Scratch::new();
    let first = scratch.open().expect("it can be made");
    assert_eq!(scratch.refusal(), "another server records into it");
    drop(first);
    assert!(scratch.open().is_ok());
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    let scratch = Scratch::new();
    let error = Recorder::open(&scratch.0.join("file"), BYTES_MIN).map(|_| ()).expect_err("no");
    assert!(error.to_string().starts_with("it cannot be written: No such file"), "{error}");
    let error = Recorder::open(&std::env::temp_dir(), BYTES_MIN).map(|_| ()).expect_err("no");
    assert!(error.to_string().contains("Is a directory"), "{error}");
    let error = Recorder::open(Path::new("/dev/full"), BYTES_MIN).map(|_| ()).expect_err("no");
    assert_eq!(error.to_string(), "it is not a regular file");
}

#[test]
fn a_file_that_a_kill_left_half_made_is_completed() {
    let scratch = Scratch::new();
    drop(scratch.open().expect("it can be made"));
    let file = File::options().write(true).open(&scratch.0).expect("the file is there");
    file.set_len(Layout::HEADER_BYTES).expect("it can be cut");
    record(&mut scratch.open().expect("it is ours"), 2);
    assert!(recording::read(&scratch.bytes()).is_ok());
}

#[test]
fn a_recorder_that_cannot_write_says_so_once_and_is_off() {
    let scratch = Scratch::new();
    record(&mut scratch.open().expect("it can be made"), 1);
    let reader = File::open(&scratch.0).expect("the file is there");
    let Ok(writer) = Writer::resume(Track(reader), scratch.bytes().len() as u64) else {
        panic!("it can be read")
    };
    let mut recorder = Recorder { writer: Some(writer), failure: None };
    let pop = CommunityPop::default();
    recorder.start("community", &pop);
    recorder.input(&pop, Instant(0), &Input::Tick);
    assert!(recorder.flush().is_some());
    recorder.input(&pop, Instant(0), &Input::Tick);
    assert!(recorder.flush().is_none());
    assert!(recorder.writer.is_none());
}
