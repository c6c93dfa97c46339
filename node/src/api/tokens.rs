//! Access tokens: make, list, revoke.

use std::sync::Arc;

use clavitor_core::credential::{AccessToken, LABEL_BYTES_MAX, Presented, Scope, TokenId};
use clavitor_core::name::VaultName;
use clavitor_core::record::HEAD_BYTES_MAX;
use clavitor_core::token::{self, Refused, Revoked};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, LOCAL_TOKEN};
use super::writing::Wish;
use super::{Api, ApiRequest};
use crate::http::{Code, Problem, Response, json};
use crate::plumbing::Plumbing;
use crate::store::{Stop, Transaction};
use crate::{entropy, wall};

/// The most bytes of the document that asks for an access token.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024;

/// The longest life of an access token that ends by itself, in seconds: 100 years.
const EXPIRES_IN_MAX: u64 = 100 * 366 * 86_400;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    vault: Option<String>,
    scope: String,
    #[serde(default)]
    label: String,
    expires_in: Option<u64>,
}

pub(super) async fn answer_all<P: Plumbing>(
    api: Arc<Api<P>>,
    request: ApiRequest<P>,
) -> Result<Response, Problem> {
    if request.method == Method::POST { create(&api, request).await } else { list(&api, &request) }
}

async fn create<P: Plumbing>(
    api: &Arc<Api<P>>,
    request: ApiRequest<P>,
) -> Result<Response, Problem> {
    let access = api.authenticate(&request)?;
    let wish = Wish::of(api, &request.query(&["ack"])?)?;
    let document = request.body(DOCUMENT_BYTES_MAX).await?;
    let wanted: Wanted = serde_json::from_slice(&document).map_err(|_| Code::BadJson)?;
    let presented = Presented { id: TokenId(entropy::bytes()), secret: entropy::bytes() };
    let token = token_of(wanted, &presented)?;
    if !access.allows(Scope::Admin, token.vault.as_ref()) {
        return Err(Code::Forbidden.into());
    }
    let document = json!({
        "id": token.id.to_string(),
        "token": presented.reveal(),
        "vault": token.vault,
        "scope": token.scope.as_str(),
        "label": token.label,
        "expires_at": token.expires.map(wall::rfc3339),
    });
    let ack = wish.begin(api);
    let (plumbing, op) = (api.plumbing.clone(), ack.op());
    let written = api.store.write(HEAD_BYTES_MAX, move |txn| {
        plumbing.admit(txn)?.map_err(Stop::Refused)?;
        access.recheck(txn)?;
        token::create(txn, token.clone(), op).map_err(Stop::from)
    });
    ack.written(api, written).await?;
    let status = if ack.wait(api).await? { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok(json(status, &document))
}

fn token_of(wanted: Wanted, presented: &Presented) -> Result<AccessToken, Problem> {
    let scope: Scope = wanted.scope.parse().map_err(|_| Code::BadJson)?;
    let vault = wanted.vault.map(|vault| VaultName::try_from(vault).map_err(|_| Code::BadName));
    let vault = vault.transpose()?;
    let is_label =
        wanted.label.len() <= LABEL_BYTES_MAX && !wanted.label.chars().any(char::is_control);
    let is_life = wanted.expires_in.is_none_or(|life| (1..=EXPIRES_IN_MAX).contains(&life));
    // Only an admin token may be for every vault.
    if !is_label || !is_life || (vault.is_none() && scope != Scope::Admin) {
        return Err(Code::BadJson.into());
    }
    let created = wall::unix_time();
    Ok(AccessToken {
        id: presented.id,
        vault,
        scope,
        label: wanted.label,
        secret_hash: presented.secret_hash(),
        created,
        expires: wanted.expires_in.map(|life| created.plus_ms(life * 1_000)),
        revoked: None,
    })
}

fn list<P: Plumbing>(api: &Api<P>, request: &ApiRequest<P>) -> Result<Response, Problem> {
    let access = api.authenticate(request)?;
    request.query(&[])?;
    let read = api.store.read(|reader| {
        let local: Option<AccessToken> = reader.fact(LOCAL_TOKEN)?;
        Ok((local, reader.tokens()?))
    });
    let (local, tokens) = read.map_err(|error| api.read_error(&error))?;
    let local = local.into_iter().map(|token| (token, true));
    let tokens = local.chain(tokens.into_iter().map(|token| (token, false)));
    let shown: Vec<Value> = tokens
        .filter(|(token, _)| access.allows(Scope::Admin, token.vault.as_ref()))
        .map(|(token, is_local)| row(&token, is_local))
        .collect();
    if shown.is_empty() {
        return Err(Code::Forbidden.into());
    }
    Ok(json(StatusCode::OK, &json!({"tokens": shown})))
}

fn row(token: &AccessToken, is_local: bool) -> Value {
    json!({
        "id": token.id.to_string(),
        "vault": token.vault,
        "scope": token.scope.as_str(),
        "label": token.label,
        "created_at": wall::rfc3339(token.created),
        "expires_at": token.expires.map(wall::rfc3339),
        "revoked_at": token.revoked.map(|revoked| wall::rfc3339(revoked.time())),
        "local": is_local,
    })
}

pub(super) async fn delete<P: Plumbing>(
    api: Arc<Api<P>>,
    request: ApiRequest<P>,
    id: Option<String>,
) -> Result<Response, Problem> {
    let access = api.authenticate(&request)?;
    let ack = Wish::of(&api, &request.query(&["ack"])?)?.begin(&api);
    let id = id.and_then(|id| id.parse::<TokenId>().ok());
    let id = id.ok_or_else(|| if_admin(&access, Code::NotFound))?;
    if request.has_body() {
        return Err(Problem::from(Code::TooLarge).closing());
    }
    let (plumbing, op) = (api.plumbing.clone(), ack.op());
    let written = api.store.write(0, move |txn| {
        plumbing.admit(txn)?.map_err(Stop::Refused)?;
        access.recheck(txn)?;
        revoke(txn, id, &access, op)
    });
    let Revoked { seq, is_new } = ack.written(&api, written).await?;
    // A token that was revoked before is waited for by nobody: nothing was written to confirm.
    let waits = is_new && ack.wait(&api).await?;
    let pending = api.plumbing.pending_peers(seq);
    let is_sure = waits || op.is_none() || (!is_new && pending.is_empty());
    let status = if is_sure { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(json(status, &json!({"pending_peers": pending})))
}

fn revoke(
    txn: &mut Transaction<'_>,
    id: TokenId,
    access: &Access,
    op: Option<clavitor_core::id::OpId>,
) -> Result<Revoked, Stop<Problem>> {
    let local: Option<AccessToken> = txn.fact(LOCAL_TOKEN)?;
    if local.is_some_and(|local| local.id == id) {
        return Err(Stop::Refused(if_admin(access, Code::LocalToken).into()));
    }
    let is_allowed = |token: &AccessToken| access.allows(Scope::Admin, token.vault.as_ref());
    token::revoke(txn, id, is_allowed, op).map_err(|stop| {
        stop.map(|refused| match refused {
            Refused::NotFound => if_admin(access, Code::NotFound).into(),
            Refused::Forbidden => Code::Forbidden.into(),
        })
    })
}

/// Whoever may not administer anything learns nothing about what there is.
fn if_admin(access: &Access, code: Code) -> Code {
    if access.allows(Scope::Admin, None) { code } else { Code::Forbidden }
}
