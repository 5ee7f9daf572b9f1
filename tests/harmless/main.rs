//! The shim harms nobody: programs that have nothing to do with a GPU, and some that have, run in
//! small root file systems with the shim in /etc/ld.so.preload and once more without it. Exit
//! status, stdout and stderr must be the same. Each test has a mount namespace of its own, so these
//! need root.

mod arm;
mod drivers;
mod interposers;
mod mounts;
mod programs;
mod root;
mod run;
mod storms;
mod systems;
