//! A rolling digest that is the same on every machine.

/// 128 bits, fed piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    low: u64,
    high: u64,
}

const MULTIPLIERS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];

impl Default for Digest {
    fn default() -> Self {
        Self { low: 0x243F_6A88_85A3_08D3, high: 0x1319_8A2E_0370_7344 }
    }
}

impl Digest {
    /// Adds a piece; where pieces begin and end matters.
    pub fn add(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64 ^ MULTIPLIERS[1]);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.word(u64::from_le_bytes(last));
        }
    }

    /// The digest of everything so far.
    pub fn value(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    fn word(&mut self, word: u64) {
        self.low = fold(self.low ^ word, MULTIPLIERS[0]);
        self.high = fold(self.high.rotate_left(23) ^ word, MULTIPLIERS[1]) ^ self.low;
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    low_half(wide) ^ low_half(wide >> 64)
}

fn low_half(wide: u128) -> u64 {
    u64::try_from(wide & u128::from(u64::MAX)).unwrap_or_default()
}

/// The digest of one piece, for sets of pieces.
pub fn of(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.add(bytes);
    low_half(digest.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_content_and_boundaries_matter() {
        let digest = |pieces: &[&[u8]]| {
            let mut digest = Digest::default();
            pieces.iter().for_each(|piece| digest.add(piece));
            digest.value()
        };
        let all = [
            digest(&[]),
            digest(&[b""]),
            digest(&[b"ab", b"c"]),
            digest(&[b"a", b"bc"]),
            digest(&[b"abc"]),
            digest(&[b"abc\0"]),
            digest(&[b"c", b"ab"]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
        assert_eq!(digest(&[b"abc"]), digest(&[b"abc"]));
    }
}
