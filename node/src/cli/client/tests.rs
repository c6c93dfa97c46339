mod connection;
mod entries;
mod export;
mod operator;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;

/// A request as the scripted server saw it.
#[derive(Debug)]
struct Seen {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

/// Answers one request per connection with one scripted answer each, then is gone.
struct Script {
    address: SocketAddr,
    thread: JoinHandle<Vec<Seen>>,
}

impl Script {
    fn start(answers: Vec<Vec<u8>>) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let thread = std::thread::spawn(move || {
            let answer = |answer: Vec<u8>| {
                let (mut stream, _) = listener.accept().expect("the client connects");
                let seen = read_request(&mut stream);
                stream.write_all(&answer).expect("the client reads");
                seen
            };
            answers.into_iter().map(answer).collect()
        });
        Script { address, thread }
    }

    fn seen(self) -> Vec<Seen> {
        self.thread.join().expect("the script ran to its end")
    }
}

fn read_request(stream: &mut TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request is text");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        line.to_lowercase().strip_prefix("content-length: ").map(|text| text.parse().unwrap_or(0))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("the body is as long as announced");
    Seen { line: lines.remove(0), headers: lines, body }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body.to_string().as_bytes())
}

fn problem(status: &str, code: &str) -> Vec<u8> {
    let body = json!({ "title": "t", "detail": "it will not do", "code": code }).to_string();
    answer(status, "x-primary-location: http://127.0.0.1:9\r\n", body.as_bytes())
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-client-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        let scratch = Scratch(path);
        std::fs::write(scratch.path("token"), "cvt_secret\n").expect("it can be written");
        scratch.set_mode(0o600);
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn set_mode(&self, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path("token"), mode).expect("the file is ours");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

fn run_at(scratch: &Scratch, address: SocketAddr, action: Action, input: &[u8]) -> Ran {
    let target = Target {
        server: ServerUrl::of_address(address),
        token_file: scratch.path("token"),
        hints: &HINTS,
    };
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), input);
    let mut console = Console {
        input: &mut input,
        out: &mut out,
        err: &mut err,
        has_colour_out: false,
        has_colour_err: false,
        is_input_typed: false,
    };
    let exit = run(ClientCommand { target, action }, &mut console);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { exit, out: text(out), err: text(err) }
}

/// A loopback address at which nothing ever listens: everything here binds to 127.0.0.1.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 77], 9))
}

fn run_against(answers: Vec<Vec<u8>>, action: Action, input: &[u8]) -> (Ran, Vec<Seen>) {
    let (scratch, script) = (Scratch::new(), Script::start(answers));
    let ran = run_at(&scratch, script.address, action, input);
    (ran, script.seen())
}

fn put(precondition: Precondition, is_ack_backup: bool) -> Action {
    let (vault, entry) = ("team".to_owned(), "a/b ü..".to_owned());
    Action::EntryPut { vault, entry, file: None, precondition, is_ack_backup }
}

fn get(output: Option<PathBuf>) -> Action {
    Action::EntryGet { vault: "team".into(), entry: "..".into(), output }
}
