//! A whole cluster of real components on one machine: images without a registry, certificates, command
//! lines, and the cases of the end-to-end suite.
//!
//! It needs root on Linux and brings nothing from the network. What it starts it ends; its folders lie in
//! one place and go with it. It changes nothing else of the machine but mounts and cgroups that the
//! kubelet makes.
#![forbid(unsafe_code)]

pub mod api;
pub mod cases;
pub mod cluster;
pub mod components;
pub mod image;
pub mod manifests;
pub mod pki;
pub mod processes;
pub mod runtime;
