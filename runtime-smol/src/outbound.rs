//! Connections to other servers, and requests through surf. surf asks a backend to speak HTTP; ours is
//! the one of every runtime, since those that surf brings are years behind.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};

use async_io::Async;
use clavitor_node::runtime::{Call, Called, Unreachable};
use futures_util::AsyncReadExt;
use futures_util::io::Cursor;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_client::http_types::{Method, StatusCode, Url};
use http_client::{Error, HttpClient, Request, Response, async_trait};
use smol_hyper::rt::FuturesIo;
use surf::{Body, Client};

use crate::runtime::Smol;

/// Sends a request and waits for the whole answer.
pub(crate) async fn call(runtime: &Smol, call: Call) -> Result<Called, Error> {
    let Call { url, path, headers, body, answer_bytes_max } = call;
    let method = if body.is_some() { Method::Post } else { Method::Get };
    // The backend knows where it goes: surf's own reading of hosts is not everybody's.
    let mut request = Request::new(method, Url::parse(&format!("http://peer{path}"))?);
    for (name, value) in &headers {
        request.append_header(name.as_str(), value.to_str()?);
    }
    if let Some(body) = body {
        let length = body.len();
        request.set_body(Body::from_reader(Cursor::new(body), Some(length)));
    }
    let backend = Backend { runtime: runtime.clone(), url, answer_bytes_max };
    let mut answer = Client::with_http_client(backend).send(request).await?;
    let body = answer.body_bytes().await?.into();
    let status = answer.ext().map_or(answer.status().into(), |Status(status)| *status);
    Ok(Called { status, body })
}

/// A status as it was answered: surf's own type knows only those that have a name.
struct Status(u16);

/// Speaks HTTP for surf, to one server.
#[derive(Debug)]
struct Backend {
    runtime: Smol,
    url: String,
    answer_bytes_max: usize,
}

#[async_trait]
impl HttpClient for Backend {
    async fn send(&self, mut request: Request) -> Result<Response, Error> {
        let is_post = request.method() == Method::Post;
        let mut body = Vec::with_capacity(request.len().unwrap_or_default());
        request.take_body().read_to_end(&mut body).await?;
        let mut call = Call {
            url: self.url.clone(),
            path: path_of(request.url()).into(),
            headers: HeaderMap::new(),
            body: is_post.then(|| body.into()),
            answer_bytes_max: self.answer_bytes_max,
        };
        for (name, values) in request.iter() {
            for value in values {
                let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
                call.headers.append(name, HeaderValue::from_str(value.as_str())?);
            }
        }
        let called = self.runtime.outbound().call(&self.runtime, call).await;
        let Called { status, body } = called.map_err(unreachable)?;
        let named = StatusCode::try_from(status).unwrap_or(StatusCode::InternalServerError);
        let mut response = Response::new(named);
        response.ext_mut().insert(Status(status));
        response.set_body(Vec::from(body));
        Ok(response)
    }
}

/// A path with its query.
fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn unreachable(Unreachable: Unreachable) -> Error {
    Error::from_str(StatusCode::BadGateway, "no answer, or none that fits")
}

/// Connects to `host:port`.
pub(crate) async fn connect(address: &str) -> io::Result<FuturesIo<Async<TcpStream>>> {
    let mut refused = io::ErrorKind::AddrNotAvailable.into();
    for address in resolve(address).await? {
        match Async::<TcpStream>::connect(address).await {
            Ok(stream) => {
                stream.get_ref().set_nodelay(true)?;
                return Ok(FuturesIo::new(stream));
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let name = address.to_owned();
    smol::unblock(move || Ok(name.to_socket_addrs()?.collect())).await
}
