//! A checksum against bytes that rot: it guards what is stored, on every read, at a small part of
//! what a cryptographic digest costs. Against forgery there are the frames' MACs.

use xxhash_rust::xxh3::xxh3_64;

/// The checksum of `bytes`: XXH3 with 64 bits and seed 0, part of the layout on disk.
pub(super) fn of(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_function() {
        assert_eq!(of(b""), 0x2D06_8005_38D3_94C2);
        assert_eq!(of(b"abc"), 0x78AF_5F94_892F_3950);
    }
}
