//! Who has a token, changed by one operator at a time.

use futures_util::lock::Mutex;

/// Changes of who has a token.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    turn: Mutex<()>,
}

impl Roster {
    /// Writes a change and tells of it, before the next change is written: who is added and removed at the
    /// same time must not be there for the machine and not on disk, or the other way round.
    pub(crate) async fn change<T, E>(
        &self,
        write: impl Future<Output = Result<T, E>>,
        tell: impl FnOnce(&T),
    ) -> Result<T, E> {
        let _turn = self.turn.lock().await;
        let written = write.await?;
        tell(&written);
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;

    use futures_channel::oneshot;
    use futures_util::future::FutureExt;

    use super::*;

    #[test]
    fn what_is_told_is_in_the_order_of_what_is_on_disk() {
        let (roster, disk, told) = (Roster::default(), RefCell::default(), RefCell::default());
        let change = |what: &'static str, answer: oneshot::Receiver<()>| {
            let (disk, told): (&RefCell<Vec<_>>, &RefCell<Vec<_>>) = (&disk, &told);
            let write = async move {
                disk.borrow_mut().push(what);
                answer.await
            };
            roster.change(write, move |()| told.borrow_mut().push(what))
        };
        let (added, waits) = oneshot::channel();
        let mut add = pin!(change("added", waits));
        let (removed, waits) = oneshot::channel();
        let mut remove = pin!(change("removed", waits));
        // The first one is on disk, and nobody has come to say so yet.
        assert!(add.as_mut().now_or_never().is_none());
        removed.send(()).unwrap();
        assert!(remove.as_mut().now_or_never().is_none(), "it waits for its turn");
        added.send(()).unwrap();
        assert_eq!(add.now_or_never(), Some(Ok(())));
        assert_eq!(remove.now_or_never(), Some(Ok(())));
        assert_eq!(*disk.borrow(), ["added", "removed"]);
        assert_eq!(*told.borrow(), ["added", "removed"]);
    }
}
