//! A consistent copy of a live server, as a stream.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clavitor_core::credential::Scope;
use http::{HeaderValue, Method, header};

use super::{Api, ApiRequest};
use crate::http::{Code, Problem, Response, ResponseBody, StreamSender};
use crate::plumbing::Plumbing;
use crate::store::{self, Store, StoreError};
use crate::{entropy, log};

/// The most exports at once: each takes the room of the data a second time.
const EXPORTS_MAX: usize = 2;

static EXPORTS: AtomicUsize = AtomicUsize::new(0);

/// One export's place.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let more = |taken: usize| (taken < EXPORTS_MAX).then_some(taken + 1);
        EXPORTS.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        EXPORTS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Answers with a copy of every record.
pub(super) fn answer<P: Plumbing>(
    api: &Arc<Api<P>>,
    request: &ApiRequest<P>,
) -> Result<Response, Problem> {
    api.authorize(request, Scope::Admin, None)?;
    request.query(&[])?;
    let (sender, body) = ResponseBody::stream();
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if request.method == Method::HEAD {
        return Ok(response);
    }
    let place = Place::take().ok_or(Code::Busy)?;
    let store = api.store.clone();
    let copy = move || {
        let _place = place;
        send(&store, sender);
    };
    let thread = std::thread::Builder::new().name("export".into()).spawn(copy);
    thread.map_err(|_| Code::Busy)?;
    Ok(response)
}

fn send(store: &Store, mut sender: StreamSender) {
    let sent = spool(store).and_then(|mut file| {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let bytes = file.read(&mut piece)?;
            if bytes == 0 {
                return Ok(sender.flush()?);
            }
            sender.write_all(piece.get(..bytes).unwrap_or_default())?;
        }
    });
    if let Err(error) = sent {
        log::line(&format!("an export was cut off: {error}"));
        sender.abort();
    }
}

/// Writes the copy to a file without a name. A slow client then holds up nobody: a read transaction
/// that lives as long as its connection would keep every page that is overwritten meanwhile.
fn spool(store: &Store) -> Result<File, store::ExportError> {
    let (used, _) = store.usage()?;
    if store.disk_left() < used.saturating_mul(2) {
        return Err(StoreError::Full.into());
    }
    let name = u64::from_le_bytes(entropy::bytes());
    let path = store.dir().join(format!("export-{name:016x}.partial"));
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    store::export_to(store, &mut out)?;
    let mut file = out.into_inner().map_err(|error| error.into_error())?;
    file.rewind()?;
    Ok(file)
}
