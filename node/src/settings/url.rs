//! The one spelling of a server's URL, so that comparing texts compares servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const HOST_BYTES_MAX: usize = 253;

/// A server's base URL: `http`, a host and a port, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerUrl {
    host: String,
    port: u16,
}

impl ServerUrl {
    /// Reads `http://host[:port]`, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<ServerUrl, String> {
        if text.contains('@') {
            // It may hold a password, so it is not repeated.
            return Err("the URL names a user; the form is http://host:port".to_owned());
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("https://") {
            return Err(format!(
                "\"{text}\" asks for https, but TLS is not there yet: use http://"
            ));
        }
        let wrong = || format!("\"{text}\" is not a URL of the form http://host:port");
        let rest = lower.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(format!("{}: no path or query may follow", wrong()));
        }
        let (host, port) = split_port(authority).ok_or_else(wrong)?;
        let host = normal_host(host).ok_or_else(wrong)?;
        let port = match port {
            None => 80,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        Ok(ServerUrl { host, port })
    }

    /// The URL of a server that listens on this address.
    pub fn of_address(address: SocketAddr) -> ServerUrl {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        ServerUrl { host, port: address.port() }
    }

    /// Whether traffic to it stays on this machine.
    pub fn is_loopback(&self) -> bool {
        self.ip().map_or(self.host == "localhost", |address| address.is_loopback())
    }

    /// The host, if it is given by its address.
    pub fn ip(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        let (host, rest) = authority.split_at(end);
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        None => Some((authority, None)),
        Some((host, port)) => Some((host, Some(port))),
    }
}

fn normal_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let is_name = host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label);
    is_name.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        ServerUrl::parse(text).map_or_else(|error| error, |url| url.to_string())
    }

    #[test]
    fn one_server_has_one_spelling() {
        assert_eq!(normal("HTTP://Calgary.Example:1984/"), "http://calgary.example:1984");
        assert_eq!(normal("http://calgary"), "http://calgary:80");
        assert_eq!(normal("http://10.0.0.1:01984"), "http://10.0.0.1:1984");
        assert_eq!(normal("http://[0:0::1]:1984"), "http://[::1]:1984");
        assert_eq!(normal("http://[::1]"), "http://[::1]:80");
    }

    #[test]
    fn https_is_refused_with_its_reason() {
        assert!(normal("https://calgary:1984").contains("TLS is not there yet"));
    }

    #[test]
    fn anything_but_host_and_port_is_refused() {
        for text in [
            "",
            "calgary",
            "calgary:1984",
            "http://",
            "http:///",
            "ftp://a",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:+1",
            "http://a:1:2",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://u@a",
            "http://u:p@a",
            "http://a..b",
            "http://[::1",
            "http://[::1]1",
            "http://::1",
            "http://a b",
            "http://\u{e9}",
            "http://a\\b",
            "http://a//",
            "http://.",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
        assert!(!normal("http://u:hunter2@a").contains("hunter2"));
        assert!(ServerUrl::parse(&format!("http://{}", "a.".repeat(200) + "a")).is_err());
    }

    #[test]
    fn loopback_is_what_stays_here() {
        for text in ["http://127.0.0.1", "http://127.9.9.9", "http://[::1]", "http://localhost"] {
            assert!(ServerUrl::parse(text).is_ok_and(|url| url.is_loopback()), "{text}");
        }
        assert!(ServerUrl::parse("http://[::ffff:127.0.0.1]").is_ok_and(|url| url.is_loopback()));
        for text in ["http://10.0.0.1", "http://calgary", "http://localhost.example", "http://[::]"]
        {
            assert!(ServerUrl::parse(text).is_ok_and(|url| !url.is_loopback()), "{text}");
        }
    }
}
