//! The node agent as a process, against the simulated kubelet and the simulated driver, with real
//! sockets and containers that are real processes.

mod abi;
mod apiserver;
mod audit;
mod bad;
mod cdi;
mod chaos;
mod cluster;
mod containerd;
mod containers;
mod deeds;
mod doctor;
mod drivers;
mod gangs;
mod gpus;
mod harness;
mod hostile;
mod inits;
mod labelled;
mod lists;
mod logs;
mod mounted;
mod mps;
mod placed;
mod pools;
mod restarts;
mod room;
mod runc;
mod runtimes;
mod seen;
mod soak;
mod taints;
mod time;
mod told;
