//! Durable writes with the flight recorder on, beside the same with it off.
//!
//! On a pair, because only there is much to record: every group of writes, every frame and every
//! ack is an input. A server alone records next to nothing.

use clavitor_tests::wait::{eventually, seconds};

use crate::load::{Load, Template};
use crate::pair::Pair;
use crate::{CLIENTS, ENTRIES, ROUNDS, report};

/// Rivals take turns, so that whatever else the machine does hits them alike.
const TURNS: usize = 8;
const WRITES_IN_TURN: u64 = 6_400;

/// The recorder may cost this share of the throughput.
const COST_MAX: f64 = 0.03;

pub(crate) fn measure() {
    let pairs = [recorded(), Pair::prepare(|address| address)].map(started);
    let (mut rates, mut turn) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut slowness = [0.0; 2];
        for _ in 0..TURNS {
            // Who comes first changes, too.
            for at in [turn % 2, (turn + 1) % 2] {
                slowness[at] += 1.0 / rate(&pairs[at], turn);
            }
            turn += 1;
        }
        let [on, off] = slowness.map(|slowness| TURNS as f64 / slowness);
        rates.push((on, off));
    }
    let what = "PUT of 1 KiB on a pair, recorder on beside recorder off";
    report::at_least(what, "/s", &rates, 1.0 - COST_MAX);
}

fn recorded() -> Pair {
    let mut pair = Pair::prepare(|address| address);
    for server in [&mut pair.primary, &mut pair.backup] {
        server.add_arguments(["--flight-recorder", "flight"]);
    }
    pair
}

fn started(mut pair: Pair) -> Pair {
    pair.backup.start_again();
    pair.primary.start_again();
    eventually("the primary finds its backup", seconds(30), || pair.is_settled());
    connect(&pair).run(0..ENTRIES);
    pair
}

/// Connected anew each time: the server cuts those who idle while the rival is measured.
fn connect(pair: &Pair) -> Load {
    let put = Template::put(&pair.primary.admin_token(), "");
    Load::connect(pair.primary.address(), CLIENTS, put)
}

fn rate(pair: &Pair, seed: usize) -> f64 {
    let rate = connect(pair).rate(WRITES_IN_TURN, ENTRIES, seed as u64);
    // What the backup still does must not slow the rival.
    eventually("the backup has caught up", seconds(30), || pair.is_settled());
    rate
}
