//! What a model server does with the frames of others.

use super::*;

impl Server {
    /// Why the frame is not taken, if it is not. A stranger is asked about first.
    pub(in super::super) fn refusal(&self, peer: u8, frame: &Frame) -> Option<Refusal> {
        let source = (frame.source.pop, frame.source.store);
        let known = self.known[usize::from(peer)].identity;
        if frame.destination_store.is_some_and(|store| store != self.store) {
            Some(Refusal::Store)
        } else if self.denied.contains(&(peer, source.1)) {
            Some(Refusal::Duplicate)
        } else {
            known.is_some_and(|known| known != source).then_some(Refusal::Busy)
        }
    }

    /// Answers a verdict per record, and whether something came of it that the source lacks.
    pub(in super::super) fn apply(&mut self, frame: &Frame, is_late: bool) -> (Vec<Verdict>, bool) {
        let source = &frame.source;
        let fresh = (source.store, Received::default());
        let received = self.received.entry(source.pop).or_insert_with(|| fresh.clone());
        if received.0 != source.store {
            *received = fresh;
        }
        let range = (frame.range.after.0, frame.range.to.0);
        let is_covered = !frame.is_hello() && received.1.is_covered(range.0, range.1);
        if !frame.is_hello() {
            received.1.add(range.0, range.1);
        }
        let mut is_own = false;
        let mut verdicts = Vec::new();
        for Block(bytes) in &frame.records {
            let record = Record::decode(bytes).unwrap();
            let is_late = is_late
                && matches!(&record.head.item, Item::Entry { entry, .. } if entry.as_str() == "late");
            // What a covered range would still change was deferred before, and the ack was lost.
            let mut trial = self.site.clone();
            let applied = trial.apply(&record);
            verdicts.push(match (applied.changed.is_empty(), is_late || is_covered) {
                (true, _) => Verdict::Already,
                (false, true) => Verdict::Deferred,
                (false, false) => Verdict::Applied,
            });
            if applied.changed.is_empty() || is_late || is_covered {
                continue;
            }
            self.site = trial;
            let origin = (source.pop, source.store, frame.range.to);
            for (key, is_incoming) in applied.changed {
                is_own |= !is_incoming;
                self.touch(&key, is_incoming.then_some(origin));
            }
        }
        (verdicts, is_own)
    }

    pub(in super::super) fn ack(&self, frame: &Frame, verdicts: Vec<Verdict>) -> Ack {
        let position = |(source, (store, received)): (&PopId, &(StoreId, Received))| Position {
            source: *source,
            store: *store,
            received: Seq(received.prefix),
        };
        let others = self.received.iter().filter(|(pop, _)| **pop != frame.source.pop);
        let received = self.received.get(&frame.source.pop).map(|received| &received.1);
        let received = received.map_or(0, |received| match received.highest() {
            highest if frame.is_hello() && highest > frame.range.after.0 => highest,
            _ => received.prefix,
        });
        Ack {
            acker: self.member(),
            frame: [0; 32],
            epoch: self.epoch,
            received: Seq(received),
            verdicts,
            positions: others.map(position).collect(),
            is_complete: false,
            wall: UnixTime(0),
        }
    }
}
