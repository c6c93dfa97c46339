//! What goes wrong in the model's network, and the seed that decides.

/// A seeded generator, good enough to choose faults.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub(super) fn is_one_in(&mut self, sides: u64) -> bool {
        sides > 0 && self.roll(sides) == 0
    }
}

/// How bad it is. A fault happens once in so many times; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) lost_frame: u64,
    pub(super) lost_answer: u64,
    pub(super) duplicate: u64,
    pub(super) delay_ms: u64,
    /// Whether records called `late` cannot be taken yet.
    pub(super) is_late: bool,
}
