//! The endpoint that takes frames in, and answers with acks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::apply::{self, Applied};
use clavitor_commercial::debt;
use clavitor_commercial::frame::{self, Ack, FRAME_BYTES_MAX, Frame, Refusal};
use clavitor_commercial::pop::Input;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_node::http::{Problem, Response, ResponseBody};
use clavitor_node::runtime::Runtime;
use clavitor_node::store::WriteError;
use clavitor_node::wall;
use futures_channel::oneshot;
use http::{HeaderValue, StatusCode, header};

use crate::Commercial;

impl<R: Runtime> Commercial<R> {
    /// Answers a frame.
    pub(crate) async fn take_frame(
        self: &Arc<Self>,
        request: clavitor_node::http::Request<R::Timer>,
    ) -> Result<Response, Problem> {
        request.query(&[])?;
        let keys = self.keys.as_ref().ok_or_else(|| problem(Refusal::Auth))?;
        let body = request.body_within(FRAME_BYTES_MAX, &self.frame_budget).await?;
        let frame = frame::open_frame(&body, keys).map_err(problem)?;
        let digest = frame::digest(&body);
        drop(body);
        let ack = self.apply_to_the_end(frame, digest).await.map_err(problem)?;
        let sealed = frame::seal_ack(&ack, keys);
        let mut response = Response::new(ResponseBody::from(sealed));
        let content_type = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// Applies a frame in a task of its own: a sender that goes away must not keep this server from
    /// hearing what it has stored.
    async fn apply_to_the_end(
        self: &Arc<Self>,
        frame: Frame,
        digest: [u8; 32],
    ) -> Result<Ack, Refusal> {
        let (done, answer) = oneshot::channel();
        let edition = self.clone();
        self.runtime.spawn(async move {
            // Nobody listens when the sender has gone.
            let _ = done.send(edition.apply(frame, digest).await);
        });
        answer.await.unwrap_or(Err(Refusal::Busy))
    }

    async fn apply(&self, frame: Frame, digest: [u8; 32]) -> Result<Ack, Refusal> {
        let (pop, store) = (self.store.pop(), self.store.store_id());
        let peer = self.cluster.check_address(pop, store, &frame).inspect_err(|refusal| {
            apply::address_alert(&frame, *refusal)
                .into_iter()
                .for_each(|it| self.alert_operator(it));
        })?;
        self.counters.frames_received.fetch_add(1, Ordering::Relaxed);
        let frame = Arc::new(frame);
        let records = apply::decode_records(&frame);
        let bytes = frame.records.iter().map(|bytes| bytes.0.len()).sum();
        let taken = frame.clone();
        let applied = self.store.write(bytes, move |txn| apply::take(txn, &taken, &records));
        let applied = match applied.await {
            Ok(applied) => applied,
            Err(error) => return Err(self.refuse(peer, &frame, error)),
        };
        self.tell(peer, &frame, &applied);
        let is_complete = frame.is_hello() && self.owes_nothing(peer, &frame);
        Ok(applied.into_ack(self.member(), digest, is_complete, wall::unix_time()))
    }

    /// A frame that was not taken may still say something: that the peer is there.
    fn refuse(&self, peer: u8, frame: &Frame, error: WriteError<Refusal>) -> Refusal {
        let refusal = match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Full => Refusal::StorageFull,
            WriteError::Busy | WriteError::Stopped | WriteError::Damaged | WriteError::Unknown => {
                Refusal::Busy
            }
        };
        if let Some(heard) = apply::heard_in_refused(peer, frame, refusal) {
            self.mailbox.offer(heard);
        }
        if refusal == Refusal::StorageFull && !self.is_full.swap(true, Ordering::AcqRel) {
            let message = "there is no room for records of peers; raise --data-bytes-max";
            self.alert_operator(Alert::new(AlertType::StorageFull, message));
        }
        refusal
    }

    fn owes_nothing(&self, peer: u8, frame: &Frame) -> bool {
        let (_, views) = self.views();
        let Some(view) = views.get(usize::from(peer)) else { return false };
        self.store.read(|reader| debt::owes_nothing(reader, view, frame)).unwrap_or(false)
    }

    fn tell(&self, peer: u8, frame: &Frame, applied: &Applied) {
        if applied.changed > 0 {
            self.is_full.store(false, Ordering::Release);
        }
        self.counters.records_applied.fetch_add(u64::from(applied.changed), Ordering::Relaxed);
        if let Some(epoch) = applied.epoch {
            self.note_epoch(epoch);
        }
        for fact in applied.facts(peer, frame) {
            self.mailbox.offer(fact);
        }
        if let Some(own) = applied.own_epoch {
            self.mailbox.push(Input::EpochTold(own));
        }
        if applied.is_complete(frame) {
            self.mailbox.push(Input::PeerComplete { peer });
        }
        applied.alerts(frame).into_iter().for_each(|alert| self.alert_operator(alert));
    }
}

/// A refusal as an HTTP answer: a code, and nothing else.
pub(crate) fn problem(refusal: Refusal) -> Problem {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(refusal.code(), status, "the frame is refused")
}

#[cfg(test)]
pub(crate) mod tests;
