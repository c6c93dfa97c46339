//! HQ's commands: their rows beside those of every server, and what they ask for.

mod pops;
mod reading;

use clavitor_node::cli::commands::{OWN, Opt, Spec};
use clavitor_node::cli::{Arguments, Exit, Usage, client};
use clavitor_node::settings::Environment;

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
        options: reading::SERVE_OPTIONS,
        summary: "Runs HQ: leases, failover, DNS, alerts, dashboard",
        details: "Needs no configuration: what it keeps is in ./clavitor-hq, POPs and browsers come \
                  to http://127.0.0.1:1986, and questions about vault.test are answered at \
                  127.0.0.1:5353. The first start writes an admin token to admin.token in the data \
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
        details: "A primary that is removed keeps its lease to the end and gets no other one.",
        examples: &["{program} hq pop remove calgary-01 --cluster main"],
        ..OWN
    },
];

/// Runs one of them. `serve` runs HQ to its end.
pub fn run(
    spec: &'static Spec,
    mut arguments: Arguments,
    environment: &Environment,
    serve: impl FnOnce(Settings) -> Exit,
) -> Result<Exit, Usage> {
    let action = match spec.words {
        ["hq", "serve"] => return Ok(serve(reading::settings(&mut arguments)?)),
        ["hq", "pop", "add"] => reading::add(&mut arguments)?,
        ["hq", "pop", "list"] => pops::Action::List { is_json: arguments.has(JSON.name) },
        _ => reading::remove(&mut arguments)?,
    };
    let target = reading::target(&mut arguments)?;
    Ok(client::on_process(environment, |console| pops::run(target, &action, console)))
}

#[cfg(test)]
mod tests;
