//! POPs renew, and are told when to.

use std::sync::Arc;
use std::time::Duration;

use clavitor_commercial::renewal::{ANSWER_MS, Answer, Renewal};
use clavitor_hq_core::control::Input;
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use futures_util::future::{Either, select};
use http::StatusCode;
use serde_json::json;

use super::{Api, HqRequest, empty, problem};
use crate::bodies;
use crate::registry::Name;
use crate::watches::Watch;

/// The most bytes of a renewal: it names every member of a cluster twice, and there are few.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// How long a request that watches is held without news.
const WATCH: Duration = Duration::from_secs(60);

pub(super) async fn renew<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let name = api.require_pop(&request)?;
    request.query(&[])?;
    let body = request.body(BODY_BYTES_MAX).await?;
    let said = bodies::renewal(&body).ok_or(problem::BAD_RENEWAL)?;
    drop(body);
    if said.pop != name.pop || said.cluster != name.cluster {
        return Err(problem::POP_TOKEN.into());
    }
    let answer = ask(api, &name, said.renewal).await?;
    if answer == Answer::Duplicate {
        return Err(problem::DUPLICATE.into());
    }
    if matches!(answer, Answer::Lead { .. }) && api.registry.is_lease_missed(&name.cluster) {
        api.exchange.lease_held(&name.cluster);
    }
    // Whoever comes under the primary's id without its lease is another process: DNS goes by the first.
    if matches!(answer, Answer::Lead { .. }) || !api.exchange.is_primary(&name) {
        api.exchange.note(&name, said.about);
    }
    Ok(json(StatusCode::OK, &bodies::answer(&answer, wall::unix_time())))
}

async fn ask<R: Runtime>(api: &Api<R>, name: &Name, renewal: Renewal) -> Result<Answer, Problem> {
    let mut asked = api.exchange.renewals.ask();
    let Name { cluster, pop } = name.clone();
    let fact = Input::Renewed { op: asked.op(), cluster, pop, renewal };
    if !api.exchange.mailbox.offer(fact) {
        return Err(Code::Busy.into());
    }
    let patience = api.runtime.sleep(Duration::from_millis(ANSWER_MS));
    match select(std::pin::pin!(asked.answer()), patience).await {
        Either::Left((Some(answer), _)) => Ok(answer),
        // What the answer has to say is not on disk yet.
        Either::Left((None, _)) | Either::Right(_) => Err(Code::Busy.into()),
    }
}

pub(super) async fn watch<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let name = api.require_pop(&request)?;
    let query = request.query(&["pop", "cluster", "after"])?;
    let is_own = query.value("pop") == Some(name.pop.as_str())
        && query.value("cluster") == Some(name.cluster.as_str());
    let after = query.value("after").unwrap_or("0");
    let after = after.parse::<u64>().map_err(|_| Problem::from(Code::BadQuery))?;
    if !is_own {
        return Err(problem::POP_TOKEN.into());
    }
    drop(request);
    let news = |generation: u64| Ok(json(StatusCode::OK, &json!({"generation": generation})));
    match api.exchange.watches.watch(&name, after) {
        Watch::News(generation) => news(generation),
        Watch::Later(later) => match select(later, api.runtime.sleep(WATCH)).await {
            Either::Left((Ok(generation), _)) => news(generation),
            Either::Left((Err(_), _)) | Either::Right(_) => Ok(empty(StatusCode::NO_CONTENT)),
        },
    }
}
