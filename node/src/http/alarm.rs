//! One armed timer for all the deadlines of a connection: hyper sets a new deadline with every
//! request, and arming the runtime's timer for each costs more than reading the request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// A timer whose sleeps share one sleep of the runtime. They must be polled by one task.
pub(super) struct Alarm<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    timer: T,
    armed: Mutex<Option<Armed>>,
}

struct Armed {
    at: Instant,
    sleep: Pin<Box<dyn Sleep>>,
}

impl<T> Alarm<T> {
    pub(super) fn new(timer: T) -> Self {
        Self { shared: Arc::new(Shared { timer, armed: Mutex::new(None) }) }
    }
}

impl<T: Timer + Send + Sync + 'static> Timer for Alarm<T> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Deadline { at, shared: self.shared.clone() })
    }

    fn now(&self) -> Instant {
        self.shared.timer.now()
    }
}

struct Deadline<T> {
    at: Instant,
    shared: Arc<Shared<T>>,
}

impl<T: Timer + Send + Sync + 'static> Sleep for Deadline<T> {}

impl<T: Timer> Future for Deadline<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut armed = self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // One that was armed for an earlier deadline wakes in time to be armed for this one.
            let current = match &mut *armed {
                Some(current) if current.at <= self.at => current,
                _ => armed
                    .insert(Armed { at: self.at, sleep: self.shared.timer.sleep_until(self.at) }),
            };
            if current.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let is_this = current.at == self.at;
            *armed = None;
            if is_this {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod scripted;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::scripted::Scripted;
    use super::*;

    struct Rig {
        timer: Scripted,
        alarm: Alarm<Scripted>,
    }

    impl Rig {
        fn new() -> Self {
            let timer = Scripted::new();
            Self { alarm: Alarm::new(timer.clone()), timer }
        }

        fn at(&self, now_s: u64) {
            self.timer.at(now_s);
        }

        fn armed(&self) -> u64 {
            self.timer.armed()
        }

        fn sleep(&self, seconds: u64) -> Pin<Box<dyn Sleep>> {
            self.alarm.sleep(Duration::from_secs(seconds))
        }
    }

    fn is_over(sleep: &mut Pin<Box<dyn Sleep>>) -> bool {
        sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn deadlines_that_move_on_arm_the_runtime_once() {
        let rig = Rig::new();
        for now in 0..9 {
            rig.at(now);
            assert!(!is_over(&mut rig.sleep(10)));
        }
        assert_eq!(rig.armed(), 1);
    }

    #[test]
    fn a_later_deadline_is_kept_although_the_armed_one_passes() {
        let rig = Rig::new();
        assert!(!is_over(&mut rig.sleep(10)));
        rig.at(5);
        let mut later = rig.sleep(10);
        assert!(!is_over(&mut later));
        rig.at(10);
        assert!(!is_over(&mut later));
        rig.at(15);
        assert!(is_over(&mut later));
        assert_eq!(rig.armed(), 2);
    }

    #[test]
    fn an_earlier_deadline_is_not_held_back_by_the_armed_one() {
        let rig = Rig::new();
        let (mut later, mut earlier) = (rig.sleep(30), rig.sleep(10));
        assert!(!is_over(&mut later) && !is_over(&mut earlier));
        rig.at(10);
        assert!(is_over(&mut earlier) && !is_over(&mut later));
        rig.at(30);
        assert!(is_over(&mut later));
    }
}
