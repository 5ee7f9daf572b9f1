//! The scheduler's knowledge of single GPUs. Kubernetes adds up a node's percents; here each GPU counts
//! by itself, so that a share goes only where one GPU has room for it.
//!
//! [`Cluster`] is what is known: what the node agents publish, and what was bound since. It decides
//! with the same arithmetic as the node agent ([`share`]), reads no clock and does no I/O; [`wire`] is
//! how kube-scheduler asks.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod cluster;
mod node;
mod place;
pub mod wire;

pub use answer::{filter, prioritize};
pub use ask::{Ask, BadAsk, Need, Turn};
pub use cluster::{Cluster, Moment, Refused};
pub use node::{Gpu, Mode, Node, PodUid};
pub use place::{Holes, Misfit, place};
