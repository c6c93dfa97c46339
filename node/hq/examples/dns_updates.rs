//! Moves names on another server, for trying one: `cargo run -p clavitor-node-hq --example dns_updates
//! -- 127.0.0.1:53 vault.test FILE`, where the file has the key as `tsig-keygen` prints it. A line on
//! stdin such as `red 192.0.2.11 2001:db8::11` moves a cluster.

use std::io::BufRead;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clavitor_hq_core::dns::Origin;
use clavitor_node_hq::dns::updates::{News, Target, Updater, key_file, server};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [named, zone, file] = given.as_slice() else {
        return Err("a server, a zone and a file with a key".to_owned());
    };
    let origin = Origin::parse(zone).map_err(|error| error.to_string())?;
    let key = key_file(Path::new(file))?.key;
    let target = Target { server: server(named)?, origin, key };
    let updater = Updater::start(target, |news| match news {
        News::Failing(failure) => println!("failing: {failure}"),
        News::Mended => println!("mended"),
    });
    let updater = updater.map_err(|error| error.to_string())?;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace();
        let Some(cluster) = words.next() else { continue };
        let addresses: Result<Vec<IpAddr>, _> = words.map(str::parse).collect();
        updater.want(cluster, &addresses.map_err(|error| format!("{line}: {error}"))?);
    }
    // What was wanted last is still on its way.
    thread::sleep(Duration::from_secs(5));
    Ok(())
}
