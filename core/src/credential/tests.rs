use alloc::string::ToString;

use super::*;

fn vault(name: &str) -> VaultName {
    VaultName::try_from(name.to_string()).unwrap()
}

fn presented() -> Presented {
    Presented { id: TokenId([7; 12]), secret: [9; 32] }
}

fn token(scope: Scope, of: Option<&str>) -> AccessToken {
    AccessToken {
        id: TokenId([7; 12]),
        vault: of.map(vault),
        scope,
        label: "laptop".to_string(),
        secret_hash: presented().secret_hash(),
        created: UnixTime(0),
        expires: Some(UnixTime(100)),
        revoked: None,
    }
}

#[test]
fn a_revealed_token_is_read_back_and_matches() {
    let text = presented().reveal();
    let read: Presented = text.parse().ok().unwrap();
    assert!(token(Scope::Read, None).matches(&read.secret));
    assert!(!token(Scope::Read, None).matches(&[8; 32]));
}

#[test]
fn malformed_tokens_are_refused() {
    let good = presented().reveal();
    let upper = good.to_uppercase();
    let long = alloc::format!("{good}0");
    for bad in ["", "cvt_", "cvt__", &good[1..], &good[..good.len() - 1], &upper, &long] {
        assert!(bad.parse::<Presented>().is_err(), "{bad}");
    }
}

#[test]
fn scopes_include_the_smaller_ones_and_a_vault_confines() {
    let everywhere = token(Scope::Admin, None);
    assert!(
        everywhere.allows(Scope::Admin, None) && everywhere.allows(Scope::Read, Some(&vault("a")))
    );
    let confined = token(Scope::Write, Some("a"));
    assert!(confined.allows(Scope::Read, Some(&vault("a"))));
    assert!(!confined.allows(Scope::Admin, Some(&vault("a"))));
    assert!(!confined.allows(Scope::Read, Some(&vault("b"))));
    assert!(!confined.allows(Scope::Read, None));
}

#[test]
fn a_token_ends_by_time_and_by_revocation() {
    let mut token = token(Scope::Read, None);
    assert!(token.is_active(UnixTime(99)) && !token.is_active(UnixTime(100)));
    token.revoked = Some(Hlc { ms: 1, counter: 0, pop: "a".parse().unwrap() });
    assert!(!token.is_active(UnixTime(1)));
}
