//! An operator's wish that another POP takes over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::lease::{self, NotSwitched};
use clavitor_commercial::renewal::KeptBack;
use clavitor_core::credential::Scope;
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_node::api::{Api, ApiRequest};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::runtime::Runtime;
use futures_channel::oneshot;
use http::StatusCode;
use serde_json::json;

use crate::{Commercial, lock};

type Outcome = Result<Epoch, NotSwitched>;

/// The operators who wait.
#[derive(Default)]
pub(crate) struct Switchovers {
    waiting: Mutex<HashMap<OpId, oneshot::Sender<Outcome>>>,
    next: AtomicU64,
}

impl Switchovers {
    fn ask(&self) -> (OpId, oneshot::Receiver<Outcome>) {
        let op = OpId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.retain(|_, wait| !wait.is_canceled());
        waiting.insert(op, sender);
        (op, answer)
    }

    pub(crate) fn answer(&self, op: OpId, outcome: Outcome) {
        if let Some(wait) = lock(&self.waiting).remove(&op) {
            // Whoever asked may have gone.
            let _ = wait.send(outcome);
        }
    }
}

impl<R: Runtime> Commercial<R> {
    pub(crate) async fn switchover(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        api.authorize(&request, Scope::Admin, None)?;
        let query = request.query(&["to"])?;
        if request.has_body() {
            return Err(Problem::from(Code::BadRequest).closing());
        }
        let to = query.value("to").map(str::parse::<PopId>).transpose();
        let to = to.map_err(|_| Code::BadQuery)?;
        let (op, answer) = self.hq.switchovers.ask();
        self.tell_lease(lease::Input::SwitchoverAsked { op, to });
        // The machine answers in bounded time; it is gone only when the server goes.
        let outcome = answer.await.map_err(|_| Code::Stopping)?;
        let epoch = outcome.map_err(refused)?;
        let epoch = json!({"number": epoch.number, "primary": epoch.primary});
        Ok(json(StatusCode::OK, &json!({ "epoch": epoch })))
    }
}

fn refused(why: NotSwitched) -> Problem {
    let detail = match why {
        NotSwitched::NotPrimary => "this server is not the primary, or holds no lease; ask it",
        NotSwitched::NoHq => "there is no HQ to decide; `promote` makes a server the primary",
        NotSwitched::Busy => "another switchover is under way",
        NotSwitched::NobodyFollows => {
            "HQ does not answer, or knows nobody who could follow yet: who has just started may not \
             for a few seconds"
        }
        NotSwitched::KeptBack(KeptBack::TooFarBehind) => {
            "the other server could not be brought up to date in time; this one stays primary"
        }
        NotSwitched::KeptBack(KeptBack::NotDrained) => {
            "the other server did not confirm the last writes in time; this one stays primary"
        }
        NotSwitched::KeptBack(KeptBack::NotAPeer) => {
            "the other server is not among this one's peers; this one stays primary"
        }
    };
    Problem::new("CV-NOT-SWITCHED", StatusCode::CONFLICT, detail)
}
