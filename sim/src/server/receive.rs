//! Takes frames in, and answers them.

use std::rc::Rc;

use clavitor_commercial::apply::{self, Applied};
use clavitor_commercial::debt;
use clavitor_commercial::frame::{self, Frame, Refusal};
use clavitor_commercial::pop::Input;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::store::Reader;

use super::effects::note_epoch;
use super::{Back, Failed, Job, Process, Server, Take};
use crate::around::{Around, keys};
use crate::canary::Canary;
use crate::event::{Delivery, Posted};

impl Back {
    /// The way back to whoever sent a frame.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            to: delivery.from,
            life: delivery.life,
            op: delivery.op,
            us: delivery.back_us,
            is_lost: delivery.is_answer_lost,
            attack: delivery.attack,
        }
    }
}

impl Server {
    /// A frame arrives at a process that is there.
    pub fn on_frame(&mut self, delivery: &Delivery, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        self.receive(&mut process, delivery, around);
        self.process = Some(process);
    }

    fn receive(&mut self, process: &mut Process, delivery: &Delivery, around: &mut Around) {
        if !process.is_accepting {
            return around.reply_to(delivery, Posted::Unreachable);
        }
        let mut opened = frame::open_frame(&delivery.bytes, keys());
        if opened.is_err() && around.bugs.is(Canary::UnprovenFrame) {
            opened = unproven(&delivery.bytes).ok_or(Refusal::Malformed);
        }
        let frame = match opened {
            Ok(frame) => frame,
            Err(refusal) => return around.reply_to(delivery, Posted::Refused(refusal)),
        };
        let store = process.writer.store_id;
        let peer = match self.cluster.check_address(self.pop, store, &frame) {
            Ok(peer) => peer,
            Err(refusal) => {
                let raised = apply::address_alert(&frame, refusal);
                raised.into_iter().for_each(|raised| self.alert(process, raised, around));
                return around.reply_to(delivery, Posted::Refused(refusal));
            }
        };
        let records = Rc::new(apply::decode_records(&frame));
        let digest = frame::digest(&delivery.bytes);
        let back = Back::of(delivery);
        process.requests += 1;
        let take = Take { peer, frame: Rc::new(frame), records, digest, back };
        self.submit(process, Job::Take(Box::new(take)), around);
    }

    /// A frame's group is on disk, or given up.
    pub(super) fn on_taken(
        &mut self,
        process: &mut Process,
        take: Take,
        applied: Result<Box<Applied>, Failed>,
        around: &mut Around,
    ) {
        process.requests = process.requests.saturating_sub(1);
        let Take { peer, frame, digest, back, .. } = take;
        let applied = match applied {
            Ok(applied) => *applied,
            Err(failed) => {
                let refusal = match failed {
                    Failed::Frame(refusal) => refusal,
                    Failed::Full => Refusal::StorageFull,
                    Failed::Asked(_) | Failed::Damaged | Failed::Stopped => Refusal::Busy,
                };
                let heard = apply::heard_in_refused(peer, &frame, refusal);
                heard.into_iter().for_each(|fact| process.tell(fact));
                if refusal == Refusal::StorageFull && !std::mem::replace(&mut process.is_full, true)
                {
                    let message = "there is no room for records of peers; raise --data-bytes-max";
                    self.alert(process, Alert::new(AlertType::StorageFull, message), around);
                }
                return around.reply(self.index, back, Posted::Refused(refusal));
            }
        };
        if applied.changed > 0 {
            process.is_full = false;
        }
        if let Some(epoch) = applied.epoch {
            note_epoch(process, epoch);
        }
        applied.facts(peer, &frame).into_iter().for_each(|fact| process.tell(fact));
        if let Some(own) = applied.own_epoch {
            process.tell(Input::EpochTold(own));
        }
        if applied.is_complete(&frame) {
            process.tell(Input::PeerComplete { peer });
        }
        let raised = applied.alerts(&frame);
        raised.into_iter().for_each(|raised| self.alert(process, raised, around));
        let view = process.views.get(usize::from(peer));
        let is_complete = frame.is_hello()
            && view.is_some_and(|view| {
                debt::owes_nothing(&Reader::new(&self.disk), view, &frame).unwrap_or(false)
            });
        let wall = self.clocks.wall(around.now);
        let ack = applied.into_ack(self.member(process), digest, is_complete, wall);
        let sealed = frame::seal_ack(&ack, keys());
        around.reply(self.index, back, Posted::Ack(sealed.into()));
    }
}

/// What a frame says, whoever says so.
fn unproven(bytes: &[u8]) -> Option<Frame> {
    let payload = bytes.get(..bytes.len().checked_sub(32)?)?;
    codec::decode(payload).ok().filter(|frame: &Frame| frame.range.after <= frame.range.to)
}
