//! The key that an update is signed with.

use alloc::vec::Vec;
use core::fmt;

use data_encoding::BASE64;
use hickory_proto::rr::Name;
use zeroize::Zeroizing;

/// The only algorithm: the one that every server has.
const ALGORITHM: &str = "hmac-sha256";

/// The shortest secret, in bytes.
pub const SECRET_BYTES_MIN: usize = 32;

/// A name and a secret that this side and a server have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Name,
    secret: Zeroizing<Vec<u8>>,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// It is written in no way that is known.
    Text,
    /// Its name is none.
    Name,
    /// It is of another algorithm.
    Algorithm,
    /// Its secret is not in base64.
    Secret,
    /// Its secret is shorter than [`SECRET_BYTES_MIN`].
    Short,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadKey::Text => "it is neither what tsig-keygen prints nor name:hmac-sha256:secret",
            BadKey::Name => "its name is no domain name",
            BadKey::Algorithm => "its algorithm is not hmac-sha256",
            BadKey::Secret => "its secret is not in base64",
            BadKey::Short => {
                "its secret is shorter than 32 bytes: make one with tsig-keygen -a hmac-sha256"
            }
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, (secret))", self.name)
    }
}

impl Key {
    /// Reads what `tsig-keygen` prints, or `name:algorithm:secret`, or, as `nsupdate -y` takes it,
    /// `algorithm:name:secret`.
    pub fn parse(text: &str) -> Result<Key, BadKey> {
        let is_comment = |line: &&str| line.trim_start().starts_with(['#', '/']);
        let lines = text.lines().filter(|line| !is_comment(line));
        let is_gap = |char: char| char.is_whitespace() || matches!(char, '{' | '}' | ';' | '"');
        let words: Vec<&str> =
            lines.flat_map(|line| line.split(is_gap)).filter(|word| !word.is_empty()).collect();
        let (name, algorithm, secret) = match words.as_slice() {
            ["key", name, "algorithm", algorithm, "secret", secret]
            | ["key", name, "secret", secret, "algorithm", algorithm] => {
                (*name, *algorithm, *secret)
            }
            [parts] => {
                let mut parts = parts.split(':');
                let mut next = || parts.next().ok_or(BadKey::Text);
                let (first, second, secret) = (next()?, next()?, next()?);
                let is_turned = is_algorithm(first) && !is_algorithm(second);
                let (name, algorithm) = if is_turned { (second, first) } else { (first, second) };
                (parts.next().is_none()).then_some((name, algorithm, secret)).ok_or(BadKey::Text)?
            }
            _ => return Err(BadKey::Text),
        };
        if !algorithm.trim_end_matches('.').eq_ignore_ascii_case(ALGORITHM) {
            return Err(BadKey::Algorithm);
        }
        let mut name = Name::from_ascii(name).map_err(|_| BadKey::Name)?.to_lowercase();
        name.set_fqdn(true);
        if name.is_root() {
            return Err(BadKey::Name);
        }
        let secret = BASE64.decode(secret.as_bytes()).map_err(|_| BadKey::Secret)?;
        let secret = Zeroizing::new(secret);
        if secret.len() < SECRET_BYTES_MIN {
            return Err(BadKey::Short);
        }
        Ok(Key { name, secret })
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(super) fn algorithm() -> Result<Name, hickory_proto::ProtoError> {
        Name::from_labels([ALGORITHM.as_bytes()])
    }
}

fn is_algorithm(text: &str) -> bool {
    text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("hmac-"))
}
