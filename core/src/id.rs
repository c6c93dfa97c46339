//! Identities: POPs, data directories, sequence numbers, operations and epochs.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes;

/// The id of one POP: 1 to 31 bytes of `a`–`z`, `0`–`9` and `-`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PopId {
    // Zero-padded, so that the derived order is the order of the text.
    bytes: [u8; PopId::LEN_MAX],
    len: u8,
}

impl PopId {
    /// The longest id, in bytes.
    pub const LEN_MAX: usize = 31;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 1 to 31 characters of a-z, 0-9 and -")
    }
}

impl FromStr for PopId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(BadId);
        }
        let mut bytes = [0; Self::LEN_MAX];
        bytes.get_mut(..text.len()).ok_or(BadId)?.copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).map_err(|_| BadId)?;
        Ok(Self { bytes, len })
    }
}

impl Serialize for PopId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// By hand: every timestamp has one, and through `String` each would cost an allocation.
impl<'de> Deserialize<'de> for PopId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = PopId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&BadId, f)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PopId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for PopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The random identity of one data directory, minted at first start and again by an import.
/// For people it is 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

impl FromStr for StoreId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_digits);
        number.map(|number| Self(number.to_be_bytes())).ok_or(BadId)
    }
}

impl Serialize for StoreId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for StoreId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = alloc::string::String::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        bytes::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A server's own counter of record changes; 0 is before the first change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// The next sequence number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one answerable effect, so that a late or repeated answer can be told from the awaited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u64);

/// The term of a primary: ordered by number, then by POP; it only grows.
///
/// Number 0 is a server that stands alone; a configured cluster starts at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// Grows by one with every promotion.
    pub number: u64,
    /// The POP that takes client writes in this term.
    pub primary: PopId,
}

impl Epoch {
    /// The term in which `pop` follows on from `known`.
    pub fn after(known: Option<Epoch>, pop: PopId) -> Epoch {
        let number = known.map_or(0, |epoch| epoch.number).saturating_add(1);
        Epoch { number, primary: pop }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn pop(text: &str) -> PopId {
        text.parse().unwrap()
    }

    #[test]
    fn pop_ids_order_as_text() {
        assert!(pop("a") < pop("a-1"));
        assert!(pop("a-1") < pop("b"));
        assert_eq!(pop("calgary-01").to_string(), "calgary-01");
    }

    #[test]
    fn store_ids_are_digits_for_people() {
        let id = StoreId([0xA5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(crate::codec::decode::<StoreId>(&crate::codec::encode(&id)), Ok(id));
        for text in ["", "a5", &"g".repeat(32), &"+".repeat(32), &"a5".repeat(17)] {
            assert_eq!(text.parse::<StoreId>(), Err(BadId), "{text:?}");
        }
    }

    #[test]
    fn bad_pop_ids_are_refused() {
        for text in ["", "A", "a b", "ä", &"x".repeat(32)] {
            assert_eq!(text.parse::<PopId>(), Err(BadId), "{text:?}");
        }
        assert!("x".repeat(31).parse::<PopId>().is_ok());
    }

    #[test]
    fn a_promotion_outranks_every_known_epoch() {
        let known = Epoch { number: 4, primary: pop("zurich-01") };
        assert!(Epoch::after(Some(known), pop("calgary-01")) > known);
        assert_eq!(Epoch::after(None, pop("a")).number, 1);
    }
}
