//! A primary and a backup that can be reached through something slow.

use std::net::SocketAddr;

use clavitor_tests::{Edition, Scratch, Server, ServerBuilder, cluster, ports};

/// Two POPs of one cluster.
pub(crate) struct Pair {
    /// The primary.
    pub(crate) primary: Server,
    /// The backup.
    pub(crate) backup: Server,
    _secret: Scratch,
}

impl Pair {
    /// Neither is running yet. `through` makes the address by which the primary reaches the backup
    /// from the backup's own.
    pub(crate) fn prepare(through: impl FnOnce(SocketAddr) -> SocketAddr) -> Self {
        Self::at([ports::free_address(), ports::free_address()], through)
    }

    /// The same at these addresses.
    pub(crate) fn at(
        addresses: [SocketAddr; 2],
        through: impl FnOnce(SocketAddr) -> SocketAddr,
    ) -> Self {
        let scratch = Scratch::new("secret");
        let secret = scratch.file("secret", &cluster::new_secret(7));
        let urls = [addresses[0], through(addresses[1])].map(|address| format!("http://{address}"));
        let server = |at: usize| {
            ServerBuilder::new(Edition::Commercial)
                .address(addresses[at])
                .arguments(["--pop-id", cluster::POP_IDS[at], "--cluster", "bench"])
                .arguments(["--advertise-url", &urls[at]])
                .arguments(["--replication-primary", &urls[0]])
                .arguments(["--replication-backup", &urls[1]])
                .arguments(["--replication-token-file".as_ref(), secret.as_os_str()])
                .prepare()
        };
        Self { primary: server(0), backup: server(1), _secret: scratch }
    }

    /// Whether the primary takes writes, and owes the backup nothing.
    pub(crate) fn is_settled(&self) -> bool {
        let client = self.primary.client();
        client.fetch("/readyz").status == 200 && client.dirty() == Some(0)
    }
}
