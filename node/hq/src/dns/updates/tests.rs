use std::net::TcpListener;
use std::sync::mpsc;

use super::*;

const KEY: &str = "hq:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn started(server: SocketAddr) -> (Updater, Receiver<News>) {
    let (told, news) = mpsc::channel();
    let target = Target {
        server: server.to_string(),
        origin: Origin::parse("vault.test").unwrap(),
        key: Key::parse(KEY).unwrap(),
    };
    let tell = move |news| told.send(news).unwrap();
    (Updater::start(target, tell).unwrap(), news)
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// What a server without any key answers.
fn refusal(query: &[u8]) -> Vec<u8> {
    [&query[..2], &[0xA8, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn next(news: &Receiver<News>) -> News {
    news.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn what_a_server_refuses_is_told() {
    let server = UdpSocket::bind(loopback()).unwrap();
    let (updater, news) = started(server.local_addr().unwrap());
    updater.want("red", &[Ipv4Addr::LOCALHOST.into()]);
    let mut query = [0; 2_000];
    let (length, from) = server.recv_from(&mut query).unwrap();
    assert!(query[..length].windows(4).any(|part| part == b"\x03red"));
    // Neither nonsense nor the answer to something else is taken for the answer.
    server.send_to(b"nonsense", from).unwrap();
    let mut other = refusal(&query);
    other[0] ^= 1;
    server.send_to(&other, from).unwrap();
    server.send_to(&refusal(&query), from).unwrap();
    assert_eq!(next(&news), News::Failing(Failure::Refused));
}

#[test]
fn a_server_that_answers_over_tcp_alone_is_asked_there() {
    let server = TcpListener::bind(loopback()).unwrap();
    let (updater, news) = started(server.local_addr().unwrap());
    updater.want("red", &[]);
    let (mut stream, _) = server.accept().unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut query = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut query).unwrap();
    for byte in [&[0, 12], refusal(&query).as_slice()].concat() {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(next(&news), News::Failing(Failure::Refused));
}

#[test]
fn a_server_that_is_not_there_is_told_after_three_tries() {
    let gone = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let began = Instant::now();
    let (updater, news) = started(gone);
    updater.want("red", &[]);
    assert_eq!(next(&news), News::Failing(Failure::Unanswered));
    assert!(began.elapsed() >= Duration::from_secs(3));
    drop(updater);
    assert!(news.recv_timeout(Duration::from_secs(30)).is_err(), "the thread has ended");
}

#[test]
fn servers_are_addresses_or_names_with_a_port_or_without() {
    let good = [
        ("192.0.2.1", "192.0.2.1:53"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("192.0.2.1:5300", "192.0.2.1:5300"),
        ("[::1]:5300", "[::1]:5300"),
        ("ns1.example.com", "ns1.example.com:53"),
        ("ns1.example.com:5300", "ns1.example.com:5300"),
    ];
    for (text, expected) in good {
        assert_eq!(server(text).as_deref(), Ok(expected));
    }
    for bad in ["", ":53", "ns1:", "ns1:0", "192.0.2.1:0", "ns1:99999", "http://ns1", "a b:53"] {
        assert!(server(bad).is_err_and(|error| error.contains("ns1.example.com:53")), "{bad}");
    }
}

#[test]
fn key_files_are_read_or_named() {
    let path = std::env::temp_dir().join(format!("clavitor-dns-key-{}", std::process::id()));
    let error = key_file(&path).unwrap_err();
    assert!(error.contains("cannot read") && error.contains("clavitor-dns-key"), "{error}");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let mut read = Vec::new();
    for mode in [0o600, 0o644] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read.push(key_file(&path));
    }
    std::fs::write(&path, "hq:hmac-md5:x").unwrap();
    let error = key_file(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let key = Key::parse(KEY).unwrap();
    let expected = |is_open_to_others| Ok(KeyFile { key: key.clone(), is_open_to_others });
    assert_eq!(read, [expected(false), expected(true)]);
    assert!(error.contains("clavitor-dns-key") && error.contains("hmac-sha256"), "{error}");
}
