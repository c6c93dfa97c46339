//! Requests that are held until there is news for a POP.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_channel::oneshot;

use crate::lock;
use crate::registry::Name;

/// The newest news of each POP, and who waits for newer.
///
/// Invariant: at most one request of a POP waits.
#[derive(Debug)]
pub(crate) struct Watches {
    // Each process of HQ counts from another number, so that no news is taken for an older one's.
    first: u64,
    pops: Mutex<BTreeMap<Name, Watched>>,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Watched {
    generation: u64,
    waiting: Option<oneshot::Sender<u64>>,
}

/// What a request that watches gets.
pub(crate) enum Watch {
    /// News at once.
    News(u64),
    /// News later; or none, if it is dropped.
    Later(oneshot::Receiver<u64>),
}

impl Watches {
    pub(crate) fn new(first: u64) -> Self {
        Self { first, pops: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// Watches for whatever is not `after`. An older request of the same POP is let go.
    pub(crate) fn watch(&self, name: &Name, after: u64) -> Watch {
        let (reply, news) = oneshot::channel();
        let mut pops = lock(&self.pops);
        let first = Watched { generation: self.first, waiting: None };
        let watched = pops.entry(name.clone()).or_insert(first);
        if watched.generation != after {
            return Watch::News(watched.generation);
        }
        if !self.is_over.load(Ordering::Acquire) {
            watched.waiting = Some(reply);
        }
        Watch::Later(news)
    }

    /// There is news for a POP.
    pub(crate) fn wake(&self, name: &Name) {
        let mut pops = lock(&self.pops);
        let first = Watched { generation: self.first, waiting: None };
        let watched = pops.entry(name.clone()).or_insert(first);
        watched.generation = watched.generation.wrapping_add(1);
        if let Some(waiting) = watched.waiting.take() {
            let _ = waiting.send(watched.generation);
        }
    }

    /// A POP is no more.
    pub(crate) fn forget(&self, name: &Name) {
        lock(&self.pops).remove(name);
    }

    /// Lets everybody go, now and from now on.
    pub(crate) fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        lock(&self.pops).values_mut().for_each(|watched| watched.waiting = None);
    }
}

#[cfg(test)]
mod tests {
    use clavitor_node::store::block_on;

    use super::*;

    const FIRST: u64 = 7_000;

    fn name(pop: &str) -> Name {
        Name { cluster: "main".into(), pop: pop.parse().unwrap() }
    }

    fn later(watch: Watch) -> oneshot::Receiver<u64> {
        match watch {
            Watch::Later(news) => news,
            Watch::News(generation) => panic!("news at once: {generation}"),
        }
    }

    #[test]
    fn whoever_has_seen_the_newest_waits_and_all_others_do_not() {
        let watches = Watches::new(FIRST);
        assert!(matches!(watches.watch(&name("a"), 0), Watch::News(FIRST)));
        let news = later(watches.watch(&name("a"), FIRST));
        watches.wake(&name("b"));
        watches.wake(&name("a"));
        assert_eq!(block_on(news), Ok(FIRST + 1));
        watches.wake(&name("a"));
        assert!(
            matches!(watches.watch(&name("a"), FIRST + 1), Watch::News(generation) if generation == FIRST + 2),
            "what came between two watches is not missed"
        );
    }

    #[test]
    fn a_second_watch_takes_the_place_of_the_first() {
        let watches = Watches::new(FIRST);
        let first = later(watches.watch(&name("a"), FIRST));
        let second = later(watches.watch(&name("a"), FIRST));
        assert!(block_on(first).is_err(), "it is let go");
        watches.wake(&name("a"));
        assert_eq!(block_on(second), Ok(FIRST + 1));
    }

    #[test]
    fn at_the_end_nobody_is_held_any_more() {
        let watches = Watches::new(FIRST);
        let before = later(watches.watch(&name("a"), FIRST));
        watches.stop();
        assert!(block_on(before).is_err());
        assert!(block_on(later(watches.watch(&name("a"), FIRST))).is_err());
    }
}
