//! The links between POPs: what is cut, and what somebody on the line has overheard.

use std::collections::VecDeque;

use clavitor_core::time::Instant;

use crate::around::Bytes;
use crate::event::Posted;
use crate::script::Attack;

/// How many frames and acks an eavesdropper remembers.
const OVERHEARD_MAX: usize = 64;

/// The most POPs of a world, and HQ.
pub const POPS_MAX: usize = 8;

/// Directed links between POPs.
///
/// Invariant: at most `OVERHEARD_MAX` frames, acks, questions for votes and answers to them are remembered.
#[derive(Debug)]
pub struct Network {
    cut_until: [[Instant; POPS_MAX]; POPS_MAX],
    sent: [[u32; POPS_MAX]; POPS_MAX],
    is_overheard: bool,
    frames: VecDeque<(u8, u8, Bytes)>,
    acks: VecDeque<Bytes>,
    asks: VecDeque<(u8, u8, Bytes)>,
    votes: VecDeque<Bytes>,
    next_answer: [Option<Attack>; POPS_MAX],
    interfered: u64,
}

impl Network {
    /// Links that work; `is_overheard` if somebody will interfere.
    pub fn new(is_overheard: bool) -> Self {
        Self {
            cut_until: [[Instant(0); POPS_MAX]; POPS_MAX],
            sent: [[0; POPS_MAX]; POPS_MAX],
            is_overheard,
            frames: VecDeque::new(),
            acks: VecDeque::new(),
            asks: VecDeque::new(),
            votes: VecDeque::new(),
            next_answer: [None; POPS_MAX],
            interfered: 0,
        }
    }

    /// Lets somebody listen from now on.
    pub fn overheard(&mut self) {
        self.is_overheard = true;
    }

    /// Counts a frame on a link; answers which one it is.
    pub fn count(&mut self, (from, to): (u8, u8)) -> u32 {
        let sent = &mut self.sent[usize::from(from)][usize::from(to)];
        *sent += 1;
        *sent
    }

    /// Cuts a link in one direction.
    pub fn cut(&mut self, from: u8, to: u8, until: Instant) {
        let known = &mut self.cut_until[usize::from(from)][usize::from(to)];
        *known = until.max(*known);
    }

    /// Whether a link is cut.
    pub fn is_cut(&self, from: u8, to: u8, now: Instant) -> bool {
        now < self.cut_until[usize::from(from)][usize::from(to)]
    }

    /// Makes every link work, and sends the eavesdropper away.
    pub fn heal(&mut self) {
        self.cut_until = Default::default();
        self.next_answer = Default::default();
    }

    /// Remembers a frame.
    pub fn overhear(&mut self, from: u8, to: u8, bytes: &Bytes) {
        if self.is_overheard {
            self.frames.push_back((from, to, bytes.clone()));
            bound(&mut self.frames);
        }
    }

    /// A remembered frame: sender, receiver, bytes.
    pub fn frame(&self, nth: u32) -> Option<&(u8, u8, Bytes)> {
        let at = usize::try_from(nth).ok()?.checked_rem(self.frames.len())?;
        self.frames.get(at)
    }

    /// Remembers a question for a lease vote.
    pub fn overhear_ask(&mut self, from: u8, to: u8, bytes: &Bytes) {
        if self.is_overheard {
            self.asks.push_back((from, to, bytes.clone()));
            bound(&mut self.asks);
        }
    }

    /// A remembered question: sender, receiver, bytes.
    pub fn ask(&self, nth: u32) -> Option<&(u8, u8, Bytes)> {
        let at = usize::try_from(nth).ok()?.checked_rem(self.asks.len())?;
        self.asks.get(at)
    }

    /// What arrives in place of a voter's answer.
    pub fn interfere_vote(&mut self, to: u8, vote: Bytes) -> Bytes {
        let next = self.next_answer[usize::from(to)].take();
        let arrives = match next {
            Some(Attack::StaleAck) => self.votes.front().unwrap_or(&vote).clone(),
            Some(Attack::TamperAck) => flip(&vote, self.interfered),
            Some(_) | None => vote.clone(),
        };
        self.interfered += u64::from(next.is_some());
        if self.is_overheard {
            self.votes.push_back(vote);
            bound(&mut self.votes);
        }
        arrives
    }

    /// Interferes with the next ack to a POP.
    pub fn interfere_next(&mut self, with: u8, attack: Attack) {
        self.next_answer[usize::from(with)] = Some(attack);
    }

    /// How many acks were interfered with.
    pub fn interfered(&self) -> u64 {
        self.interfered
    }

    /// The ack to another frame that answers the next one of a POP, which goes nowhere.
    pub fn hijack(&mut self, from: u8) -> Option<Bytes> {
        let next = &mut self.next_answer[usize::from(from)];
        let is_due = *next == Some(Attack::StaleAck) && !self.acks.is_empty();
        let at = usize::try_from(self.interfered).ok()?.checked_rem(self.acks.len())?;
        if !is_due {
            return None;
        }
        *next = None;
        self.interfered += 1;
        self.acks.get(at).cloned()
    }

    /// What arrives in place of an answer.
    pub fn interfere(&mut self, _from: u8, to: u8, posted: Posted) -> Posted {
        let Posted::Ack(ack) = posted else { return posted };
        let next = &mut self.next_answer[usize::from(to)];
        let attack = next.take_if(|attack| *attack == Attack::TamperAck);
        let arrives = match attack {
            Some(Attack::TamperAck) => flip(&ack, self.interfered),
            Some(_) | None => ack.clone(),
        };
        self.interfered += u64::from(arrives != ack);
        if self.is_overheard {
            self.acks.push_back(ack);
            bound(&mut self.acks);
        }
        Posted::Ack(arrives)
    }
}

/// The same bytes, but for one bit.
pub fn flip(bytes: &Bytes, nth: u64) -> Bytes {
    let mut bytes = bytes.to_vec();
    let bits = bytes.len() as u64 * 8;
    // Neighbouring numbers land far apart.
    if let Some(bit) = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15).checked_rem(bits)
        && let Some(byte) = bytes.get_mut(usize::try_from(bit / 8).unwrap_or_default())
    {
        *byte ^= 1 << (bit % 8);
    }
    bytes.into()
}

fn bound<T>(remembered: &mut VecDeque<T>) {
    while remembered.len() > OVERHEARD_MAX {
        remembered.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_one_way_and_ends() {
        let mut network = Network::new(false);
        network.cut(0, 1, Instant(10));
        network.cut(0, 1, Instant(5));
        assert!(network.is_cut(0, 1, Instant(9)) && !network.is_cut(1, 0, Instant(9)));
        assert!(!network.is_cut(0, 1, Instant(10)));
    }

    #[test]
    fn a_flipped_frame_differs_in_one_bit() {
        let bytes: Bytes = vec![0; 100].into();
        for nth in 0..50 {
            let ones: u32 = flip(&bytes, nth).iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(ones, 1);
        }
    }

    #[test]
    fn the_next_ack_alone_is_interfered_with() {
        let mut network = Network::new(true);
        let ack = |byte: u8| Posted::Ack(vec![byte; 4].into());
        let bytes = |posted: Posted| match posted {
            Posted::Ack(bytes) => bytes.to_vec(),
            _ => vec![],
        };
        assert_eq!(bytes(network.interfere(1, 0, ack(1))), [1; 4]);
        network.interfere_next(0, Attack::TamperAck);
        assert_ne!(bytes(network.interfere(1, 0, ack(2))), [2; 4]);
        assert_eq!(bytes(network.interfere(1, 0, ack(3))), [3; 4]);
        network.interfere_next(0, Attack::StaleAck);
        assert!(network.hijack(0).is_some() && network.hijack(0).is_none());
    }
}
