//! Who asks: access tokens, checked on every request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use clavitor_core::credential::{AccessToken, Presented, Scope, TokenId};
use clavitor_core::name::VaultName;
use clavitor_core::record::{Item, Key};
use http::header;

use super::{Api, ApiRequest};
use crate::http::{Code, Problem};
use crate::plumbing::Plumbing;
use crate::store::{Reader, Rows, Stop, StoreError, Transaction};
use crate::wall;

/// The fact under which a server keeps its own first admin token, which does not replicate.
pub const LOCAL_TOKEN: &str = "local_token";

/// How many copies of what is known there are, and the most access tokens that one remembers;
/// beyond it all are looked up anew.
const COPIES: usize = 16;
const KNOWN_MAX: usize = 256;

const SCHEME: &str = "Bearer ";

/// An access token in force.
#[derive(Clone, Debug)]
pub struct Access {
    token: Arc<AccessToken>,
    // How many changes of tokens there had been when it was looked up.
    as_of: u64,
}

/// The access tokens that were presented since one was last made or revoked. Connections are spread
/// over several copies, so that threads do not pass one counter of readers back and forth.
#[derive(Debug, Default)]
pub(super) struct KnownTokens {
    copies: [RwLock<Known>; COPIES],
}

/// Invariant: every token is what the store holds as long as its count of changes is `as_of`.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Known {
    as_of: u64,
    tokens: BTreeMap<TokenId, Arc<AccessToken>>,
}

impl KnownTokens {
    fn copy(&self, remote: SocketAddr) -> &RwLock<Known> {
        &self.copies[usize::from(remote.port()) % COPIES]
    }

    fn find(&self, remote: SocketAddr, as_of: u64, id: &TokenId) -> Option<Arc<AccessToken>> {
        let known = self.copy(remote).read().unwrap_or_else(PoisonError::into_inner);
        known.tokens.get(id).filter(|_| known.as_of == as_of).cloned()
    }

    fn remember(&self, remote: SocketAddr, as_of: u64, token: Arc<AccessToken>) {
        let mut known = self.copy(remote).write().unwrap_or_else(PoisonError::into_inner);
        if known.as_of != as_of || known.tokens.len() >= KNOWN_MAX {
            *known = Known { as_of, tokens: BTreeMap::new() };
        }
        known.tokens.insert(token.id, token);
    }
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
        let is_active = if txn.token_changes() == self.as_of {
            self.token.is_active(wall::unix_time())
        } else {
            let stored = find(&txn.reader(), self.token.id)?;
            stored.is_some_and(|token| token.is_active(wall::unix_time()))
        };
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
        // Asked before the look-up: a change meanwhile makes the answer old, never wrong.
        let as_of = self.store.token_changes();
        let known = self.known_tokens.find(request.remote, as_of, &presented.id);
        let is_known = known.is_some();
        let stored = match known {
            Some(token) => Some(token),
            None => {
                let stored = self.store.read(|reader| find(reader, presented.id));
                stored.map_err(|error| self.read_error(&error))?.map(Arc::new)
            }
        };
        let token = stored
            .filter(|token| token.matches(&presented.secret))
            .filter(|token| token.is_active(wall::unix_time()))
            .ok_or(Code::Unauthenticated)?;
        if !is_known {
            self.known_tokens.remember(request.remote, as_of, token.clone());
        }
        Ok(Access { token, as_of })
    }
}

/// What a request's `Authorization` presents, if that is an access token's text.
pub fn presented<T: hyper::rt::Timer>(request: &crate::http::Request<T>) -> Option<Presented> {
    let header = request.header(header::AUTHORIZATION).ok()??;
    let (scheme, credential) = header.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    credential.trim_ascii().parse().ok()
}

fn find<R: Rows>(reader: &Reader<'_, R>, id: TokenId) -> Result<Option<AccessToken>, StoreError> {
    let local: Option<AccessToken> = reader.fact(LOCAL_TOKEN)?;
    if let Some(local) = local.filter(|local| local.id == id) {
        return Ok(Some(local));
    }
    Ok(reader.head(&Key::Token(id))?.and_then(|row| token_of(row.head.item)))
}
