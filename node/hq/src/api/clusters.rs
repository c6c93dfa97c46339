//! What operators ask of a cluster.

use std::sync::Arc;
use std::time::Duration;

use clavitor_core::id::PopId;
use clavitor_hq_core::control::{Input, NotSwitched};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::runtime::Runtime;
use futures_util::future::{Either, select};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Api, HqRequest, problem};

const BODY_BYTES_MAX: usize = 4 * 1024;

/// Far above what the machine takes to say that it took too long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an operator asks for; nothing at all is: to whoever holds most.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: Option<PopId>,
}

pub(super) async fn switch_over<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
    cluster: Option<String>,
) -> Result<Response, Problem> {
    api.require_admin(&request)?;
    request.query(&[])?;
    let cluster = cluster.ok_or(Code::BadName)?;
    let body = request.body(BODY_BYTES_MAX).await?;
    let wanted: Wanted = match body.trim_ascii() {
        [] => Wanted::default(),
        body => serde_json::from_slice(body).map_err(|_| Code::BadJson)?,
    };
    let mut asked = api.exchange.switchovers.ask();
    let fact = Input::SwitchoverAsked { op: asked.op(), cluster, to: wanted.to };
    if !api.exchange.mailbox.offer(fact) {
        return Err(Code::Busy.into());
    }
    match select(std::pin::pin!(asked.answer()), api.runtime.sleep(PATIENCE)).await {
        Either::Left((Some(Ok(epoch)), _)) => {
            let epoch = json!({"number": epoch.number, "primary": epoch.primary});
            Ok(json(StatusCode::OK, &json!({"epoch": epoch})))
        }
        Either::Left((Some(Err(why)), _)) => Err(problem::of_switchover(why)),
        Either::Left((None, _)) | Either::Right(_) => {
            Err(problem::of_switchover(NotSwitched::TimedOut))
        }
    }
}
