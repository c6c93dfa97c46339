//! A runtime that runs when it is told to: tasks are polled by the test, timers fire when it says so,
//! and what is posted goes to a network that the test plays.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use clavitor_node::alarm::TimerAlarm;
use clavitor_node::runtime::{Call, Called, Footprint, Runtime, Unreachable};
use futures_channel::oneshot;
use hyper::rt::{Sleep, Timer};

use crate::lock;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Task {
    owner: usize,
    work: Mutex<Option<Work>>,
    is_ready: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.is_ready.store(true, Ordering::Release);
    }
}

/// What one POP asked to be posted.
pub(crate) struct Parcel {
    pub(crate) from: usize,
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) reply: Reply,
}

pub(crate) type Reply = oneshot::Sender<Result<Called, Unreachable>>;

/// The tasks and the outgoing mail of every POP.
#[derive(Clone, Default)]
pub(crate) struct Executor {
    tasks: Arc<Mutex<Vec<Arc<Task>>>>,
    mail: Arc<Mutex<Vec<Parcel>>>,
    // How often the test let every timer fire.
    fired: Arc<AtomicU64>,
}

impl Executor {
    pub(crate) fn runtime(&self, owner: usize) -> TestRuntime {
        TestRuntime { executor: self.clone(), owner }
    }

    pub(crate) fn spawn(&self, owner: usize, work: impl Future<Output = ()> + Send + 'static) {
        let work = Mutex::new(Some(Box::pin(work) as Work));
        lock(&self.tasks).push(Arc::new(Task { owner, work, is_ready: AtomicBool::new(true) }));
    }

    /// Polls every task that can go on; answers whether there was one.
    pub(crate) fn run(&self) -> bool {
        let ready: Vec<Arc<Task>> = lock(&self.tasks)
            .iter()
            .filter(|task| task.is_ready.swap(false, Ordering::AcqRel))
            .cloned()
            .collect();
        for task in &ready {
            let waker = task.clone().into();
            let mut work = lock(&task.work);
            let poll = work.as_mut().map(|it| it.as_mut().poll(&mut Context::from_waker(&waker)));
            if poll.is_some_and(|poll| poll.is_ready()) {
                *work = None;
            }
        }
        lock(&self.tasks).retain(|task| lock(&task.work).is_some());
        !ready.is_empty()
    }

    /// The POP's process is gone.
    pub(crate) fn kill(&self, owner: usize) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        let (gone, left): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|it| it.owner == owner);
        lock(&self.tasks).extend(left);
        // A waker may keep its task; what the task holds must go all the same.
        gone.iter().for_each(|task| drop(lock(&task.work).take()));
    }

    /// Every timer that was set so far fires.
    pub(crate) fn fire_timers(&self) {
        self.fired.fetch_add(1, Ordering::AcqRel);
        lock(&self.tasks).iter().for_each(|task| task.is_ready.store(true, Ordering::Release));
    }

    pub(crate) fn collect(&self) -> Vec<Parcel> {
        std::mem::take(&mut lock(&self.mail))
    }
}

/// One POP's runtime.
#[derive(Clone)]
pub(crate) struct TestRuntime {
    executor: Executor,
    owner: usize,
}

impl Runtime for TestRuntime {
    const NAME: &'static str = "test";
    const PROGRAM: &'static str = "clavitor-test";
    const FOOTPRINT: Footprint = Footprint::Standard;
    type Timer = Told;
    type Alarm = TimerAlarm<Told>;

    fn timer(&self) -> Told {
        let fired = self.executor.fired.clone();
        Told { set_at: fired.load(Ordering::Acquire), fired }
    }

    fn alarm(&self) -> io::Result<Self::Alarm> {
        Ok(TimerAlarm(self.timer()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(self.owner, task);
    }

    async fn call(&self, call: Call) -> Result<Called, Unreachable> {
        let (reply, answer) = oneshot::channel();
        let Call { url, body, .. } = call;
        let parcel =
            Parcel { from: self.owner, url, body: body.unwrap_or_default().to_vec(), reply };
        lock(&self.executor.mail).push(parcel);
        answer.await.unwrap_or(Err(Unreachable))
    }
}

/// A timer that fires when it is told to.
#[derive(Clone)]
pub(crate) struct Told {
    fired: Arc<AtomicU64>,
    set_at: u64,
}

impl Future for Told {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let has_fired = self.fired.load(Ordering::Acquire) > self.set_at;
        if has_fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Told {}

impl Timer for Told {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Told { set_at: self.fired.load(Ordering::Acquire), ..self.clone() })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}
