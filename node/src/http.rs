//! HTTP as both runtimes speak it: the connection loop with its time-outs and caps, bodies, and
//! problem documents.

mod alarm;
mod body;
mod connection;
mod connections;
mod forwarded;
mod head;
mod problem;
mod refused;
mod request;
mod slow;
mod stall;

pub use body::{
    BODIES_BYTES_MAX, BODIES_BYTES_MAX_SMALL, BodyBudget, BodyError, ResponseBody, Share,
    StreamSender, Whole,
};
pub use connection::{HEAD_BYTES_MAX, HEAD_TIMEOUT, serve};
pub use connections::{CONNECTIONS_MAX, Connections, DESCRIPTORS_RESERVED, Slot};
pub use forwarded::{Network, NotANetwork, client};
pub use problem::{Code, Problem};
pub use request::{BadHeader, Path, Query, Request, Response, Segments, json};
pub use slow::{HandedOver, SLOW_BYTES, SlowAnswer};
