//! What happened to a world from outside, in words.

use crate::hq::Mood;
use crate::script::{Action, Attack, Condition, End, Fate, Record, Request, Sync};
use crate::trace::name;

/// An action in words.
pub fn of_action(action: &Action) -> String {
    match *action {
        Action::Ask { pop, request } => {
            let at =
                if pop == Action::PRIMARY { String::new() } else { format!(" at {}", name(pop)) };
            of_request(&request, &at)
        }
        Action::Crash { pop, down_ms } => {
            format!("{} is killed, and started again {} later", name(pop), span(down_ms.into()))
        }
        Action::Pause { pop, ms } => format!("{} stands still for {}", name(pop), span(ms.into())),
        Action::Shutdown { pop, down_ms } => {
            format!(
                "{} is asked to end, and started again {} after",
                name(pop),
                span(down_ms.into())
            )
        }
        Action::Cut { from, to, ms } => {
            format!("{} reaches {} no more, for {}", name(from), name(to), span(ms.into()))
        }
        Action::SetClock { pop, ahead_ms } => {
            let way = if ahead_ms < 0 { "back" } else { "ahead" };
            format!("the clock of {} is set {} {way}", name(pop), span(ahead_ms.unsigned_abs()))
        }
        Action::Drift { pop, ppm } => format!("the clock of {} drifts by {ppm} ppm", name(pop)),
        Action::FillDisk { pop, ms } => {
            format!("the disk of {} is full for {}", name(pop), span(ms.into()))
        }
        Action::HangDisk { pop, ms } => {
            format!("the disk of {} does not answer for {}", name(pop), span(ms.into()))
        }
        Action::Promote { pop } => format!("{} is promoted", name(pop)),
        Action::Resume { pop } => format!("{} is asked to try its peers again", name(pop)),
        Action::Attack { attack, nth, pop } => of_attack(attack, nth, pop),
        Action::Empty { pop, down_ms } => {
            format!(
                "the disk of {} is emptied; it starts {} later",
                name(pop),
                span(down_ms.into())
            )
        }
        Action::Copy { pop } => format!("the disk of {} is copied", name(pop)),
        Action::PutBack { pop, down_ms } => {
            format!(
                "the disk of {} is put back from its copy; it starts {} later",
                name(pop),
                span(down_ms.into())
            )
        }
        Action::Heal => "faults end".to_owned(),
        Action::Scan { pop, burst } => {
            let (count, over) = (burst.count, span(burst.over_ms.into()));
            format!("{count} scanners come to {} within {over}", name(pop))
        }
        Action::Storm { pop, storm } => {
            format!("{} alerts of {} kinds at {}", storm.count, storm.kinds, name(pop))
        }
        Action::Isolate { pop, ms } => {
            format!("{} is cut off from everybody for {}", name(pop), span(ms.into()))
        }
        Action::Switchover { pop, to } => {
            let to = if to == Action::ANYBODY { "somebody else".to_owned() } else { name(to) };
            format!("an operator asks {} to let {to} be primary", name(pop))
        }
        Action::Replace { pop } => {
            format!("an operator tells HQ that {} has another data directory", name(pop))
        }
        Action::Mood { mood, ms } => format!("HQ {} for {}", of_mood(mood), span(ms.into())),
    }
}

fn of_attack(attack: Attack, nth: u32, pop: u8) -> String {
    match attack {
        Attack::Replay => format!("frame {nth} is sent once more"),
        Attack::Misdirect => format!("frame {nth} is sent to {}", name(pop)),
        Attack::Tamper => format!("frame {nth} is sent with one bit changed"),
        Attack::StaleAck => format!("the next ack to {} is one of another frame", name(pop)),
        Attack::TamperAck => format!("the next ack to {} has one bit changed", name(pop)),
    }
}

fn of_mood(mood: Mood) -> &'static str {
    match mood {
        Mood::Away => "cannot be reached",
        Mood::Hangs => "answers nothing",
        Mood::Denies => "accepts no token",
        Mood::Busy => "takes nothing",
        Mood::Refuses => "refuses some alerts",
    }
}

fn of_request(request: &Request, at: &str) -> String {
    let (text, waits) = match *request {
        Request::Put { key, condition, waits, .. } => {
            let condition = match condition {
                Condition::Always => "",
                Condition::Exists => " if it is there",
                Condition::Absent => " if it is not there",
                Condition::Seen => " if it is as last seen",
            };
            (format!("writes entry {key}{condition}"), waits)
        }
        Request::Delete { key, waits } => (format!("deletes entry {key}"), waits),
        Request::Get { key } => (format!("reads entry {key}"), false),
        Request::CreateToken { token, waits } => (format!("makes token {token}"), waits),
        Request::RevokeToken { token, waits } => (format!("revokes token {token}"), waits),
        Request::RestoreLoser { key } => {
            (format!("restores a journalled version of entry {key}"), false)
        }
    };
    let waits = if waits { ", and waits for a backup" } else { "" };
    format!("a client {text}{at}{waits}")
}

fn of_fate(from: u8, to: u8, nth: u32, fate: &Fate) -> String {
    let end = match fate.end {
        End::Taken => "takes",
        End::Lost => "is lost;",
        End::Reset => "is cut off by a reset;",
        End::AnswerLost => "is taken, its answer lost;",
        End::Doubled => "arrives twice;",
    };
    let (there, back) = (micros(fate.there_us), micros(fate.back_us));
    format!("frame {nth} from {} to {} {end} {there} there, {back} back", name(from), name(to))
}

fn of_sync(pop: u8, nth: u32, sync: &Sync) -> String {
    let (pop, us) = (name(pop), micros(sync.us));
    if sync.fails {
        return format!("group {nth} of writes of {pop} fails, and ends the process");
    }
    match sync.answer_us {
        0 => format!("group {nth} of writes of {pop} takes {us}"),
        answer_us => {
            let answer = micros(answer_us);
            format!("group {nth} of writes of {pop} takes {us}, and is answered {answer} after")
        }
    }
}

/// Everything that is written down, a line each: actions by their time, then frames and groups.
pub fn lines(record: &Record) -> Vec<String> {
    let actions = record.actions.iter();
    let actions = actions.map(|(at_ms, action)| format!("{at_ms:>9} ms  {}", of_action(action)));
    let rest = |text: String| format!("{:>9}     {text}", "");
    let frames = record.frames.iter();
    let frames = frames.map(|(from, to, nth, fate)| rest(of_fate(*from, *to, *nth, fate)));
    let syncs = record.syncs.iter().map(|(pop, nth, sync)| rest(of_sync(*pop, *nth, sync)));
    actions.chain(frames).chain(syncs).collect()
}

/// A time in milliseconds, in words.
pub fn span(ms: u64) -> String {
    let (amount, unit) = match ms {
        0..1_000 => return format!("{ms} ms"),
        1_000..60_000 => (ms, "s"),
        60_000..3_600_000 => (ms / 60, "min"),
        3_600_000..172_800_000 => (ms / 3_600, "h"),
        _ => (ms / 86_400, "days"),
    };
    let (whole, part) = (amount / 1_000, amount % 1_000 / 10);
    let text = format!("{whole}.{part:02}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {unit}")
}

fn micros(us: u32) -> String {
    if us < 1_000 { format!("{us} µs") } else { span(u64::from(us / 1_000)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_in_words() {
        let all = [0, 999, 1_000, 1_250, 90_000, 3_600_000, 31_536_000_000].map(span);
        assert_eq!(all, ["0 ms", "999 ms", "1 s", "1.25 s", "1.5 min", "1 h", "365 days"]);
    }

    #[test]
    fn everything_that_is_written_down_has_a_line() {
        let crash = Action::Crash { pop: 1, down_ms: 1_500 };
        let put = Request::Put { key: 2, bytes: 8, condition: Condition::Absent, waits: true };
        let ask = Action::Ask { pop: Action::PRIMARY, request: put };
        let record = Record {
            actions: vec![(3, ask), (70_000, crash)],
            frames: vec![(0, 1, 4, Fate { end: End::Lost, ..Fate::default() })],
            syncs: vec![(1, 2, Sync { fails: true, ..Sync::default() })],
        };
        let expected = [
            "        3 ms  a client writes entry 2 if it is not there, and waits for a backup",
            "    70000 ms  b is killed, and started again 1.5 s later",
            "              frame 4 from a to b is lost; 1 ms there, 1 ms back",
            "              group 2 of writes of b fails, and ends the process",
        ];
        assert_eq!(lines(&record), expected);
    }
}
