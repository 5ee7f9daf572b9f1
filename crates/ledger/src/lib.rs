//! The bytes that the shim and the node agent share: pages, charging, slots.
//!
//! An allotment is a folder with two files. `limits` is written by the agent and mapped read-only by
//! the container; `ledger` is written by the container's processes, each in a slot of its own, and
//! the agent reads it with `pread` and believes nothing in it.
//!
//! * [`layout`] and [`abi`] are ABI 1: every byte of both files.
//! * [`Allotment`] is the shim's side: open, take a slot, charge, release. It needs neither `std`, a
//!   heap, nor thread-locals, and does not panic; on the succeeding path it makes no system call.
//! * [`pointers`] remembers what each device pointer was charged, and [`single`] whose charge covers what there is
//!   one of at a time.
//! * [`agent`] (feature `std`) makes the files, changes limits while containers run, and reads.
//!
//! What never happens here: a wait for a dead process, a total below the truth, a page content that
//! is taken for a pointer, a length or a Rust enum. Whether a folder may be trusted at all (who owns
//! it, whether the limits are writable) is the caller's to judge.
#![no_std]
#![deny(unsafe_code)]
// Under loom only the algorithms are built, and only the models use them.
#![cfg_attr(loom, allow(dead_code))]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod abi;
#[cfg(all(feature = "std", not(loom)))]
pub mod agent;
#[cfg(not(loom))]
mod allotment;
mod charge;
mod claim;
#[cfg(all(test, loom))]
mod claim_models;
#[cfg(not(loom))]
pub mod clock;
mod error;
#[cfg(not(loom))]
mod head;
mod intervals;
pub mod layout;
#[cfg(not(loom))]
mod map;
#[cfg(all(test, loom))]
mod models;
pub mod pointers;
#[cfg(all(test, loom))]
mod ring_models;
mod settle;
pub mod single;
#[cfg(all(test, loom))]
mod single_models;
#[cfg(not(loom))]
mod slot;
mod spare;
mod sync;
#[cfg(not(loom))]
mod sys;
mod total;

pub use abi::{AtLimit, BackEnd, Command, DeviceKind, Engine, Kind, Pace, Policy, SlotState};
#[cfg(not(loom))]
pub use allotment::{Allotment, Credit, Holder, Terms, Usage};
pub use error::{PageError, Refused};
#[cfg(not(loom))]
pub use map::{DeviceIndex, Own, Trust};
