//! Where memory is to lie, and what it is made as: the header's CUmemLocation and CUmemAllocationProp.

use std::ops::RangeInclusive;

use crate::fabric;
use crate::process::{self, device_named};
use crate::status::{Res, Status};

/// The header's CUmemLocation.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Location {
    /// CUmemLocationType.
    pub(crate) kind: u32,
    /// Of the device.
    pub(crate) id: i32,
}

impl Location {
    /// The device that it lies on, if it is a device's, as this driver knows.
    pub(crate) fn device(&self) -> Option<Res<usize>> {
        let ordinal = |id| device_named(id).map(|device| device.ordinal);
        match self.kind {
            ON_DEVICE => Some(ordinal(self.id)),
            IN_DOMAIN if process::cuda_version().is_ok_and(|version| version >= DOMAINS_SINCE) => {
                match self.id {
                    0..=0xff => Some(ordinal(self.id)),
                    _ => Some(Err(Status::INVALID_VALUE)),
                }
            }
            _ => None,
        }
    }
}

/// The header's CUmemAllocationProp.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    pub(crate) kind: u32,
    /// CUmemAllocationHandleType, a mask.
    pub(crate) handles: u32,
    pub(crate) location: Location,
    pub(crate) windows: usize,
    pub(crate) flags: [u8; 8],
}

/// CU_MEM_ALLOCATION_TYPE_PINNED.
pub(crate) const PINNED: u32 = 1;
/// CU_MEM_LOCATION_TYPE_DEVICE.
pub(crate) const ON_DEVICE: u32 = 1;
/// CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN: the device in the lowest byte of the number, the domain in the next. A
/// card here is one domain.
const IN_DOMAIN: u32 = 6;
/// A CUDA version whose headers have domains; which one was the first is not known here.
const DOMAINS_SINCE: i32 = 13_050;
/// CU_MEM_LOCATION_TYPE_HOST and its kin.
pub(crate) const ON_HOST: RangeInclusive<u32> = 2..=4;
/// CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
pub(crate) const DESCRIPTOR: u32 = 1;
/// CU_MEM_HANDLE_TYPE_FABRIC, which machines without its channels refuse.
pub(crate) const FABRIC: u32 = 8;
impl Properties {
    /// The device that the memory is to lie on; none for the host.
    pub(crate) fn device(&self) -> Res<Option<usize>> {
        match self.location.kind {
            _ if self.handles & FABRIC != 0 && !fabric::is_there() => Err(Status::NOT_SUPPORTED),
            _ if self.kind != PINNED || self.handles & !(DESCRIPTOR | FABRIC) != 0 => {
                Err(Status::INVALID_VALUE)
            }
            kind if ON_HOST.contains(&kind) => Ok(None),
            _ => self.location.device().unwrap_or(Err(Status::INVALID_VALUE)).map(Some),
        }
    }
}
