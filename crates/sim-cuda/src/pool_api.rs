//! The calls on memory pools, and allocation in the order of a stream.

use nvidia_sys::cuda::{CUmemAccessDesc, CUmemLocation, CUmemPoolProps};

use crate::arg::{In, Opaque, Out};
use crate::capture;
use crate::context;
use crate::front;
use crate::later;
use crate::line::Op;
use crate::location::{Location, ON_DEVICE};
use crate::pool::{Place, Pool, Pools, pools};
use crate::process::{self, device_named};
use crate::rim::export;
use crate::status::{Res, Status};
use crate::stream::{self, Target};

/// CU_MEM_ALLOCATION_TYPE_PINNED and _MANAGED.
const PINNED: u32 = 1;
const MANAGED: u32 = 2;
/// CU_MEM_LOCATION_TYPE_NONE.
const NOWHERE: u32 = 0;
/// CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
const DESCRIPTOR: u32 = 1;

/// The device of a location, which must be one.
pub(crate) fn device_at(location: &CUmemLocation) -> Res<usize> {
    let place = Location { kind: location.type_.0, id: ordinal_of(location) };
    place.device().unwrap_or(Err(Status::INVALID_VALUE))
}

/// The CUDA version from which pools can be of managed memory.
const MANAGED_SINCE: i32 = 13_000;

/// What a location and a kind of memory name. Managed memory need not lie anywhere, and is the current
/// device's then, or the first's where none is current.
fn place_at(location: &CUmemLocation, kind: u32) -> Res<Place> {
    let managed = kind == MANAGED;
    if managed && process::cuda_version()? < MANAGED_SINCE {
        return Err(Status::INVALID_VALUE);
    }
    match (location.type_.0, kind) {
        (NOWHERE, MANAGED) => {
            let device = context::current().map_or(0, |context| context.device);
            Ok(Place { device, managed })
        }
        (_, PINNED | MANAGED) => Ok(Place { device: device_at(location)?, managed }),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// A device's pool of memory that is not managed.
fn pinned(device: i32) -> Res<Place> {
    Ok(Place { device: device_named(device)?.ordinal, managed: false })
}

/// The number of a location.
pub(crate) fn ordinal_of(location: &CUmemLocation) -> i32 {
    // SAFETY: both members of the union are the same integer, or a void that is none.
    unsafe { location.__bindgen_anon_1.id }
}

fn allocate(out: &Out<u64>, size: usize, pool: Option<usize>, target: &Target) -> Res {
    if out.is_null() || size == 0 {
        return Err(Status::INVALID_VALUE);
    }
    if let Some(start) = capture_in(target, pool, size)? {
        return out.put(start as u64);
    }
    let mut pools = pools();
    let pool = pool.unwrap_or_else(|| {
        pools.current_of(Place { device: target.context.device, managed: false })
    });
    let lent = pools.lend(pool, size, target.line)?;
    drop(pools);
    if let Some(mark) = lent.after {
        front::submit(target.line, Op::Wait(mark))?;
    }
    out.put(lent.start as u64)
}

/// Where the stream is captured: the address that a node will allocate.
fn capture_in(target: &Target, pool: Option<usize>, size: usize) -> Res<Option<usize>> {
    let device = match pool {
        Some(pool) => pools().get(pool)?.device,
        None => target.context.device,
    };
    capture::allocate(target, device, size)
}

/// Memory that no pool lent may be freed here too: a device's own by the stream's mark as well; other memory waits for all
/// work, as cuMemFree does.
fn free(address: usize, target: &Target) -> Res {
    if capture::free(target, address)? {
        return Ok(());
    }
    if !pools().lends(address) {
        return match crate::memory::own(address) {
            Some(device) => later::free(device, address, front::mark(target.line)?),
            None if address == 0 => Err(Status::INVALID_VALUE),
            None => crate::memory::free(address),
        };
    }
    let mark = front::mark(target.line)?;
    pools().give(address, target.line, mark)
}

fn create(props: &CUmemPoolProps) -> Res<usize> {
    let handles = props.handleTypes.0;
    let place = place_at(&props.location, props.allocType.0)?;
    if handles & !DESCRIPTOR != 0 || place.managed && handles != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let mut pools = pools();
    let handle = pools.create(place.device, handles, props.maxSize as u64);
    pools.get(handle)?.managed = place.managed;
    Ok(handle)
}

/// A number of a pool: three are integers, the others 64 bits wide.
enum Number {
    Int(i32),
    Wide(u64),
}

fn get(pool: &Pool, attribute: u32) -> Res<Number> {
    Ok(match attribute {
        1..=3 => Number::Int(pool.reuse[attribute as usize - 1]),
        4 => Number::Wide(pool.threshold),
        5 | 6 => Number::Wide(pool.reserved[attribute as usize - 5]),
        7 | 8 => Number::Wide(pool.used[attribute as usize - 7]),
        9 => Number::Int(if pool.managed { MANAGED } else { PINNED } as i32),
        10 => Number::Int(pool.handles as i32),
        11 => Number::Int(pool.device as i32),
        12 => Number::Int(ON_DEVICE as i32),
        13 => Number::Wide(pool.largest),
        14 => Number::Int(0),
        _ => return Err(Status::INVALID_VALUE),
    })
}

/// A high-water mark can only be set to zero, which means to the present value.
fn set(pool: &mut Pool, attribute: u32, value: Number) -> Res {
    match (attribute, value) {
        (1..=3, Number::Int(value)) => pool.reuse[attribute as usize - 1] = value,
        (4, Number::Wide(value)) => pool.threshold = value,
        (6, Number::Wide(0)) => pool.reserved[1] = pool.reserved[0],
        (8, Number::Wide(0)) => pool.used[1] = pool.used[0],
        _ => return Err(Status::INVALID_VALUE),
    }
    Ok(())
}

/// Writes a number of either width where the caller has room for it.
fn write(to: Opaque, number: Number) -> Res {
    if to.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the interface has the caller pass room for the attribute's own type.
    unsafe {
        match number {
            Number::Int(value) => to.cast::<i32>().write_unaligned(value),
            Number::Wide(value) => to.cast::<u64>().write_unaligned(value),
        }
    }
    Ok(())
}

fn read(from: Opaque, attribute: u32) -> Res<Number> {
    if from.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the interface has the caller pass a value of the attribute's own type.
    Ok(unsafe {
        match attribute {
            1..=3 => Number::Int(from.cast::<i32>().read_unaligned()),
            _ => Number::Wide(from.cast::<u64>().read_unaligned()),
        }
    })
}

fn set_access(pool: &mut Pool, map: &In<CUmemAccessDesc>, count: usize) -> Res {
    for i in 0..count {
        let wanted = map.at(i)?;
        let (device, flags) = (device_at(&wanted.location)?, wanted.flags.0);
        match (device == pool.device, flags) {
            (true, 3) => {}
            (true, _) => return Err(Status::INVALID_DEVICE),
            (false, 0 | 1 | 3) => drop(pool.access.insert(device as i32, flags)),
            (false, _) => return Err(Status::INVALID_VALUE),
        }
    }
    Ok(())
}

fn of_location(
    location: &In<CUmemLocation>,
    kind: u32,
    which: fn(&mut Pools, Place) -> usize,
) -> Res<usize> {
    let place = place_at(&location.get()?, kind)?;
    Ok(which(&mut pools(), place))
}

export! {
    /// Takes memory of the current pool of the stream's device, for work that follows in the stream.
    fn cuMemAllocAsync / cuMemAllocAsync_ptsz(null; out: Out<u64>, size: usize, stream: Opaque) {
        allocate(&out, size, None, &stream::target(stream, null)?)
    }

    /// Takes memory of a pool, for work that follows in the stream.
    fn cuMemAllocFromPoolAsync / cuMemAllocFromPoolAsync_ptsz(null; out: Out<u64>, size: usize, pool: usize, stream: Opaque) {
        allocate(&out, size, Some(pool), &stream::target(stream, null)?)
    }

    /// Gives memory back when the stream has come so far.
    fn cuMemFreeAsync / cuMemFreeAsync_ptsz(null; address: u64, stream: Opaque) {
        free(address as usize, &stream::target(stream, null)?)
    }

    /// The pool that a device has from the beginning.
    fn cuDeviceGetDefaultMemPool(out: Out<usize>, device: i32) {
        let place = pinned(device)?;
        out.put(pools().default_of(place))
    }

    /// The pool that a device's streams take from.
    fn cuDeviceGetMemPool(out: Out<usize>, device: i32) {
        let place = pinned(device)?;
        out.put(pools().current_of(place))
    }

    /// Makes a pool the one that its device's streams take from.
    fn cuDeviceSetMemPool(device: i32, pool: usize) {
        let place = pinned(device)?;
        pools().set_current(place, pool)
    }

    /// The default pool of a location.
    fn cuMemGetDefaultMemPool(out: Out<usize>, location: In<CUmemLocation>, kind: u32) {
        out.put(of_location(&location, kind, Pools::default_of)?)
    }

    /// The current pool of a location.
    fn cuMemGetMemPool(out: Out<usize>, location: In<CUmemLocation>, kind: u32) {
        out.put(of_location(&location, kind, Pools::current_of)?)
    }

    /// Makes a pool the current one of its location.
    fn cuMemSetMemPool(location: In<CUmemLocation>, kind: u32, pool: usize) {
        let place = place_at(&location.get()?, kind)?;
        pools().set_current(place, pool)
    }

    /// Makes a pool on a device.
    fn cuMemPoolCreate(out: Out<usize>, props: In<CUmemPoolProps>) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(create(&props.get()?)?)
    }

    /// Ends a pool; memory that it lent lives until it is freed.
    fn cuMemPoolDestroy(pool: usize) {
        pools().destroy(pool)
    }

    /// Gives idle memory back as long as the pool keeps so much.
    fn cuMemPoolTrimTo(pool: usize, keep: usize) {
        pools().get(pool)?.trim(|reserved, chunk| reserved - chunk >= keep as u64);
        Ok(())
    }

    /// A number of a pool.
    fn cuMemPoolGetAttribute(pool: usize, attribute: u32, value: Opaque) {
        write(value, get(pools().get(pool)?, attribute)?)
    }

    /// Sets a number of a pool.
    fn cuMemPoolSetAttribute(pool: usize, attribute: u32, value: Opaque) {
        set(pools().get(pool)?, attribute, read(value, attribute)?)
    }

    /// Lets other devices use a pool's memory.
    fn cuMemPoolSetAccess(pool: usize, map: In<CUmemAccessDesc>, count: usize) {
        set_access(pools().get(pool)?, &map, count)
    }

    /// How a device may use a pool's memory.
    fn cuMemPoolGetAccess(flags: Out<u32>, pool: usize, location: In<CUmemLocation>) {
        let device = device_at(&location.get()?)?;
        let mut pools = pools();
        let pool = pools.get(pool)?;
        let own = if pool.device == device { 3 } else { 0 };
        flags.put(pool.access.get(&(device as i32)).copied().unwrap_or(own))
    }
}
