//! What waits for the writer, and how it becomes groups.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use futures_channel::oneshot;

use super::job::Job;

/// The most operations in a group: beyond it a bigger group only adds waiting.
pub const GROUP_OPS_MAX: usize = 256;

/// The most bytes of blobs in a group.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long bookkeeping that nobody waits for may wait for a write to go with.
const LAZY: Duration = Duration::from_millis(100);

pub(super) enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Takes operations from the queue, a group at a time.
///
/// Invariant: `ops` and `bytes` count what was taken since the group began.
pub(super) struct Inbox {
    queue: Receiver<Message>,
    waiting: Vec<Box<dyn Job>>,
    ops: usize,
    bytes: usize,
    end: Option<End>,
}

/// Who waits for the end, if anybody does.
pub(super) type End = Option<oneshot::Sender<()>>;

impl Inbox {
    pub(super) fn new(queue: Receiver<Message>) -> Self {
        Self { queue, waiting: Vec::new(), ops: 0, bytes: 0, end: None }
    }

    /// Waits until there is something to do, and begins a group with it; empty only at the end.
    pub(super) fn first(&mut self) -> Vec<Box<dyn Job>> {
        (self.ops, self.bytes) = (0, 0);
        while self.end.is_none() && self.waiting.len() < GROUP_OPS_MAX {
            let received = if self.waiting.is_empty() {
                self.queue.recv().map_err(RecvTimeoutError::from)
            } else {
                self.queue.recv_timeout(LAZY)
            };
            match received {
                Ok(Message::Job(job)) if job.is_lazy() => self.waiting.push(job),
                Ok(Message::Job(job)) => {
                    self.count(&*job);
                    self.waiting.push(job);
                    break;
                }
                Ok(Message::Close(reply)) => self.end = Some(Some(reply)),
                Err(RecvTimeoutError::Disconnected) => self.end = Some(None),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        std::mem::take(&mut self.waiting)
    }

    /// Takes one more operation into the group, if one waits and there is room for it.
    pub(super) fn more(&mut self) -> Option<Box<dyn Job>> {
        if self.end.is_some() || self.ops >= GROUP_OPS_MAX || self.bytes >= GROUP_BYTES_MAX {
            return None;
        }
        match self.queue.try_recv().ok()? {
            Message::Job(job) => {
                self.count(&*job);
                Some(job)
            }
            Message::Close(reply) => {
                self.end = Some(Some(reply));
                None
            }
        }
    }

    /// The end, once nothing more is to come.
    pub(super) fn end(&mut self) -> Option<End> {
        self.end.take()
    }

    fn count(&mut self, job: &dyn Job) {
        self.ops += 1;
        self.bytes += job.bytes();
    }
}
