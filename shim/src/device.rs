//! Which share a CUDA device is: by its UUID, so that any order of CUDA_VISIBLE_DEVICES maps right.

use crate::allotments::{self, Share};
use crate::hooks::real;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use nvidia_sys::cuda::{CUdevice, CUdevice_attribute, CUresult, CUuuid};

/// No machine has more devices than this.
pub(crate) const MOST: usize = 64;

/// What this process may do with a device.
#[derive(Clone, Copy)]
pub(crate) enum Device {
    /// It has this share of it.
    Share(Share),
    /// It sees the device and was not allotted it, or there is no allotment: it is like a card that
    /// is full.
    Full,
    /// The driver cannot say which device it is (none is current, no such ordinal), and refuses with
    /// an error of its own.
    Unknown,
}

/// The share of a device.
#[inline]
pub(crate) fn of(ordinal: CUdevice) -> Device {
    let Ok(shares) = allotments::shares() else { return Device::Full };
    let Some(known) = usize::try_from(ordinal).ok().and_then(|ordinal| KNOWN.get(ordinal)) else {
        return Device::Unknown;
    };
    match shares.at(known.load(Relaxed).wrapping_sub(FIRST)) {
        Some(share) => Device::Share(share),
        None => ask(ordinal, known),
    }
}

/// The ordinal of the device of the calling thread's context.
#[inline]
pub(crate) fn current_ordinal() -> Option<CUdevice> {
    let get = real::cuCtxGetDevice.get()?;
    let mut ordinal = 0;
    // SAFETY: the driver writes one ordinal.
    let result = unsafe { get(&mut ordinal) };
    (result == CUresult::CUDA_SUCCESS).then_some(ordinal)
}

/// Whether this process sees one device and no other. A program without a context is told so by the
/// driver.
pub(crate) fn is_only_one() -> bool {
    static COUNT: AtomicI32 = AtomicI32::new(0);
    let known = COUNT.load(Relaxed);
    if known != 0 {
        return known == 1;
    }
    let mut count = 0;
    // SAFETY: the driver writes one number.
    let asked = real::cuDeviceGetCount.get().map(|get| unsafe { get(&mut count) });
    if asked == Some(CUresult::CUDA_SUCCESS) {
        COUNT.store(count, Relaxed);
    }
    count == 1
}

/// A number that says what a device is like.
#[cold]
pub(crate) fn attribute(ordinal: CUdevice, which: CUdevice_attribute) -> Option<u32> {
    let mut value = 0;
    // SAFETY: the driver writes one number.
    let result = unsafe { real::cuDeviceGetAttribute.get()?(&mut value, which, ordinal) };
    if result == CUresult::CUDA_SUCCESS { u32::try_from(value).ok() } else { None }
}

/// What is known of each ordinal: [`FIRST`] and the number of its share. Ordinals do not change
/// their meaning in a process after cuInit; what is not allotted is asked for each time.
#[unsafe(link_section = ".data")]
static KNOWN: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
const FIRST: u32 = 1;

#[cold]
fn ask(ordinal: CUdevice, known: &AtomicU32) -> Device {
    let Ok(shares) = allotments::shares() else { return Device::Full };
    let Some(uuid) = uuid(ordinal) else { return Device::Unknown };
    match shares.number(&uuid) {
        Some(number) => {
            known.store(number.wrapping_add(FIRST), Relaxed);
            shares.at(number).map_or(Device::Full, Device::Share)
        }
        None => Device::Full,
    }
}

/// The UUID of the device, or of the MIG instance that it is.
fn uuid(ordinal: CUdevice) -> Option<[u8; 16]> {
    let mut uuid = CUuuid { bytes: [0; 16] };
    let result = match (real::cuDeviceGetUuid_v2.get(), real::cuDeviceGetUuid.get()) {
        // SAFETY: the driver writes one UUID.
        (Some(get), _) => unsafe { get(&mut uuid, ordinal) },
        // SAFETY: as above; drivers before 11.4 have only this one.
        (None, Some(get)) => unsafe { get(&mut uuid, ordinal) },
        (None, None) => return None,
    };
    (result == CUresult::CUDA_SUCCESS).then(|| uuid.bytes.map(|byte| byte as u8))
}
