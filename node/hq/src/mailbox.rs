//! Facts on their way to the machine.

use std::collections::VecDeque;
use std::sync::Mutex;

use clavitor_hq_core::control::Input;

use crate::lock;

/// The most facts that may wait before what POPs cause is refused: it is said again two seconds
/// later. What HQ causes itself is few and kept.
pub(crate) const MAILBOX_MAX: usize = 8_192;

/// Facts on their way to the machine, and the bell that wakes its driver.
#[derive(Debug)]
pub(crate) struct Mailbox {
    facts: Mutex<VecDeque<Input>>,
    bell: async_channel::Sender<()>,
    rung: async_channel::Receiver<()>,
}

impl Default for Mailbox {
    fn default() -> Self {
        let (bell, rung) = async_channel::bounded(1);
        Self { facts: Mutex::default(), bell, rung }
    }
}

impl Mailbox {
    /// Hands the machine a fact of HQ's own making; never blocks.
    pub(crate) fn push(&self, fact: Input) {
        lock(&self.facts).push_back(fact);
        let _ = self.bell.try_send(());
    }

    /// Hands the machine a fact that others can cause in any number; `false` if too many wait.
    pub(crate) fn offer(&self, fact: Input) -> bool {
        let mut facts = lock(&self.facts);
        let fits = facts.len() < MAILBOX_MAX;
        if fits {
            facts.push_back(fact);
        }
        drop(facts);
        let _ = self.bell.try_send(());
        fits
    }

    /// Everything that waits.
    pub(crate) fn take(&self) -> VecDeque<Input> {
        std::mem::take(&mut *lock(&self.facts))
    }

    /// Waits for the bell.
    pub(crate) async fn rung(&self) {
        let _ = self.rung.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pops_cause_is_refused_before_it_fills_the_memory() {
        let mailbox = Mailbox::default();
        assert!((0..MAILBOX_MAX).all(|_| mailbox.offer(Input::Tick)));
        assert!(!mailbox.offer(Input::Tick));
        mailbox.push(Input::Tick);
        assert_eq!(mailbox.take().len(), MAILBOX_MAX + 1, "HQ's own are kept");
        assert!(mailbox.offer(Input::Tick));
    }
}
