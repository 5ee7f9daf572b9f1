//! Every way to take device memory is charged: in real processes, over a stand-in driver that knows
//! how much lives. Each process has a mount namespace of its own, so these need root.

mod arrays;
mod cancelled;
mod code;
#[allow(dead_code)]
#[path = "../shim/container.rs"]
mod container;
mod contexts;
mod exported;
mod external;
mod graph_clients;
mod graph_stage;
mod graph_waits;
mod graphs;
mod leaving;
mod limits;
mod locations;
mod named;
mod old_drivers;
mod pools;
mod refused;
mod simulated;
mod sparse;
mod stage;
#[path = "../shim/talk.rs"]
mod talk;
mod vmm;
mod zero;
