//! Draws small values from the input of a target.

/// Reads values off the front of the input. Where the input has ended, it reads zeros.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.iter_mut().zip(self.bytes(N)).for_each(|(to, from)| *to = *from);
        array
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// False once in so many times.
    pub(crate) fn mostly(&mut self, times: u8) -> bool {
        !self.byte().is_multiple_of(times)
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A number of any size, small ones in few bytes: the first byte says how many follow.
    pub(crate) fn number(&mut self) -> u64 {
        let first = self.byte();
        match first {
            0..=247 => u64::from(first),
            248..=250 => u64::from(self.u16()),
            251..=253 => u64::from(self.u32()),
            254 => u64::from_le_bytes(self.array()),
            255 => u64::MAX - u64::from(self.byte()),
        }
    }

    /// A number below `count`, which is not zero.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.u16()) % count
    }

    /// One of the values, if there is one.
    pub(crate) fn pick<T: Clone>(&mut self, values: &[T]) -> Option<T> {
        let count = values.len().max(1);
        let at = if count > 256 { self.below(count) } else { usize::from(self.byte()) % count };
        values.get(at).cloned()
    }

    /// At most so many bytes.
    pub(crate) fn bytes(&mut self, max: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(max.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// At most so many values.
    pub(crate) fn list<T>(&mut self, max: u8, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % (max.saturating_add(1));
        (0..count).map(|_| draw(self)).collect()
    }
}
