//! Signatures of messages, as a record at their end.

use alloc::vec::Vec;

use hickory_proto::op::{Header, Query};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{FUDGE_S, Key, canonical};

pub(super) const BADSIG: u16 = 16;
pub(super) const BADKEY: u16 = 17;
pub(super) const BADTIME: u16 = 18;

const TSIG: u16 = 250;
const CLASS_ANY: u16 = 255;

/// Where a header counts the records at the end.
const COUNT_AT: usize = 10;

/// A signature that came with a message.
pub(super) struct Signed<'a> {
    // Where its record begins in the message.
    at: usize,
    name: Name,
    algorithm: Name,
    time_s: u64,
    fudge_s: u16,
    mac: &'a [u8],
    id: u16,
    pub(super) error: u16,
    other: &'a [u8],
}

/// Adds the record; answers the whole message and the signature in it.
pub(super) fn sign(
    key: &Key,
    mut message: Vec<u8>,
    id: u16,
    now_s: u64,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut mac = begun(key)?;
    mac.update(&message);
    mac.update(&variables(key, now_s, FUDGE_S, 0, &[])?);
    let mac = mac.finalize().into_bytes().to_vec();
    let mut data = canonical(&Key::algorithm().ok()?);
    data.extend(time(now_s));
    data.extend(FUDGE_S.to_be_bytes());
    data.extend(u16::try_from(mac.len()).ok()?.to_be_bytes());
    data.extend(&mac);
    // The number again, no error, nothing else.
    data.extend(id.to_be_bytes());
    data.extend([0; 4]);
    message.extend(canonical(key.name()));
    message.extend(TSIG.to_be_bytes());
    message.extend(CLASS_ANY.to_be_bytes());
    message.extend([0; 4]);
    message.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    message.extend(&data);
    change_count(&mut message, |count| count.checked_add(1))?;
    Some((message, mac))
}

/// The signature of a message, if it has one; `None` if it cannot be read.
pub(super) fn read(message: &[u8]) -> Option<Option<Signed<'_>>> {
    let mut decoder = BinDecoder::new(message);
    let counts = Header::read(&mut decoder).ok()?.counts;
    for _ in 0..counts.queries {
        Query::read(&mut decoder).ok()?;
    }
    let records = [counts.answers, counts.authorities, counts.additionals];
    let records: u32 = records.into_iter().map(u32::from).sum();
    for left in (0..records).rev() {
        let at = decoder.index();
        let name = Name::read(&mut decoder).ok()?;
        let record_type = number(&mut decoder)?;
        let class = number(&mut decoder)?;
        let ttl_s = decoder.read_u32().ok()?.unverified();
        let length = number(&mut decoder)?;
        if record_type != TSIG {
            decoder.read_slice(length.into()).ok()?;
            continue;
        }
        let end = decoder.index().checked_add(length.into())?;
        let algorithm = Name::read(&mut decoder).ok()?;
        let high = u64::from(number(&mut decoder)?) << 32;
        let time_s = high | u64::from(decoder.read_u32().ok()?.unverified());
        let fudge_s = number(&mut decoder)?;
        let mac = counted(&mut decoder)?;
        let (id, error) = (number(&mut decoder)?, number(&mut decoder)?);
        let other = counted(&mut decoder)?;
        let is_last = left == 0 && counts.additionals > 0 && class == CLASS_ANY && ttl_s == 0;
        let is_whole = decoder.index() == end && end == message.len();
        let signed = Signed { at, name, algorithm, time_s, fudge_s, mac, id, error, other };
        return (is_last && is_whole).then_some(Some(signed));
    }
    Some(None)
}

impl Signed<'_> {
    /// Whether somebody who has the key answers just that request with this message, and now.
    pub(super) fn is_right(&self, key: &Key, request: &[u8], message: &[u8], now_s: u64) -> bool {
        self.checked(key, request, message).is_some()
            && self.time_s.abs_diff(now_s) <= u64::from(self.fudge_s.min(FUDGE_S))
    }

    fn checked(&self, key: &Key, request: &[u8], message: &[u8]) -> Option<()> {
        if self.name != *key.name() || self.algorithm != Key::algorithm().ok()? {
            return None;
        }
        let mut signed = message.get(..self.at)?.to_vec();
        signed.get_mut(..2)?.copy_from_slice(&self.id.to_be_bytes());
        change_count(&mut signed, |count| count.checked_sub(1))?;
        let mut mac = begun(key)?;
        mac.update(&u16::try_from(request.len()).ok()?.to_be_bytes());
        mac.update(request);
        mac.update(&signed);
        mac.update(&variables(key, self.time_s, self.fudge_s, self.error, self.other)?);
        mac.verify_slice(self.mac).ok()
    }
}

fn begun(key: &Key) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key.secret()).ok()
}

/// What is signed besides the message.
fn variables(key: &Key, time_s: u64, fudge_s: u16, error: u16, other: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = canonical(key.name());
    bytes.extend(CLASS_ANY.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(canonical(&Key::algorithm().ok()?));
    bytes.extend(time(time_s));
    bytes.extend(fudge_s.to_be_bytes());
    bytes.extend(error.to_be_bytes());
    bytes.extend(u16::try_from(other.len()).ok()?.to_be_bytes());
    bytes.extend(other);
    Some(bytes)
}

/// 48 bits of it.
fn time(time_s: u64) -> impl Iterator<Item = u8> {
    time_s.to_be_bytes().into_iter().skip(2)
}

fn change_count(message: &mut [u8], change: impl Fn(u16) -> Option<u16>) -> Option<()> {
    let count = message.get_mut(COUNT_AT..)?.first_chunk_mut::<2>()?;
    *count = change(u16::from_be_bytes(*count))?.to_be_bytes();
    Some(())
}

fn number(decoder: &mut BinDecoder<'_>) -> Option<u16> {
    Some(decoder.read_u16().ok()?.unverified())
}

fn counted<'a>(decoder: &mut BinDecoder<'a>) -> Option<&'a [u8]> {
    let length = number(decoder)?;
    Some(decoder.read_slice(length.into()).ok()?.unverified())
}
