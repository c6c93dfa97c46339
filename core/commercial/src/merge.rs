//! What a record becomes when two versions meet: last write wins, and nothing acknowledged is lost.
//!
//! The outcome is a function of the *set* of versions that met, never of their order: the winner
//! is the highest version, its context is the union of all contexts, and the journal holds exactly
//! the other versions that no context covers.

use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Context, Head, Item, Record};

/// What to change after a merge. Empty when the incoming version says nothing new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The record to hold from now on, if it differs from the one held.
    pub hold: Option<Record>,
    /// Whether `hold` is the incoming record to the letter, so that its sender need not get it.
    pub is_incoming: bool,
    /// The version that lost without having been seen, as a journal item.
    pub journal: Option<Record>,
    /// Journal items that turn out to have been replaced by a write that had seen them.
    pub settled: Vec<Hlc>,
    /// Two different versions carried one timestamp: the larger digest won, and a person should
    /// know.
    pub is_tie: bool,
}

impl Merged {
    /// Whether nothing changes.
    pub fn is_nothing(&self) -> bool {
        self.hold.is_none() && self.journal.is_none() && self.settled.is_empty()
    }

    fn hold(record: &Record) -> Self {
        Self { hold: Some(record.clone()), is_incoming: true, ..Self::default() }
    }
}

/// Merges a version of an entry into what is held; `lost` are the entry's journalled versions.
pub fn merge_entry(held: Option<&Record>, lost: &[Hlc], incoming: &Record) -> Merged {
    let Some(held) = held else {
        let settled = covered(lost, &incoming.head.context);
        return Merged { settled, ..Merged::hold(incoming) };
    };
    let context = held.head.context.union(&incoming.head.context);
    let (winner, loser) =
        if outranks(incoming, held) { (incoming, held) } else { (held, incoming) };
    let is_same =
        winner.head.hlc == loser.head.hlc && winner.content_digest() == loser.content_digest();
    let is_lost = !is_same && !context.covers(loser.head.hlc);
    let journal = is_lost.then(|| journal_item(loser)).flatten();
    // One that is known is not written again. If different versions carried its timestamp, the
    // exchange of journal items decides between them.
    let journal = journal.filter(|item| !lost.contains(&item.head.hlc));
    let merged = Record {
        head: Head { context: context.clone(), ..winner.head.clone() },
        blob: winner.blob.clone(),
    };
    Merged {
        is_incoming: merged == *incoming,
        settled: covered(lost, &context),
        hold: (merged != *held).then_some(merged),
        is_tie: journal.is_some() && winner.head.hlc == loser.head.hlc,
        journal,
    }
}

/// Merges a journal item; `entry` is the context of the entry it belongs to, if that is held.
///
/// Of different items with one timestamp the smaller digest stays: the larger one is the version
/// that won the tie, and in the journal only where the other was never heard of.
pub fn merge_loser(held: Option<&Record>, entry: Option<&Context>, incoming: &Record) -> Merged {
    let is_settled = entry.is_some_and(|context| context.covers(incoming.head.hlc));
    let is_new = held
        .is_none_or(|held| held != incoming && outranks(&version_of(held), &version_of(incoming)));
    if is_new && !is_settled { Merged::hold(incoming) } else { Merged::default() }
}

/// Merges an access token: it never changes but for its revocation, and revocation wins.
pub fn merge_token(held: Option<&Record>, incoming: &Record) -> Merged {
    let rank = |record: &Record| {
        let is_revoked = matches!(&record.head.item, Item::Token(token) if token.revoked.is_some());
        (is_revoked, record.head.hlc, record.content_digest())
    };
    let is_new = held.is_none_or(|held| rank(incoming) > rank(held));
    if is_new { Merged::hold(incoming) } else { Merged::default() }
}

fn outranks(a: &Record, b: &Record) -> bool {
    a.head.hlc.cmp(&b.head.hlc).then_with(|| a.content_digest().cmp(&b.content_digest())).is_gt()
}

fn covered(lost: &[Hlc], context: &Context) -> Vec<Hlc> {
    lost.iter().copied().filter(|version| context.covers(*version)).collect()
}

/// The loser alone, so that every POP builds the same item.
fn journal_item(loser: &Record) -> Option<Record> {
    let Item::Entry { vault, entry, deleted } = &loser.head.item else {
        return None;
    };
    let (vault, entry, deleted) = (vault.clone(), entry.clone(), *deleted);
    let item = Item::Loser { vault, entry, deleted };
    let head = Head { hlc: loser.head.hlc, context: Context::default(), item };
    Some(Record { head, blob: loser.blob.clone() })
}

/// The version that became this journal item, by whose digest ties are decided.
fn version_of(item: &Record) -> Record {
    let mut version = item.clone();
    if let Item::Loser { vault, entry, deleted } = &item.head.item {
        let (vault, entry, deleted) = (vault.clone(), entry.clone(), *deleted);
        version.head.item = Item::Entry { vault, entry, deleted };
    }
    version
}

#[cfg(test)]
pub(crate) mod tests;
