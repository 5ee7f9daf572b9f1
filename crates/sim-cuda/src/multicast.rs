//! Multicast objects: memory of several devices, bound to one object whose stores go to all of them. Here
//! a store goes to the object alone; what is played is who keeps which memory alive. What is bound stays
//! until it is unbound, or until the last handle and mapping of the object are gone.
//!
//! An object's descriptor is not taken by another process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arena::PAGE;
use crate::arg::{In, Out};
use crate::device_api::attribute;
use crate::physical::{self, Kept};
use crate::process::{self, device_named};
use crate::rim::export;
use crate::status::{Res, Status};
use crate::vmm;

/// The header's CUmulticastObjectProp.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    devices: u32,
    size: usize,
    handles: u64,
    flags: u64,
}

impl Properties {
    fn check(&self) -> Res {
        let devices = process::driver()?.devices.len();
        if self.devices == 0 || self.devices as usize > devices || self.flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let able = (0..devices as i32).filter(|ordinal| is_able(*ordinal)).count();
        if able < self.devices as usize { Err(Status::NOT_SUPPORTED) } else { Ok(()) }
    }
}

/// CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED.
fn is_able(ordinal: i32) -> bool {
    attribute(ordinal, 132).is_ok_and(|able| able != 0)
}

/// An object.
pub(crate) struct Multicast {
    wanted: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    team: BTreeSet<usize>,
    /// By device and where it begins: how long it is, and the memory.
    bound: BTreeMap<(usize, usize), (usize, Kept)>,
}

impl Multicast {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, ordinal: usize) -> Res {
        let mut state = self.state();
        if state.team.len() >= self.wanted || !state.team.insert(ordinal) {
            return Err(Status::INVALID_VALUE);
        }
        Ok(())
    }

    fn bind(&self, device: Option<i32>, start: usize, size: usize, kept: Kept) -> Res {
        let named = device.map(device_named).transpose()?.map(|device| device.ordinal);
        let ordinal = kept.device.ok_or(Status::INVALID_VALUE)?;
        let mut state = self.state();
        let overlaps = |(at, (len, _)): (&(usize, usize), &(usize, Kept))| {
            at.0 == ordinal && at.1 < start + size && start < at.1 + len
        };
        if named.is_some_and(|named| named != ordinal)
            || state.team.len() < self.wanted
            || !state.team.contains(&ordinal)
            || state.bound.iter().any(overlaps)
        {
            return Err(Status::INVALID_VALUE);
        }
        state.bound.insert((ordinal, start), (size, kept));
        Ok(())
    }

    fn unbind(&self, ordinal: usize, start: usize, size: usize) {
        let within = |at: &(usize, usize), len: usize| {
            at.0 == ordinal && at.1 >= start && at.1 + len <= start + size
        };
        let gone: Vec<_> =
            self.state().bound.extract_if(.., |at, (len, _)| within(at, *len)).collect();
        drop(gone);
    }
}

fn is_whole(numbers: [usize; 3]) -> bool {
    numbers.iter().all(|number| number.is_multiple_of(PAGE)) && numbers[2] > 0
}

fn bind(object: u64, device: Option<i32>, start: usize, size: usize, kept: Kept) -> Res {
    physical::with_object(object, |object, room| {
        if start.checked_add(size).is_none_or(|end| end > room) {
            return Err(Status::INVALID_VALUE);
        }
        object.bind(device, start, size, kept)
    })
}

fn bind_memory(
    object: u64,
    device: Option<i32>,
    start: usize,
    (handle, offset): (u64, usize),
    size: usize,
    flags: u64,
) -> Res {
    if flags != 0 || !is_whole([start, offset, size]) {
        return Err(Status::INVALID_VALUE);
    }
    bind(object, device, start, size, Kept::by_handle(handle, offset, size)?)
}

fn bind_address(
    object: u64,
    device: Option<i32>,
    start: usize,
    address: u64,
    size: usize,
    flags: u64,
) -> Res {
    if flags != 0 || !is_whole([start, address as usize, size]) {
        return Err(Status::INVALID_VALUE);
    }
    bind(object, device, start, size, vmm::keep(address as usize, size)?)
}

export! {
    /// Makes an object for so many devices.
    fn cuMulticastCreate(out: Out<u64>, properties: In<Properties>) {
        let properties = properties.get()?;
        properties.check()?;
        if out.is_null() || properties.size == 0 || !properties.size.is_multiple_of(PAGE) {
            return Err(Status::INVALID_VALUE);
        }
        let wanted = properties.devices as usize;
        let object = Multicast { wanted, state: Mutex::default() };
        out.put(physical::hold_object(properties.size, properties.handles, object)?)
    }

    /// Adds a device to an object's team.
    fn cuMulticastAddDevice(object: u64, device: i32) {
        let ordinal = device_named(device)?.ordinal;
        if !is_able(device) {
            return Err(Status::NOT_SUPPORTED);
        }
        physical::with_object(object, |object, _| object.join(ordinal))
    }

    /// Binds memory to an object whose team is complete.
    fn cuMulticastBindMem(object: u64, start: usize, handle: u64, offset: usize, size: usize, flags: u64) {
        bind_memory(object, None, start, (handle, offset), size, flags)
    }

    /// The same for a device that is named.
    fn cuMulticastBindMem_v2(object: u64, device: i32, start: usize, handle: u64, offset: usize, size: usize, flags: u64) {
        bind_memory(object, Some(device), start, (handle, offset), size, flags)
    }

    /// Binds memory that is mapped.
    fn cuMulticastBindAddr(object: u64, start: usize, address: u64, size: usize, flags: u64) {
        bind_address(object, None, start, address, size, flags)
    }

    /// The same for a device that is named.
    fn cuMulticastBindAddr_v2(object: u64, device: i32, start: usize, address: u64, size: usize, flags: u64) {
        bind_address(object, Some(device), start, address, size, flags)
    }

    /// Unbinds what lies in a range of a device's.
    fn cuMulticastUnbind(object: u64, device: i32, start: usize, size: usize) {
        let ordinal = device_named(device)?.ordinal;
        if !is_whole([start, 0, size]) {
            return Err(Status::INVALID_VALUE);
        }
        physical::with_object(object, |object, room| {
            if start.checked_add(size).is_none_or(|end| end > room) {
                return Err(Status::INVALID_VALUE);
            }
            object.unbind(ordinal, start, size);
            Ok(())
        })
    }

    /// What sizes of objects are multiples of, as least and as best.
    fn cuMulticastGetGranularity(out: Out<usize>, properties: In<Properties>, option: u32) {
        properties.get()?.check()?;
        if option > 1 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(PAGE)
    }
}
