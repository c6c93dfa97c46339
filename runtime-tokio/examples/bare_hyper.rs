//! What a read can cost at the least: a bare hyper server on the same runtime that answers every
//! request with the same bytes as the vault does. The benchmarks compare the vault with it.
//!
//! `bare_hyper ADDRESS BYTES` prints a line once it listens.

use std::convert::Infallible;
use std::process::ExitCode;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, bytes] = words.as_slice() else {
        eprintln!("usage: bare_hyper ADDRESS BYTES");
        return ExitCode::from(2);
    };
    let Ok(bytes) = bytes.parse() else {
        eprintln!("{bytes} is not a number of bytes");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve(address, vec![7; bytes])));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str, blob: Vec<u8>) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let blob = Bytes::from(blob);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let blob = blob.clone();
        tokio::spawn(async move {
            let service = service_fn(|_| {
                let response = answer(blob.clone());
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no concern of the others.
            let _ = connection.await;
        });
    }
}

fn answer(blob: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(blob));
    let headers = response.headers_mut();
    let mut insert = |name, value| headers.insert(name, header::HeaderValue::from_static(value));
    insert(header::CONTENT_TYPE, "application/octet-stream");
    insert(header::ETAG, "\"19eacb3c000-0-local-00000000\"");
    insert(header::CACHE_CONTROL, "no-store");
    insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}
