//! Who asks: access tokens, checked on every request.

use clavitor_core::credential::{AccessToken, Presented, Scope};
use clavitor_core::name::VaultName;
use clavitor_core::record::{Item, Key};
use http::header;

use super::{Api, ApiRequest};
use crate::http::{Code, Problem};
use crate::plumbing::Plumbing;
use crate::store::{Reader, Stop, StoreError, Transaction};
use crate::wall;

/// The fact under which a server keeps its own first admin token, which does not replicate.
pub const LOCAL_TOKEN: &str = "local_token";

/// An access token in force.
#[derive(Clone, Debug)]
pub struct Access {
    token: AccessToken,
}

impl Access {
    /// Whether it allows `needed` on `vault`.
    pub fn allows(&self, needed: Scope, vault: Option<&VaultName>) -> bool {
        self.token.allows(needed, vault)
    }
}

impl Access {
    /// Whether it is still in force, asked inside a write's transaction: a body may take its time,
    /// and a revocation must not be overtaken.
    pub fn recheck(&self, txn: &Transaction<'_>) -> Result<(), Stop<Problem>> {
        let local: Option<AccessToken> = txn.fact(LOCAL_TOKEN)?;
        let stored = match local.filter(|local| local.id == self.token.id) {
            Some(local) => Some(local),
            None => txn.head(&Key::Token(self.token.id))?.and_then(|head| token_of(head.item)),
        };
        let is_active = stored.is_some_and(|token| token.is_active(wall::unix_time()));
        if is_active { Ok(()) } else { Err(Stop::Refused(Code::Unauthenticated.into())) }
    }
}

fn token_of(item: Item) -> Option<AccessToken> {
    match item {
        Item::Token(token) => Some(token),
        Item::Entry { .. } | Item::Loser { .. } => None,
    }
}

impl<P: Plumbing> Api<P> {
    /// The access token of a request, if it allows `needed` on `vault`.
    pub fn authorize(
        &self,
        request: &ApiRequest<P>,
        needed: Scope,
        vault: Option<&VaultName>,
    ) -> Result<Access, Problem> {
        let access = self.authenticate(request)?;
        if access.allows(needed, vault) { Ok(access) } else { Err(Code::Forbidden.into()) }
    }

    /// The access token of a request, whatever it allows.
    pub fn authenticate(&self, request: &ApiRequest<P>) -> Result<Access, Problem> {
        let presented = presented(request).ok_or(Code::Unauthenticated)?;
        let stored = self.store.read(|reader| find(reader, &presented));
        let stored = stored.map_err(|error| self.read_error(&error))?;
        let token = stored.filter(|token| token.matches(&presented.secret));
        let token = token.filter(|token| token.is_active(wall::unix_time()));
        token.map(|token| Access { token }).ok_or_else(|| Code::Unauthenticated.into())
    }
}

fn presented<T: hyper::rt::Timer>(request: &crate::http::Request<T>) -> Option<Presented> {
    let header = request.header(header::AUTHORIZATION).ok()??;
    let (scheme, credential) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    credential.trim().parse().ok()
}

fn find(reader: &Reader<'_>, presented: &Presented) -> Result<Option<AccessToken>, StoreError> {
    let local: Option<AccessToken> = reader.fact(LOCAL_TOKEN)?;
    if let Some(local) = local.filter(|local| local.id == presented.id) {
        return Ok(Some(local));
    }
    Ok(reader.head(&Key::Token(presented.id))?.and_then(|row| token_of(row.head.item)))
}
