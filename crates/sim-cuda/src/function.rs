//! What functions and kernels are said to be like: attributes, occupancy. The figures are those of a
//! small kernel, because nothing is known of the real one.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

use crate::arg::{Opaque, Out};
use crate::context;
use crate::device_api;
use crate::module::{self, FUNCTIONS, KERNELS};
use crate::rim::export;
use crate::status::{Res, Status};

type Attributes = Mutex<BTreeMap<u32, i32>>;

/// One more than the highest attribute of the headers.
const LAST: u32 = 18;
const THREADS: i32 = 1024;
const REGISTERS: i32 = 32;
const DYNAMIC_SHARED: u32 = 8;

/// An attribute as it was set, or as a small kernel has it.
fn read(attributes: &Attributes, number: u32, device: i32) -> Res<i32> {
    let set = attributes.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied();
    let capability =
        || Ok(device_api::attribute(device, 75)? * 10 + device_api::attribute(device, 76)?);
    match (set, number) {
        (Some(value), _) => Ok(value),
        (None, 0) => Ok(THREADS),
        (None, 4) => Ok(REGISTERS),
        (None, 5 | 6) => capability(),
        (None, DYNAMIC_SHARED) => device_api::attribute(device, 8),
        (None, 9) => Ok(-1),
        (None, 0..LAST) => Ok(0),
        (None, _) => Err(Status::INVALID_VALUE),
    }
}

/// Only what a program may set can be set, and not beyond the card.
fn set(attributes: &Attributes, number: u32, value: i32, device: i32) -> Res {
    let allowed = match number {
        DYNAMIC_SHARED => (0..=device_api::attribute(device, 97)?).contains(&value),
        9 => (-1..=100).contains(&value),
        10..LAST => value >= 0,
        _ => false,
    };
    if !allowed {
        return Err(Status::INVALID_VALUE);
    }
    attributes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, value);
    Ok(())
}

/// Runs `f` on the attributes of a function or, as CUDA 13 casts it, of a kernel.
fn on<T>(handle: usize, f: impl FnOnce(&Attributes) -> Res<T>) -> Res<T> {
    match FUNCTIONS.get(handle) {
        Some(function) => f(&function.attributes),
        None => f(&KERNELS.get(handle).ok_or(Status::INVALID_HANDLE)?.attributes),
    }
}

fn here() -> Res<i32> {
    Ok(context::current()?.device as i32)
}

/// Blocks of `threads` threads that fit on one SM.
fn blocks_per_sm(function: usize, threads: i32, shared: usize) -> Res<i32> {
    on(function, |_| Ok(()))?;
    let device = here()?;
    if threads <= 0 || threads > THREADS {
        return Err(Status::INVALID_VALUE);
    }
    let by_threads = device_api::attribute(device, 39)? / threads;
    let by_shared = device_api::attribute(device, 81)? as usize / shared.max(1);
    Ok(by_threads.min(by_shared as i32).min(device_api::attribute(device, 106)?))
}

fn known(handle: usize) -> Res {
    on(handle, |_| Ok(()))
}

fn potential(grid: &Out<i32>, block: &Out<i32>, function: usize, limit: i32) -> Res {
    let threads = if limit > 0 { limit.min(THREADS) } else { THREADS };
    let sms = device_api::attribute(here()?, 16)?;
    grid.put(blocks_per_sm(function, threads, 0)? * sms)?;
    block.put(threads)
}

export! {
    /// An attribute of a function.
    fn cuFuncGetAttribute(out: Out<i32>, number: u32, function: usize) {
        let device = here()?;
        out.put(on(function, |attributes| read(attributes, number, device))?)
    }

    /// Sets an attribute of a function.
    fn cuFuncSetAttribute(function: usize, number: u32, value: i32) {
        let device = here()?;
        on(function, |attributes| set(attributes, number, value, device))
    }

    /// An attribute of a kernel.
    fn cuKernelGetAttribute(out: Out<i32>, number: u32, kernel: usize, device: i32) {
        out.put(on(kernel, |attributes| read(attributes, number, device))?)
    }

    /// Sets an attribute of a kernel.
    fn cuKernelSetAttribute(number: u32, value: i32, kernel: usize, device: i32) {
        on(kernel, |attributes| set(attributes, number, value, device))
    }

    /// The cache preference of a function, which nothing follows.
    fn cuFuncSetCacheConfig(function: usize, _config: u32) {
        known(function)
    }

    /// The width of shared-memory banks, which nothing follows.
    fn cuFuncSetSharedMemConfig(function: usize, _config: u32) {
        known(function)
    }

    /// The cache preference of a kernel, which nothing follows.
    fn cuKernelSetCacheConfig(kernel: usize, _config: u32, _device: i32) {
        known(kernel)
    }

    /// The name of a function. It is good for as long as the function.
    fn cuFuncGetName(out: Out<*const c_char>, function: usize) {
        match (FUNCTIONS.get(function), KERNELS.get(function)) {
            (Some(function), _) => out.put(function.name.as_ptr()),
            (None, Some(kernel)) => out.put(kernel.name.as_ptr()),
            (None, None) => Err(Status::INVALID_VALUE),
        }
    }

    /// The name of a kernel. It is good for as long as the kernel.
    fn cuKernelGetName(out: Out<*const c_char>, kernel: usize) {
        out.put(KERNELS.get(kernel).ok_or(Status::INVALID_HANDLE)?.name.as_ptr())
    }

    /// Every function is loaded.
    fn cuFuncIsLoaded(out: Out<u32>, function: usize) {
        known(function)?;
        out.put(1)
    }

    /// Puts the code of a function on the card.
    fn cuFuncLoad(function: usize) {
        module::load_function(function)
    }

    /// How many blocks fit on one SM.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(out: Out<i32>, function: usize, threads: i32, shared: usize) {
        out.put(blocks_per_sm(function, threads, shared)?)
    }

    /// How many blocks fit on one SM.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(out: Out<i32>, function: usize, threads: i32, shared: usize, _flags: u32) {
        out.put(blocks_per_sm(function, threads, shared)?)
    }

    /// A grid that fills the card.
    fn cuOccupancyMaxPotentialBlockSize(grid: Out<i32>, block: Out<i32>, function: usize, _shared_of: Opaque, _shared: usize, limit: i32) {
        potential(&grid, &block, function, limit)
    }

    /// A grid that fills the card.
    fn cuOccupancyMaxPotentialBlockSizeWithFlags(grid: Out<i32>, block: Out<i32>, function: usize, _shared_of: Opaque, _shared: usize, limit: i32, _flags: u32) {
        potential(&grid, &block, function, limit)
    }

    /// Shared memory left for each of so many blocks on an SM.
    fn cuOccupancyAvailableDynamicSMemPerBlock(out: Out<usize>, function: usize, blocks: i32, _threads: i32) {
        known(function)?;
        let per_sm = device_api::attribute(here()?, 81)?;
        if blocks <= 0 {
            return Err(Status::INVALID_VALUE);
        }
        out.put((per_sm / blocks) as usize)
    }
}
