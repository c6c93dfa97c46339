use super::*;

#[test]
fn put_sends_the_input_and_prints_the_etag_alone() {
    let answers = vec![answer("201 Created", "etag: \"1-2-a\"\r\n", b"")];
    let (ran, seen) = run_against(answers, put(Precondition::Version("0-1-a".into()), false), b"x");
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (Exit::Done, "1-2-a\n", ""));
    assert_eq!(seen[0].line, "PUT /v1/vaults/team/entries/a%2Fb%20%C3%BC%2E%2E HTTP/1.1");
    assert_eq!(seen[0].body, b"x");
    let has = |header: &str| seen[0].headers.iter().any(|line| line == header);
    assert!(has("authorization: Bearer cvt_secret"), "{seen:?}");
    assert!(has("if-match: \"0-1-a\""), "{seen:?}");
}

#[test]
fn put_without_a_confirming_backup_is_kept_and_says_so() {
    let body = json!({ "status": "accepted", "etag": "\"1-2-a\"" }).to_string();
    let answers = vec![answer("202 Accepted", "", body.as_bytes())];
    let (ran, seen) = run_against(answers, put(Precondition::Absent, true), b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Refused, "1-2-a\n"));
    assert!(ran.err.contains("no backup confirmed it yet"));
    assert!(seen[0].line.contains("?ack=backup"), "{seen:?}");
    assert!(seen[0].headers.contains(&"if-none-match: *".to_owned()));
    assert!(seen[0].headers.contains(&"content-length: 0".to_owned()), "{seen:?}");
}

#[test]
fn a_blob_above_the_limit_is_not_sent() {
    let scratch = Scratch::new();
    let ran =
        run_at(&scratch, nowhere(), put(Precondition::None, false), &vec![0; 1024 * 1024 + 1]);
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("standard input is larger than 1 MiB"));
}

#[test]
fn get_prints_the_blob_or_writes_it() {
    let answers = || vec![answer("200 OK", "", b"blob\0")];
    let (ran, seen) = run_against(answers(), get(None), b"");
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (Exit::Done, "blob\0", ""));
    assert_eq!(seen[0].line, "GET /v1/vaults/team/entries/%2E%2E HTTP/1.1");
    let scratch = Scratch::new();
    let output = scratch.path("blob");
    let (ran, _) = run_against(answers(), get(Some(output.clone())), b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, ""));
    assert_eq!(std::fs::read(output).expect("it was written"), b"blob\0");
}

#[test]
fn list_pages_through_everything() {
    let entry = |name: &str| {
        json!({ "name": name, "size": 3, "etag": "\"1-2-a\"", "modified": "2026-01-01T00:00:00Z",
                "replicated_at": null })
    };
    let pages = || {
        vec![
            ok(&json!({ "entries": [entry("a\u{1b}"), entry("b c")], "next": "b c" })),
            ok(&json!({ "entries": [entry("d")], "next": null })),
        ]
    };
    let list = |is_json| Action::EntryList { vault: "v".into(), prefix: Some("&".into()), is_json };
    let (ran, seen) = run_against(pages(), list(false), b"");
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(
        ran.out,
        "3     2026-01-01T00:00:00Z  -              1-2-a  a\\u{1b}\n\
         3     2026-01-01T00:00:00Z  -              1-2-a  b c\n\
         3     2026-01-01T00:00:00Z  -              1-2-a  d\n"
    );
    assert!(ran.err.starts_with("SIZE  MODIFIED") && ran.err.ends_with("entries: 3\n"));
    assert_eq!(seen[0].line, "GET /v1/vaults/v/entries?limit=1000&prefix=%26 HTTP/1.1");
    assert!(seen[1].line.contains("&after=b%20c "), "{seen:?}");
    let (ran, _) = run_against(pages(), list(true), b"");
    let all: Value = serde_json::from_str(&ran.out).expect("it is JSON");
    assert_eq!(all["entries"].as_array().map(Vec::len), Some(3));
    assert_eq!(ran.err, "");
    let empty = vec![ok(&json!({ "entries": [], "next": null }))];
    let (ran, _) = run_against(empty, list(true), b"");
    assert_eq!(ran.out, "{\"entries\":[]}\n");
}

#[test]
fn conflicts_restore_and_delete_are_asked_for() {
    let item = json!({ "id": "0d", "entry": "e", "etag": "\"x\"", "modified": "t", "size": 1,
                       "deleted": false });
    let answers = vec![ok(&json!({ "conflicts": [item], "next": null }))];
    let conflicts = Action::EntryConflicts { vault: "v".into(), is_json: false };
    let (ran, _) = run_against(answers, conflicts, b"");
    assert!(ran.out.starts_with("0d ") && ran.out.ends_with(" e\n"), "{}", ran.out);
    let restore = Action::EntryRestore { vault: "v".into(), conflict_id: "0d".into() };
    let answers = vec![ok(&json!({ "entry": "e", "etag": "\"y\"" }))];
    let (ran, seen) = run_against(answers, restore, b"");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("y\n", "restored e\n"));
    assert_eq!(seen[0].line, "POST /v1/vaults/v/conflicts/0d/restore HTTP/1.1");
    let delete = Action::EntryDelete { vault: "v".into(), entry: "e".into(), is_ack_backup: false };
    let (ran, seen) = run_against(vec![answer("204 No Content", "", b"")], delete, b"");
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (Exit::Done, "", ""));
    assert_eq!(seen[0].line, "DELETE /v1/vaults/v/entries/e HTTP/1.1");
}
