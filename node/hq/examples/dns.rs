//! Answers for a fixed zone, for trying DNS clients on it: `cargo run -p clavitor-node-hq --example
//! dns -- 127.0.0.1:5353`. A line on stdin such as `red 192.0.2.11 2001:db8::11` moves a cluster.

use std::io::BufRead;
use std::net::IpAddr;
use std::process::ExitCode;

use clavitor_hq_core::dns::Zone;
use clavitor_node_hq::dns::Server;

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
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5353".to_owned());
    let listen = listen.parse().map_err(|_| format!("{listen} is no address and port"))?;
    let ip = |text: &str| text.parse::<IpAddr>().map_err(|error| format!("{text}: {error}"));
    let mut zone = Zone::new("vault.test", &[ip("127.0.0.1")?, ip("::1")?], 1)
        .map_err(|error| error.to_string())?;
    zone.show("red", &[ip("192.0.2.10")?, ip("2001:db8::10")?]);
    zone.show("none", &[]);
    let wide: Vec<IpAddr> = (0..32).map(|n| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n])).collect();
    zone.show("wide", &wide);
    let mut server = Server::bind(listen, zone)?;
    server.answer()?;
    println!("{} on {}", server.change(|zone| zone.origin()), server.address());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace();
        let Some(cluster) = words.next() else { continue };
        let addresses: Vec<IpAddr> = words.map(ip).collect::<Result<_, _>>()?;
        let is_news = server.change(|zone| zone.show(cluster, &addresses));
        println!("{cluster}: {is_news}, {:?}", server.counts());
    }
    Ok(())
}
