//! Access tokens: what is stored of them, what they allow, and how a presented one is checked.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hlc::Hlc;
use crate::name::VaultName;
use crate::time::UnixTime;

/// The longest label of an access token, in bytes.
pub const LABEL_BYTES_MAX: usize = 128;

/// What every access token begins with, so that leaked ones can be found by searching.
pub const TOKEN_PREFIX: &str = "cvt_";

/// The public id of an access token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenId(#[serde(with = "crate::bytes")] pub [u8; TokenId::BYTES]);

impl TokenId {
    /// Its size; its text is twice as long.
    pub const BYTES: usize = 12;
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an id or an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadToken;

impl FromStr for TokenId {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let mut id = [0; Self::BYTES];
        unhex(text, &mut id)?;
        Ok(Self(id))
    }
}

/// What an access token allows; each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Read entries.
    Read,
    /// Read, write and delete entries.
    Write,
    /// Everything.
    Admin,
}

impl Scope {
    /// The scope's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        all.into_iter().find(|scope| scope.as_str() == text).ok_or(BadToken)
    }
}

/// An access token as it is stored and replicated. Immutable, but for its revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its public id; never used again.
    pub id: TokenId,
    /// The vault it is for; `None` is every vault.
    pub vault: Option<VaultName>,
    /// What it allows.
    pub scope: Scope,
    /// What its owner calls it.
    pub label: String,
    /// SHA-256 of the secret, which is 32 random bytes and needs no slower hash.
    #[serde(with = "crate::bytes")]
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created: UnixTime,
    /// When it ends by itself.
    pub expires: Option<UnixTime>,
    /// When it was revoked.
    pub revoked: Option<Hlc>,
}

impl AccessToken {
    /// Whether the token is in force at `now`.
    pub fn is_active(&self, now: UnixTime) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether the token allows `needed` on `vault`; `None` asks for what is not about one vault.
    pub fn allows(&self, needed: Scope, vault: Option<&VaultName>) -> bool {
        let in_scope = self.scope >= needed;
        in_scope && (self.vault.is_none() || (vault.is_some() && self.vault.as_ref() == vault))
    }

    /// Whether `secret` is this token's; takes the same time whatever the answer.
    pub fn matches(&self, secret: &[u8; 32]) -> bool {
        is_hash_of(&self.secret_hash, secret)
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.label.len() <= LABEL_BYTES_MAX && !self.label.chars().any(char::is_control)
    }
}

/// An access token as a client presents it. Deliberately without `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// Which token it claims to be.
    pub id: TokenId,
    /// The proof.
    pub secret: [u8; 32],
}

impl Presented {
    /// The text handed to the client, once.
    pub fn reveal(&self) -> String {
        let secret = self.secret.iter().map(|byte| alloc::format!("{byte:02x}"));
        let mut text = alloc::format!("{TOKEN_PREFIX}{}_", self.id);
        text.extend(secret);
        text
    }

    /// Whether this is what is stored of the secret; takes the same time whatever the answer.
    pub fn matches(&self, stored_hash: &[u8; 32]) -> bool {
        is_hash_of(stored_hash, &self.secret)
    }

    /// What is stored of the secret.
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

impl FromStr for Presented {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let rest = text.strip_prefix(TOKEN_PREFIX).ok_or(BadToken)?;
        let (id, secret) = rest.split_at_checked(2 * TokenId::BYTES).ok_or(BadToken)?;
        let secret = secret.strip_prefix('_').ok_or(BadToken)?;
        let mut bytes = [0; 32];
        unhex(secret, &mut bytes)?;
        Ok(Self { id: id.parse()?, secret: bytes })
    }
}

fn is_hash_of(stored: &[u8; 32], secret: &[u8; 32]) -> bool {
    let presented: [u8; 32] = Sha256::digest(secret).into();
    presented.ct_eq(stored).into()
}

/// Every request has a secret to read: a table, because branches on random digits cost more than
/// everything else here.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value: u8 = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

const NO_DIGIT: u8 = 0xFF;

fn unhex(text: &str, out: &mut [u8]) -> Result<(), BadToken> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(BadToken);
    };
    if pairs.len() != out.len() {
        return Err(BadToken);
    }
    let mut seen = 0;
    for ([high, low], to) in pairs.iter().zip(out) {
        let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
        seen |= high | low;
        *to = high << 4 | low;
    }
    if seen == NO_DIGIT { Err(BadToken) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
