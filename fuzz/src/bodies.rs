//! JSON that POPs and HQ send each other, of any shape.

use clavitor_commercial::alerts::{
    DETAIL_BYTES_MAX, DETAIL_NAME_BYTES_MAX, DETAILS_MAX, MESSAGE_BYTES_MAX, SENDER_BYTES_MAX,
};
use clavitor_commercial::lease::{self, Lease, Renewed, Start};
use clavitor_commercial::renewal::{
    Answer, GRANT_MEMBERS_MAX, LEASE_MS, LEASE_MS_MAX, RENEW_MS, Renewal,
};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::{Instant, UnixTime};
use clavitor_hq_core::control::{self, Control, Effect, Input};
use clavitor_hq_core::incidents::{self, COUNT_MAX, Filter, KIND_BYTES_MAX, Key};
use clavitor_node_commercial::heard;
use clavitor_node_hq::bodies;
use clavitor_node_hq::registry::Name;
use clavitor_sim::disk::Disk;

const CLUSTER: &str = "main";

/// The most bodies of one input.
const BODIES_MAX: usize = 64;

/// The most orders that one renewal may bring about.
const EFFECTS_MAX: usize = 64;

const NOW: UnixTime = UnixTime(1_700_000_000_000);

/// Takes each line for a body, of each kind: what HQ can read keeps its bounds and is decided about, what it
/// answers is read by a POP as it was meant, and what is no answer gives nobody anything.
pub fn json_bodies(bytes: &[u8]) {
    let (mut hq, mut pop) = (Hq::new(), Pop::new());
    let mut disk = Disk::new(1 << 30);
    for (at, body) in (0u64..).zip(bytes.split(|byte| *byte == b'\n')).take(BODIES_MAX) {
        hq.take(body);
        pop.hear(body);
        let _ = heard::news(body);
        let _ = bodies::report(body);
        take_alert(&mut disk, at, body);
    }
}

/// HQ's machine and the POPs that it knows.
struct Hq {
    control: Control,
    now: Instant,
    next_op: u64,
}

impl Hq {
    fn new() -> Self {
        let start = control::Start {
            clusters: [].into(),
            unheard: [].into(),
            is_first: true,
            lease_ms: LEASE_MS,
            failback_ms: Some(LEASE_MS),
        };
        let now = Instant::from_ms(1_000);
        let mut hq = Self { control: Control::new(now, start), now, next_op: 0 };
        for pop in ["a", "b", "c"] {
            hq.tell(Input::Registered { cluster: CLUSTER.into(), pop: id(pop) });
        }
        hq
    }

    fn take(&mut self, body: &[u8]) {
        let Some(said) = bodies::renewal(body) else { return };
        assert!(said.renewal.held.len() <= GRANT_MEMBERS_MAX, "more than anybody knows");
        self.now = self.now.plus_ms(RENEW_MS / 4);
        self.tell(Input::Tick);
        self.next_op += 1;
        let (op, pop) = (OpId(self.next_op), said.pop);
        let Renewal { epoch, .. } = said.renewal;
        let cluster = said.cluster;
        let answers = self.tell(Input::Renewed { op, cluster, pop, renewal: said.renewal });
        for (_, answer) in answers.iter().filter(|(answered, _)| *answered == op) {
            check_answer(pop, epoch, answer);
        }
    }

    /// Tells the machine a fact; whatever it wants to keep is kept.
    fn tell(&mut self, input: Input) -> Vec<(OpId, Answer)> {
        let (mut facts, mut answers, mut count) = (vec![input], Vec::new(), 0);
        while let Some(fact) = facts.pop() {
            let mut out = Vec::new();
            self.control.handle(self.now, fact, &mut out);
            count += out.len();
            assert!(count <= EFFECTS_MAX, "{count} effects");
            for effect in out {
                match effect {
                    Effect::Answer { op, answer } => answers.push((op, answer)),
                    Effect::Keep { op, .. } => facts.push(Input::Kept { op, is_kept: true }),
                    _ => {}
                }
            }
        }
        answers
    }
}

/// What HQ says is heard as it was meant, and it gives nothing that is not for this POP.
fn check_answer(pop: PopId, epoch: Option<Epoch>, answer: &Answer) {
    let text = bodies::answer(answer, NOW).to_string();
    assert_eq!(heard::renewed(200, text.as_bytes()), Renewed::Answered(answer.clone()));
    match answer {
        Answer::Lead { grant, .. } => {
            assert_eq!((grant.epoch.primary, Some(grant.epoch)), (pop, epoch), "another's term");
            assert!(grant.members.contains(&pop) && grant.members.len() <= GRANT_MEMBERS_MAX);
            assert!(grant.members.is_sorted() && grant.lease_ms <= LEASE_MS);
        }
        Answer::Promote { epoch: newer, .. } => {
            assert_eq!(newer.primary, pop);
            assert!(Some(*newer) > epoch, "a term begins once");
        }
        Answer::Follow { .. } | Answer::Duplicate => {}
    }
}

/// A POP that asks HQ on and on.
struct Pop {
    lease: Lease,
    now: Instant,
    asked: Option<(OpId, Instant)>,
    allowed_until: Instant,
}

impl Pop {
    fn new() -> Self {
        let start = Start { has_hq: true, ..Start::without_hq(id("a")) };
        let epoch = Epoch { number: 1, primary: id("a") };
        let mut pop = Self {
            lease: Lease::new(start, Some(epoch)),
            now: Instant::from_ms(1_000),
            asked: None,
            allowed_until: Instant(0),
        };
        pop.tell(lease::Input::Started);
        pop.tell(lease::Input::BecameReady);
        pop
    }

    fn hear(&mut self, body: &[u8]) {
        for status in [401, 409, 500] {
            let is_granted = matches!(
                heard::renewed(status, body),
                Renewed::Answered(Answer::Lead { .. } | Answer::Promote { .. })
            );
            assert!(!is_granted, "{status} gives nothing");
        }
        let outcome = heard::renewed(200, body);
        if let Some((op, sent)) = self.asked.take() {
            if let Renewed::Answered(Answer::Lead { grant, .. }) = &outcome {
                let until = sent.plus_ms(grant.lease_ms.min(LEASE_MS_MAX));
                self.allowed_until = self.allowed_until.max(until);
            }
            self.tell(lease::Input::Renewed { op, outcome });
        }
        self.now = self.lease.next_wake().map_or(self.now, |(at, _)| at.max(self.now));
        self.tell(lease::Input::Tick);
    }

    fn tell(&mut self, input: lease::Input) {
        let mut out = Vec::new();
        self.lease.handle(self.now, input, &mut out);
        assert!(out.len() <= EFFECTS_MAX);
        for effect in out {
            match effect {
                lease::Effect::Renew { op, .. } => self.asked = Some((op, self.now)),
                lease::Effect::HoldLease { until } => {
                    assert!(until <= self.allowed_until, "nobody gave so much");
                }
                lease::Effect::Accept { op, epoch, .. } => {
                    assert_eq!(epoch.primary, id("a"), "another's term");
                    self.tell(lease::Input::Accepted { op, epoch: Some(epoch) });
                }
                _ => {}
            }
        }
    }
}

/// An alert that can be read is kept within its bounds, and shown once for its key.
fn take_alert(disk: &mut Disk, at: u64, body: &[u8]) {
    let name = Name { cluster: CLUSTER.into(), pop: id("a") };
    let Some(alert) = bodies::alert(body, Some(name)) else { return };
    let mut sheet = disk.begin();
    let key = Key(u128::from(at).to_be_bytes());
    let take = |sheet: &mut _| incidents::take(sheet, NOW, key, alert.clone());
    let first = take(&mut sheet).expect("there is room");
    assert_ne!(first, incidents::Outcome::AlreadyShown);
    assert_eq!(take(&mut sheet), Ok(incidents::Outcome::AlreadyShown));
    let page = incidents::page(&sheet, &Filter::default(), None, 1).expect("it can be read");
    for incident in page.incidents {
        let is_short = |(name, text): (&String, &String)| {
            name.len() <= DETAIL_NAME_BYTES_MAX && text.len() <= DETAIL_BYTES_MAX
        };
        assert!(!incident.kind.is_empty() && incident.kind.len() <= KIND_BYTES_MAX);
        assert!(incident.message.len() <= MESSAGE_BYTES_MAX);
        assert!(incident.source.hostname.len() <= SENDER_BYTES_MAX);
        assert!(incident.details.len() <= DETAILS_MAX && incident.details.iter().all(is_short));
        assert!(incident.count >= 1 && incident.count <= COUNT_MAX * BODIES_MAX as u64);
    }
    sheet.commit(incidents::INCIDENTS);
}

fn id(text: &str) -> PopId {
    text.parse().expect("the id of a POP")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = include_bytes!("../corpus/json_bodies/seed-00");
    const LEADS: &[u8] = include_bytes!("../corpus/json_bodies/seed-02");
    const ALERTS: &[u8] = include_bytes!("../corpus/json_bodies/seed-04");

    #[test]
    fn what_the_corpus_begins_with_is_read_and_gives_leases() {
        let lines = |bytes: &'static [u8]| bytes.split(|byte| *byte == b'\n');
        assert!(lines(FIRST).all(|body| bodies::renewal(body).is_some()));
        assert!(lines(ALERTS).all(|body| bodies::alert(body, None).is_some()));
        let mut pop = Pop::new();
        lines(LEADS).for_each(|body| pop.hear(body));
        assert!(pop.allowed_until > Instant(0), "it was given a lease");
        let mut hq = Hq::new();
        lines(FIRST).for_each(|body| hq.take(body));
        assert!(hq.control.holder(CLUSTER).is_some(), "it gave one");
    }
}
