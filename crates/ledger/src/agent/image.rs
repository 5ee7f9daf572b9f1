//! The bytes of new pages, and the way back from bytes to values.

use core::mem::offset_of;
use std::vec;
use std::vec::Vec;

use contract::{DeviceUuid, UuidKind};

use super::{AllotmentSpec, DeviceSpec};
use crate::abi::{AtLimit, BackEnd, DeviceKind, Policy};
use crate::error::PageError;
use crate::head::{Head, Page};
use crate::layout::{LimitsDevice, LimitsHeader};

/// A buffer of page bytes that is read and written by offset.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(place) = self.0.get_mut(at..at + N) {
            place.copy_from_slice(&value);
        }
    }

    /// The bytes at an offset; zeros behind the end, where no caller looks.
    pub(super) fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.get(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.get(at))
    }
}

/// A new limits page, made at `created` (seconds since 1970).
pub(super) fn limits(spec: &AllotmentSpec, head: Head, created: u64) -> Vec<u8> {
    let mut bytes = Bytes(vec![0; head.geometry.limits_len()]);
    bytes.put(0, Page::Limits.bytes(head));
    bytes.put(offset_of!(LimitsHeader, created), created.to_ne_bytes());
    for (index, device) in spec.devices.iter().enumerate() {
        put_device(&mut bytes, head.geometry.limits_device(index), device);
    }
    bytes.0
}

fn put_device(bytes: &mut Bytes, base: usize, device: &DeviceSpec) {
    macro_rules! put {
        ($($field:ident = $value:expr),+ $(,)?) => {
            $(bytes.put(base + offset_of!(LimitsDevice, $field), $value.to_ne_bytes());)+
        };
    }
    bytes.put(base + offset_of!(LimitsDevice, uuid), device.uuid.bytes);
    put!(
        kind = device_kind(device.uuid.kind).raw(),
        flags = device.flags,
        hard = device.hard,
        soft = device.soft,
        swap = device.swap,
        at_limit = device.at_limit.raw(),
        policy = device.policy.raw(),
        weight = device.weight,
        cap = device.cap,
        quantum_us = device.quantum_us,
        back_end = device.back_end.raw(),
        gang = device.gang,
        context_estimate = device.context_estimate,
    );
}

/// What a new ledger begins with; the rest is zeros.
pub(super) fn ledger(head: Head) -> Vec<u8> {
    Page::Ledger.bytes(head).to_vec()
}

/// What a page that was read whole says of itself.
pub(super) fn head(bytes: &Bytes, page: Page) -> Result<Head, PageError> {
    page.check(&bytes.get(0), bytes.0.len(), bytes.0.len() as u64)
}

/// One device of a limits page.
pub(super) fn device(bytes: &Bytes, base: usize) -> Result<DeviceSpec, PageError> {
    macro_rules! word {
        ($field:ident) => {
            bytes.u32(base + offset_of!(LimitsDevice, $field))
        };
    }
    macro_rules! long {
        ($field:ident) => {
            bytes.u64(base + offset_of!(LimitsDevice, $field))
        };
    }
    let kind = match DeviceKind::from_raw(word!(kind)) {
        Some(DeviceKind::Gpu) => UuidKind::Gpu,
        Some(DeviceKind::Mig) => UuidKind::Mig,
        None => return Err(PageError::Value("device kind")),
    };
    let spec = DeviceSpec {
        uuid: DeviceUuid { kind, bytes: bytes.get(base + offset_of!(LimitsDevice, uuid)) },
        hard: long!(hard),
        soft: long!(soft),
        swap: long!(swap),
        at_limit: AtLimit::from_raw(word!(at_limit)).ok_or(PageError::Value("at limit"))?,
        policy: Policy::from_raw(word!(policy)).ok_or(PageError::Value("policy"))?,
        weight: word!(weight),
        cap: word!(cap),
        quantum_us: word!(quantum_us),
        back_end: BackEnd::from_raw(word!(back_end)).ok_or(PageError::Value("back end"))?,
        gang: long!(gang),
        context_estimate: long!(context_estimate),
        flags: word!(flags),
    };
    spec.check().map(|()| spec)
}

/// How a page calls what a UUID names.
pub(super) const fn device_kind(kind: UuidKind) -> DeviceKind {
    match kind {
        UuidKind::Gpu => DeviceKind::Gpu,
        UuidKind::Mig => DeviceKind::Mig,
    }
}
