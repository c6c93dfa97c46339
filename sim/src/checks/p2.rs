//! [P2] Success is answered only after the write is on disk; with `?ack=backup`, on a backup's too.

use super::history::History;
use super::{Held, broken};
use crate::event::{Answer, Fact};

pub(super) fn see(history: &History, fact: &Fact) -> Held {
    let Fact::Answered { id, pop, answer: Answer::Done { is_on_backup } } = fact else {
        return Ok(());
    };
    let version = history.of_request(*id);
    let Some(version) = version.filter(|version| version.ever & (1 << pop) != 0) else {
        return broken("P2", format!("request {id} was answered before its write was on disk"));
    };
    if *is_on_backup && !version.is_excused && !history.is_elsewhere(version, *pop) {
        let hlc = version.hlc;
        return broken("P2", format!("request {id} was told of a backup, and none has {hlc}"));
    }
    Ok(())
}
