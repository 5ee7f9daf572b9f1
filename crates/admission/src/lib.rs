//! Admission: what users write becomes what the scheduler counts.
//!
//! [`admit`] is the one decision; the webhook and the policy manifests are two ways to it. It looks at
//! an object and gives the patch that turns a fraction into percent, or the refusals that say what to
//! write instead. It does no I/O, knows no cluster, and never touches what does not ask for a GPU.
//! Around it: [`review`] is the API server's question, [`server`] its way here; [`policies`] says the same
//! in CEL, for clusters that need no server for it.
#![forbid(unsafe_code)]

mod admit;
mod annotations;
mod ask;
pub mod certificate;
mod containers;
mod isolation;
pub mod options;
mod patch;
mod pod;
pub mod policies;
mod quantity;
mod refusal;
pub mod review;
mod rules;
pub mod server;
pub mod translate;
mod turns;
mod workload;

pub use admit::{Admission, admit};
pub use refusal::{Place, Refusal, Refusals, Why};
pub use rules::{Rules, Translation};
pub use workload::Workload;
