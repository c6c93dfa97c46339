//! How many connections there are and may be, and what they leave behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use crate::{host, log};

/// The most connections at once; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 4_096;

/// File descriptors that are left for the store, peers and logs; fewer where there are few.
pub const DESCRIPTORS_RESERVED: u64 = 256;

/// The fewest connections that are a crowd.
const CROWD_MIN: usize = 64;

/// So many times fewer connections are left when the memory of the others is given back.
const CROWD_SHRINKS: usize = 4;

/// Counts connections, and tells them when to end.
///
/// Invariant: `open` is at most `max` and counts every live `Slot`; `serving` counts those among
/// them that may yet answer something.
#[derive(Clone, Debug)]
pub struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    open: AtomicUsize,
    // The most there were since memory was last given back.
    crowd: AtomicUsize,
    serving: AtomicUsize,
    // Closed when the server stops: whoever waits on it is woken.
    stop: async_channel::Sender<()>,
    stopped: async_channel::Receiver<()>,
    // A token when the last connection has answered everything.
    quiet: async_channel::Sender<()>,
    quieted: async_channel::Receiver<()>,
}

impl Default for Connections {
    fn default() -> Self {
        Self::at_most(CONNECTIONS_MAX)
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    is_serving: bool,
}

impl Slot {
    /// Nothing will be answered any more; the connection only closes.
    pub(super) fn served(&mut self) {
        if !std::mem::take(&mut self.is_serving) {
            return;
        }
        // One order for all four: who waits has closed `stop` before it counted, so the last of
        // those that serve sees it closed.
        let was_last = self.shared.serving.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.shared.stop.is_closed() {
            let _ = self.shared.quiet.try_send(());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.served();
        let left = self.shared.open.fetch_sub(1, Ordering::AcqRel) - 1;
        let crowd = self.shared.crowd.load(Ordering::Relaxed);
        // The allocator keeps what a crowd of connections needed, for good, unless it is asked; step
        // by step, down to a rest of a crowd that is not worth it.
        if crowd >= CROWD_MIN / CROWD_SHRINKS && left <= crowd / CROWD_SHRINKS {
            self.shared.crowd.store(left, Ordering::Relaxed);
            host::give_back_memory();
        }
    }
}

impl Connections {
    /// As many as the system's limit of open files allows beside all else, and at most
    /// [`CONNECTIONS_MAX`]; says so if it is fewer.
    pub fn as_allowed() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let max = affordable(descriptors);
        if max < CONNECTIONS_MAX {
            log::line(&format!(
                "at most {max} connections at once: the system allows {descriptors} open files"
            ));
        }
        Self::at_most(max)
    }

    fn at_most(max: usize) -> Self {
        let (stop, stopped) = async_channel::bounded(1);
        let (quiet, quieted) = async_channel::bounded(1);
        let [open, crowd, serving] = [0; 3].map(AtomicUsize::new);
        let shared = Shared { max, open, crowd, serving, stop, stopped, quiet, quieted };
        Self { shared: Arc::new(shared) }
    }

    /// A place for one more connection, unless all are taken or the server stops.
    pub fn admit(&self) -> Option<Slot> {
        let more = |open: usize| (open < self.shared.max).then_some(open + 1);
        let before =
            self.shared.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        if before >= CROWD_MIN {
            self.shared.crowd.fetch_max(before, Ordering::Relaxed);
        }
        self.shared.serving.fetch_add(1, Ordering::SeqCst);
        let slot = Slot { shared: self.shared.clone(), is_serving: true };
        (!self.is_stopping()).then_some(slot)
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Ends idle connections, and the others after their request.
    pub fn stop(&self) {
        self.shared.stop.close();
    }

    /// Whether [`Connections::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.is_closed()
    }

    /// Waits for [`Connections::stop`].
    pub async fn stopped(&self) {
        let _ = self.shared.stopped.recv().await;
    }

    /// Waits until no connection has anything to answer any more.
    pub async fn quiet(&self) {
        while self.shared.serving.load(Ordering::SeqCst) > 0 {
            let _ = self.shared.quieted.recv().await;
        }
    }
}

/// A quarter of the descriptors stays for connections that are held elsewhere, and some for all
/// else.
fn affordable(descriptors: u64) -> usize {
    let kept = descriptors / 4 + (descriptors / 8).min(DESCRIPTORS_RESERVED);
    usize::try_from(descriptors - kept).unwrap_or(usize::MAX).clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_are_few_connections() {
        assert_eq!(affordable(u64::MAX), CONNECTIONS_MAX);
        assert_eq!(affordable(8_192), CONNECTIONS_MAX);
        assert_eq!(affordable(1_024), 640);
        assert_eq!(affordable(64), 40);
        assert_eq!(affordable(0), 1);
    }

    #[test]
    fn one_more_than_the_most_is_not_admitted() {
        let connections = Connections::at_most(2);
        let slots: Vec<Slot> = (0..3).filter_map(|_| connections.admit()).collect();
        assert_eq!((slots.len(), connections.open()), (2, 2));
        drop(slots);
        assert_eq!(connections.open(), 0);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn a_crowd_is_forgotten_once_it_is_gone() {
        let connections = Connections::default();
        let crowd = || connections.shared.crowd.load(Ordering::Relaxed);
        let mut slots: Vec<Slot> = (0..400).filter_map(|_| connections.admit()).collect();
        assert_eq!(crowd(), 399);
        slots.truncate(100);
        assert_eq!(crowd(), 399);
        slots.truncate(99);
        assert_eq!(crowd(), 99);
        slots.clear();
        assert!(crowd() < CROWD_MIN / CROWD_SHRINKS);
    }
}
