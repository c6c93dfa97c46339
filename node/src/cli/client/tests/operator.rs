use super::*;

#[test]
fn token_create_prints_the_token_alone() {
    let create = |is_json| Action::TokenCreate {
        scope: Scope::Write,
        vault: Some("v".into()),
        label: None,
        expires_in_s: Some(60),
        is_ack_backup: true,
        is_json,
    };
    let body = json!({ "id": "7", "token": "cvt_new", "vault": "v", "scope": "write",
                       "label": "", "expires_at": null });
    let answers = || vec![answer("201 Created", "", body.to_string().as_bytes())];
    let (ran, seen) = run_against(answers(), create(false), b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, "cvt_new\n"));
    assert!(ran.err.contains("id 7, scope write, vault v, expires never"), "{}", ran.err);
    assert_eq!(seen[0].line, "POST /v1/tokens?ack=backup HTTP/1.1");
    let sent: Value = serde_json::from_slice(&seen[0].body).expect("it is JSON");
    assert_eq!(sent, json!({ "scope": "write", "vault": "v", "label": "", "expires_in": 60 }));
    let (ran, _) = run_against(answers(), create(true), b"");
    assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("it is JSON"), body);
}

#[test]
fn token_list_and_revoke_keep_rows_on_stdout() {
    let token = json!({ "id": "7", "vault": null, "scope": "admin", "label": "first one",
                        "created_at": "t", "expires_at": null, "revoked_at": null, "local": true });
    let answers = vec![ok(&json!({ "tokens": [token] }))];
    let (ran, _) = run_against(answers, Action::TokenList { is_json: false }, b"");
    assert!(ran.out.starts_with("7 ") && ran.out.ends_with("yes    first one\n"), "{}", ran.out);
    assert!(ran.err.starts_with("ID  SCOPE"), "{}", ran.err);
    let revoke = Action::TokenRevoke { id: "7/".into(), is_ack_backup: false, is_json: false };
    let answers = vec![ok(&json!({ "pending_peers": ["calgary-02"] }))];
    let (ran, seen) = run_against(answers, revoke, b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, "calgary-02\n"));
    assert_eq!(seen[0].line, "DELETE /v1/tokens/7%2F HTTP/1.1");
    assert!(ran.err.contains("peers still to confirm it: 1"));
}

#[test]
fn promote_and_resume_print_their_number() {
    let answers = vec![ok(&json!({ "role": "primary", "epoch": { "number": 2, "primary": "b" } }))];
    let (ran, seen) = run_against(answers, Action::Promote { is_json: false }, b"");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("2\n", "primary since epoch 2\n"));
    assert!(seen[0].headers.contains(&"content-length: 0".to_owned()), "{seen:?}");
    let answers = vec![ok(&json!({ "epoch": { "number": 3, "primary": "b" } }))];
    let to = Some("b".to_owned());
    let (ran, seen) = run_against(answers, Action::Switchover { to, is_json: false }, b"");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("3\n", "b is primary since epoch 3\n"));
    assert_eq!(seen[0].line, "POST /v1/node/switchover?to=b HTTP/1.1");
    let answers = vec![ok(&json!({ "resumed": 1 }))];
    let (ran, _) = run_against(answers, Action::ReplicationResume { is_json: false }, b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, "1\n"));
    let answers = vec![problem("404 Not Found", "CV-NO-ROUTE")];
    let (ran, _) = run_against(answers, Action::Promote { is_json: false }, b"");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("Only a server of the commercial edition"));
}

fn node() -> Vec<u8> {
    ok(&json!({ "edition": "commercial", "runtime": "tokio", "version": "0.1.0", "pop": "a",
                "cluster": "default", "role": "primary", "lease_ms_left": null, "entries": 12,
                "epoch": { "number": 3, "primary": "a" }, "uptime_s": 61 }))
}

fn peers(state: &str) -> Vec<u8> {
    ok(&json!({ "peers": [{ "peer": "b", "url": "http://127.0.0.1:1985", "state": state,
                "dirty": 5, "dirty_bytes": 50, "oldest_dirty_ms": 61000, "attempt": 1,
                "next_retry_ms": 900, "acked": 7, "last_ack_at": null, "last_error": "no answer" }] }))
}

#[test]
fn status_says_if_more_is_owed_than_was_counted() {
    let replication = |is_or_more: bool| {
        ok(&json!({ "peers": [{ "peer": "b", "url": "http://b", "state": "idle", "dirty": 5,
                    "dirty_bytes": 50, "dirty_or_more": is_or_more, "oldest_dirty_ms": 61000 }] }))
    };
    for (is_or_more, shown) in [(false, " 5      50     "), (true, " 5+     50+    ")] {
        let answers = vec![node(), replication(is_or_more), ok(&json!({ "status": "ok" }))];
        let (ran, _) = run_against(answers, Action::Status { is_json: false }, b"");
        assert!(ran.out.contains(shown), "{}", ran.out);
    }
}

#[test]
fn status_is_fine_or_degraded() {
    let status = |answers, is_json| run_against(answers, Action::Status { is_json }, b"").0;
    let ready = || ok(&json!({ "status": "ok" }));
    let ran = status(vec![node(), peers("idle"), ready()], false);
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
    assert!(ran.out.contains("epoch    3 (a)\n") && ran.out.contains("uptime   1 min 1 s\n"));
    assert!(ran.out.contains("PEER  STATE  DIRTY"), "{}", ran.out);
    for state in ["waiting", "suspended"] {
        let ran = status(vec![node(), peers(state), ready()], false);
        assert_eq!(ran.exit, Exit::Refused);
        assert_eq!(ran.err, format!("degraded: peer b is {state}; last error: no answer\n"));
    }
    let community = problem("404 Not Found", "CV-NO-ROUTE");
    let ran = status(vec![node(), community, ready()], true);
    let all: Value = serde_json::from_str(&ran.out).expect("it is JSON");
    assert_eq!((ran.exit, &all["replication"]), (Exit::Done, &Value::Null));
    assert_eq!(all["ready"]["is_ready"], json!(true));
    let body = json!({ "status": "unavailable", "reason": "starting" }).to_string();
    let unready = answer("503 Service Unavailable", "", body.as_bytes());
    let ran = status(vec![node(), peers("idle"), unready], false);
    assert_eq!(ran.exit, Exit::Refused);
    assert_eq!(ran.err, "degraded: the server is not ready: starting\n");
}
