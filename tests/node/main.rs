//! The node agent as a process, against the simulated kubelet and the simulated driver, with real
//! sockets and containers that are real processes.

mod apiserver;
mod audit;
mod bad;
mod cdi;
mod churn;
mod cluster;
mod containers;
mod drivers;
mod gpus;
mod harness;
mod restarts;
mod runc;
mod seen;
