//! One piece of a segment: its length twice, its body, a digest chained to the piece before, and a
//! mark that is written last.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::{Digest, half};

/// What a piece takes beside its body, in bytes.
pub(super) const OVERHEAD: usize = HEAD + core::mem::size_of::<Digest>() + 1;

/// The length and its complement.
pub(super) const HEAD: usize = 8;

/// Not zero, so that a piece without it was not written to its end.
const MARK: u8 = 0x5a;

/// What lies at the place of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A piece.
    Whole {
        body: &'a [u8],
        digest: Digest,
        /// Where the next piece begins.
        end: usize,
    },
    /// Nothing, and nothing behind it.
    Nothing,
    /// The beginning of a piece, and nothing behind it.
    Torn,
    /// Something that was never written like this.
    Damaged(&'static str),
}

/// Leaves room for the head of a piece, whose body is to be appended.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; HEAD]);
}

/// Closes the piece that began at `start`; answers its digest.
pub(super) fn end(out: &mut Vec<u8>, start: usize, before: Digest) -> Digest {
    let body = out.get(start + HEAD..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let digest = chained(before, body);
    let lengths = length.to_le_bytes().into_iter().chain((!length).to_le_bytes());
    out.iter_mut().skip(start).zip(lengths).for_each(|(to, from)| *to = from);
    out.extend_from_slice(&digest);
    out.push(MARK);
    digest
}

/// The length of a body, from the head of its piece.
pub(super) fn body_length(head: &[u8]) -> Option<usize> {
    let (length, rest) = head.split_first_chunk::<4>()?;
    let complement = rest.first_chunk::<4>()?;
    let (length, complement) = (u32::from_le_bytes(*length), u32::from_le_bytes(*complement));
    if length != !complement { None } else { usize::try_from(length).ok() }
}

/// Looks at the beginning of `rest`, which reaches to the end of the segment.
pub(super) fn read(rest: &[u8], before: Digest) -> Found<'_> {
    let is_blank_from = |at: usize| rest.iter().skip(at).all(|byte| *byte == 0);
    if rest.iter().take(HEAD).all(|byte| *byte == 0) {
        let is_end = is_blank_from(HEAD);
        return if is_end { Found::Nothing } else { Found::Damaged("bytes lie behind the end") };
    }
    let Some(length) = body_length(rest) else {
        let is_torn = rest.len() >= OVERHEAD && is_blank_from(HEAD - 1);
        return if is_torn {
            Found::Torn
        } else {
            Found::Damaged("the length of a piece is wrong")
        };
    };
    let digest_at = HEAD.saturating_add(length);
    let mark_at = digest_at.saturating_add(core::mem::size_of::<Digest>());
    let Some(mark) = rest.get(mark_at) else {
        return Found::Damaged("a piece reaches beyond its segment");
    };
    if *mark != MARK {
        let is_torn = is_blank_from(mark_at);
        return if is_torn { Found::Torn } else { Found::Damaged("a piece does not end") };
    }
    let body = rest.get(HEAD..digest_at).unwrap_or_default();
    let digest = chained(before, body);
    if rest.get(digest_at..mark_at) == Some(&digest[..]) {
        Found::Whole { body, digest, end: mark_at + 1 }
    } else {
        Found::Damaged("the digest of a piece does not match")
    }
}

fn chained(before: Digest, body: &[u8]) -> Digest {
    half(&Sha256::new().chain_update(before).chain_update(body).finalize())
}
