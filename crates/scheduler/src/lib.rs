//! The scheduler's knowledge of single GPUs. Kubernetes adds up a node's percents; here each GPU counts
//! by itself, so that a share goes only where one GPU has room for it.
//!
//! [`Cluster`] is what is known: what the node agents publish, and what was bound since. It decides
//! with the same arithmetic as the node agent ([`share`]), reads no clock and does no I/O; [`wire`] is
//! how kube-scheduler asks. Around it: [`extender`] answers, [`server`] is the way to it, [`follow`] keeps
//! it true, and [`remind`] makes kube-scheduler ask again.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod bound;
mod cluster;
mod ended;
mod evict;
pub mod extender;
pub mod follow;
mod known;
pub mod options;
mod place;
mod preempt;
pub mod remind;
mod rooms;
mod run;
pub mod server;
pub mod wire;

pub use answer::{filter, no_answer, prioritize};
pub use ask::{Ask, BadAsk, Need, Pool, Pools, Turn, Wanted};
pub use cluster::{Cluster, Moment, Refused, Waiting};
pub use place::{Holes, Misfit, Wish, place};
pub use preempt::{Present, choose};
pub use run::main;
