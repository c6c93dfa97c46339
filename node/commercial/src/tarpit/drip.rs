//! The tarpit's thread: sleeps until a byte is due or a client leaves, and serves them all at once.

use std::mem;
use std::sync::Arc;
use std::thread;

use clavitor_commercial::tarpit::{BODY_BYTES, Effect, Held, Input};
use clavitor_core::time::Instant;
use clavitor_node::{log, wall};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::{Socket, Tarpit, Thread, WAKE};
use crate::lock;

/// The most events that are taken at once; more are there at the next turn.
const EVENTS_MAX: usize = 256;

/// The most bytes that are read away before a connection is closed.
const DRAIN_BYTES_MAX: usize = 256 * 1024;

/// Invariant: a slot has a socket here from when the thread has heard of it until the machine frees
/// the slot.
pub(super) struct Dripper {
    tarpit: Arc<Tarpit>,
    sockets: Vec<Option<Socket>>,
}

/// What is to be done in one turn, without anybody waiting for it.
#[derive(Default)]
struct Turn {
    orders: Vec<Effect>,
    closing: Vec<Socket>,
    left: Vec<Held>,
}

impl Dripper {
    pub(super) fn new(tarpit: Arc<Tarpit>) -> Self {
        Self { tarpit, sockets: Vec::new() }
    }

    /// Serves what is held until all is cut.
    pub(super) fn run(mut self) {
        let _ending = Ending(self.tarpit.clone());
        let (mut turn, mut events) = (Turn::default(), Vec::with_capacity(EVENTS_MAX));
        while let Some(wake) = self.look(&mut turn, &events) {
            // Closing and sending are calls to the system: nobody may have to wait for them.
            turn.closing.drain(..).for_each(Socket::close);
            if self.send(&mut turn) {
                events.clear();
                continue;
            }
            self.wait(wake, &mut events);
        }
    }

    /// Tells the machine who left and what time it is, and takes its orders; answers when to look
    /// again, or `None` once all is cut.
    fn look(&mut self, turn: &mut Turn, events: &[epoll::Event]) -> Option<Option<Instant>> {
        let mut books = lock(&self.tarpit.books);
        let arrived = mem::take(&mut books.arrived);
        if books.is_cut {
            turn.closing.extend(arrived.into_iter().map(|(_, socket)| socket));
            return None;
        }
        let now = wall::instant();
        for (held, socket) in arrived {
            let slot = held.slot as usize;
            if self.sockets.len() <= slot {
                self.sockets.resize_with(slot + 1, || None);
            }
            self.sockets[slot] = Some(socket);
        }
        let gone = events.iter().map(|event| event.data.u64()).filter(|name| *name != WAKE);
        for held in gone.map(holding).chain(turn.left.drain(..)) {
            if books.machine.holds(held) {
                books.machine.handle(now, Input::Left { held }, &mut turn.orders);
                turn.closing.extend(take(&mut self.sockets, held));
            }
        }
        books.machine.handle(now, Input::Tick, &mut turn.orders);
        let wake = books.machine.next_wake();
        books.thread = if wake.is_some() { Thread::Awake } else { Thread::Idle };
        Some(wake)
    }

    /// Sends what is due; whether there is news of it for the machine.
    fn send(&mut self, turn: &mut Turn) -> bool {
        for order in turn.orders.drain(..) {
            match order {
                Effect::Drip { held, at } => {
                    let socket = self.sockets.get(held.slot as usize).and_then(Option::as_ref);
                    if socket.is_some_and(|socket| !socket.drip(at)) {
                        turn.left.push(held);
                    }
                }
                Effect::Finish { held } => {
                    if let Some(socket) = take(&mut self.sockets, held) {
                        socket.finish();
                    }
                }
                Effect::Hold { .. } | Effect::Drop | Effect::Cut => {}
            }
        }
        !turn.left.is_empty()
    }

    fn wait(&self, wake: Option<Instant>, events: &mut Vec<epoll::Event>) {
        events.clear();
        let timeout = wake.map(|wake| until(wall::instant(), wake));
        let (epoll, room) = (&self.tarpit.epoll, rustix::buffer::spare_capacity(events));
        match epoll::wait(epoll, room, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("the tarpit's descriptors are its own: {error}"),
        }
        if events.iter().any(|event| event.data.u64() == WAKE) {
            let _ = rustix::io::read(&self.tarpit.wake, &mut [0; 8]);
        }
    }
}

/// Without the thread nobody is held any more, however it ended: a client would never get its end.
struct Ending(Arc<Tarpit>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
        let left = mem::take(&mut lock(&self.0.books).arrived);
        drop(left);
        if thread::panicking() {
            log::line("the tarpit broke down; nobody is held until the next start");
        }
    }
}

impl Socket {
    /// Sends one byte; whether the client takes it.
    fn drip(&self, at: u8) -> bool {
        let byte = self.body.get(usize::from(at));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        byte.is_some_and(|byte| send(&self.socket, &[*byte], flags).is_ok())
    }

    /// Sends the last byte and closes.
    fn finish(self) {
        self.drip(BODY_BYTES - 1);
        self.close();
    }

    /// Closes without losing what was written on it before, as far as the client has sent nothing
    /// that is still on its way.
    pub(super) fn close(self) {
        // Whoever has gone already is told nothing.
        let _ = shutdown(&self.socket, Shutdown::Write);
        let mut scratch = [0; 4_096];
        for _ in 0..DRAIN_BYTES_MAX / scratch.len() {
            match recv(&self.socket, &mut scratch, RecvFlags::DONTWAIT) {
                Ok((1.., _)) => {}
                _ => return,
            }
        }
    }
}

fn take(sockets: &mut [Option<Socket>], held: Held) -> Option<Socket> {
    sockets.get_mut(held.slot as usize)?.take()
}

fn holding(name: u64) -> Held {
    Held { slot: (name & 0xFFFF_FFFF) as u32, generation: (name >> 32) as u32 }
}

/// The time left, in whole milliseconds, never less than it is.
fn until(now: Instant, wake: Instant) -> Timespec {
    let left_ms = wake.0.saturating_sub(now.0).div_ceil(1_000_000);
    let (seconds, ms) = (left_ms / 1_000, left_ms % 1_000);
    Timespec { tv_sec: seconds.cast_signed(), tv_nsec: (ms * 1_000_000).cast_signed() }
}
