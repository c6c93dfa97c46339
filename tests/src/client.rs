//! A well-behaved client of one server.

use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::{HeaderMap, Request};

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `ETag`, quotes and all; panics if there is none.
    #[track_caller]
    pub fn etag(&self) -> String {
        let etag = self.header("etag");
        assert!(etag.starts_with('"') && etag.ends_with('"'), "no quoted ETag: {self:?}");
        etag.to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics if it is something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The stable code of a problem document; empty if the answer is none.
    pub fn code(&self) -> String {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Demands a status and hands the answer on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Demands a problem document with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        self
    }

    /// Whether a write was acknowledged as done.
    pub fn is_done(&self) -> bool {
        matches!(self.status, 200 | 201 | 204)
    }
}

fn agent(timeout: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(timeout))
        .build();
    config.new_agent()
}

/// Speaks to one server with one access token over kept-alive connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client of the server at `base`.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let agent = agent(Duration::from_secs(20));
        Self { agent, base: base.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same with so much time for a whole request.
    pub fn patience(&self, timeout: Duration) -> Self {
        Self { agent: agent(timeout), ..self.clone() }
    }

    /// The same server with another access token.
    pub fn with_token(&self, token: &str) -> Self {
        Self::new(&self.base, Some(token))
    }

    /// One request; an error is one of the connection, not of the server.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).map_err(|error| error.to_string())?),
            None => self.agent.run(request.body(()).map_err(|error| error.to_string())?),
        };
        let mut answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
        let body = body.map_err(|error| format!("{method} {path}: {error}"))?;
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

    /// One request that must be answered.
    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        self.request(method, path, headers, body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// `GET` of any path.
    #[track_caller]
    pub fn fetch(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    /// `POST` of a JSON document to any path.
    #[track_caller]
    pub fn post(&self, path: &str, document: &Value) -> Answer {
        let body = document.to_string();
        self.send("POST", path, &[("content-type", "application/json")], Some(body.as_bytes()))
    }

    /// Writes an entry.
    #[track_caller]
    pub fn put(&self, vault: &str, entry: &str, blob: &[u8]) -> Answer {
        self.send("PUT", &entry_path(vault, entry), &[], Some(blob))
    }

    /// Writes an entry and waits for a backup to have it.
    #[track_caller]
    pub fn put_acked(&self, vault: &str, entry: &str, blob: &[u8]) -> Answer {
        self.send("PUT", &format!("{}?ack=backup", entry_path(vault, entry)), &[], Some(blob))
    }

    /// Reads an entry.
    #[track_caller]
    pub fn get(&self, vault: &str, entry: &str) -> Answer {
        self.fetch(&entry_path(vault, entry))
    }

    /// An entry's blob, or `None` where it is not known or the server is not there.
    pub fn blob(&self, vault: &str, entry: &str) -> Option<Vec<u8>> {
        let answer = self.request("GET", &entry_path(vault, entry), &[], None).ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// Deletes an entry.
    #[track_caller]
    pub fn delete(&self, vault: &str, entry: &str) -> Answer {
        self.send("DELETE", &entry_path(vault, entry), &[], None)
    }

    /// Metadata of all entries of a vault, page by page.
    #[track_caller]
    pub fn list(&self, vault: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/vaults/{vault}/entries?limit=1000{after}");
            let page = self.fetch(&path).expect(200).json();
            all.extend(page["entries"].as_array().expect("a list of entries").iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", encode(next)),
                None => return all,
            }
        }
    }

    /// The conflict journal of a vault, first page.
    #[track_caller]
    pub fn conflicts(&self, vault: &str) -> Vec<Value> {
        let page = self.fetch(&format!("/v1/vaults/{vault}/conflicts")).expect(200).json();
        page["conflicts"].as_array().expect("a list of conflicts").clone()
    }

    /// `/v1/node`.
    #[track_caller]
    pub fn node(&self) -> Value {
        self.fetch("/v1/node").expect(200).json()
    }

    /// The peers that `/v1/replication` shows; none while the server is not there.
    pub fn peers(&self) -> Vec<Value> {
        let answer = self.request("GET", "/v1/replication", &[], None);
        let json = answer.map(|answer| serde_json::from_slice(&answer.body).unwrap_or_default());
        let json: Value = json.unwrap_or_default();
        json["peers"].as_array().cloned().unwrap_or_default()
    }

    /// What a peer's status shows, or the only peer's while it has never said its id; panics if
    /// there is no such peer.
    #[track_caller]
    pub fn peer(&self, id: &str) -> Value {
        let peers = self.peers();
        let nameless = peers.first().filter(|peer| peers.len() == 1 && peer["peer"].is_null());
        let found = peers.iter().find(|peer| peer["peer"] == id).or(nameless).cloned();
        found.unwrap_or_else(|| panic!("no peer {id} at {}", self.base))
    }

    /// Dirty records over all peers; `None` while the server is not there.
    pub fn dirty(&self) -> Option<u64> {
        let peers = self.peers();
        (!peers.is_empty()).then(|| peers.iter().filter_map(|peer| peer["dirty"].as_u64()).sum())
    }

    /// Makes an access token and returns the whole answer.
    #[track_caller]
    pub fn create_token(&self, vault: Option<&str>, scope: &str) -> Value {
        let mut document = json!({"scope": scope, "label": "test"});
        if let Some(vault) = vault {
            document["vault"] = vault.into();
        }
        self.post("/v1/tokens", &document).expect(201).json()
    }

    /// A client with a new access token.
    #[track_caller]
    pub fn scoped(&self, vault: Option<&str>, scope: &str) -> Self {
        let made = self.create_token(vault, scope);
        self.with_token(made["token"].as_str().expect("a token's text"))
    }

    /// Operator command: try every waiting or suspended peer again.
    #[track_caller]
    pub fn resume(&self) -> Answer {
        self.send("POST", "/v1/replication/resume", &[], Some(b""))
    }

    /// Operator command: become the primary.
    #[track_caller]
    pub fn promote(&self) -> Answer {
        self.send("POST", "/v1/node/promote", &[], Some(b""))
    }

    /// The text of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> String {
        self.fetch("/metrics").expect(200).text()
    }
}

/// The path of an entry, its name percent-encoded.
pub fn entry_path(vault: &str, entry: &str) -> String {
    format!("/v1/vaults/{vault}/entries/{}", encode(entry))
}

/// Percent-encodes everything but unreserved characters.
pub fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
