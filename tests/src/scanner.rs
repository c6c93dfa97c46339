//! Programs that guess paths, as everybody who listens on the Internet meets them.

use crate::foreign::{self, Ran, Run};
use crate::{Scratch, Server};
use std::process::Command;
use std::time::Duration;

const LIST: &str = "words";

/// One of them, with nothing but its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// Ten at a time; gives up on a server whose first answer does not come to an end.
    Gobuster,
    /// Forty at a time.
    Ffuf,
    /// One at a time.
    Dirb,
}

impl Scanner {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gobuster, Self::Ffuf, Self::Dirb];

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gobuster => "gobuster",
            Self::Ffuf => "ffuf",
            Self::Dirb => "dirb",
        }
    }

    /// Sets it on a server with so many words; `None` where it is not installed.
    pub fn start(self, server: &Server, words: usize) -> Option<Scan> {
        let program = foreign::find(self.name())?;
        let scratch = Scratch::new(self.name());
        let words: Vec<String> = (0..words).map(|number| format!("guess-{number:03}")).collect();
        scratch.file(LIST, (words.join("\n") + "\n").as_bytes());
        let (mut command, url) = (Command::new(program), server.url());
        match self {
            Self::Gobuster => command.args(["dir", "-q", "--no-progress", "-v", "-w", LIST, "-u"]),
            Self::Ffuf => command.args(["-mc", "all", "-w", LIST, "-u"]),
            Self::Dirb => &mut command,
        };
        match self {
            Self::Gobuster => command.arg(url),
            Self::Ffuf => command.arg(url + "/FUZZ"),
            Self::Dirb => command.arg(url + "/").args([LIST, "-r", "-S", "-v"]),
        };
        Some(Scan { words, run: Run::start(&mut command, scratch) })
    }
}

/// A scan under way; killed when dropped.
#[derive(Debug)]
pub struct Scan {
    words: Vec<String>,
    run: Run,
}

impl Scan {
    /// Waits for its end, and kills it once it has run for `limit`.
    pub fn finish(self, limit: Duration) -> Scanned {
        Scanned { ran: self.run.finish(limit), words: self.words }
    }
}

/// A scan that is over.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// How the run went.
    pub ran: Ran,
    words: Vec<String>,
}

impl Scanned {
    /// For how many of its words the program says that the server answered 404.
    pub fn missed(&self) -> usize {
        let is_missed = |word: &&String| {
            self.ran.output.lines().any(|line| line.contains(word.as_str()) && line.contains("404"))
        };
        self.words.iter().filter(is_missed).count()
    }
}
