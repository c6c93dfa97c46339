//! A checksum against bytes that rot: it guards what is stored, on every read, at a tenth of what a
//! cryptographic digest costs. Against forgery there are the frames' MACs.

use xxhash_rust::xxh64::xxh64;

/// The checksum of `bytes`: XXH64 with seed 0, part of the layout on disk.
pub(super) fn of(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_function() {
        assert_eq!(of(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(of(b"abc"), 0x44BC_2CF5_AD77_0999);
    }
}
