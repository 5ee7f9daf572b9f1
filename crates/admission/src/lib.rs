//! Admission: what users write becomes what the scheduler counts.
//!
//! [`admit`] is the one decision; the webhook and the policy manifests are two ways to it. It looks at
//! an object and gives the patch that turns a fraction into percent, or the refusals that say what to
//! write instead. It does no I/O, knows no cluster, and never touches what does not ask for a GPU.
#![forbid(unsafe_code)]

mod admit;
mod annotations;
mod ask;
mod containers;
mod isolation;
mod patch;
mod pod;
mod quantity;
mod refusal;
mod rules;
mod workload;

pub use admit::{Admission, admit};
pub use refusal::{Place, Refusal, Refusals, Why};
pub use rules::Rules;
pub use workload::Workload;
