//! HQ's commands: their rows beside those of every server, and what they ask for.

mod demonstration;
mod pops;
mod reading;
mod serving;

use clavitor_node::cli::commands::{OWN, Opt, Spec};
use clavitor_node::cli::{Arguments, Exit, Usage, client};
use clavitor_node::log;
use clavitor_node::runtime::Sockets;
use clavitor_node::settings::Environment;

use crate::demo;
use crate::serve::serve;
use crate::settings::Settings;

const SERVER: Opt = Opt {
    name: "server",
    placeholder: "URL",
    help: "The HQ to talk to. [default: http://127.0.0.1:1986]",
};

const TOKEN_FILE: Opt = Opt {
    name: "token-file",
    placeholder: "FILE",
    help: "The file that holds its admin token. [default: ./clavitor-hq/admin.token]",
};

const ALLOW_PLAIN_HTTP: Opt = Opt {
    name: "allow-plain-http",
    placeholder: "",
    help: "Sends the admin token unencrypted to an HQ that is not on this machine.",
};

const CLUSTER: Opt =
    Opt { name: "cluster", placeholder: "NAME", help: "The cluster that it belongs to. Required." };

const JSON: Opt = Opt { name: "json", placeholder: "", help: "Prints JSON." };

/// The rows of HQ's commands.
pub static COMMANDS: &[Spec] = &[
    Spec {
        words: &["hq", "serve"],
        own_settings: serving::TABLE,
        summary: "Runs HQ: leases, failover, DNS, alerts, dashboard",
        details: "Needs no configuration: what it keeps is in ./clavitor-hq, POPs and browsers come \
                  to http://127.0.0.1:1986, and questions about vault.test are answered at \
                  127.0.0.1:5353. Settings come from flags, the environment and the file that --config \
                  names; a flag wins over the environment, and that over the file. The first start writes an admin token to admin.token in the data \
                  directory, and what POPs report with to telemetry.token.",
        examples: &["{program} hq serve", "{program} hq serve --zone vaults.example.com"],
        ..OWN
    },
    Spec {
        words: &["hq", "pop", "add"],
        operands: &["POP"],
        options: &[
            CLUSTER,
            Opt {
                name: "replace",
                placeholder: "",
                help: "Gives a POP that has a token another one; the old one ends.",
            },
            SERVER,
            TOKEN_FILE,
            ALLOW_PLAIN_HTTP,
        ],
        summary: "Registers a POP and prints its token, once",
        details: "The POP gives the token with --hq-token-file.",
        examples: &["{program} hq pop add calgary-01 --cluster main > calgary-01.token"],
        ..OWN
    },
    Spec {
        words: &["hq", "pop", "list"],
        options: &[JSON, SERVER, TOKEN_FILE, ALLOW_PLAIN_HTTP],
        summary: "Lists POPs, their roles and how far they are",
        examples: &["{program} hq pop list"],
        ..OWN
    },
    Spec {
        words: &["hq", "pop", "remove"],
        operands: &["POP"],
        options: &[CLUSTER, SERVER, TOKEN_FILE, ALLOW_PLAIN_HTTP],
        summary: "Takes a POP's token from it, for good",
        details: "A primary that is removed is not stopped: it may go on by lease votes of the other \
                  POPs, without an end. Hand over first, or stop it.",
        examples: &["{program} hq pop remove calgary-01 --cluster main"],
        ..OWN
    },
    Spec {
        words: &["demo"],
        options: demonstration::OPTIONS,
        summary: "Shows a failover: HQ and two POPs here, one of them killed",
        details: "Starts HQ and two POPs on loopback, on free ports, with their data in a temporary \
                  directory; writes entries, kills the primary, and shows reads, writes and DNS move \
                  to the other one. Prints how long each took beside what is promised. The exit code \
                  is 0 if no acknowledged write was lost. Nothing is left afterwards, nor after Ctrl-C.",
        examples: &[
            "{program} demo",
            "{program} demo --stay",
            "{program} demo --rounds 100 --json",
        ],
        ..OWN
    },
];

/// What takes a runtime, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// HQ.
    Serve(Box<Settings>),
    /// A demonstration.
    Demo(demo::Options),
}

impl Job {
    /// Runs it. To be called on the runtime.
    pub async fn run<R: Sockets<Timer: Unpin>>(self, runtime: R) -> Exit {
        match self {
            Job::Serve(settings) => serve(runtime, *settings).await,
            Job::Demo(options) => demo::run(runtime, options).await,
        }
    }
}

/// Runs one of them; `work` runs what takes a runtime.
pub fn run(
    spec: &'static Spec,
    mut arguments: Arguments,
    environment: &Environment,
    work: impl FnOnce(Job) -> Exit,
) -> Result<Exit, Usage> {
    let action = match spec.words {
        ["hq", "serve"] => {
            let (settings, warnings) = serving::settings(&mut arguments, environment)?;
            warnings.iter().for_each(|warning| log::line(&format!("warning: {warning}")));
            return Ok(work(Job::Serve(Box::new(settings))));
        }
        ["demo"] => {
            return Ok(work(Job::Demo(demonstration::options(&mut arguments, environment)?)));
        }
        ["hq", "pop", "add"] => reading::add(&mut arguments)?,
        ["hq", "pop", "list"] => pops::Action::List { is_json: arguments.has(JSON.name) },
        _ => reading::remove(&mut arguments)?,
    };
    let target = reading::target(&mut arguments)?;
    Ok(client::on_process(environment, |console| pops::run(target, &action, console)))
}

#[cfg(test)]
mod tests;
