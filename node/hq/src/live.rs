//! Tells those who look on that something changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clavitor_core::time::Instant;
use clavitor_node::http::ResponseBody;
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;

/// The most who look on at once.
pub(crate) const LOOKERS_MAX: usize = 64;

/// How often to look whether something changed: nobody is told more often.
const LOOK: Duration = Duration::from_millis(250);

/// How long nobody is told if nothing but time has passed for POPs, in milliseconds.
const BEAT_MS: u64 = 2_000;

/// After how long without a change something is sent all the same, in milliseconds: a proxy in
/// between, or a client that is gone, shows itself then.
const QUIET_MS: u64 = 15_000;

const CHANGE: &[u8] = b"event: change\ndata: {}\n\n";
const NOTHING: &[u8] = b": nothing new\n\n";

/// What changed, and who looks on. Clones share it.
///
/// Invariant: `lookers` is at most [`LOOKERS_MAX`] and counts every live stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    changes: AtomicU64,
    beats: AtomicU64,
    lookers: AtomicUsize,
    is_over: AtomicBool,
}

/// A looker's place.
struct Looker(Arc<Shared>);

impl Drop for Looker {
    fn drop(&mut self) {
        self.0.lookers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Live {
    /// Something that is shown changed.
    pub(crate) fn changed(&self) {
        self.shared.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Time passed for a POP.
    pub(crate) fn beat(&self) {
        self.shared.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How many look on.
    pub(crate) fn lookers(&self) -> usize {
        self.shared.lookers.load(Ordering::Relaxed)
    }

    /// Ends all streams, now and from now on.
    pub(crate) fn stop(&self) {
        self.shared.is_over.store(true, Ordering::Release);
    }

    /// A stream for one more; `None` if there are too many.
    pub(crate) fn stream<R: Runtime>(&self, runtime: &R) -> Option<ResponseBody> {
        let more = |lookers: usize| (lookers < LOOKERS_MAX).then_some(lookers + 1);
        let lookers = &self.shared.lookers;
        lookers.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        let looker = Looker(self.shared.clone());
        let (pieces, stream) = async_channel::bounded(1);
        let timer = runtime.clone();
        runtime.spawn(async move {
            let Looker(shared) = &looker;
            let (mut seen, mut told) = ((u64::MAX, u64::MAX), Instant::default());
            while !shared.is_over.load(Ordering::Acquire) && !pieces.is_closed() {
                let now = wall::instant();
                let is =
                    (shared.changes.load(Ordering::Relaxed), shared.beats.load(Ordering::Relaxed));
                if let Some(piece) = due(seen, is, now.ms_since(told)) {
                    (seen, told) = (is, now);
                    // Who is slow to read is told less often; who is gone, not at all.
                    if pieces.send(Ok(Bytes::from_static(piece))).await.is_err() {
                        return;
                    }
                }
                timer.sleep(LOOK).await;
            }
        });
        Some(ResponseBody::Stream(Box::pin(stream)))
    }
}

/// What is to be sent, given what was known when something was sent last, so long ago.
fn due(seen: (u64, u64), is: (u64, u64), told_ms: u64) -> Option<&'static [u8]> {
    if is.0 != seen.0 || (is.1 != seen.1 && told_ms >= BEAT_MS) {
        return Some(CHANGE);
    }
    (told_ms >= QUIET_MS).then_some(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_at_once_and_time_that_passed_every_two_seconds() {
        assert_eq!(due((3, 9), (4, 9), 250), Some(CHANGE));
        assert_eq!(due((3, 9), (3, 10), 250), None);
        assert_eq!(due((3, 9), (3, 10), BEAT_MS), Some(CHANGE));
        assert_eq!(due((3, 9), (3, 9), BEAT_MS), None);
        assert_eq!(due((3, 9), (3, 9), QUIET_MS), Some(NOTHING));
    }
}
