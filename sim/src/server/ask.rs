//! What clients ask, carried out inside a transaction: admitted or not, and what they wrote.

use clavitor_commercial::admission::{self, Refused as NotAdmitted, Standing};
use clavitor_commercial::{epoch, journal};
use clavitor_core::credential::{AccessToken, Scope, TokenId};
use clavitor_core::entry::{Precondition, Put, Refused};
use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::Key;
use clavitor_core::store::{RowsMut, Stop, Transaction};
use clavitor_core::token;

use super::job::Ask;
use super::run::Context;
use crate::canary::Canary;
use crate::event::Wrote;
use crate::script::{Condition, Request};

impl Context<'_> {
    /// What a client's write came to, and the epoch that it belongs to, whoever admitted it.
    pub(super) fn answer<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        ask: &Ask,
    ) -> Result<Option<Wrote>, Stop<&'static str>> {
        let wrote = self.ask(txn, ask)?;
        let epoch = epoch::known(&txn.reader())?;
        Ok(wrote.map(|wrote| Wrote { epoch, ..wrote }))
    }

    fn ask<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        ask: &Ask,
    ) -> Result<Option<Wrote>, Stop<&'static str>> {
        if !self.is_community && self.bug != Some(Canary::NoEpochCheck) {
            let is_imported = self.standing.is_imported && self.bug != Some(Canary::NoImportWait);
            let standing = Standing { is_imported, ..self.standing };
            admission::admit(txn, standing).map_err(|stop| stop.map(not_admitted))?;
        }
        match ask.request {
            Request::Put { key, bytes, condition, .. } => {
                let precondition = precondition(condition, ask.seen);
                self.put(txn, ask, key, precondition, Some(blob(ask.id, bytes)))
            }
            Request::Delete { key, .. } => self.put(txn, ask, key, Precondition::Always, None),
            Request::CreateToken { token, .. } => create(txn, ask, token),
            Request::RevokeToken { token, .. } => revoke(txn, ask, token),
            Request::RestoreLoser { key } => restore(txn, ask, key),
            Request::Get { .. } => Ok(None),
        }
    }

    fn put<R: RowsMut>(
        &self,
        txn: &mut Transaction<'_, R>,
        ask: &Ask,
        key: u8,
        precondition: Precondition,
        blob: Option<Vec<u8>>,
    ) -> Result<Option<Wrote>, Stop<&'static str>> {
        let (vault, entry) = (vault(), entry(key));
        let record_key = Key::Entry(vault.clone(), entry.clone());
        let seen = txn.head(&record_key)?.map(|head| head.hlc);
        let deleted = blob.is_none();
        let blob = blob.unwrap_or_default();
        let mut put = Put { vault, entry, precondition, deleted, blob };
        let written = put.apply(txn, ask.wait).map_err(|stop| stop.map(refused))?;
        Ok(Some(Wrote {
            id: ask.id,
            key: record_key,
            hlc: written.hlc,
            seen,
            restored: None,
            is_revocation: false,
            epoch: None,
        }))
    }
}

fn precondition(condition: Condition, seen: Option<Hlc>) -> Precondition {
    match condition {
        Condition::Always => Precondition::Always,
        Condition::Exists => Precondition::Exists,
        Condition::Absent => Precondition::Absent,
        Condition::Seen => seen.map_or(Precondition::Absent, Precondition::Is),
    }
}

fn create<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    number: u16,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = token_id(number);
    let key = Key::Token(id);
    // Ids are random, so none is made twice; the script may ask twice.
    if txn.head(&key)?.is_some() {
        return Err(Stop::Refused("taken"));
    }
    let token = AccessToken {
        id,
        vault: Some(vault()),
        scope: Scope::Write,
        label: String::new(),
        secret_hash: [7; 32],
        created: txn.now(),
        expires: None,
        revoked: None,
    };
    token::create(txn, token, ask.wait)?;
    wrote_token(txn, ask, key, false)
}

fn revoke<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    number: u16,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = token_id(number);
    let revoked = token::revoke(txn, id, |_| true, ask.wait);
    let revoked = revoked.map_err(|stop| stop.map(|_| "CV-NOT-FOUND"))?;
    if !revoked.is_new {
        return Err(Stop::Refused("revoked"));
    }
    wrote_token(txn, ask, Key::Token(id), true)
}

fn wrote_token<R: RowsMut>(
    txn: &Transaction<'_, R>,
    ask: &Ask,
    key: Key,
    is_revocation: bool,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let id = ask.id;
    let hlc = txn.head(&key)?.map(|head| head.hlc);
    Ok(hlc.map(|hlc| Wrote {
        id,
        key,
        hlc,
        seen: None,
        restored: None,
        is_revocation,
        epoch: None,
    }))
}

fn restore<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    ask: &Ask,
    key: u8,
) -> Result<Option<Wrote>, Stop<&'static str>> {
    let (vault, entry) = (vault(), entry(key));
    let lost = txn.losers(&vault, &entry)?.first().copied().ok_or(Stop::Refused("CV-NOT-FOUND"))?;
    let record_key = Key::Entry(vault.clone(), entry.clone());
    let seen = txn.head(&record_key)?.map(|head| head.hlc);
    let hlc = journal::restore(txn, &vault, &entry, lost);
    let hlc = hlc.map_err(|stop| stop.map(|_| "CV-NOT-FOUND"))?;
    Ok(Some(Wrote {
        id: ask.id,
        key: record_key,
        hlc,
        seen,
        restored: Some(lost),
        is_revocation: false,
        epoch: None,
    }))
}

fn not_admitted(refused: NotAdmitted) -> &'static str {
    match refused {
        NotAdmitted::NotPrimary(_) => "CV-NOT-PRIMARY",
        NotAdmitted::Imported => "CV-IMPORTED",
        NotAdmitted::Clock => "CV-CLOCK",
        NotAdmitted::NoLease => "CV-NO-LEASE",
        NotAdmitted::HandingOver(_) => "CV-HANDING-OVER",
    }
}

fn refused(refused: Refused) -> &'static str {
    match refused {
        Refused::Precondition => "CV-PRECONDITION",
        Refused::NotFound => "CV-NOT-FOUND",
    }
}

/// The vault of every simulated entry.
pub(super) fn vault() -> VaultName {
    VaultName::try_from("vault".to_owned()).unwrap_or_else(|_| unreachable!("a fixed name"))
}

/// The name of an entry.
pub(super) fn entry(key: u8) -> EntryName {
    EntryName::try_from(format!("e{key}")).unwrap_or_else(|_| unreachable!("a plain name"))
}

fn token_id(number: u16) -> TokenId {
    let mut id = [0; 12];
    id[..2].copy_from_slice(&number.to_be_bytes());
    TokenId(id)
}

/// No two requests write the same blob.
fn blob(id: u32, bytes: u32) -> Vec<u8> {
    let mut blob = id.to_le_bytes().to_vec();
    blob.resize(usize::try_from(bytes).unwrap_or_default().max(4), 0x5A);
    blob
}
