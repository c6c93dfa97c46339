//! The reference model: every version that clients' writes made durable, what each had seen, and
//! which disks have had it. It knows nothing of contexts or merging.

use std::collections::HashMap;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Item, Key};
use clavitor_core::store::{RECORDS, Reader, Rows, decode_stored_head, encode_key};

use super::{Held, Sight, broken};
use crate::event::{Fact, Wrote};
use crate::network::POPS_MAX;
use crate::server::Server;

/// One version of an entry or an access token.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) hlc: Hlc,
    pub(super) is_revocation: bool,
    /// By which writes it was replaced that had seen it.
    pub(super) replaced_by: Vec<usize>,
    /// On which disks it is or was, until they were replaced: a bit for each POP.
    pub(super) holders: u16,
    /// On which disks it ever was.
    pub(super) ever: u16,
    /// Its POP was put back to a copy from before it, and may write over it without having seen it
    /// until it hears its peers; or nothing but the copy had it, and its POP may write until it
    /// hears of that: nobody promised to journal it. A data directory that was emptied excuses nothing.
    pub(super) is_excused: bool,
    /// What a disk that held it wrote about the entry afterwards may know of it, and of what it had
    /// seen, even where it was lost itself.
    is_followed: bool,
    key: usize,
    copies: u16,
}

/// Everything about one entry or access token.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) versions: Vec<usize>,
    /// Versions that no write has replaced, but for lost ones.
    pub(super) open: Vec<usize>,
    /// The newest version that each disk has had.
    pub(super) newest: [Option<Hlc>; POPS_MAX],
    /// Two versions carried one timestamp: which is which cannot be told.
    pub(super) is_tied: bool,
}

/// What clients wrote.
///
/// Invariant: a version is lost exactly if `holders` is 0: every disk that had it was replaced.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) versions: Vec<Version>,
    pub(super) lines: Vec<Line>,
    /// The lines that the last commit touched.
    pub(super) touched: Vec<usize>,
    /// The newest timestamp that each POP issued after the copy to which it was put back.
    forgotten: [Option<Hlc>; POPS_MAX],
    /// How many versions there were when each POP's data directory was copied.
    copied_at: [usize; POPS_MAX],
    is_revived: bool,
    /// Whether a journal gave something up.
    pub(super) is_trimmed: bool,
    by_key: HashMap<Vec<u8>, usize>,
    by_hlc: HashMap<(usize, Hlc), usize>,
    by_request: HashMap<u32, usize>,
}

impl History {
    /// The version that a request wrote.
    pub(super) fn of_request(&self, id: u32) -> Option<&Version> {
        self.by_request.get(&id).and_then(|at| self.versions.get(*at))
    }

    /// Whether a version, or one that replaced it, has ever been on another disk than this one.
    pub(super) fn is_elsewhere(&self, version: &Version, than: u8) -> bool {
        let is_there = |version: &Version| version.ever & !(1 << than) != 0;
        let mut open: Vec<&Version> = vec![version];
        while let Some(version) = open.pop() {
            if is_there(version) {
                return true;
            }
            open.extend(version.replaced_by.iter().map(|at| &self.versions[*at]));
        }
        // Of two revocations one wins, and neither has seen the other.
        let line = &self.lines[version.key];
        version.is_revocation
            && line.versions.iter().any(|at| {
                let other = &self.versions[*at];
                other.is_revocation && is_there(other)
            })
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        match fact {
            Fact::Committed { pop, keys, wrote } => {
                self.touched.clear();
                wrote.iter().for_each(|wrote| self.on_wrote(*pop, wrote));
                for key in keys {
                    self.on_changed(*pop, key, sight)?;
                }
                if std::mem::take(&mut self.is_revived) {
                    self.settle();
                }
            }
            Fact::Copied(pop) => {
                self.copied_at[usize::from(*pop)] = self.versions.len();
                for version in &mut self.versions {
                    version.copies &= !(1 << pop);
                    version.copies |= version.holders & (1 << pop);
                }
            }
            Fact::Emptied(pop) => self.replace_disk(sight.server(*pop), false),
            Fact::PutBack(pop) => self.replace_disk(sight.server(*pop), true),
            Fact::Alerted(_, alert) => {
                use clavitor_core::alert::AlertType::JournalTrimmed;
                self.is_trimmed |= alert.alert_type == JournalTrimmed;
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts what was lost with a disk out, once all is said. What replaced a version may be lost,
    /// and in its turn have been replaced by what is not.
    pub(super) fn settle(&mut self) {
        let mut is_replaced = vec![false; self.versions.len()];
        for (at, version) in self.versions.iter().enumerate().rev() {
            let stands = |by: &usize| {
                let version = &self.versions[*by];
                version.holders != 0 || version.is_followed || is_replaced[*by]
            };
            is_replaced[at] = version.replaced_by.iter().any(stands);
        }
        for line in &mut self.lines {
            let is_lost = |at: &usize| self.versions[*at].holders == 0;
            let all = line.versions.iter().copied();
            line.open = all.filter(|at| !is_lost(at) && !is_replaced[*at]).collect();
        }
    }

    /// What the same group replaced at once was on disk all the same.
    fn on_wrote(&mut self, pop: u8, wrote: &Wrote) {
        let line = self.line(&wrote.key);
        let at = self.versions.len();
        if self.by_hlc.insert((line, wrote.hlc), at).is_some() {
            self.lines[line].is_tied = true;
        }
        self.by_request.insert(wrote.id, at);
        self.versions.push(Version {
            hlc: wrote.hlc,
            is_revocation: wrote.is_revocation,
            replaced_by: Vec::new(),
            holders: 1 << pop,
            ever: 1 << pop,
            is_excused: Some(wrote.hlc) < self.forgotten[usize::from(pop)],
            is_followed: false,
            key: line,
            copies: 0,
        });
        let seen = [wrote.seen, wrote.restored].into_iter().flatten();
        let mut seen: Vec<usize> =
            seen.filter_map(|hlc| self.by_hlc.get(&(line, hlc)).copied()).collect();
        if wrote.is_revocation {
            // Nobody revokes what is not there.
            let before = self.lines[line].versions.iter().copied();
            seen.extend(before.filter(|at| !self.versions[*at].is_revocation));
        }
        for seen in &seen {
            let seen = &mut self.versions[*seen];
            seen.replaced_by.push(at);
            // It came in the same group, after its own disk was replaced.
            self.is_revived |= seen.holders == 0;
        }
        let line = &mut self.lines[line];
        let newest = &mut line.newest[usize::from(pop)];
        *newest = (*newest).max(Some(wrote.hlc));
        line.open.retain(|open| !seen.contains(open));
        line.open.push(at);
        line.versions.push(at);
    }

    fn on_changed(&mut self, pop: u8, key: &[u8], sight: Sight<'_>) -> Held {
        let stored = sight.server(pop).disk.get(RECORDS, key).expect("rows are whole");
        let Some(stored) = stored else {
            // A settled journal item: what it was a version of is touched all the same.
            let entry = clavitor_core::store::decode_key(key).and_then(entry_of);
            entry.into_iter().for_each(|entry| self.touch(&entry));
            return Ok(());
        };
        let (_, head, _) = decode_stored_head(stored).expect("a record is whole");
        let (hlc, is_loser) = (head.hlc, matches!(head.item, Item::Loser { .. }));
        let key = match head.item {
            Item::Entry { vault, entry, .. } | Item::Loser { vault, entry, .. } => {
                Key::Entry(vault, entry)
            }
            Item::Token(token) => Key::Token(token.id),
        };
        self.touch(&key);
        let line = self.line(&key);
        let Some(at) = self.by_hlc.get(&(line, hlc)).copied() else {
            return broken(
                "P9",
                format!("a version of {key:?} that nobody wrote is stored: {hlc}"),
            );
        };
        for other in self.lines[line].open.iter().filter(|other| **other != at) {
            let other = &mut self.versions[*other];
            other.is_followed |= other.holders & (1 << pop) != 0;
        }
        let version = &mut self.versions[at];
        // What was on its way when its disk was replaced is not lost after all.
        self.is_revived |= version.holders == 0;
        version.holders |= 1 << pop;
        version.ever |= 1 << pop;
        // A journal item may come before what it lost to.
        if !is_loser {
            let newest = &mut self.lines[line].newest[usize::from(pop)];
            *newest = (*newest).max(Some(hlc));
        }
        Ok(())
    }

    fn touch(&mut self, key: &Key) {
        let line = self.line(key);
        if !self.touched.contains(&line) {
            self.touched.push(line);
        }
    }

    fn line(&mut self, key: &Key) -> usize {
        let lines = &mut self.lines;
        *self.by_key.entry(encode_key(key)).or_insert_with(|| {
            lines.push(Line {
                key: key.clone(),
                versions: Vec::new(),
                open: Vec::new(),
                newest: [None; POPS_MAX],
                is_tied: false,
            });
            lines.len() - 1
        })
    }

    fn replace_disk(&mut self, server: &Server, by_copy: bool) {
        let (pop, bit) = (server.index, 1 << server.index);
        let copied_at = self.copied_at[usize::from(pop)];
        for (at, version) in self.versions.iter_mut().enumerate() {
            let was_lost = version.holders == 0;
            version.holders &= !bit;
            version.holders |= if by_copy { version.copies & bit } else { 0 };
            let is_between = by_copy && at >= copied_at && version.holders & bit == 0;
            let is_back = by_copy && was_lost && version.holders & bit != 0;
            // Whoever wrote it was emptied too, and may write over what it has not seen until it hears
            // that somebody has it after all.
            version.is_excused |= is_back;
            if (is_between || is_back) && version.hlc.pop == server.pop {
                version.is_excused = true;
                let forgotten = &mut self.forgotten[usize::from(pop)];
                *forgotten = (*forgotten).max(Some(version.hlc));
            }
        }
        for line in &mut self.lines {
            let held = line.versions.iter().map(|at| &self.versions[*at]);
            let held = held.filter(|version| version.holders & bit != 0);
            let newest = held.map(|version| version.hlc).max();
            // What the copy itself says: a journal item is no sign of what it lost to.
            let row = Reader::new(&server.disk).head(&line.key).expect("rows are whole");
            line.newest[usize::from(pop)] = row.map(|row| row.head.hlc).min(newest);
        }
        self.settle();
    }
}

fn entry_of(key: Key) -> Option<Key> {
    match key {
        Key::Loser(vault, entry, _) => Some(Key::Entry(vault, entry)),
        Key::Entry(..) | Key::Token(_) => None,
    }
}
