//! [P7] What was acknowledged is held, was superseded by a write that had seen it, or is in the
//! journal: on every disk that has had it, at every moment, and in the end everywhere.

use clavitor_core::record::Key;
use clavitor_core::store::Reader;

use super::history::{History, Line};
use super::{Held, Sight, broken};
use crate::event::{Fact, Wrote};
use crate::server::Server;

/// A write belongs to an epoch: whoever takes it is the primary of the newest one it has stored, or
/// the write loses to others that its client could have seen.
pub(super) fn in_its_epoch(fact: &Fact, sight: Sight<'_>) -> Held {
    let Fact::Committed { pop, wrote, .. } = fact else { return Ok(()) };
    let pop = sight.server(*pop).pop;
    let is_its_own = |wrote: &&Wrote| wrote.epoch.is_some_and(|epoch| epoch.primary == pop);
    match wrote.iter().find(|wrote| !is_its_own(wrote)) {
        Some(wrote) if !sight.around.knobs.is_community => {
            broken("P7", format!("{pop} took {}, and is primary of no epoch", wrote.hlc))
        }
        _ => Ok(()),
    }
}

pub(super) fn see(history: &History, pop: u8, sight: Sight<'_>) -> Held {
    if history.is_trimmed {
        return Ok(());
    }
    let lines = history.touched.iter().map(|at| &history.lines[*at]);
    lines.filter(|line| !line.is_tied).try_for_each(|line| {
        kept(history, line, sight.server(pop), |holders| holders & (1 << pop) != 0)
    })
}

pub(super) fn at_rest(history: &History, server: &Server) -> Held {
    if history.is_trimmed {
        return Ok(());
    }
    let is_alone = server.peers.is_empty();
    let bit = 1 << server.index;
    history.lines.iter().filter(|line| !line.is_tied).try_for_each(|line| {
        kept(
            history,
            line,
            server,
            |holders| if is_alone { holders & bit != 0 } else { holders != 0 },
        )
    })
}

fn kept(
    history: &History,
    line: &Line,
    server: &Server,
    should_be_here: impl Fn(u16) -> bool,
) -> Held {
    let Key::Entry(vault, entry) = &line.key else { return Ok(()) };
    let open = line.open.iter().map(|at| &history.versions[*at]);
    let open = open.filter(|version| !version.is_excused);
    let mut due = open.filter(|version| should_be_here(version.holders)).peekable();
    if due.peek().is_none() {
        return Ok(());
    }
    let reader = Reader::new(&server.disk);
    let held = reader.head(&line.key).expect("rows are whole").map(|row| row.head.hlc);
    let mut lost = None;
    for version in due.filter(|version| Some(version.hlc) != held) {
        let lost = lost.get_or_insert_with(|| reader.losers(vault, entry).expect("rows are whole"));
        if !lost.contains(&version.hlc) {
            let (hlc, pop) = (version.hlc, server.pop);
            return broken("P7", format!("{hlc} of {:?} is nowhere at {pop}", line.key));
        }
    }
    Ok(())
}
