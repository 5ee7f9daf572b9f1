//! The scheduler's knowledge of single GPUs. Kubernetes adds up a node's percents; here each GPU counts
//! by itself, so that a share goes only where one GPU has room for it.
//!
//! [`Cluster`] is what is known: what the node agents publish, and what was bound since. It decides
//! with the same arithmetic as the node agent ([`share`]), reads no clock and does no I/O; [`wire`] is
//! how kube-scheduler asks. Around it: [`extender`] answers, [`server`] is the way to it, and [`follow`]
//! keeps it true.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod cluster;
pub mod extender;
pub mod follow;
pub mod options;
mod place;
pub mod server;
pub mod wire;

pub use answer::{filter, preempt, prioritize};
pub use ask::{Ask, BadAsk, Need, Turn};
pub use cluster::{Cluster, Moment, Refused};
pub use place::{Holes, Misfit, place};
