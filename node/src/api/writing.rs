//! What all writes of clients share: preconditions, acknowledgement, and the errors they end in.

use std::sync::Arc;

use clavitor_core::entry::Precondition;
use http::header;
use hyper::rt::Timer;

use super::Api;
use crate::http::{BadHeader, Code, Problem, Query, Request};
use crate::plumbing::{BackupWait, Plumbing};
use crate::store::WriteError;

/// Reads `If-Match` and `If-None-Match`.
pub(super) fn precondition_of<T: Timer>(request: &Request<T>) -> Result<Precondition, Problem> {
    let bad = |BadHeader| Problem::from(Code::BadPrecondition);
    let if_match = request.header(header::IF_MATCH).map_err(bad)?;
    let if_none_match = request.header(header::IF_NONE_MATCH).map_err(bad)?;
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::Always),
        (Some("*"), None) => Ok(Precondition::Exists),
        (Some(tag), None) => precondition_of_tag(tag).ok_or(Code::BadPrecondition.into()),
        (None, Some("*")) => Ok(Precondition::Absent),
        (None | Some(_), Some(_)) => Err(Code::BadPrecondition.into()),
    }
}

fn precondition_of_tag(tag: &str) -> Option<Precondition> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains(['"', ',']) {
        return None;
    }
    Some(inner.parse().map_or(Precondition::Never, Precondition::Is))
}

/// What a client wants to be sure of before its write is answered.
pub(super) struct Wish {
    backup: Option<BackupWait>,
}

impl Wish {
    /// Reads `?ack=`.
    pub(super) fn of<P: Plumbing>(api: &Api<P>, query: &Query) -> Result<Self, Problem> {
        let backup = match query.value("ack") {
            None => None,
            Some("backup") => Some(api.plumbing.await_backup().ok_or(Code::NoBackup)?),
            Some(_) => return Err(Code::BadQuery.into()),
        };
        Ok(Self { backup })
    }

    /// All of the write is here, and it begins: a client that sends slowly must not keep anybody from
    /// handing over.
    pub(super) fn begin<P: Plumbing>(self, api: &Api<P>) -> Ack {
        Ack { backup: self.backup, _under_way: api.plumbing.writes().clone() }
    }
}

/// A client's write under way, and what the client wants to be sure of before it is answered.
pub struct Ack {
    backup: Option<BackupWait>,
    // Whoever hands over waits until the answer of each is decided.
    _under_way: Arc<()>,
}

impl Ack {
    /// That the write is on this server's disk.
    pub fn local<P: Plumbing>(api: &Api<P>) -> Self {
        Wish { backup: None }.begin(api)
    }

    /// Splits off what names the wait inside the transaction.
    pub fn op(&self) -> Option<clavitor_core::id::OpId> {
        self.backup.as_ref().map(|(op, _)| *op)
    }

    /// Waits for the store. What it answers may confirm an earlier write to a client that tries again,
    /// also where nothing was left to write; so it is passed on by who may acknowledge alone.
    pub async fn written<P: Plumbing, T>(
        &self,
        api: &Api<P>,
        writing: impl Future<Output = Result<T, WriteError<Problem>>>,
    ) -> Result<T, Problem> {
        let written = writing.await.map_err(|error| write_error(api, error));
        if written.as_ref().err().is_none_or(tells_what_is_stored) {
            may_acknowledge(api)?;
        }
        written
    }

    /// Waits for what the client wants to be sure of; `false` if it is not sure. Whether this server
    /// may still acknowledge at all is asked last: somebody else may take writes by now.
    pub async fn wait<P: Plumbing>(self, api: &Api<P>) -> Result<bool, Problem> {
        let is_sure = match self.backup {
            None => true,
            Some((_, confirmed)) => confirmed.await.unwrap_or(false),
        };
        may_acknowledge(api)?;
        Ok(is_sure)
    }
}

fn may_acknowledge<P: Plumbing>(api: &Api<P>) -> Result<(), Problem> {
    if api.plumbing.may_acknowledge() { Ok(()) } else { Err(Code::OutcomeUnknown.into()) }
}

/// Whether a refusal says what is there, or is not: to whoever repeats a write, that it happened.
fn tells_what_is_stored(problem: &Problem) -> bool {
    [Code::NotFound, Code::Precondition].iter().any(|code| code.as_str() == problem.code())
}

/// A write that did not happen, or is not known to have, as the client sees it.
pub fn write_error<P: Plumbing>(api: &Api<P>, error: WriteError<Problem>) -> Problem {
    match error {
        WriteError::Refused(problem) => problem,
        WriteError::Full => {
            api.note_room(true);
            Code::StorageFull.into()
        }
        WriteError::Busy => Code::Busy.into(),
        WriteError::Stopped => Code::Stopping.into(),
        WriteError::Damaged => {
            api.read_error(&crate::store::StoreError::Damaged("a write needed damaged data"))
        }
        WriteError::Unknown => Code::OutcomeUnknown.into(),
    }
}

#[cfg(test)]
mod tests {
    use clavitor_core::hlc::Hlc;

    use super::*;

    #[test]
    fn tags_are_timestamps_in_quotes() {
        let hlc: Hlc = "5-0-a".parse().unwrap();
        assert_eq!(precondition_of_tag("\"5-0-a\""), Some(Precondition::Is(hlc)));
        assert_eq!(precondition_of_tag("\"else\""), Some(Precondition::Never));
        for bad in ["5-0-a", "\"5-0-a", "W/\"5-0-a\"", "\"a\", \"b\"", ""] {
            assert_eq!(precondition_of_tag(bad), None, "{bad}");
        }
    }
}
