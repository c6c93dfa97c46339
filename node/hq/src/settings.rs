//! What HQ is told before it starts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clavitor_node::http::Network;

use crate::dns::updates::Target;

/// Everything HQ is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it keeps what must outlive it.
    pub data_dir: PathBuf,
    /// The address that POPs, operators and browsers connect to.
    pub listen: SocketAddr,
    /// The address that DNS questions come to.
    pub dns_listen: SocketAddr,
    /// What DNS answers for HQ itself.
    pub dns_addresses: Vec<IpAddr>,
    /// Another server that is told where primaries are, if there is one.
    pub dns_update: Option<Target>,
    /// The zone that it answers for, in lower case and without a full stop at its end.
    pub zone: String,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: u64,
    /// After how long a preferred primary that is back gets its place again, in milliseconds; `None`
    /// is never by itself.
    pub failback_ms: Option<u64>,
    /// Whose word about a client's address is taken.
    pub trusted_proxies: Vec<Network>,
}
