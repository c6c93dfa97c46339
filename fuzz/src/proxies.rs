//! Who a client is behind proxies: nobody else can change it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clavitor_node::http::{Network, client};
use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXIES: [&str; 3] = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"];

/// Reads the bytes as lines of `X-Forwarded-For` that came over a trusted proxy and over a stranger,
/// and as a network.
pub fn client_address(bytes: &[u8]) {
    check_network(&String::from_utf8_lossy(bytes));
    let trusted: Vec<Network> =
        PROXIES.iter().map(|text| text.parse().expect("a network")).collect();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut headers = HeaderMap::new();
    let lines =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    for line in lines {
        headers.append(FORWARDED_FOR, line);
    }

    let stranger = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 1);
    assert_eq!(client(stranger, &headers, &trusted), stranger.ip(), "a stranger is believed");

    let proxy = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1);
    let found = client(proxy, &headers, &trusted);
    assert_eq!(client(proxy, &headers, &[]), proxy.ip(), "nobody is trusted");
    if is_trusted(found) {
        return;
    }
    // What a client writes itself stands to the left of what proxies add.
    for forged in ["203.0.113.9", "10.1.1.1", "nonsense", ""] {
        let mut longer = HeaderMap::new();
        longer.append(FORWARDED_FOR, HeaderValue::from_static(forged));
        headers.get_all(FORWARDED_FOR).iter().for_each(|line| {
            longer.append(FORWARDED_FOR, line.clone());
        });
        assert_eq!(client(proxy, &longer, &trusted), found, "forged by {forged:?}");
    }
}

fn check_network(text: &str) {
    let Ok(network) = text.parse::<Network>() else { return };
    let first = text.split('/').next().and_then(|text| text.parse().ok());
    let first: IpAddr = first.expect("a network begins with an address");
    assert!(network.contains(first), "{text} lacks its own first address");
    assert!(network.contains(first.to_canonical()));
}
