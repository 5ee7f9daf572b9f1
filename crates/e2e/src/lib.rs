//! A whole cluster of real components on one machine: images without a registry, certificates, command
//! lines, and the cases of the end-to-end suite.
//!
//! It needs root on Linux and brings nothing from the network. It runs in mount and pid namespaces of its
//! own and in a cgroup of its own: what it starts ends with it, its folders lie in one place, and of the
//! machine it changes nothing that outlives it.
#![forbid(unsafe_code)]

pub mod api;
pub mod cases;
pub mod chart;
pub mod cluster;
pub mod components;
pub mod image;
pub mod kubectl;
pub mod machine;
pub mod manifests;
pub mod patience;
pub mod pki;
pub mod processes;
pub mod runtime;
