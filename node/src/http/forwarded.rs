//! Who a client is behind proxies: `X-Forwarded-For` is what anyone can write, so it counts only as
//! far as trusted proxies have written it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address, or all that share its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether every address of its family belongs to it.
    pub(crate) fn is_everyone(&self) -> bool {
        self.bits == 0
    }

    /// Whether an address belongs to it. An IPv4 address may come in the form of IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, width) = number(self.first);
        let (address, other_width) = number(address);
        let rest = width - self.bits;
        width == other_width && first.checked_shr(rest) == address.checked_shr(rest)
    }
}

/// It is not an address, or not the first of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let first: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let (value, width) = number(first);
        let bits = match bits {
            None => width,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= width).ok_or(NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
        };
        // A mistyped network is better refused than taken for another one.
        let is_first = bits == width || value.trailing_zeros() >= width - bits;
        is_first.then_some(Self { first, bits }).ok_or(NotANetwork)
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The client of a request that came from `remote`: read from right to left, the first address that
/// no trusted proxy has. What cannot be read ends the walk at whoever wrote it.
pub fn client(remote: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = remote.ip();
    let values = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
    let entries =
        values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|b| *b == b','));
    for entry in entries {
        if !is_trusted(client) {
            break;
        }
        let entry = str::from_utf8(entry).ok().and_then(|entry| address(entry.trim()));
        let Some(entry) = entry else { break };
        client = entry;
    }
    client
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn network(text: &str) -> Result<Network, NotANetwork> {
        text.parse()
    }

    fn client_of(remote: &str, values: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        client(SocketAddr::new(remote.parse().unwrap(), 1), &headers, &trusted).to_string()
    }

    #[test]
    fn networks_are_read_and_contain_what_shares_their_bits() {
        let ten = network("10.0.0.0/8").unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("::a00:1".parse().unwrap()), "another family");
        let one = network("192.0.2.7").unwrap();
        assert!(one.contains("192.0.2.7".parse().unwrap()));
        assert!(!one.contains("192.0.2.6".parse().unwrap()));
        let all = network("0.0.0.0/0").unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        assert!(network("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(network("fd00::/8").unwrap().contains("fdff::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::1/64",
            "fd00::/129",
            "localhost",
            "10.0.0.0/8/8",
            "10.0.0.0 /8",
        ] {
            assert_eq!(network(text), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn a_stranger_says_nothing_about_itself() {
        assert_eq!(client_of("203.0.113.9", &["192.0.2.1"], &[]), "203.0.113.9");
        assert_eq!(client_of("203.0.113.9", &["192.0.2.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_no_proxy_has_is_the_client() {
        let proxies = ["10.0.0.0/8", "127.0.0.1"];
        assert_eq!(client_of("127.0.0.1", &["192.0.2.1"], &proxies), "192.0.2.1");
        assert_eq!(
            client_of("127.0.0.1", &["8.8.8.8, 192.0.2.1, 10.0.0.2"], &proxies),
            "192.0.2.1"
        );
        assert_eq!(
            client_of("127.0.0.1", &["8.8.8.8", "192.0.2.1", "10.0.0.2"], &proxies),
            "192.0.2.1"
        );
        assert_eq!(client_of("127.0.0.1", &["10.0.0.1,10.0.0.2"], &proxies), "10.0.0.1");
        assert_eq!(client_of("127.0.0.1", &[], &proxies), "127.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_understood_and_nonsense_ends_the_walk() {
        let proxies = ["127.0.0.1"];
        assert_eq!(client_of("127.0.0.1", &["192.0.2.1:5000"], &proxies), "192.0.2.1");
        assert_eq!(client_of("127.0.0.1", &["[2001:db8::1]:5000"], &proxies), "2001:db8::1");
        assert_eq!(client_of("127.0.0.1", &["[2001:db8::1]"], &proxies), "2001:db8::1");
        for nonsense in ["", "unknown", "192.0.2.1, _hidden", "192.0.2.1,"] {
            assert_eq!(client_of("127.0.0.1", &[nonsense], &proxies), "127.0.0.1", "{nonsense}");
        }
    }
}
