//! Reads single values: each function takes a text and gives a value or says what is wrong.

use std::net::{IpAddr, SocketAddr};

use clavitor_core::recording;

use super::Fencing;
use crate::http::Network;

/// The longest POP id or cluster name, in bytes.
pub const NAME_BYTES_MAX: usize = 31;

/// The longest name of a region, in bytes.
const REGION_BYTES_MAX: usize = 64;

const MIB: u64 = 1024 * 1024;
const TIB: u64 = MIB * MIB;
const DATA_BYTES_MIN: u64 = MIB;
const DATA_BYTES_LIMIT: u64 = TIB;
/// Map sizes must be whole pages, and no supported machine has larger ones.
const DATA_BYTES_STEP: u64 = 64 * 1024;

const _: () = assert!(DATA_BYTES_MIN.is_multiple_of(DATA_BYTES_STEP));
// What the help and the complaint say.
const _: () = assert!(recording::BYTES_MIN == MIB && recording::BYTES_MAX == 1024 * MIB);

/// Reads an IP address and a port.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| format!("\"{text}\" is not an IP address and port such as 127.0.0.1:1984");
    text.parse().map_err(wrong)
}

/// Whether only this machine can reach the address.
pub fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Reads a POP id or a cluster name.
pub fn name(text: &str) -> Result<String, String> {
    let is_fitting = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    match (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_fitting) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{text}\" is not a name of 1 to {NAME_BYTES_MAX} characters of a-z, 0-9 and -"
        )),
    }
}

/// Reads the size of the storage map, rounded down to whole pages.
pub(crate) fn data_bytes(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if !(DATA_BYTES_MIN..=DATA_BYTES_LIMIT).contains(&bytes) {
        return Err(format!("\"{text}\" is not between 1MiB and 1TiB"));
    }
    if isize::try_from(bytes).is_err() {
        return Err(format!("\"{text}\" is more than this machine can address"));
    }
    Ok(bytes - bytes % DATA_BYTES_STEP)
}

/// Reads the size of the flight recorder's file.
pub(crate) fn recorder_bytes(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    match (recording::BYTES_MIN..=recording::BYTES_MAX).contains(&bytes) {
        true => Ok(bytes),
        false => Err(format!("\"{text}\" is not between 1MiB and 1GiB")),
    }
}

/// Reads how many connections the tarpit may hold.
pub(crate) fn held(text: &str) -> Result<u32, String> {
    number(text, 0, 100_000)
}

/// Reads how many of them may come from one address.
pub(crate) fn held_per_address(text: &str) -> Result<u32, String> {
    number(text, 1, 100_000)
}

/// Reads how often telemetry is sent, in seconds.
pub(crate) fn telemetry_freq(text: &str) -> Result<u64, String> {
    number(text, 1, 86_400).map(u64::from)
}

/// Reads a number between two others.
pub fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (min..=max).contains(number));
    number.ok_or_else(|| format!("\"{text}\" is not a number from {min} to {max}"))
}

/// Reads the name of a region.
pub(crate) fn region(text: &str) -> Result<String, String> {
    match text.len() <= REGION_BYTES_MAX && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("is longer than {REGION_BYTES_MAX} bytes or holds control characters"))
        }
    }
}

/// Reads an address that DNS may answer with.
pub(crate) fn dns_address(text: &str) -> Result<IpAddr, String> {
    let address: Option<IpAddr> = text.parse().ok();
    let is_fit = |address: &IpAddr| !address.is_unspecified() && !address.is_multicast();
    address
        .filter(is_fit)
        .ok_or_else(|| format!("\"{text}\" is not the IP address of a server, such as 203.0.113.7"))
}

/// Reads what a primary does without a lease.
pub(crate) fn fencing(text: &str) -> Result<Fencing, String> {
    match text {
        "lease" => Ok(Fencing::Lease),
        "merge" => Ok(Fencing::Merge),
        _ => Err(format!("\"{text}\" is neither \"lease\" nor \"merge\"")),
    }
}

/// Reads an address or a network of proxies.
pub(crate) fn network(text: &str) -> Result<Network, String> {
    let wrong = || format!("\"{text}\" is neither an IP address nor a network such as 10.0.0.0/8");
    text.parse().map_err(|_| wrong())
}

fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is not a size such as 1048576, 512MiB or 64GiB");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" => 1,
        "kib" => 1024,
        "mib" => MIB,
        "gib" => 1024 * MIB,
        "tib" => TIB,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    Ok(number.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(data_bytes("1048576"), Ok(MIB));
        assert_eq!(data_bytes("1MiB"), Ok(MIB));
        assert_eq!(data_bytes("1024 KiB"), Ok(MIB));
        assert_eq!(data_bytes("64gib"), Ok(64 * 1024 * MIB));
        assert_eq!(data_bytes("1TiB"), Ok(TIB));
        assert_eq!(data_bytes("1048577"), Ok(MIB), "rounded down to whole pages");
        for text in
            ["", "MiB", "1MB", "1.5GiB", "-1GiB", "+1GiB", "1 GiB x", "99999999999999999999"]
        {
            assert!(data_bytes(text).is_err_and(|e| e.contains("not a size")), "{text}");
        }
        for text in ["0", "1048575", "1023KiB", "1025GiB", "2TiB", "18446744073709551615TiB"] {
            assert!(data_bytes(text).is_err_and(|e| e.contains("not between")), "{text}");
        }
    }

    #[test]
    fn the_recorder_has_bounds_of_its_own() {
        assert_eq!(recorder_bytes("1MiB"), Ok(MIB));
        assert_eq!(recorder_bytes("1GiB"), Ok(1024 * MIB));
        for text in ["0", "1048575", "1025MiB", "1TiB"] {
            let error = recorder_bytes(text).unwrap_err();
            assert_eq!(error, format!("\"{text}\" is not between 1MiB and 1GiB"));
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        assert!(name("calgary-01").is_ok());
        assert!(name(&"a".repeat(31)).is_ok());
        for text in ["", "Calgary", "a_b", "a b", "é", "a.b", &"a".repeat(32)] {
            assert!(name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_ports() {
        assert!(address("127.0.0.1:1984").is_ok_and(|a| is_loopback(&a)));
        assert!(address("[::1]:0").is_ok_and(|a| is_loopback(&a)));
        assert!(address("[::ffff:127.0.0.1]:1").is_ok_and(|a| is_loopback(&a)));
        assert!(address("0.0.0.0:1984").is_ok_and(|a| !is_loopback(&a)));
        for text in ["", "127.0.0.1", "localhost:1984", ":1984", "1.2.3.4:99999"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
