//! Draws what happens next.

use super::{Action, Attack, Condition, End, Fate, Request, Sync};
use crate::entropy::Entropy;
use crate::hq::{Mood, Storm};
use crate::knobs::Knobs;
use crate::scanners::Burst;

mod leases;

/// After a data directory was put back, nothing else goes wrong for so long: it must hear of its
/// past before it writes as much as it lost.
const CALM_MS: u64 = 40_000;

/// Where the drawing stands.
///
/// Invariant: `left` client operations are still to be drawn.
#[derive(Debug)]
pub(super) struct State {
    left: u32,
    tokens: u16,
    restored: u8,
    calm_until_ms: u64,
    is_begun: bool,
    is_over: bool,
}

impl State {
    pub(super) fn new(knobs: &Knobs) -> Self {
        // Which of a pair it is, is as good as drawn.
        let restored = u8::try_from(knobs.operations % 2).unwrap_or_default();
        Self {
            left: knobs.operations,
            tokens: 0,
            restored,
            calm_until_ms: 0,
            is_begun: false,
            is_over: false,
        }
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn next(
        &mut self,
        entropy: &mut Entropy,
        knobs: &Knobs,
        now_ms: u64,
    ) -> Option<(u64, Action)> {
        if self.left == 0 || self.is_over {
            return None;
        }
        let at_ms = now_ms.max(self.calm_until_ms) + self.gap_ms(entropy, knobs);
        // A new cluster's primary takes nothing before it has heard each peer. Who cannot wait for
        // them, because one is away, promotes it.
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if is_first && knobs.leases.is_none() && entropy.chance(300) {
            return Some((at_ms, Action::Promote { pop: 0 }));
        }
        let action = leases::fault(entropy, knobs)
            .or_else(|| self.fault(entropy, knobs, at_ms))
            .unwrap_or_else(|| self.ask(entropy, knobs));
        Some((at_ms, action))
    }

    fn gap_ms(&mut self, entropy: &mut Entropy, knobs: &Knobs) -> u64 {
        if entropy.chance(knobs.lull) {
            return entropy.between(10_000, 1_200_000);
        }
        entropy.between(0, u64::from(knobs.pace_ms))
    }

    fn ask(&mut self, entropy: &mut Entropy, knobs: &Knobs) -> Action {
        self.left -= 1;
        let pop = if entropy.chance(knobs.astray) { pop(entropy, knobs) } else { Action::PRIMARY };
        let key = index(entropy, u64::from(knobs.keys));
        let waits = entropy.chance(knobs.ack_backup);
        let request = match entropy.below(20) {
            0..=1 => Request::Delete { key, waits },
            2..=3 => Request::Get { key },
            4 => {
                self.tokens += 1;
                Request::CreateToken { token: self.tokens, waits }
            }
            5 => {
                let token = entropy.below(u64::from(self.tokens) + 1);
                Request::RevokeToken { token: u16::try_from(token).unwrap_or(0), waits }
            }
            6 => Request::RestoreLoser { key },
            7..=9 => {
                let condition =
                    entropy.pick(&[Condition::Seen, Condition::Exists, Condition::Absent]);
                Request::Put { key, bytes: knobs.blob_bytes, condition, waits }
            }
            _ => {
                let condition = Condition::Always;
                Request::Put { key, bytes: knobs.blob_bytes, condition, waits }
            }
        };
        Action::Ask { pop, request }
    }

    fn fault(&mut self, entropy: &mut Entropy, knobs: &Knobs, at_ms: u64) -> Option<Action> {
        let rates = &knobs.rates;
        // A known limit: of three, one backup does not give another what that took before from a
        // third and has lost with a newer data directory.
        let may_restore = knobs.pops == 2;
        let ladder = [
            rates.crash,
            rates.pause,
            rates.shutdown,
            rates.cut,
            rates.clock,
            rates.drift,
            rates.disk_full,
            rates.disk_hang,
            rates.promote,
            rates.resume,
            rates.attack,
            rates.empty,
            if may_restore { rates.restore * 2 } else { 0 },
            rates.scan,
            if knobs.has_hq { rates.storm } else { 0 },
            if knobs.has_hq { rates.mood } else { 0 },
        ];
        if ladder.iter().all(|rate| *rate == 0) {
            return None;
        }
        let mut drawn = u32::try_from(entropy.below(1_000)).unwrap_or_default();
        let rung = ladder.iter().position(|rate| {
            let is_it = drawn < *rate;
            drawn = drawn.saturating_sub(*rate);
            is_it
        })?;
        Some(self.at_rung(rung, entropy, knobs, at_ms))
    }

    fn at_rung(&mut self, rung: usize, entropy: &mut Entropy, knobs: &Knobs, at_ms: u64) -> Action {
        let pop = pop(entropy, knobs);
        match rung {
            0 => Action::Crash { pop, down_ms: span(entropy, knobs) },
            1 => Action::Pause { pop, ms: span(entropy, knobs) },
            2 => Action::Shutdown { pop, down_ms: span(entropy, knobs) },
            3 => {
                let to = self::pop(entropy, knobs);
                Action::Cut { from: pop, to, ms: span(entropy, knobs) }
            }
            // A known limit: what was deferred, and its source has lost, may not come back to it.
            4 if knobs.rates.empty > 0 || knobs.rates.restore > 0 => {
                Action::SetClock { pop, ahead_ms: ahead_ms(entropy).clamp(-100_000, 100_000) }
            }
            4 => Action::SetClock { pop, ahead_ms: ahead_ms(entropy) },
            5 => {
                let ppm = i32::try_from(entropy.below(20_001)).unwrap_or_default() - 10_000;
                Action::Drift { pop, ppm }
            }
            6 => Action::FillDisk { pop, ms: span(entropy, knobs) },
            7 => Action::HangDisk { pop, ms: span(entropy, knobs).min(20_000) },
            8 => Action::Promote { pop },
            9 => Action::Resume { pop },
            10 => {
                use Attack::{Misdirect, Replay, StaleAck, Tamper, TamperAck};
                let attack =
                    entropy.pick(&[Replay, Replay, Misdirect, Tamper, StaleAck, TamperAck]);
                let nth = u32::try_from(entropy.below(64)).unwrap_or_default();
                Action::Attack { attack, nth, pop }
            }
            11 => Action::Empty { pop, down_ms: span(entropy, knobs) },
            13 => Action::Scan { pop, burst: burst(entropy) },
            14 => Action::Storm { pop, storm: storm(entropy) },
            15 => {
                use Mood::{Away, Busy, Denies, Hangs, Refuses};
                let mood = entropy.pick(&[Away, Away, Hangs, Denies, Busy, Refuses]);
                Action::Mood { mood, ms: span(entropy, knobs) }
            }
            // A known limit: of two that are put back, each forgets what the other was.
            _ if pop != self.restored => self.ask(entropy, knobs),
            _ if entropy.chance(500) => Action::Copy { pop },
            _ => {
                self.calm_until_ms = at_ms + CALM_MS;
                Action::PutBack { pop, down_ms: 100 }
            }
        }
    }

    pub(super) fn fate(&self, entropy: &mut Entropy, knobs: &Knobs, now_ms: u64) -> Fate {
        if self.is_over || now_ms < self.calm_until_ms {
            return Fate::default();
        }
        let rates = &knobs.rates;
        let most_us = u64::from(knobs.delay_ms) * 1_000;
        let mut delay_us = || {
            let factor = if entropy.chance(rates.late) { 10 } else { 1 };
            u32::try_from(entropy.between(50, most_us) * factor).unwrap_or(u32::MAX)
        };
        let (there_us, back_us) = (delay_us(), delay_us());
        let end = if entropy.chance(rates.lost) {
            End::Lost
        } else if entropy.chance(rates.reset) {
            End::Reset
        } else if entropy.chance(rates.answer_lost) {
            End::AnswerLost
        } else if entropy.chance(rates.doubled) {
            End::Doubled
        } else {
            End::Taken
        };
        Fate { there_us, back_us, end }
    }

    pub(super) fn sync(&self, entropy: &mut Entropy, knobs: &Knobs, now_ms: u64) -> Sync {
        if self.is_over || now_ms < self.calm_until_ms {
            return Sync::default();
        }
        let us = u32::try_from(entropy.between(20, u64::from(knobs.sync_ms) * 1_000)).unwrap_or(1);
        let is_unanswered = entropy.chance(knobs.rates.unanswered);
        let answer_us = if is_unanswered { span(entropy, knobs).min(20_000) * 1_000 } else { 0 };
        let is_unnoticed = entropy.chance(knobs.rates.unnoticed);
        let notice_us =
            if is_unnoticed { u32::try_from(entropy.between(1, 3_000)).unwrap_or(1) } else { 0 };
        Sync { us, answer_us, notice_us, fails: entropy.chance(knobs.rates.disk_error) }
    }
}

fn pop(entropy: &mut Entropy, knobs: &Knobs) -> u8 {
    index(entropy, u64::from(knobs.pops))
}

fn index(entropy: &mut Entropy, bound: u64) -> u8 {
    u8::try_from(entropy.below(bound)).unwrap_or_default()
}

fn burst(entropy: &mut Entropy) -> Burst {
    let salt = entropy.below(1 << 32);
    Burst {
        count: entropy.pick(&[1, 6, 40]),
        over_ms: entropy.pick(&[1, 500, 20_000]),
        addresses: entropy.pick(&[1, 3, 20]),
        salt: u32::try_from(salt).unwrap_or_default(),
    }
}

fn storm(entropy: &mut Entropy) -> Storm {
    Storm {
        count: entropy.pick(&[1, 1, 3, 40, 40, 400]),
        kinds: entropy.pick(&[1, 1, 3, 40, 250]),
        first: index(entropy, 30),
    }
}

/// How long a fault lasts, in milliseconds: shorter and longer than every time-out.
fn span(entropy: &mut Entropy, knobs: &Knobs) -> u32 {
    if knobs.leases.is_some() {
        return leases::span(entropy);
    }
    let most = entropy.pick(&[20, 300, 3_000, 30_000, 300_000, 2_000_000]);
    u32::try_from(entropy.between(1, most)).unwrap_or(1)
}

fn ahead_ms(entropy: &mut Entropy) -> i64 {
    let most = entropy.pick(&[1_000, 100_000, 400_000, 4_000_000]);
    let ahead = i64::try_from(entropy.below(2 * most + 1)).unwrap_or_default();
    ahead - i64::try_from(most).unwrap_or_default()
}
