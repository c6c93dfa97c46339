use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::hlc::Hlc;

mod properties;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    hlc: Hlc,
    name: String,
    block: Block,
    flag: Option<bool>,
}

fn sample() -> Sample {
    Sample {
        hlc: Hlc { ms: 0x0102, counter: 3, pop: "a-1".parse().unwrap() },
        name: "né".to_string(),
        block: Block(vec![9, 8]),
        flag: Some(true),
    }
}

#[test]
fn the_layout_is_the_one_in_use_for_ever() {
    let golden = [
        1, // version
        2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, // ms, counter
        3, 0, 0, 0, 0, 0, 0, 0, b'a', b'-', b'1', // pop
        3, 0, 0, 0, 0, 0, 0, 0, b'n', 0xc3, 0xa9, // name
        2, 0, 0, 0, 0, 0, 0, 0, 9, 8, // block
        1, 1, // flag
    ];
    assert_eq!(encode(&sample()), golden);
    assert_eq!(decode::<Sample>(&golden), Ok(sample()));
}

#[test]
fn trailing_bytes_and_foreign_versions_are_refused() {
    let mut bytes = encode(&sample());
    bytes.push(0);
    assert_eq!(decode::<Sample>(&bytes), Err(CodecError::Malformed));
    bytes.pop();
    bytes[0] = 2;
    assert_eq!(decode::<Sample>(&bytes), Err(CodecError::Version));
    assert_eq!(decode::<Sample>(&[]), Err(CodecError::Version));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = encode(&sample());
    for len in 1..bytes.len() {
        assert_eq!(decode::<Sample>(&bytes[..len]), Err(CodecError::Malformed), "{len}");
    }
}

#[test]
fn a_hostile_length_claims_no_memory() {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(decode::<Block>(&bytes), Err(CodecError::Malformed));
    assert_eq!(decode::<Vec<u64>>(&bytes), Err(CodecError::Malformed));
}

#[test]
fn unsorted_and_repeated_map_keys_are_refused() {
    let sorted: BTreeMap<u8, u8> = [(1, 0), (2, 0)].into();
    let mut bytes = encode(&sorted);
    bytes[9] = 2;
    assert_eq!(decode::<BTreeMap<u8, u8>>(&bytes), Err(CodecError::Malformed));
    bytes[11] = 1;
    assert_eq!(decode::<BTreeMap<u8, u8>>(&bytes), Err(CodecError::Malformed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_only_canonical_ones_decode(
        bytes in proptest::collection::vec(any::<u8>(), 0..80)
    ) {
        if let Ok(value) = decode::<Sample>(&bytes) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn one_flipped_bit_is_another_value_or_none(bit in 0usize..8 * 46) {
        let mut bytes = encode(&sample());
        prop_assume!(bit / 8 < bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(decode::<Sample>(&bytes), Ok(sample()));
    }
}
