use super::*;

fn exported(records: &[&[u8]]) -> Vec<u8> {
    let mut file = b"CLAVITOR-EXPORT 1\n".to_vec();
    for record in records {
        file.extend(u32::try_from(record.len()).expect("short").to_le_bytes());
        file.extend(*record);
    }
    file.extend([0; 4]);
    let digest = Sha256::digest(&file);
    file.extend(digest.as_slice());
    file
}

#[test]
fn an_export_is_believed_only_whole_and_unchanged() {
    let big = vec![7; 200_000];
    let file = exported(&[b"one", &big, b"three"]);
    let mut copy = Vec::new();
    let totals = copy_verified(&mut file.as_slice(), &mut copy).expect("it is sound");
    assert_eq!(totals, ExportTotals { records: 3, bytes: file.len() as u64 });
    assert_eq!(copy, file);
    let small = exported(&[b"one", b"two"]);
    for end in 0..small.len() {
        let result = copy_verified(&mut &small[..end], &mut Vec::new());
        assert!(matches!(result, Err(ExportError::Read(_))), "cut at {end}");
    }
    for at in 0..small.len() {
        let mut damaged = small.clone();
        damaged[at] ^= 1;
        assert!(copy_verified(&mut damaged.as_slice(), &mut Vec::new()).is_err(), "bit at {at}");
    }
    let longer = [small.as_slice(), b"x"].concat();
    let result = copy_verified(&mut longer.as_slice(), &mut Vec::new());
    assert!(matches!(result, Err(ExportError::TrailingBytes)));
}

fn export_to(path: &Path, force: bool) -> Action {
    Action::Export { file: Some(path.to_owned()), force }
}

#[test]
fn export_leaves_a_whole_file_or_none() {
    let scratch = Scratch::new();
    let path = scratch.path("all.export");
    let partial = scratch.path("all.export.partial");
    let file = exported(&[b"one"]);
    std::fs::write(&partial, "left behind by a crash").expect("it can be written");
    let (ran, seen) = run_against(vec![answer("200 OK", "", &file)], export_to(&path, false), b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, ""), "{}", ran.err);
    assert_eq!(ran.err, format!("exported records: 1, bytes: {}\n", file.len()));
    assert_eq!(seen[0].line, "GET /v1/export HTTP/1.1");
    assert_eq!(std::fs::read(&path).expect("it is there"), file);
    assert!(!partial.exists());

    let ran = run_at(&scratch, nowhere(), export_to(&path, false), b"");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("--force replaces it"), "{}", ran.err);

    let cut = answer("200 OK", "", &file[..file.len() - 1]);
    let (ran, _) = run_against(vec![cut], export_to(&path, true), b"");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("truncated"), "{}", ran.err);
    assert!(path.exists() && !partial.exists());

    let other = exported(&[b"one", b"two"]);
    let (ran, _) = run_against(vec![answer("200 OK", "", &other)], export_to(&path, true), b"");
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(std::fs::read(&path).expect("it is there"), other);

    let ran = run_at(&scratch, nowhere(), export_to(Path::new("/dev/null"), true), b"");
    assert!(ran.err.contains("is not a regular file"), "{}", ran.err);
}

#[test]
fn a_stream_that_breaks_off_leaves_no_file() {
    let scratch = Scratch::new();
    let path = scratch.path("all.export");
    let file = exported(&[b"one"]);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    chunked.extend(format!("{:x}\r\n", file.len()).bytes());
    chunked.extend(&file);
    let (ran, _) = run_against(vec![chunked.clone()], export_to(&path, false), b"");
    assert_eq!(ran.exit, Exit::Refused, "the last chunk is missing");
    assert!(ran.err.starts_with("the export failed: "), "{}", ran.err);
    assert!(!path.exists() && !scratch.path("all.export.partial").exists());
    chunked.extend(b"\r\n0\r\n\r\n");
    let (ran, _) = run_against(vec![chunked], export_to(&path, false), b"");
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
}

#[test]
fn export_to_stdout_is_the_file_alone() {
    let file = exported(&[]);
    let action = Action::Export { file: None, force: false };
    let (ran, _) = run_against(vec![answer("200 OK", "", &file)], action, b"");
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(ran.out, String::from_utf8_lossy(&file));
    assert!(ran.err.starts_with("exported records: 0"));
}
