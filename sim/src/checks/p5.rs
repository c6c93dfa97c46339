//! [P5] Whatever is dirty is tried again without any client write: where something is dirty, a timer
//! is armed or a frame is under way.

use clavitor_core::id::Seq;

use super::p3::is_dirty;
use super::{Held, Sight, broken};

#[derive(Debug)]
pub(super) struct Tried {
    looked: Vec<Option<(u32, Seq, u64)>>,
}

impl Tried {
    pub(super) fn new(pops: usize) -> Self {
        Self { looked: vec![None; pops] }
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        for (server, process) in sight.running() {
            let is_asleep = process.machine.next_wake().is_none();
            let is_busy = server.is_writing() || process.books > 0 || process.unnoticed > 0;
            if !is_asleep || is_busy || process.is_closing {
                continue;
            }
            let settled = process.views.iter().map(|view| view.settled_to.0).sum();
            let looked = (server.life, server.last().unwrap_or_default(), settled);
            if self.looked[usize::from(server.index)].replace(looked) == Some(looked) {
                continue;
            }
            if is_dirty(server, process) {
                let what = format!("{} owes something, and nothing will ever wake it", server.pop);
                return broken("P5", what);
            }
        }
        Ok(())
    }
}
