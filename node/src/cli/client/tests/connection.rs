use super::*;

#[test]
fn refusals_show_detail_code_and_what_to_do() {
    let refusal = |status: &str, code: &str| {
        let (ran, _) = run_against(vec![problem(status, code)], get(None), b"");
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Refused, ""));
        assert!(!ran.err.contains("cvt_secret"));
        ran.err
    };
    assert_eq!(
        refusal("404 Not Found", "CV-NOT-FOUND"),
        "refused: it will not do (CV-NOT-FOUND)\n"
    );
    let not_primary = refusal("503 Service Unavailable", "CV-NOT-PRIMARY");
    assert!(not_primary.contains("ask again with --server http://127.0.0.1:9"), "{not_primary}");
    assert!(refusal("401 Unauthorized", "CV-UNAUTHENTICATED").contains("is not valid on"));
    let (ran, _) = run_against(vec![answer("502 Bad Gateway", "", b"<html>")], get(None), b"");
    assert_eq!(ran.err, "refused: the server answered HTTP 502 Bad Gateway\n");
}

#[test]
fn a_redirect_is_not_followed() {
    let answers = vec![answer("302 Found", "location: http://127.0.0.1:9/\r\n", b"")];
    let (ran, _) = run_against(answers, get(None), b"");
    assert_eq!((ran.exit, ran.err.lines().count()), (Exit::Refused, 1));
}

#[test]
fn an_absent_server_says_what_to_do_next() {
    let scratch = Scratch::new();
    let address = nowhere();
    let ran = run_at(&scratch, address, Action::Status { is_json: false }, b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Unreached, ""));
    let expected = format!("cannot reach http://{address}: nothing listens there\n");
    assert!(ran.err.starts_with(&expected), "{}", ran.err);
    assert!(ran.err.contains("`clavitor serve` starts one"));
}

#[test]
fn a_connection_that_breaks_leaves_a_write_in_doubt() {
    let (ran, _) = run_against(vec![Vec::new()], put(Precondition::None, false), b"x");
    assert_eq!(ran.exit, Exit::Unreached);
    assert!(ran.err.contains("It may have been done all the same"), "{}", ran.err);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    let (ran, _) = run_against(vec![cut], get(None), b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Unreached, ""));
    assert!(ran.err.contains("before the whole answer"), "{}", ran.err);
}

#[test]
fn token_files_are_looked_at_before_they_are_used() {
    let scratch = Scratch::new();
    let status = || Action::Status { is_json: false };
    scratch.set_mode(0o644);
    let ran = run_at(&scratch, nowhere(), status(), b"");
    assert!(ran.err.starts_with("warning: other accounts may read "), "{}", ran.err);
    std::fs::write(scratch.path("token"), "two words\n").expect("it can be written");
    let ran = run_at(&scratch, nowhere(), status(), b"");
    assert!(ran.err.contains("does not hold an access token") && !ran.err.contains("two words"));
    std::fs::remove_file(scratch.path("token")).expect("it is there");
    let ran = run_at(&scratch, nowhere(), status(), b"");
    assert_eq!(ran.exit, Exit::Unreached);
    assert!(ran.err.contains("No such file") && ran.err.contains("CLAVITOR_TOKEN_FILE"));
}
