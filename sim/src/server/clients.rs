//! What clients and operators ask of a server.

use clavitor_commercial::pop::Input;
use clavitor_commercial::waiters::Release;
use clavitor_core::id::OpId;
use clavitor_core::pop as community;
use clavitor_core::store::Reader;

use super::ask::{entry, vault};
use super::{Ask, Failed, Job, Process, Server, Wait};
use crate::around::Around;
use crate::canary::Canary;
use crate::event::{Answer, Fact};
use crate::script::Request;

impl Server {
    /// A client asks. A server that is not there leaves it without an answer.
    pub fn on_ask(&mut self, ask: Ask, around: &mut Around) {
        let id = ask.id;
        let pop = self.index;
        let Some(mut process) = self.process.take() else {
            let answer = Answer::Refused("unreachable");
            return around.facts.push(Fact::Answered { id, pop, answer });
        };
        self.ask(&mut process, ask, around);
        self.process = Some(process);
    }

    fn ask(&mut self, process: &mut Process, mut ask: Ask, around: &mut Around) {
        let (pop, Ask { id, request, .. }) = (self.index, ask);
        let mut refuse = |code| {
            let answer = Answer::Refused(code);
            around.facts.push(Fact::Answered { id, pop, answer });
        };
        if !process.is_accepting {
            return refuse("unreachable");
        }
        if let Request::Get { key } = request {
            let found = Reader::new(&self.disk).entry(&vault(), &entry(key));
            let found = found.expect("rows are whole").map(|(hlc, _)| hlc);
            return around.facts.push(Fact::Answered { id, pop, answer: Answer::Found(found) });
        }
        let waits = request.waits();
        if waits && self.peers.is_empty() {
            return refuse("CV-NO-BACKUP");
        }
        ask.wait = waits.then(|| {
            process.next_wait += 1;
            let op = OpId(process.next_wait);
            process.waits.insert(op, Wait { id, is_written: false, released: None });
            op
        });
        process.requests += 1;
        process.right.begin_write();
        if ask.wait.is_none() && around.bugs.is(Canary::AckBeforeCommit) {
            let answer = Answer::Done { is_on_backup: false };
            around.facts.push(Fact::Answered { id, pop, answer });
        }
        self.submit(process, Job::Ask(ask), around);
    }

    pub(super) fn on_asked(
        &mut self,
        process: &mut Process,
        ask: Ask,
        wrote: Result<(), Failed>,
        around: &mut Around,
    ) {
        if let Err(failed) = wrote {
            let code = match failed {
                Failed::Asked(code) => code,
                Failed::Full => "CV-STORAGE-FULL",
                Failed::Frame(_) | Failed::Damaged => "CV-INTERNAL",
                Failed::Stopped => "CV-STOPPING",
            };
            if let Some(op) = ask.wait {
                process.waits.remove(&op);
            }
            return self.answer(process, ask.id, Answer::Refused(code), around);
        }
        let Some(op) = ask.wait else {
            return self.answer(process, ask.id, Answer::Done { is_on_backup: false }, around);
        };
        let Some(wait) = process.waits.get_mut(&op) else { return };
        wait.is_written = true;
        self.answer_if_done(process, op, around);
    }

    pub(super) fn release(&mut self, process: &mut Process, it: Release, around: &mut Around) {
        if let Some(wait) = process.waits.get_mut(&it.op) {
            wait.released = Some(it.is_on_backup);
            self.answer_if_done(process, it.op, around);
        }
    }

    fn answer_if_done(&mut self, process: &mut Process, op: OpId, around: &mut Around) {
        let Some(Wait { id, is_written: true, released: Some(is_on_backup) }) =
            process.waits.get(&op).copied()
        else {
            return;
        };
        process.waits.remove(&op);
        self.answer(process, id, Answer::Done { is_on_backup }, around);
    }

    fn answer(&mut self, process: &mut Process, id: u32, answer: Answer, around: &mut Around) {
        process.requests = process.requests.saturating_sub(1);
        // Somebody else may take writes by now.
        let is_late = matches!(answer, Answer::Done { .. })
            && !self.holds_lease(process, &around.bugs, around.now);
        let answer = if is_late { Answer::Unknown } else { answer };
        self.end_write(process);
        around.facts.push(Fact::Answered { id, pop: self.index, answer });
    }

    /// An operator promotes this server.
    pub fn on_promote(&mut self, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        if process.is_accepting {
            self.submit(&mut process, Job::Promote, around);
        }
        self.process = Some(process);
    }

    /// An operator, a signal or the end of a closing store tells the machine something.
    pub fn tell(&mut self, fact: Input) {
        if let Some(process) = &mut self.process {
            process.tell(fact);
        }
    }

    /// The store is closed.
    pub fn on_closed(&mut self) {
        self.tell(Input::Community(community::Input::StoreClosed));
    }

    /// A signal asks the server to end.
    pub fn ask_to_end(&mut self, around: &mut Around) {
        if self.process.is_some() {
            around.facts.push(Fact::EndAsked(self.index));
            self.tell(Input::Community(community::Input::ShutdownRequested));
        }
    }
}

impl Request {
    /// Whether the client waits for a backup.
    pub fn waits(self) -> bool {
        match self {
            Request::Put { waits, .. }
            | Request::Delete { waits, .. }
            | Request::CreateToken { waits, .. }
            | Request::RevokeToken { waits, .. } => waits,
            Request::Get { .. } | Request::RestoreLoser { .. } => false,
        }
    }
}
