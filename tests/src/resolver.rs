//! Programs of others that ask DNS servers, and one that stands in front of one and remembers.

use crate::Scratch;
use crate::foreign::{self, Run};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// A program that asks one question and prints the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// BIND's.
    Dig,
    /// Knot's.
    Kdig,
}

/// What a server said, by the word of the program that asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `NOERROR`, `NXDOMAIN` and so on.
    pub status: String,
    /// `qr`, `aa` and so on, in the order of the header.
    pub flags: Vec<String>,
    /// The records of each section that has any, sorted, one space between the fields.
    pub sections: BTreeMap<String, Vec<String>>,
    /// How many bytes the server takes in a datagram, if it says so.
    pub payload_bytes: Option<u16>,
    /// Whether the answer came over TCP.
    pub is_tcp: bool,
}

impl Asker {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Dig, Self::Kdig];

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dig => "dig",
            Self::Kdig => "kdig",
        }
    }

    /// Asks once; `words` are the name, the type and whatever both programs understand.
    #[track_caller]
    pub fn ask(self, server: SocketAddr, words: &[&str]) -> Said {
        let program = foreign::find(self.name()).expect("it is installed");
        let mut command = Command::new(program);
        command.args([format!("@{}", server.ip()), "-p".to_owned(), server.port().to_string()]);
        command.args(["+time=5", "+retry=0"]).args(words);
        if self == Self::Dig {
            // What kdig does not send.
            command.arg("+nocookie");
        }
        let ran = Run::start(&mut command, Scratch::new(self.name())).finish(LIMIT);
        let said = read(&ran.output);
        assert!(ran.has_ended && !said.status.is_empty(), "{command:?}: {}", ran.output);
        said
    }
}

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(10);

fn read(output: &str) -> Said {
    let mut said = Said::default();
    let mut section = None;
    for line in output.lines() {
        let line = line.trim();
        if line.contains("->>HEADER<<-") {
            said.status = after(line, "status: ").to_owned();
        } else if let Some(flags) = line.strip_prefix(";; ").and_then(strip_flags) {
            said.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some(name) =
            line.strip_prefix(";; ").and_then(|it| it.strip_suffix(" SECTION:"))
        {
            section = Some(name.to_owned());
        } else if line.contains("udp: ") || line.contains("UDP size: ") {
            let size = after(line, "udp: ").parse().or_else(|_| after(line, "UDP size: ").parse());
            said.payload_bytes = size.ok();
        } else if line.is_empty() {
            section = None;
        } else if let Some(section) = section.as_ref().filter(|_| !line.starts_with(';')) {
            let fields: Vec<_> = line.split_whitespace().collect();
            said.sections.entry(section.clone()).or_default().push(fields.join(" "));
        }
        said.is_tcp |= line.starts_with(";;") && line.contains("(TCP)");
    }
    said.sections.values_mut().for_each(|records| records.sort());
    said
}

fn strip_flags(line: &str) -> Option<&str> {
    let flags = line.strip_prefix("flags:").or_else(|| line.strip_prefix("Flags:"))?;
    flags.split(';').next()
}

/// The word after a label.
fn after<'a>(line: &'a str, label: &str) -> &'a str {
    let rest = line.split_once(label).map_or("", |(_, rest)| rest);
    rest.split([',', ';', ' ']).next().unwrap_or_default()
}

/// `unbound`, which remembers what a server answered for as long as that said; killed when dropped.
#[derive(Debug)]
pub struct Unbound {
    /// Where it answers.
    pub address: SocketAddr,
    _run: Run,
}

impl Unbound {
    /// The program's name.
    pub const NAME: &str = "unbound";

    /// Starts it in front of the server of a zone, with its defaults otherwise; `None` where it is not
    /// installed.
    pub fn start(address: SocketAddr, zone: &str, server: SocketAddr) -> Option<Self> {
        let program = foreign::find(Self::NAME)?;
        let scratch = Scratch::new(Self::NAME);
        let directory = scratch.path().display();
        // It knows of no `.test` but what is written here, would look for keys of the real root, and
        // asks nobody on its own machine, if it is not told otherwise.
        let configuration = format!(
            "server:\n interface: {ip}@{port}\n directory: \"{directory}\"\n chroot: \"\"\n \
             username: \"\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n do-daemonize: no\n \
             num-threads: 1\n do-ip6: no\n do-not-query-localhost: no\n module-config: \"iterator\"\n \
             local-zone: \"{zone}.\" transparent\n\
             remote-control:\n control-enable: no\n\
             forward-zone:\n name: \"{zone}.\"\n forward-addr: {server_ip}@{server_port}\n",
            ip = address.ip(),
            port = address.port(),
            server_ip = server.ip(),
            server_port = server.port(),
        );
        let file = scratch.file("unbound.conf", configuration.as_bytes());
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(file);
        Some(Self { address, _run: Run::start(&mut command, scratch) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_printing_an_answer_are_read_alike() {
        let dig = "; <<>> DiG 9.18 <<>> x\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1\n\
            ;; flags: qr aa rd; QUERY: 1, ANSWER: 0\n;; WARNING: recursion requested but not available\n\n\
            ;; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232\n;; QUESTION SECTION:\n;x.\tIN\tA\n\n\
            ;; AUTHORITY SECTION:\nvault.test.\t\t5 IN SOA a. b. 1\n\n;; SERVER: 127.0.0.1#53(127.0.0.1) (TCP)\n";
        let kdig = ";; ->>HEADER<<- opcode: QUERY; status: NXDOMAIN; id: 2\n;; Flags: qr aa rd; QUERY: 1\n\n\
            ;; EDNS PSEUDOSECTION:\n;; Version: 0; flags: ; UDP size: 1232 B; ext-rcode: NOERROR\n\n\
            ;; QUESTION SECTION:\n;; x.  \tIN\tA\n\n;; AUTHORITY SECTION:\nvault.test.   \t5\tIN\tSOA\ta. b. 1\n\n\
            ;; From 127.0.0.1@53(TCP) in 0.1 ms\n";
        let expected = Said {
            status: "NXDOMAIN".into(),
            flags: ["qr", "aa", "rd"].map(str::to_owned).into(),
            sections: [("AUTHORITY".to_owned(), vec!["vault.test. 5 IN SOA a. b. 1".to_owned()])]
                .into(),
            payload_bytes: Some(1232),
            is_tcp: true,
        };
        assert_eq!(read(dig), expected);
        assert_eq!(read(kdig), expected);
    }
}
