//! The tarpit's sockets, and the one thread that serves all of them. Who is held, and when a byte
//! is due, [`clavitor_commercial::tarpit`] decides.

mod drip;

use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;

use clavitor_commercial::tarpit::{
    BODY_BYTES, Effect, Held, Input, Limits, Tarpit as Machine, Totals,
};
use clavitor_node::http::{CONNECTIONS_MAX, DESCRIPTORS_RESERVED, SLOW_BYTES, SlowAnswer};
use clavitor_node::settings::TarpitSettings;
use clavitor_node::{log, wall};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::net::{SendFlags, send, sockopt};
use rustix::process::{Resource, getrlimit};

use crate::lock;
use drip::Dripper;

const _: () = assert!(SLOW_BYTES == BODY_BYTES as usize);

/// What the kernel may keep of what a held client still sends, in bytes: nobody reads it.
const UNREAD_BYTES_MAX: usize = 4_096;

/// The stack of the thread, which calls nothing deep.
const STACK_BYTES: usize = 128 * 1024;

/// Names the waking descriptor among events; no holding is called so.
const WAKE: u64 = u64::MAX;

/// The tarpit.
///
/// Invariant: a socket that arrived is held by the machine until the thread takes it, or all are
/// cut. Only the thread closes a socket that it has taken.
pub(crate) struct Tarpit {
    books: Mutex<Books>,
    epoll: OwnedFd,
    // Wakes the thread when it has something to do that it does not wait for.
    wake: OwnedFd,
}

struct Books {
    machine: Machine,
    arrived: Vec<(Held, Socket)>,
    thread: Thread,
    is_cut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It was not needed yet.
    Absent,
    /// It sleeps until it is woken.
    Idle,
    /// It looks at the machine by itself, at the latest when the next byte is due.
    Awake,
}

/// A held connection.
struct Socket {
    socket: OwnedFd,
    body: &'static [u8; SLOW_BYTES],
}

impl Tarpit {
    /// The tarpit as it is set, as far as the system allows; `None` if there is to be none.
    pub(crate) fn open(settings: TarpitSettings) -> Option<Arc<Self>> {
        let TarpitSettings { connections_max, per_address } = settings;
        if connections_max == 0 {
            return None;
        }
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limits = Limits { held_max: connections_max, per_address };
        let limits = limits.affordable(descriptors, CONNECTIONS_MAX as u64 + DESCRIPTORS_RESERVED);
        if limits.held_max < connections_max {
            log::line(&format!(
                "the tarpit holds at most {} connections: the system allows {descriptors} open files",
                limits.held_max
            ));
        }
        let opened = Self::new(limits);
        opened.inspect_err(|error| log::line(&format!("there is no tarpit: {error}"))).ok()
    }

    fn new(limits: Limits) -> io::Result<Arc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let machine = Machine::new(limits);
        let (arrived, thread, is_cut) = (Vec::new(), Thread::Absent, false);
        let books = Mutex::new(Books { machine, arrived, thread, is_cut });
        Ok(Arc::new(Self { books, epoll, wake }))
    }

    /// Gives an answer slowly, or closes the connection at once if there is no slot for it.
    pub(crate) fn hold(self: &Arc<Self>, socket: TcpStream, answer: &SlowAnswer) {
        let socket = Socket { socket: socket.into(), body: answer.body };
        let Some(held) = self.arrived(answer.remote) else {
            return socket.close();
        };
        if self.greet(held, &socket, &answer.head).is_err() {
            self.tell(Input::Left { held });
            return socket.close();
        }
        if self.keep(held, socket).is_err() {
            self.tell(Input::Left { held });
        }
    }

    /// Closes all that is held, now.
    pub(crate) fn stop(&self) {
        self.tell(Input::Stopped);
        lock(&self.books).is_cut = true;
        self.wake();
    }

    /// What the tarpit did since its start.
    pub(crate) fn totals(&self) -> Totals {
        lock(&self.books).machine.totals()
    }

    fn arrived(&self, address: IpAddr) -> Option<Held> {
        match self.tell(Input::Arrived { address }) {
            Some(Effect::Hold { held }) => Some(held),
            _ => None,
        }
    }

    /// Tells the machine what it answers with one order at the most.
    fn tell(&self, input: Input) -> Option<Effect> {
        let (mut orders, mut books) = (Vec::new(), lock(&self.books));
        books.machine.handle(wall::instant(), input, &mut orders);
        orders.pop()
    }

    /// Sends the head, and watches whether the client goes away.
    fn greet(&self, held: Held, socket: &Socket, head: &[u8]) -> io::Result<()> {
        let socket = socket.socket.as_fd();
        sockopt::set_socket_recv_buffer_size(socket, UNREAD_BYTES_MAX)?;
        if send(socket, head, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)? < head.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let gone = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(named(held)), gone)?)
    }

    /// Leaves a socket to the thread, unless its client has left already.
    fn keep(self: &Arc<Self>, held: Held, socket: Socket) -> io::Result<()> {
        let mut books = lock(&self.books);
        if !books.machine.holds(held) {
            return Ok(());
        }
        if books.thread == Thread::Absent {
            let dripper = Dripper::new(self.clone());
            let builder = thread::Builder::new().name("tarpit".into()).stack_size(STACK_BYTES);
            builder.spawn(move || dripper.run())?;
        }
        let was = std::mem::replace(&mut books.thread, Thread::Awake);
        books.arrived.push((held, socket));
        if was == Thread::Idle {
            self.wake();
        }
        Ok(())
    }

    fn wake(&self) {
        // It only fails while a call before is not yet heard.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// A holding's name among events.
fn named(held: Held) -> u64 {
    u64::from(held.generation) << 32 | u64::from(held.slot)
}

#[cfg(test)]
mod tests;
