//! tokio as a [`Runtime`].

use clavitor_node::runtime::{Post, Posted, Runtime, Unreachable};
use hyper_util::rt::TokioTimer;

use crate::outbound::Outbound;

/// The tokio runtime of this process.
#[derive(Clone, Default)]
pub(crate) struct Tokio {
    outbound: Outbound,
}

impl Runtime for Tokio {
    const NAME: &'static str = "tokio";

    type Timer = TokioTimer;

    fn timer(&self) -> TokioTimer {
        TokioTimer::new()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn post(&self, post: Post) -> Result<Posted, Unreachable> {
        self.outbound.post(post).await
    }
}
