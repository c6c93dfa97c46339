//! Clients: whom they ask, and what they have been shown.

use std::collections::BTreeMap;

use clavitor_core::hlc::Hlc;
use clavitor_core::id::PopId;
use clavitor_core::record::Key;
use clavitor_core::time::Instant;

use crate::around::{Around, Counts};
use crate::event::{Answer, Event, Fact, Retry};
use crate::resolver::Resolver;
use crate::script::{Action, Request};
use crate::server::Server;

/// How often a request that was refused by whoever does not take writes is asked again.
const TRIES_MAX: u8 = 40;

/// The time between two tries, in milliseconds.
const AGAIN_MS: u64 = 250;

/// How many clients try again at the same time.
const TRYING_MAX: usize = 8;

/// Everybody who asks anything.
#[derive(Debug, Default)]
pub struct Clients {
    asked: u32,
    target: u8,
    resolver: Resolver,
    /// Where a server sent a client that came to it, for once.
    sent_to: Option<u8>,
    open: BTreeMap<u32, Retry>,
    trying: usize,
    seen: BTreeMap<u8, Hlc>,
    wrote: BTreeMap<u32, (u8, Hlc)>,
}

impl Clients {
    /// A client asks; answers the number of its request and whom it asks. `named` is whom DNS names,
    /// if clients go by it.
    pub fn ask(
        &mut self,
        pop: u8,
        it: Retry,
        servers: &[Server],
        named: Option<Option<PopId>>,
        now: Instant,
    ) -> (u32, u8) {
        self.asked += 1;
        self.trying = self.trying.saturating_sub(usize::from(it.tries > 0));
        if let Some(asked) = named {
            let found = self.resolver.look_up(now, asked);
            let place = servers.iter().find(|server| Some(server.pop) == found);
            self.target = self.sent_to.take().or(place.map(|it| it.index)).unwrap_or(self.target);
        }
        let count = u8::try_from(servers.len()).unwrap_or(u8::MAX);
        let pop = if pop == Action::PRIMARY { self.target } else { pop } % count.max(1);
        self.open.insert(self.asked, it);
        (self.asked, pop)
    }

    /// Whom DNS last named to them.
    pub fn named(&self) -> Option<PopId> {
        self.resolver.named()
    }

    /// The version of an entry that was read or written last.
    pub fn seen(&self, request: Request) -> Option<Hlc> {
        match request {
            Request::Put { key, .. } | Request::Delete { key, .. } => self.seen.get(&key).copied(),
            _ => None,
        }
    }

    /// Takes note of what happened to clients.
    pub fn see(&mut self, fact: &Fact, servers: &[Server], around: &mut Around) {
        match fact {
            Fact::Committed { wrote, .. } => {
                for wrote in wrote {
                    let Some(it) = self.open.get(&wrote.id) else { continue };
                    if let (Some(key), Key::Entry(..)) = (it.request.key(), &wrote.key) {
                        self.wrote.insert(wrote.id, (key, wrote.hlc));
                    }
                }
            }
            Fact::Answered { id, pop, answer } => {
                let tries = self.open.get(id).copied();
                self.answered(*id, *pop, answer, &mut around.counts);
                if around.knobs.leases.is_some()
                    && let (Some(it), Answer::Refused(code)) = (tries, answer)
                {
                    self.try_again(it, *pop, code, servers, around);
                }
            }
            _ => {}
        }
    }

    fn try_again(
        &mut self,
        it: Retry,
        pop: u8,
        code: &str,
        servers: &[Server],
        around: &mut Around,
    ) {
        if matches!(code, "CV-NOT-PRIMARY" | "CV-HANDING-OVER") {
            let location = servers.get(usize::from(pop)).and_then(Server::location);
            let place = servers.iter().find(|server| Some(server.pop) == location);
            self.sent_to = place.map(|server| server.index);
        }
        let is_elsewhere = matches!(
            code,
            "unreachable" | "CV-NOT-PRIMARY" | "CV-HANDING-OVER" | "CV-NO-LEASE" | "CV-IMPORTED"
        );
        if is_elsewhere && it.tries < TRIES_MAX && self.trying < TRYING_MAX {
            self.trying += 1;
            let event = Event::Retry(Retry { tries: it.tries + 1, ..it });
            around.queue.push(around.now.plus_ms(AGAIN_MS), event);
        }
    }

    fn answered(&mut self, id: u32, pop: u8, answer: &Answer, counts: &mut Counts) {
        let Some(Retry { request, .. }) = self.open.remove(&id) else { return };
        let wrote = self.wrote.remove(&id);
        match answer {
            Answer::Done { .. } => {
                counts.acknowledged += 1;
                self.seen.extend(wrote);
            }
            Answer::Found(Some(hlc)) => {
                self.seen.extend(request.key().map(|key| (key, *hlc)));
            }
            // They go on to the next one, as clients of a cluster do.
            Answer::Refused("CV-NOT-PRIMARY" | "unreachable") if pop == self.target => {
                self.target = self.target.wrapping_add(1);
            }
            Answer::Found(None) | Answer::Refused(_) | Answer::Unknown => {}
        }
        // Who never got an answer is forgotten.
        while self.open.len() > 1_000 {
            if let Some((id, _)) = self.open.pop_first() {
                self.wrote.remove(&id);
            }
        }
    }
}

impl Request {
    /// The entry it is about.
    pub fn key(self) -> Option<u8> {
        match self {
            Request::Put { key, .. }
            | Request::Delete { key, .. }
            | Request::Get { key }
            | Request::RestoreLoser { key } => Some(key),
            Request::CreateToken { .. } | Request::RevokeToken { .. } => None,
        }
    }
}
