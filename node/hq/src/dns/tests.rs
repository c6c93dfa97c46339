use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::Instant;

use super::*;

const A: u16 = 1;
const AAAA: u16 = 28;

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn zone() -> Zone {
    let mut zone = Zone::new("vault.test", &[Ipv4Addr::LOCALHOST.into()], 1).unwrap();
    assert!(zone.show("red", &[IpAddr::from([192, 0, 2, 10])]));
    let many: Vec<IpAddr> =
        (0..32).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])).collect();
    assert!(zone.show("wide", &many));
    zone
}

fn server() -> Server {
    let mut server = Server::bind(any_port(), zone()).unwrap();
    server.answer().unwrap();
    server
}

fn query(id: u16, name: &str, record_type: u16) -> Vec<u8> {
    let mut query = [id.to_be_bytes(), [0, 0], [0, 1], [0, 0], [0, 0], [0, 0]].concat();
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(record_type.to_be_bytes());
    query.extend([0, 1]);
    query
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&(query.len() as u16).to_be_bytes(), query].concat()
}

/// Number, code, whether it is cut, and how many records answer.
fn parts(reply: &[u8]) -> (u16, u8, bool, u16) {
    let id = u16::from_be_bytes([reply[0], reply[1]]);
    (id, reply[3] & 0xF, reply[2] & 2 != 0, u16::from_be_bytes([reply[6], reply[7]]))
}

fn udp(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind(any_port()).unwrap();
    socket.connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn ask(socket: &UdpSocket, query: &[u8]) -> Vec<u8> {
    socket.send(query).unwrap();
    let mut reply = vec![0; 65_535];
    let length = socket.recv(&mut reply).unwrap();
    reply.truncate(length);
    reply
}

fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut reply).unwrap();
    reply
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0; 16]).map_err(|error| error.kind());
    // One that was not taken in yet is reset.
    matches!(read, Ok(0) | Err(ErrorKind::ConnectionReset))
}

#[test]
fn datagrams_are_answered_and_changes_seen_at_once() {
    let server = server();
    let socket = udp(&server);
    let reply = ask(&socket, &query(7, "red.vault.test", A));
    assert_eq!(parts(&reply), (7, 0, false, 1));
    assert_eq!(reply.last_chunk(), Some(&[192, 0, 2, 10]));
    assert!(server.change(|zone| zone.show("red", &[IpAddr::from([192, 0, 2, 11])])));
    let reply = ask(&socket, &query(8, "red.vault.test", A));
    assert_eq!(reply.last_chunk(), Some(&[192, 0, 2, 11]));
    assert_eq!(parts(&ask(&socket, &query(9, "blue.vault.test", A))), (9, 3, false, 0));
    assert_eq!(server.counts(), Counts { udp: 3, tcp: 0, dropped: 0 });
}

#[test]
fn what_is_no_question_gets_nothing_and_harms_nobody() {
    let server = server();
    let socket = udp(&server);
    let mut answer = query(1, "red.vault.test", A);
    answer[2] |= 0x80;
    for bytes in [&[][..], &[1], &[0; 11], &answer, &[0; 5_000]] {
        socket.send(bytes).unwrap();
    }
    assert_eq!(parts(&ask(&socket, &query(2, "red.vault.test", A))), (2, 0, false, 1));
    assert_eq!(server.counts(), Counts { udp: 1, tcp: 0, dropped: 5 });
}

#[test]
fn what_is_cut_over_udp_is_whole_over_tcp() {
    let server = server();
    let query = query(3, "wide.vault.test", AAAA);
    assert_eq!(parts(&ask(&udp(&server), &query)), (3, 0, true, 0));
    let mut stream = tcp(&server);
    stream.write_all(&framed(&query)).unwrap();
    assert_eq!(parts(&read(&mut stream)), (3, 0, false, 32));
}

#[test]
fn a_connection_takes_many_questions_in_pieces_and_all_at_once() {
    let server = server();
    let mut stream = tcp(&server);
    stream.set_nodelay(true).unwrap();
    for byte in framed(&query(0, "red.vault.test", A)) {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(parts(&read(&mut stream)), (0, 0, false, 1));
    let many: Vec<u8> =
        (1..200).flat_map(|id| framed(&query(id, "wide.vault.test", AAAA))).collect();
    let mut writing = stream.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(&many).unwrap());
    for id in 1..200 {
        assert_eq!(parts(&read(&mut stream)), (id, 0, false, 32));
    }
    writer.join().unwrap();
    assert_eq!(server.counts().tcp, 200);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(is_closed(&mut stream));
}

#[test]
fn a_connection_without_a_question_is_closed() {
    let server = server();
    let mut answer = query(1, "red.vault.test", A);
    answer[2] |= 0x80;
    for bytes in [&framed(&answer), &vec![0, 0], &vec![0xFF, 0xFF], &vec![0, 1, 9]] {
        let mut stream = tcp(&server);
        stream.write_all(bytes).unwrap();
        assert!(is_closed(&mut stream), "{bytes:?}");
    }
}

#[test]
fn an_idle_connection_is_closed_whatever_it_drips() {
    let server = server();
    let began = Instant::now();
    let mut silent = tcp(&server);
    let mut dripping = tcp(&server);
    let query = framed(&query(1, "red.vault.test", A));
    for byte in query.iter().take(12) {
        let _ = dripping.write_all(&[*byte]);
        thread::sleep(Duration::from_millis(300));
    }
    assert!(is_closed(&mut silent) && is_closed(&mut dripping));
    let lasted = began.elapsed();
    assert!(lasted >= IDLE_MAX && lasted < IDLE_MAX * 2, "{lasted:?}");
}

#[test]
fn one_connection_too_many_ends_the_one_that_was_idle_longest() {
    let server = server();
    let mut open: Vec<TcpStream> = (0..CONNECTIONS_MAX).map(|_| tcp(&server)).collect();
    let query = framed(&query(1, "red.vault.test", A));
    let mut used = open.remove(0);
    used.write_all(&query).unwrap();
    read(&mut used);
    let mut late = tcp(&server);
    late.write_all(&query).unwrap();
    assert_eq!(parts(&read(&mut late)), (1, 0, false, 1));
    assert!(is_closed(&mut open.remove(0)), "idle since before anybody else");
    for stream in open.iter_mut().chain([&mut used]) {
        stream.write_all(&query).unwrap();
        assert_eq!(parts(&read(stream)), (1, 0, false, 1));
    }
}

#[test]
fn whoever_asks_before_the_zone_is_complete_waits_until_it_is() {
    let mut server = Server::bind(any_port(), zone()).unwrap();
    let query = query(7, "late.vault.test", A);
    let (socket, mut stream) = (udp(&server), tcp(&server));
    socket.send(&query).unwrap();
    stream.write_all(&framed(&query)).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(server.change(|zone| zone.show("late", &[IpAddr::from([192, 0, 2, 11])])));
    server.answer().unwrap();
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).unwrap();
    assert_eq!(parts(&reply[..length]), (7, 0, false, 1));
    assert_eq!(parts(&read(&mut stream)), (7, 0, false, 1));
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let first = server();
    let error = Server::bind(first.address(), zone()).unwrap_err();
    let address = first.address().to_string();
    assert!(error.contains(&address) && error.contains("--dns-listen"), "{error}");
    // Somebody else may have the port of one for the other.
    let free_for_both = || {
        let other = UdpSocket::bind(any_port()).unwrap().local_addr().unwrap();
        TcpListener::bind(other).ok().map(|taken| (other, taken))
    };
    let (other, taken) = std::iter::repeat_with(free_for_both).flatten().next().unwrap();
    assert!(Server::bind(other, zone()).is_err(), "one of both is not enough");
    drop(taken);
    assert!(Server::bind(other, zone()).is_ok());
    let error = Server::bind("192.0.2.1:5353".parse().unwrap(), zone()).unwrap_err();
    assert!(error.contains("no address of this machine"), "{error}");
}

#[test]
fn it_ends_at_once_and_its_port_is_free_again() {
    let server = server();
    let address = server.address();
    let mut held = tcp(&server);
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(is_closed(&mut held));
    drop(held);
    assert!(UdpSocket::bind(address).is_ok());
}
