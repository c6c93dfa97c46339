//! A runtime's timer for tests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// A timer whose time the test sets; it counts how often it was armed. It wakes nobody: the test
/// polls.
#[derive(Clone)]
pub(in crate::http) struct Scripted {
    start: Instant,
    now_s: Arc<AtomicU64>,
    armed: Arc<AtomicU64>,
}

impl Scripted {
    /// A timer at its second zero.
    pub(in crate::http) fn new() -> Self {
        Self { start: Instant::now(), now_s: Arc::default(), armed: Arc::default() }
    }

    /// Sets the time.
    pub(in crate::http) fn at(&self, now_s: u64) {
        self.now_s.store(now_s, Ordering::Relaxed);
    }

    /// How often it was armed.
    pub(in crate::http) fn armed(&self) -> u64 {
        self.armed.load(Ordering::Relaxed)
    }
}

impl Timer for Scripted {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        self.armed.fetch_add(1, Ordering::Relaxed);
        Box::pin(Until { at, timer: self.clone() })
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.now_s.load(Ordering::Relaxed))
    }
}

struct Until {
    at: Instant,
    timer: Scripted,
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.timer.now() >= self.at { Poll::Ready(()) } else { Poll::Pending }
    }
}
