//! The simulated NVML: a `libnvidia-ml.so.1` over sim-world.
//!
//! Every name of nvml.h is exported. What is not simulated answers NOT_SUPPORTED and says so once; it
//! never pretends. Nothing here panics, unwinds, or calls another of these functions by its exported
//! name. A device's handle is the address of readable memory that stays for ever.

mod answer;
mod arg;
mod bus;
mod clocks;
mod errors;
mod events;
mod export;
mod fields;
mod future;
mod handle;
mod identity;
mod init;
mod instance_profiles;
mod instances;
mod links;
mod lookup;
mod memory;
mod mig;
mod mig_change;
mod modes;
mod power;
mod processes;
mod stub;
mod system;
mod table;
mod topology;
mod utilisation;
