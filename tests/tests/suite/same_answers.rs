//! Both runtimes give the same answers: requests that are kept in files are sent byte for byte to a server
//! on each, and what comes back is compared header for header and body for body, and so is how the
//! connection ends. What may differ is named below, and nothing else may.

mod corpus;

use corpus::{Block, Values};
use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use clavitor_tests::raw::Message;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Runtime, Scratch, Server, ServerBuilder, cluster};
use serde_json::Value;

/// Texts in JSON documents that are times, ids or secrets, or made of them. The id of a server that is
/// given none is another one: it begins with `local-`.
const JSON_TEXTS: [&str; 7] =
    ["modified", "created_at", "expires_at", "revoked_at", "id", "token", "etag"];

/// A number in a JSON document that is a time.
const JSON_TIME: &str = "uptime_s";

/// No answer takes longer, but for those that are meant to.
const ANSWER_MAX: Duration = seconds(10);

/// No connection stays open longer.
const LATE_MAX: Duration = seconds(50);

/// How far apart two servers may close, on a busy machine.
const APART_MAX: Duration = seconds(3);

#[test]
fn a_community_server_answers_the_same_on_either_runtime() {
    compare("community", 250, |runtime| {
        ServerBuilder::new(Edition::Community).runtime(runtime).start()
    });
}

#[test]
fn a_commercial_server_answers_the_same_on_either_runtime() {
    compare("commercial", 250, |runtime| {
        ServerBuilder::new(Edition::Commercial).runtime(runtime).start()
    });
}

#[test]
fn a_backup_answers_the_same_on_either_runtime() {
    let scratch = Scratch::new("backup");
    let secret = scratch.file("secret", &cluster::new_secret(3));
    compare("backup", 20, |runtime| {
        // Its primary is away, and its own name is not where it is, so that both say the same.
        ServerBuilder::new(Edition::Commercial)
            .runtime(runtime)
            .arguments(["--pop-id", "zurich-01", "--cluster", "same-answers"])
            .arguments(["--replication-primary", "http://127.0.0.1:1"])
            .arguments(["--replication-backup", "http://127.0.0.1:2"])
            .arguments(["--advertise-url", "http://127.0.0.1:2"])
            .arguments(["--replication-token-file".as_ref(), secret.as_os_str()])
            .start()
    });
}

/// Sends everything that is for the server called `whose` to one on each runtime; there must be at
/// least `blocks_min` of it.
fn compare(whose: &str, blocks_min: usize, start: impl Fn(Runtime) -> Server) {
    let blocks = corpus::blocks().into_iter().filter(|block| block.servers.contains(&whose));
    let blocks: Vec<Block> = blocks.collect();
    assert!(blocks.len() >= blocks_min, "only {} for {whose}", blocks.len());
    let servers = Runtime::ALL.map(start);
    let [tokio, smol] = std::thread::scope(|scope| {
        let answered = [0, 1].map(|which| {
            let (server, blocks) = (&servers[which], &blocks);
            scope.spawn(move || answers(server, blocks))
        });
        answered.map(|thread| thread.join().expect("a server answers"))
    });
    let mut differences = String::new();
    for (block, (tokio, smol)) in blocks.iter().zip(tokio.iter().zip(&smol)) {
        if tokio.text != smol.text || tokio.closed_after.abs_diff(smol.closed_after) > APART_MAX {
            let name = &block.name;
            let _ = write!(differences, "\n== {name}\n-- tokio: {tokio}\n-- smol: {smol}");
        }
    }
    assert!(differences.is_empty(), "{whose}:{differences:.20000}");
    for (server, runtime) in servers.iter().zip(Runtime::ALL) {
        assert_eq!(server.client().node()["runtime"], runtime.name(), "it still serves");
    }
}

/// What came back over a connection.
#[derive(Debug, Clone, Default)]
struct Said {
    /// All answers, without what may differ, and how the connection ended.
    text: String,
    /// When the server closed it, if that is what was waited for.
    closed_after: Duration,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1500} ({:?})", self.text, self.closed_after)
    }
}

/// What a server says to each of the blocks.
fn answers(server: &Server, blocks: &[Block]) -> Vec<Said> {
    let mut values = Values::from([("host", server.address().to_string())]);
    values.insert("token", server.admin_token());
    let admin = format!("Host: {}\r\nAuthorization: Bearer {}", values["host"], values["token"]);
    values.insert("as-admin", admin);
    let mut said: Vec<Said> = vec![Said::default(); blocks.len()];
    let (late, prompt): (Vec<_>, Vec<_>) =
        blocks.iter().zip(&mut said).partition(|(block, _)| block.is_late);
    std::thread::scope(|scope| {
        for (block, said) in prompt {
            let mut conversation = Conversation::begin(server, block, &values);
            let is_over = conversation.hear_answers(&mut values);
            // A server goes on reading for a moment before it closes; nobody has to wait for that.
            if is_over {
                scope.spawn(move || *said = conversation.ended());
            } else {
                *said = conversation.used_again();
            }
        }
        for (block, said) in late {
            let conversation = Conversation::begin(server, block, &values);
            scope.spawn(move || *said = conversation.read_until_it_is_closed());
        }
    });
    said
}

/// One connection over which a block was sent.
struct Conversation<'a> {
    server: &'a Server,
    block: &'a Block,
    is_head: bool,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    said: String,
}

impl<'a> Conversation<'a> {
    fn begin(server: &'a Server, block: &'a Block, values: &Values) -> Self {
        let bytes = block.bytes(values);
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(ANSWER_MAX)).expect("a time-out above zero");
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(&bytes);
        if block.is_half_closed {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let is_head = bytes.starts_with(b"HEAD ");
        let reader = BufReader::new(stream.try_clone().expect("a descriptor"));
        Self { server, block, is_head, stream, reader, said: String::new() }
    }

    fn hear(&mut self) -> Option<Message> {
        let answer = match self.is_head {
            true => Message::read_answer_to_head(&mut self.reader),
            false => Message::read_answer(&mut self.reader),
        };
        answer.ok().flatten()
    }

    /// Reads as many answers as there are to be, and learns from them what later blocks ask for. Answers
    /// whether the connection is said to be over.
    fn hear_answers(&mut self, values: &mut Values) -> bool {
        let (mut left, mut is_over) = (self.block.answers, self.block.is_half_closed);
        while left > 0 {
            let Some(answer) = self.hear() else {
                self.said += "no answer\n";
                return true;
            };
            learn(values, &answer);
            left -= usize::from(answer.status() >= 200);
            is_over |= answer.header("connection") == Some("close");
            self.note(&answer);
        }
        is_over
    }

    /// Reads what is left of a connection that is over.
    fn ended(mut self) -> Said {
        let mut rest = Vec::new();
        let end = self.reader.read_to_end(&mut rest).map_err(|error| error.kind());
        let _ = writeln!(self.said, "ended: {end:?} {}", String::from_utf8_lossy(&rest));
        Said { text: self.said, closed_after: Duration::ZERO }
    }

    /// Finds out whether the connection was kept.
    fn used_again(mut self) -> Said {
        let request = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _ = self.stream.write_all(request);
        self.is_head = false;
        let is_kept = self.hear().is_some_and(|answer| answer.status() == 200);
        self.said += if is_kept { "kept\n" } else { "closed without a word\n" };
        Said { text: self.said, closed_after: Duration::ZERO }
    }

    /// Reads everything that comes until the server closes the connection.
    fn read_until_it_is_closed(mut self) -> Said {
        let started = Instant::now();
        self.stream.set_read_timeout(Some(LATE_MAX)).expect("a time-out above zero");
        while let Some(answer) = self.hear() {
            self.note(&answer);
        }
        Said { closed_after: started.elapsed(), ..self.ended() }
    }

    /// Adds an answer without what may differ from server to server.
    fn note(&mut self, answer: &Message) {
        let body = self.settled_body(answer);
        let _ = writeln!(self.said, "{}", answer.start);
        for (name, value) in &answer.headers {
            let value = match name.as_str() {
                "date" => "<time>".to_owned(),
                "etag" => settled_etag(value),
                // True of what was sent: it is the settled body's then.
                "content-length" if *value == answer.body.len().to_string() => {
                    body.len().to_string()
                }
                _ => value.clone(),
            };
            let _ = writeln!(self.said, "{name}: {value}");
        }
        let _ = writeln!(self.said, "\n{body}");
    }

    fn settled_body(&self, answer: &Message) -> String {
        if self.block.is_any_body && answer.status() == 200 {
            return "<body>".to_owned();
        }
        let mut text = answer.text().replace(&self.server.address().to_string(), "<address>");
        for name in Runtime::ALL.map(Runtime::name) {
            text = text.replace(&format!("\"runtime\":\"{name}\""), "\"runtime\":\"<runtime>\"");
            text = text.replace(&format!("runtime=\"{name}\""), "runtime=\"<runtime>\"");
        }
        if self.block.is_of_names {
            let names =
                text.lines().map(|line| line.rsplit_once(' ').map_or(line, |parts| parts.0));
            return names.collect::<Vec<_>>().join("\n");
        }
        for key in JSON_TEXTS {
            text = settled(&text, &format!("\"{key}\":\""), text_end);
        }
        text = settled(&text, "\"local-", text_end);
        settled(&text, &format!("\"{JSON_TIME}\":"), |rest| {
            rest.find(|c: char| !c.is_ascii_digit())
        })
    }
}

/// Learns the last ETag and the ids and secrets of access tokens.
fn learn(values: &mut Values, answer: &Message) {
    if let Some(etag) = answer.header("etag") {
        values.insert("etag", etag.to_owned());
    }
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let (Some(id), Some(token)) = (json["id"].as_str(), json["token"].as_str()) {
        values.insert("id", id.to_owned());
        values.insert("made", token.to_owned());
    }
    let is_local = |token: &&Value| token["local"] == true;
    let local = json["tokens"].as_array().and_then(|tokens| tokens.iter().find(is_local));
    if let Some(id) = local.and_then(|local| local["id"].as_str()) {
        values.insert("local", id.to_owned());
    }
}

/// An ETag of the form that the server gives them: when, a count within the millisecond, POP and data
/// directory. Only the POP is the same on another server.
fn settled_etag(value: &str) -> String {
    let parts: Vec<&str> = value.trim_matches('"').split('-').collect();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match parts.as_slice() {
        [time, count, pop @ .., directory]
            if [time, count, directory].iter().all(|it| is_hex(it)) =>
        {
            format!("\"<time>-<count>-{}-<directory>\"", pop.join("-"))
        }
        _ => value.to_owned(),
    }
}

/// Where a JSON text ends that has begun.
fn text_end(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    rest.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    })
}

/// `text` with what follows each `key`, up to where `end` says, made equal.
fn settled(text: &str, key: &str, end: impl Fn(&str) -> Option<usize>) -> String {
    let mut parts = text.split(key);
    let mut settled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = end(part).map_or("", |end| &part[end..]);
        settled.extend([key, "<>", rest]);
    }
    settled
}
