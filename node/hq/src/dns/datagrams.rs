//! Questions in datagrams.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::thread;

use clavitor_hq_core::dns::{QUERY_BYTES_MAX, Transport};
use rustix::event::{PollFd, PollFlags, poll};

use super::{PAUSE, Shared};

/// Answers until all is over.
pub(super) fn serve(socket: &UdpSocket, shared: &Shared) {
    // One byte more than is looked at, so that what is too long is seen to be.
    let mut query = [0; QUERY_BYTES_MAX + 1];
    while !shared.stop.is_over() {
        match socket.recv_from(&mut query) {
            Ok((length, from)) => {
                let query = query.get(..length).unwrap_or_default();
                if let Some(reply) = shared.answer(query, Transport::Udp) {
                    // Whoever is not there any more asks nobody.
                    let _ = socket.send_to(&reply, from);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut waiting = [
                    PollFd::new(socket, PollFlags::IN),
                    PollFd::new(&shared.stop.wake, PollFlags::IN),
                ];
                let _ = poll(&mut waiting, None);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
