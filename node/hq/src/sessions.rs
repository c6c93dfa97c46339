//! Who is logged in to the dashboard, and who tries too often.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use clavitor_core::credential::{Presented, TokenId};
use clavitor_core::source::network_of;
use clavitor_core::time::Instant;

use crate::lock;
use crate::registry::Credential;

/// The most sessions at once; one more ends the one that ends next.
pub(crate) const SESSIONS_MAX: usize = 64;

/// How long a session lasts, in seconds.
pub(crate) const SESSION_S: u64 = 12 * 60 * 60;

/// How many wrong tokens of one source are told within a minute that they are wrong.
pub(crate) const FAILURES_MAX: u32 = 10;

/// The most sources that are told apart within a minute; of others each wrong token is one too many.
const SOURCES_MAX: usize = 1_024;

const MINUTE_MS: u64 = 60_000;

/// Sessions, in memory alone: a restart ends them all.
///
/// Invariant: at most [`SESSIONS_MAX`] sessions and [`SOURCES_MAX`] sources.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<TokenId, Session>>,
    failures: Mutex<Failures>,
}

#[derive(Debug)]
struct Session {
    credential: Credential,
    until: Instant,
}

#[derive(Debug, Default)]
struct Failures {
    since: Instant,
    by_source: BTreeMap<IpAddr, u32>,
}

impl Sessions {
    /// Begins a session.
    pub(crate) fn begin(&self, now: Instant) -> Presented {
        let (presented, credential) = Credential::mint();
        let mut open = lock(&self.open);
        open.retain(|_, session| now < session.until);
        if open.len() >= SESSIONS_MAX {
            let next = open.iter().min_by_key(|(_, session)| session.until).map(|(id, _)| *id);
            next.map(|id| open.remove(&id));
        }
        let until = now.plus_ms(SESSION_S * 1_000);
        open.insert(presented.id, Session { credential, until });
        presented
    }

    /// Whether a session goes on.
    pub(crate) fn is_open(&self, now: Instant, presented: &Presented) -> bool {
        let open = lock(&self.open);
        let session = open.get(&presented.id).filter(|session| now < session.until);
        session.is_some_and(|session| session.credential.is(presented))
    }

    /// Ends a session.
    pub(crate) fn end(&self, presented: &Presented) {
        let mut open = lock(&self.open);
        if open.get(&presented.id).is_some_and(|session| session.credential.is(presented)) {
            open.remove(&presented.id);
        }
    }

    /// Somebody gives a wrong token; whether that is one too many from there.
    pub(crate) fn failed(&self, now: Instant, source: IpAddr) -> bool {
        let mut failures = self.failures(now);
        let source = network_of(source);
        let has_room = failures.by_source.len() < SOURCES_MAX;
        if !has_room && !failures.by_source.contains_key(&source) {
            return true;
        }
        let failed = failures.by_source.entry(source).or_default();
        *failed = failed.saturating_add(1);
        *failed > FAILURES_MAX
    }

    fn failures(&self, now: Instant) -> std::sync::MutexGuard<'_, Failures> {
        let mut failures = lock(&self.failures);
        if now.ms_since(failures.since) >= MINUTE_MS {
            *failures = Failures { since: now, by_source: BTreeMap::new() };
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_ms(1_000_000);

    #[test]
    fn a_session_ends_after_its_time_or_when_it_is_ended() {
        let sessions = Sessions::default();
        let (first, second) = (sessions.begin(NOW), sessions.begin(NOW));
        assert!(sessions.is_open(NOW, &first) && sessions.is_open(NOW, &second));
        sessions.end(&Presented { id: first.id, secret: second.secret });
        assert!(sessions.is_open(NOW, &first), "it takes the whole of it");
        sessions.end(&first);
        assert!(!sessions.is_open(NOW, &first));
        assert!(sessions.is_open(NOW.plus_ms(SESSION_S * 1_000 - 1), &second));
        assert!(!sessions.is_open(NOW.plus_ms(SESSION_S * 1_000), &second));
        assert!(!sessions.is_open(NOW, &Presented { id: second.id, secret: [0; 32] }));
    }

    #[test]
    fn one_session_too_many_ends_the_oldest() {
        let sessions = Sessions::default();
        let all: Vec<_> =
            (0..=SESSIONS_MAX as u64).map(|at| sessions.begin(NOW.plus_ms(at))).collect();
        let is_open = |session| sessions.is_open(NOW, session);
        assert_eq!(all.iter().position(is_open), Some(1));
        assert_eq!(all.iter().filter(|session| is_open(session)).count(), SESSIONS_MAX);
    }

    #[test]
    fn who_is_wrong_too_often_is_told_so_and_nobody_else_is() {
        let sessions = Sessions::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert!((0..FAILURES_MAX).all(|_| !sessions.failed(NOW, one)));
        assert!(sessions.failed(NOW, one) && !sessions.failed(NOW, other));
        assert!(!sessions.failed(NOW.plus_ms(MINUTE_MS), one));
    }

    #[test]
    fn the_sources_of_a_minute_are_bounded() {
        let sessions = Sessions::default();
        for at in 0..=u16::MAX {
            let [a, b] = at.to_be_bytes();
            sessions.failed(NOW, IpAddr::from([127, 0, a, b]));
        }
        assert_eq!(sessions.failures(NOW).by_source.len(), SOURCES_MAX);
        assert!(sessions.failed(NOW, IpAddr::from([192, 0, 2, 1])));
        assert!(
            !sessions.failed(NOW, IpAddr::from([127, 0, 0, 1])),
            "who is known is still counted"
        );
    }
}
