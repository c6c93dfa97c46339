//! [P6] The last write wins: what is held is the newest version that this disk has had, in whatever
//! order frames brought them, and however often.

use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Head, Item, Key};
use clavitor_core::store::Reader;

use super::history::{History, Line};
use super::{Held, Sight, broken};
use crate::server::Server;

pub(super) fn see(history: &History, pop: u8, sight: Sight<'_>) -> Held {
    history.touched.iter().try_for_each(|at| {
        let line = &history.lines[*at];
        one(line, line.newest[usize::from(pop)], sight.server(pop))
    })
}

/// Everything that is not lost has reached everybody.
pub(super) fn at_rest(history: &History, server: &Server) -> Held {
    history.lines.iter().try_for_each(|line| {
        let versions = line.versions.iter().map(|at| &history.versions[*at]);
        let mut kept = versions.filter(|version| version.holders != 0).peekable();
        let is_alone = server.peers.is_empty();
        if kept.peek().is_none() || is_alone {
            return Ok(());
        }
        if let Key::Token(_) = line.key {
            let is_revoked = kept.any(|version| version.is_revocation);
            return token(line, is_revoked, server);
        }
        one(line, kept.map(|version| version.hlc).max(), server)
    })
}

fn one(line: &Line, newest: Option<Hlc>, server: &Server) -> Held {
    if line.is_tied || matches!(line.key, Key::Token(_)) {
        return Ok(());
    }
    let held = head(line, server).map(|head| head.hlc);
    if held == newest {
        return Ok(());
    }
    let shown = |hlc: Option<Hlc>| hlc.map_or("nothing".to_owned(), |hlc| hlc.to_string());
    let (held, newest, pop) = (shown(held), shown(newest), server.pop);
    broken("P6", format!("{pop} holds {held} of {:?}; the last write is {newest}", line.key))
}

/// For access tokens revocation wins.
fn token(line: &Line, is_revoked: bool, server: &Server) -> Held {
    let held = head(line, server).map(|head| head.item);
    let is_held = match held {
        Some(Item::Token(token)) => token.revoked.is_some() || !is_revoked,
        _ => false,
    };
    let pop = server.pop;
    if is_held {
        Ok(())
    } else {
        broken("P6", format!("{:?} is not as it should be at {pop}", line.key))
    }
}

fn head(line: &Line, server: &Server) -> Option<Head> {
    let row = Reader::new(&server.disk).head(&line.key).expect("rows are whole");
    row.map(|row| row.head)
}
