//! What HQ costs with many POPs and what being governed costs a pair that has nothing to do.

pub(crate) mod cost;
pub(crate) mod idle;
pub(crate) mod pops;
