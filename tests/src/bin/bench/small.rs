//! The server for small hosts, as it is shipped: what it takes, and its rates beside those of the server on
//! tokio.

pub(crate) mod cgroup;
pub(crate) mod memory;
pub(crate) mod rates;
