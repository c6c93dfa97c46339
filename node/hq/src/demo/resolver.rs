//! A client that asks a DNS server for one name's address, and does not remember the answer.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// On loopback an answer takes less than a millisecond; a server that is gone gives none.
const PATIENCE: Duration = Duration::from_millis(250);

/// The largest answer over UDP that is asked for.
const ANSWER_BYTES_MAX: usize = 512;

const POINTER: u8 = 0xC0;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// Asks for one name.
pub(super) struct Resolver {
    socket: UdpSocket,
    name: String,
    next: Cell<u16>,
}

impl Resolver {
    /// Asks `server` for `name`.
    pub(super) fn new(server: SocketAddr, name: String) -> io::Result<Resolver> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Resolver { socket, name, next: Cell::new(0) })
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The address that the name has now; `None` if it has none, or nobody answers.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        let id = self.next.replace(self.next.get().wrapping_add(1));
        let query = query(id, &self.name)?;
        self.socket.send(&query).ok()?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        loop {
            let length = self.socket.recv(&mut answer).ok()?;
            let answer = answer.get(..length)?;
            // An answer that came too late for its own question is not this one's.
            if answer.starts_with(&id.to_be_bytes()) {
                return first_address(query.len(), answer);
            }
        }
    }
}

/// A question for the IPv4 address of a name.
fn query(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).ok().filter(|length| *length < 64)?);
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend(TYPE_A.to_be_bytes());
    query.extend(CLASS_IN.to_be_bytes());
    Some(query)
}

/// The first IPv4 address of an answer whose records begin at `start`.
fn first_address(start: usize, answer: &[u8]) -> Option<Ipv4Addr> {
    let count = number(answer.get(6..)?)?;
    let mut rest = answer.get(start..)?;
    for _ in 0..count {
        rest = after_name(rest)?;
        let (kind, class) = (number(rest)?, number(rest.get(2..)?)?);
        let data = rest.get(10..)?.split_at_checked(usize::from(number(rest.get(8..)?)?))?;
        if let (TYPE_A, CLASS_IN, &[a, b, c, d]) = (kind, class, data.0) {
            return Some(Ipv4Addr::new(a, b, c, d));
        }
        rest = data.1;
    }
    None
}

/// What follows a name: labels, and at their end nothing or a pointer to the rest of it.
fn after_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match *rest.first()? {
            0 => return rest.get(1..),
            POINTER.. => return rest.get(2..),
            length => rest = rest.get(usize::from(length).checked_add(1)?..)?,
        }
    }
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: [u8; 16] = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 3];

    fn answer(count: u8, records: &[&[u8]]) -> (usize, Vec<u8>) {
        let mut answer = query(7, "demo.vault.test").unwrap();
        let start = answer.len();
        answer[7] = count;
        records.iter().for_each(|record| answer.extend(*record));
        (start, answer)
    }

    #[test]
    fn a_question_is_spelled_as_dns_wants_it() {
        let expected = b"\x01\x02\0\0\0\x01\0\0\0\0\0\0\x04demo\x05vault\x04test\0\0\x01\0\x01";
        assert_eq!(query(0x0102, "demo.vault.test").unwrap(), expected);
        assert_eq!(query(0, &"a".repeat(64)), None);
    }

    #[test]
    fn the_address_is_found_behind_whatever_else_there_is() {
        let address = Some(Ipv4Addr::new(127, 0, 0, 3));
        let (start, plain) = answer(1, &[&RECORD]);
        assert_eq!(first_address(start, &plain), address);
        let other = [4, b'd', b'e', b'm', b'o', 0, 0, 16, 0, 1, 0, 0, 0, 5, 0, 2, 1, b'x'];
        let (start, second) = answer(2, &[&other, &RECORD]);
        assert_eq!(first_address(start, &second), address);
        let (start, none) = answer(0, &[]);
        assert_eq!(first_address(start, &none), None);
    }

    #[test]
    fn an_answer_cut_anywhere_is_no_answer() {
        let (start, whole) = answer(1, &[&RECORD]);
        for length in 0..whole.len() {
            assert_eq!(first_address(start, &whole[..length]), None, "{length}");
        }
    }
}
