//! What HQ costs with many POPs, what being governed costs a pair that has nothing to do, and how soon
//! DNS names another primary.

pub(crate) mod cost;
pub(crate) mod idle;
pub(crate) mod pops;
pub(crate) mod rival;
