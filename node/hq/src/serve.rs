//! HQ's life on a runtime: its sockets and signals, from the settings to the exit.

use clavitor_node::cli::Exit;
use clavitor_node::runtime::Sockets;
use clavitor_node::serve::{accept, bind};
use clavitor_node::{launch, log};

use crate::hq::{End, Hq};
use crate::settings::Settings;

/// Runs HQ from its settings to its end. To be called on the runtime.
pub async fn serve<R: Sockets<Timer: Unpin>>(runtime: R, settings: Settings) -> Exit {
    launch::raise_file_limit();
    log::begin_serving();
    match run(runtime, settings).await {
        Ok(()) => Exit::Done,
        Err(complaint) => launch::complain(&complaint),
    }
}

async fn run<R: Sockets<Timer: Unpin>>(runtime: R, settings: Settings) -> Result<(), String> {
    let main = bind(&runtime, settings.listen)?;
    let zone = settings.zone.clone();
    let hq = Hq::start(runtime.clone(), settings, main.address).map_err(|e| e.to_string())?;
    let stopping = hq.clone();
    let watched = runtime.watch_signals(move || stopping.request_shutdown());
    watched.map_err(|error| format!("signals cannot be watched: {error}"))?;
    log::line(&format!("HQ of {zone} listening on http://{}", main.address));
    let (connections, taking) = (hq.connections().clone(), hq.clone());
    runtime.spawn(accept(
        runtime.clone(),
        main.listener,
        connections,
        move |connection, remote| {
            taking.accept(connection, remote);
        },
    ));
    match hq.ended().await {
        End::Asked => Ok(()),
        End::Broken => Err("HQ broke down; what it decided is on disk".to_owned()),
    }
}
