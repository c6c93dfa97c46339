//! The one source of chance: a seed that never ends, or bytes that do.

/// Draws every choice of a run.
///
/// Invariant: the same seed or bytes give the same draws on every machine; once bytes have run out,
/// every draw is 0.
#[derive(Clone, Debug)]
pub struct Entropy {
    source: Source,
    is_spent: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Seeded([u64; 4]),
    Bytes { bytes: Vec<u8>, at: usize },
}

impl Entropy {
    /// Draws without end, decided by a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut state = seed;
        let words = core::array::from_fn(|_| splitmix(&mut state));
        Self { source: Source::Seeded(words), is_spent: false }
    }

    /// Draws that a fuzzer wrote down.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { source: Source::Bytes { bytes: bytes.to_vec(), at: 0 }, is_spent: false }
    }

    /// Whether more was drawn than there was: the run ends, as a pass.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        match &mut self.source {
            Source::Seeded(words) => {
                let wide = u128::from(xoshiro(words)) * u128::from(bound);
                u64::try_from(wide >> 64).unwrap_or_default()
            }
            Source::Bytes { bytes, at } => {
                let wanted = match bound {
                    0..=0x100 => 1,
                    0x101..=0x1_0000 => 2,
                    _ => 8,
                };
                let Some(drawn) = bytes.get(*at..*at + wanted) else {
                    self.is_spent = true;
                    return 0;
                };
                *at += wanted;
                let number = drawn.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                number.checked_rem(bound).unwrap_or_default()
            }
        }
    }

    /// A number from `low` to and with `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Whether something that happens so many times in a thousand happens now. What never happens
    /// draws nothing.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1_000) < u64::from(per_mille)
    }

    /// One of several; there must be one.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).unwrap_or_default()]
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn xoshiro(words: &mut [u64; 4]) -> u64 {
    let [a, b, c, d] = words;
    let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let shifted = *b << 17;
    *c ^= *a;
    *d ^= *b;
    *b ^= *c;
    *a ^= *d;
    *c ^= shifted;
    *d = d.rotate_left(45);
    result
}

/// The seed of one run of a swarm: neighbours share nothing.
pub fn seed_of(base: u64, run: u64) -> u64 {
    let mut state = base ^ run.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    splitmix(&mut state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_sequence_and_another_is_another() {
        let draws = |seed| -> Vec<u64> {
            let mut entropy = Entropy::of_seed(seed);
            (0..50).map(|_| entropy.below(1 << 40)).collect()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // xoshiro256** begun with 1, 2, 3, 4.
        let mut words = [1, 2, 3, 4];
        let first: Vec<u64> = (0..4).map(|_| xoshiro(&mut words)).collect();
        assert_eq!(first, [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_it() {
        let mut entropy = Entropy::of_seed(1);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[usize::try_from(entropy.below(7)).unwrap()] = true;
            assert!((3..=5).contains(&entropy.between(3, 5)));
        }
        assert_eq!(seen, [true; 7]);
    }

    #[test]
    fn bytes_are_taken_in_order_and_run_out_once() {
        let mut entropy = Entropy::of_bytes(&[5, 1, 2, 9]);
        assert_eq!(entropy.below(4), 1);
        assert_eq!(entropy.below(0x1_0000), 0x0102);
        assert!(!entropy.is_spent());
        assert_eq!((entropy.below(0x1_0000), entropy.is_spent()), (0, true));
    }

    #[test]
    fn what_never_happens_draws_nothing() {
        let mut entropy = Entropy::of_bytes(&[]);
        assert!(!entropy.chance(0) && !entropy.is_spent());
        assert!(entropy.chance(1) && entropy.is_spent());
    }
}
