//! What wakes a driver that sleeps most of the time. A runtime's own timer serves many sleepers and
//! may look at its wheel in between; a server with one moment to wait for is woken at that moment
//! alone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use clavitor_core::time::Instant;
use hyper::rt::Timer;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::wall;

/// Wakes its owner when it asked for, again and again.
pub trait Alarm: Send + 'static {
    /// Waits until `at`, by [`wall::instant`], and no less; without it, for ever. What was asked for
    /// before is forgotten.
    fn wait(&mut self, at: Option<Instant>) -> impl Future<Output = ()> + Send;
}

/// An alarm made of a runtime's timer.
pub struct TimerAlarm<T>(pub T);

impl<T: Timer + Send + Sync + 'static> Alarm for TimerAlarm<T> {
    async fn wait(&mut self, at: Option<Instant>) {
        let Some(at) = at else { return std::future::pending().await };
        let left = Duration::from_nanos(at.0.saturating_sub(wall::instant().0));
        // A timer that fires early would spin; a millisecond is what timers resolve.
        self.0.sleep(left + Duration::from_millis(1)).await;
    }
}

/// A timer of the kernel, by the clock of [`wall::instant`]. Its descriptor can be read once its time
/// has come.
///
/// Invariant: the kernel's timer is armed for `set_to`, or was and has fired.
#[derive(Debug)]
pub struct KernelTimer {
    descriptor: OwnedFd,
    set_to: Option<Instant>,
}

impl KernelTimer {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self { descriptor: timerfd_create(TimerfdClockId::Boottime, flags)?, set_to: None })
    }

    /// Sets it to a moment, or to none. The kernel is told only what it does not know.
    pub fn set(&mut self, at: Option<Instant>) {
        if std::mem::replace(&mut self.set_to, at) == at {
            return;
        }
        let value = match at {
            // Zero would be none.
            Some(at) => Timespec {
                tv_sec: i64::try_from(at.0 / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(at.0.max(1) % 1_000_000_000).unwrap_or_default(),
            },
            None => Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        let new = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        let is_set = timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &new).is_ok();
        assert!(is_set, "a timer of one's own can be set");
    }

    /// Takes note that its time has come; [`io::ErrorKind::WouldBlock`] if it has not.
    pub fn take(&mut self) -> io::Result<()> {
        let mut count = [0; 8];
        rustix::io::read(&self.descriptor, &mut count)?;
        self.set_to = None;
        Ok(())
    }
}

impl AsFd for KernelTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for KernelTimer {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn soon() -> Instant {
        Instant(wall::instant().0 + u64::try_from(SOON.as_nanos()).unwrap())
    }

    /// Whether it fires within a time.
    fn fires(timer: &KernelTimer, within: Duration) -> bool {
        let within = Timespec::try_from(within).unwrap();
        poll(&mut [PollFd::new(timer, PollFlags::IN)], Some(&within)).unwrap() == 1
    }

    #[test]
    fn it_fires_once_at_its_time_and_never_before() {
        let mut timer = KernelTimer::new().unwrap();
        let at = soon();
        timer.set(Some(at));
        assert_eq!(timer.take().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(fires(&timer, Duration::from_secs(10)));
        assert!(wall::instant() >= at);
        timer.take().unwrap();
        assert!(!fires(&timer, 3 * SOON));
        timer.set(Some(Instant(0)));
        assert!(fires(&timer, Duration::from_secs(10)), "what is past is due");
    }

    #[test]
    fn what_it_was_set_to_before_is_forgotten() {
        let mut timer = KernelTimer::new().unwrap();
        timer.set(Some(soon()));
        timer.set(None);
        assert!(!fires(&timer, 3 * SOON));
        timer.set(Some(soon()));
        timer.set(Some(wall::instant().plus_ms(60_000)));
        assert!(!fires(&timer, 3 * SOON));
    }

    #[test]
    fn one_that_fired_and_was_not_noticed_fires_still_if_it_is_set_to_the_same() {
        let mut timer = KernelTimer::new().unwrap();
        let at = soon();
        timer.set(Some(at));
        assert!(fires(&timer, Duration::from_secs(10)));
        timer.set(Some(at));
        assert!(fires(&timer, Duration::ZERO));
    }
}
