//! What holds of every value, not of a sample: round trips, one encoding, and the limits.

use super::*;
use crate::id::{Epoch, PopId, StoreId};

/// One of everything that values of this project are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Number(u64),
    Name { text: String, pop: PopId },
    Blocks(Vec<Block>),
    Times(Vec<Hlc>),
    Map(BTreeMap<String, u32>),
    Epoch(Option<Epoch>),
    Nested(Vec<Option<(StoreId, bool)>>),
}

fn pop() -> impl Strategy<Value = PopId> {
    "[a-z0-9-]{1,31}".prop_map(|text| text.parse().unwrap())
}

fn hlc() -> impl Strategy<Value = Hlc> {
    (any::<u64>(), any::<u32>(), pop()).prop_map(|(ms, counter, pop)| Hlc { ms, counter, pop })
}

fn shape() -> impl Strategy<Value = Shape> {
    use proptest::collection::{btree_map, vec};
    let block = vec(any::<u8>(), 0..20).prop_map(Block);
    let epoch = (any::<u64>(), pop()).prop_map(|(number, primary)| Epoch { number, primary });
    let store = (any::<[u8; 16]>(), any::<bool>()).prop_map(|(id, flag)| (StoreId(id), flag));
    prop_oneof![
        Just(Shape::Nothing),
        any::<u64>().prop_map(Shape::Number),
        (".{0,20}", pop()).prop_map(|(text, pop)| Shape::Name { text, pop }),
        vec(block, 0..5).prop_map(Shape::Blocks),
        vec(hlc(), 0..5).prop_map(Shape::Times),
        btree_map(".{0,4}", any::<u32>(), 0..5).prop_map(Shape::Map),
        proptest::option::of(epoch).prop_map(Shape::Epoch),
        vec(proptest::option::of(store), 0..5).prop_map(Shape::Nested),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_survives_and_no_other_bytes_mean_it(
        value in shape(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let bytes = encode(&value);
        prop_assert_eq!(decode::<Shape>(&bytes), Ok(value.clone()));
        let mut appended = vec![7];
        encode_into(&value, &mut appended);
        prop_assert_eq!(&appended[1..], &bytes);
        let mut other = bytes.clone();
        let at = at.index(other.len());
        other[at] = byte;
        if let Some(read) = decode::<Shape>(&other).ok().filter(|_| other != bytes) {
            prop_assert_ne!(&read, &value);
            prop_assert_eq!(encode(&read), other, "one encoding per value");
        }
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_no_value(
        value in shape(),
        cut in any::<prop::sample::Index>(),
        more in proptest::collection::vec(any::<u8>(), 1..9),
    ) {
        let bytes = encode(&value);
        let cut = cut.index(bytes.len());
        let expected = if cut == 0 { CodecError::Version } else { CodecError::Malformed };
        prop_assert_eq!(decode::<Shape>(&bytes[..cut]), Err(expected));
        let longer = [bytes, more].concat();
        prop_assert_eq!(decode::<Shape>(&longer), Err(CodecError::Malformed));
    }

    #[test]
    fn only_a_map_in_order_without_repeats_is_read(
        entries in proptest::collection::vec(("[abc]{1,2}", any::<u32>()), 0..5),
    ) {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&5u32.to_le_bytes());
        bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
        for (name, number) in &entries {
            bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let is_in_order = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let map = Shape::Map(entries.into_iter().collect());
        let expected = is_in_order.then_some(map).ok_or(CodecError::Malformed);
        prop_assert_eq!(decode::<Shape>(&bytes), expected);
    }
}

#[test]
fn a_block_is_read_up_to_the_limit_and_not_a_byte_beyond() {
    for (payload, is_read) in [(BYTES_MAX - 1, true), (BYTES_MAX, true), (BYTES_MAX + 1, false)] {
        let block = Block(vec![5; payload - 8]);
        let decoded = decode::<Block>(&encode(&block));
        let expected = if is_read { Ok(block) } else { Err(CodecError::Malformed) };
        assert!(decoded == expected, "a payload of {payload} bytes");
    }
}
