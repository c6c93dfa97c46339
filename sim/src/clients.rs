//! Clients: whom they ask, and what they have been shown.

use std::collections::BTreeMap;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::Key;

use crate::around::Counts;
use crate::event::{Answer, Fact};
use crate::script::{Action, Request};
use crate::server::Server;

/// Everybody who asks anything.
#[derive(Debug, Default)]
pub struct Clients {
    asked: u32,
    target: u8,
    open: BTreeMap<u32, Request>,
    seen: BTreeMap<u8, Hlc>,
    wrote: BTreeMap<u32, (u8, Hlc)>,
}

impl Clients {
    /// A client asks; answers the number of its request and whom it asks.
    pub fn ask(&mut self, pop: u8, request: Request, servers: &[Server]) -> (u32, u8) {
        self.asked += 1;
        let count = u8::try_from(servers.len()).unwrap_or(u8::MAX);
        let pop = if pop == Action::PRIMARY { self.target } else { pop } % count.max(1);
        self.open.insert(self.asked, request);
        (self.asked, pop)
    }

    /// The version of an entry that was read or written last.
    pub fn seen(&self, request: Request) -> Option<Hlc> {
        match request {
            Request::Put { key, .. } | Request::Delete { key, .. } => self.seen.get(&key).copied(),
            _ => None,
        }
    }

    /// Takes note of what happened to clients.
    pub fn see(&mut self, fact: &Fact, counts: &mut Counts) {
        match fact {
            Fact::Committed { wrote, .. } => {
                for wrote in wrote {
                    let Some(request) = self.open.get(&wrote.id) else { continue };
                    if let (Some(key), Key::Entry(..)) = (request.key(), &wrote.key) {
                        self.wrote.insert(wrote.id, (key, wrote.hlc));
                    }
                }
            }
            Fact::Answered { id, pop, answer } => self.answered(*id, *pop, answer, counts),
            _ => {}
        }
    }

    fn answered(&mut self, id: u32, pop: u8, answer: &Answer, counts: &mut Counts) {
        let Some(request) = self.open.remove(&id) else { return };
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
