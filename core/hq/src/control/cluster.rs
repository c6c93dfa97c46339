//! One cluster: answers renewals, and lets nobody hear of what is not on disk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_commercial::epoch;
use clavitor_commercial::renewal::{Answer, Renewal, with_margin};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::handover::HandOver;
use super::members::{Pop, Who};
use super::promotion::Succession;
use super::{ClusterName, Effect, Event, HOLD_MS, Holder, NotSwitched, POPS_MAX, Row, next_op};

/// How long to wait before trying again what could not be stored, in milliseconds.
pub const KEEP_AGAIN_MS: u64 = 1_000;

/// What holds for every cluster of an HQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) lease_ms: u64,
    pub(super) failback_ms: Option<u64>,
    pub(super) is_first: bool,
}

/// One call of the machine.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) next_op: &'a mut u64,
    pub(super) out: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub(super) fn answer(&mut self, op: OpId, answer: Answer) {
        self.out.push(Effect::Answer { op, answer });
    }

    pub(super) fn answer_switchover(&mut self, op: OpId, outcome: Result<Epoch, NotSwitched>) {
        self.out.push(Effect::AnswerSwitchover { op, outcome });
    }
}

/// A renewal that wants its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    op: OpId,
    pub(super) at: Instant,
    pub(super) pop: PopId,
    pub(super) renewal: Renewal,
}

impl Asked {
    pub(super) fn new(op: OpId, at: Instant, pop: PopId, renewal: Renewal) -> Self {
        Self { op, at, pop, renewal }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Keeping {
    op: OpId,
    row: Row,
}

/// Invariant: `row` is what is on disk, as far as anybody was told. Before `lease_until` nobody but
/// the holder is given a lease or told to prepare for one, and nobody is ordered to. Once a newer
/// term than `row.granted` is in `row.epoch`, or the holder has given up, it is given none either.
/// At most one order to store is out, and what comes in meanwhile waits in `waiting`, at most one of
/// each process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) name: ClusterName,
    pub(super) policy: Policy,
    pub(super) row: Row,
    pub(super) pops: BTreeMap<PopId, Pop>,
    pub(super) lease_until: Instant,
    pub(super) contact_at: Option<Instant>,
    pub(super) is_released: bool,
    pub(super) unordered: Option<Epoch>,
    pub(super) succession: Succession,
    pub(super) hand_over: HandOver,
    // The term whose holder is gone, by an operator's word.
    void: Option<Epoch>,
    keeping: Option<Keeping>,
    keep_again_at: Option<Instant>,
    waiting: Vec<Asked>,
    wake: Option<Instant>,
}

impl Cluster {
    pub(super) fn new(now: Instant, name: ClusterName, policy: Policy, row: Row) -> Self {
        let hold_until = now.plus_ms(HOLD_MS);
        let mut pops: BTreeMap<PopId, Pop> =
            row.pops.iter().take(POPS_MAX).map(|pop| (*pop, Pop::known(now, hold_until))).collect();
        if let (Some(granted), Some(holder)) = (row.granted, row.holder)
            && let Some(pop) = pops.get_mut(&granted.primary)
        {
            pop.expect(now, holder);
        }
        let mut cluster = Self {
            name,
            policy,
            row,
            pops,
            lease_until: if policy.is_first { now } else { hold_until },
            contact_at: None,
            is_released: false,
            unordered: None,
            succession: Succession::default(),
            hand_over: HandOver::default(),
            void: None,
            keeping: None,
            keep_again_at: None,
            waiting: Vec::new(),
            wake: None,
        };
        cluster.succession.start_over(cluster.lease_until);
        cluster.wake = cluster.earliest_wake(now);
        cluster
    }

    /// A POP of a cluster that was stored has never renewed, as far as is known. A member has: that it
    /// did is stored a moment later than what came of it.
    pub(super) fn never_heard(&mut self, pop: PopId) {
        let Row { granted, acknowledged, offered, .. } = &self.row;
        let members = offered.iter().chain([acknowledged]).flat_map(|members| &members.pops);
        let primary = granted.iter().map(|epoch| &epoch.primary);
        if !members.chain(primary).any(|member| *member == pop)
            && let Some(known) = self.pops.get_mut(&pop)
        {
            *known = Pop::default();
        }
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    pub(super) fn primary(&self) -> Option<PopId> {
        self.row.granted.map(|epoch| epoch.primary)
    }

    pub(super) fn has(&self, pop: PopId) -> bool {
        self.pops.contains_key(&pop)
    }

    pub(super) fn pop_count(&self) -> usize {
        self.pops.len()
    }

    /// Who holds the lease of the newest term that was given, or held it last.
    pub(super) fn lease_holder(&self) -> Option<Holder> {
        self.row.holder.filter(|_| self.void != self.row.granted)
    }

    /// Whether a newer term is ordered, so that the one before it is never given again.
    pub(super) fn is_ordered(&self) -> bool {
        self.row.epoch != self.row.granted
    }

    /// Whether the term that was given goes on as long as its holder renews.
    pub(super) fn is_going_on(&self) -> bool {
        self.row.granted.is_some()
            && !self.is_ordered()
            && !self.is_released
            && self.unordered.is_none()
    }

    /// Whether something is on its way to the disk, or could not be stored just now.
    pub(super) fn is_keeping(&self, now: Instant) -> bool {
        self.keeping.is_some() || self.keep_again_at.is_some_and(|at| at > now)
    }

    pub(super) fn happened(&self, turn: &mut Turn<'_>, event: Event) {
        turn.out.push(Effect::Happened { cluster: self.name.clone(), event });
    }

    pub(super) fn wake_pop(&self, turn: &mut Turn<'_>, pop: PopId) {
        turn.out.push(Effect::Wake { cluster: self.name.clone(), pop });
    }

    /// HQ was away: what it knows of others is old, and they may have carried on without it.
    pub(super) fn on_late(&mut self, now: Instant) {
        let hold_until = now.plus_ms(HOLD_MS);
        self.lease_until = self.lease_until.max(hold_until);
        self.succession.start_over(hold_until);
        self.pops.values_mut().for_each(|pop| pop.spare(hold_until));
        self.wake = self.earliest_wake(now);
    }

    pub(super) fn on_renewed(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        self.contact_at.get_or_insert(turn.now);
        self.take(turn, asked);
        self.advance(turn);
    }

    /// One for which there is room has a token.
    pub(super) fn on_registered(&mut self, turn: &mut Turn<'_>, pop: PopId) {
        if self.pops.insert(pop, Pop::default()).is_some() {
            self.void_holder(pop);
        }
        self.advance(turn);
    }

    pub(super) fn on_removed(&mut self, turn: &mut Turn<'_>, pop: PopId) {
        if self.pops.remove(&pop).is_some() {
            self.void_holder(pop);
        }
        self.advance(turn);
    }

    fn void_holder(&mut self, pop: PopId) {
        let row = self.keeping.as_ref().map_or(&self.row, |keeping| &keeping.row);
        if let Some(granted) = row.granted.filter(|granted| granted.primary == pop) {
            self.void = Some(granted);
        }
    }

    pub(super) fn keeps(&self, op: OpId) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| keeping.op == op)
    }

    pub(super) fn on_kept(&mut self, turn: &mut Turn<'_>, is_kept: bool) {
        let Some(Keeping { row, .. }) = self.keeping.take() else { return };
        if is_kept {
            self.keep_again_at = None;
            if let Some(primary) = self.primary().filter(|_| self.hand_over.on_kept()) {
                self.wake_pop(turn, primary);
            }
            let old = core::mem::replace(&mut self.row, row);
            self.on_changed(turn, &old);
        } else {
            self.keep_again_at = Some(turn.now.plus_ms(KEEP_AGAIN_MS));
            self.hand_over.on_not_kept(turn, self.is_released);
        }
        for asked in core::mem::take(&mut self.waiting) {
            self.take(turn, asked);
        }
        self.advance(turn);
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) {
        self.note_lost(turn);
        self.advance_hand_over(turn);
        // Without a POP it is asleep: its terms go on if one comes.
        if !self.is_keeping(turn.now) && !self.pops.is_empty() {
            self.advance_succession(turn);
        }
        let is_stored = self.has_stored_pops() && self.hand_over.is_stored();
        if !self.is_keeping(turn.now) && !is_stored {
            self.keep(turn, self.row.clone());
        }
        self.wake = self.earliest_wake(turn.now);
    }

    /// Orders to store a row, with whatever else has changed.
    pub(super) fn keep(&mut self, turn: &mut Turn<'_>, row: Row) {
        assert!(self.keeping.is_none(), "one order to store at a time");
        assert!(row.epoch >= self.row.epoch && row.granted >= self.row.granted, "terms only grow");
        assert!(row.granted <= row.epoch, "a term is ordered before it is given");
        let holder = row.holder.filter(|_| self.void != row.granted);
        let row = Row { holder, pops: self.pops.keys().copied().collect(), ..row };
        let op = next_op(turn.next_op);
        turn.out.push(Effect::Keep { op, cluster: self.name.clone(), row: row.clone() });
        self.keeping = Some(Keeping { op, row });
    }

    fn has_stored_pops(&self) -> bool {
        self.row.pops.iter().eq(self.pops.keys()) && self.row.holder == self.lease_holder()
    }

    fn note_lost(&mut self, turn: &mut Turn<'_>) {
        let name = &self.name;
        for (pop, known) in &mut self.pops {
            if known.lose(turn.now) {
                let event = Event::PopLost(*pop);
                turn.out.push(Effect::Happened { cluster: name.clone(), event });
            }
        }
    }

    fn take(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        if self.keeping.is_none() {
            return self.renew(turn, asked);
        }
        // A process that asks again does not wait for the former answer any longer.
        let is_same =
            |one: &Asked| one.pop == asked.pop && one.renewal.start == asked.renewal.start;
        let mut of_it = self.waiting.iter().filter(|one| is_same(one));
        if of_it.any(|one| asked.renewal.is_before(&one.renewal)) {
            return turn.out.push(Effect::Overtaken { op: asked.op });
        }
        let former = self.waiting.iter().position(is_same).map(|at| self.waiting.remove(at));
        let is_full = self.waiting.len() >= 2 * POPS_MAX;
        let oldest = is_full.then(|| self.waiting.remove(0));
        for one in former.into_iter().chain(oldest) {
            turn.answer(one.op, self.follow());
        }
        self.waiting.push(asked);
    }

    fn follow(&self) -> Answer {
        Answer::Follow { epoch: self.row.granted }
    }

    fn renew(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        let known = self.pops.get(&asked.pop);
        if known.is_some_and(|known| known.has_overtaken(asked.at, &asked.renewal)) {
            return turn.out.push(Effect::Overtaken { op: asked.op });
        }
        match self.identify(turn, &asked) {
            Some(Who::Speaker) => {}
            Some(Who::Newcomer) | None => return turn.answer(asked.op, self.follow()),
            Some(Who::Duplicate { is_news }) => {
                if is_news {
                    self.happened(turn, Event::Duplicate(asked.pop));
                }
                return turn.answer(asked.op, Answer::Duplicate);
            }
        }
        self.hear(turn, &asked);
        let change = if self.is_keeping(turn.now) { None } else { self.change(turn.now, &asked) };
        // What the answer should tell of must have been stored before.
        let is_awaited = !self.hand_over.is_stored() && !self.is_keeping(turn.now);
        match change.or_else(|| is_awaited.then(|| self.row.clone())) {
            Some(row) => {
                self.keep(turn, row);
                self.take(turn, asked);
            }
            None => self.respond(turn, &asked),
        }
    }

    fn identify(&mut self, turn: &mut Turn<'_>, asked: &Asked) -> Option<Who> {
        let (start, store) = (asked.renewal.start, asked.renewal.store);
        let is_holder = self.is_holders(asked);
        let lease_ms = self.policy.lease_ms;
        let pop = self.pops.get_mut(&asked.pop)?;
        let is_news = pop.see(asked.at, lease_ms);
        let who = pop.identify(asked.at, (start, store), is_holder, with_margin(lease_ms));
        if is_news {
            self.happened(turn, Event::PopSeen(asked.pop));
        }
        Some(who)
    }

    fn hear(&mut self, turn: &mut Turn<'_>, asked: &Asked) {
        let (pop, renewal) = (asked.pop, &asked.renewal);
        let lease_ms = self.policy.lease_ms;
        if let Some(known) = self.pops.get_mut(&pop) {
            known.hear(asked.at, renewal.clone(), lease_ms);
        }
        let claim = renewal.epoch.filter(|epoch| self.is_believed(pop, *epoch));
        if self.row.epoch.is_some() && claim > self.row.epoch.max(self.unordered) {
            self.unordered = claim;
            self.happened(turn, Event::Overruled(claim.unwrap_or_else(|| Epoch::after(None, pop))));
        }
        if self.is_holders(asked) {
            self.hear_holder(turn, asked);
        }
    }

    /// Whether a term that a POP claims counts. Where there is a primary, a POP that could not follow it
    /// has no say: its word would end the term.
    pub(super) fn is_believed(&self, pop: PopId, claim: Epoch) -> bool {
        let Row { acknowledged, offered, .. } = &self.row;
        let offered = offered.iter().flat_map(|offered| &offered.pops);
        let is_member = acknowledged.pops.iter().chain(offered).any(|member| *member == pop);
        epoch::is_credible(self.row.epoch, claim) && (is_member || self.promotable().contains(&pop))
    }

    /// Answers by what is stored.
    fn respond(&mut self, turn: &mut Turn<'_>, asked: &Asked) {
        let answer = self.lead(turn, asked).or_else(|| self.promote(turn.now, asked));
        let answer = answer.unwrap_or_else(|| self.follow());
        turn.answer(asked.op, answer);
    }

    /// Something was stored: lets everybody know whom it concerns.
    fn on_changed(&mut self, turn: &mut Turn<'_>, old: &Row) {
        if self.row.granted != old.granted {
            self.on_given(turn, old);
        } else {
            self.note_members(turn, &old.acknowledged.pops);
        }
        if self.row.epoch != old.epoch && self.is_ordered() {
            self.on_ordered(turn, old);
        }
    }

    fn earliest_wake(&self, now: Instant) -> Option<Instant> {
        let pops = self.pops.values().flat_map(Pop::wakes);
        let own = [Some(self.lease_until), self.keep_again_at, self.contact_until()];
        let own = own.into_iter().flatten().chain(self.succession_wakes());
        let all = pops.chain(own).chain(self.hand_over_wakes());
        all.filter(|at| *at > now).min()
    }
}
