//! The bytes of new pages, and the way back from bytes to values.

use core::mem::offset_of;
use std::vec;
use std::vec::Vec;

use contract::{AllotmentId, DeviceUuid, UuidKind};

use super::{AllotmentSpec, DeviceSpec};
use crate::abi::{
    ABI_MAJOR, ABI_MINOR, AtLimit, BackEnd, DeviceKind, KNOWN_FEATURES, LEDGER_MAGIC, LIMITS_MAGIC,
    Policy, SLOTS,
};
use crate::error::PageError;
use crate::layout::{Geometry, LedgerDevice, LedgerHeader, LimitsDevice, LimitsHeader};

/// What a header says besides its geometry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Birth {
    pub(super) id: AllotmentId,
    pub(super) boot_id: [u8; 16],
    pub(super) created: u64,
}

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

/// Writes the words that both headers begin with. The headers agree up to `file_len`.
macro_rules! put_head {
    ($bytes:ident, $type:ident, $magic:expr, $birth:expr, $geometry:expr, $strides:expr) => {{
        let (device_stride, slot_stride): (usize, usize) = $strides;
        $bytes.put(offset_of!($type, magic), $magic.to_ne_bytes());
        $bytes.put(offset_of!($type, major), ABI_MAJOR.to_ne_bytes());
        $bytes.put(offset_of!($type, minor), ABI_MINOR.to_ne_bytes());
        $bytes.put(offset_of!($type, header_len), (size_of::<$type>() as u32).to_ne_bytes());
        $bytes.put(offset_of!($type, device_stride), (device_stride as u32).to_ne_bytes());
        $bytes.put(offset_of!($type, device_count), ($geometry.devices() as u32).to_ne_bytes());
        $bytes.put(offset_of!($type, slot_stride), (slot_stride as u32).to_ne_bytes());
        $bytes.put(offset_of!($type, slot_count), (SLOTS as u32).to_ne_bytes());
        $bytes.put(offset_of!($type, boot_id), $birth.boot_id);
        $bytes.put(offset_of!($type, allotment), $birth.id.0.to_ne_bytes());
        $bytes.put(offset_of!($type, file_len), ($bytes.0.len() as u64).to_ne_bytes());
    }};
}

/// A new limits page.
pub(super) fn limits(spec: &AllotmentSpec, geometry: Geometry, birth: Birth) -> Vec<u8> {
    let mut bytes = Bytes(vec![0; geometry.limits_len()]);
    let strides = (size_of::<LimitsDevice>(), geometry.agent_slot_stride());
    put_head!(bytes, LimitsHeader, LIMITS_MAGIC, birth, geometry, strides);
    bytes.put(offset_of!(LimitsHeader, created), birth.created.to_ne_bytes());
    for (index, device) in spec.devices.iter().enumerate() {
        put_device(&mut bytes, geometry.limits_device(index), device);
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
        unasked = device.unasked,
    );
}

/// A new ledger.
pub(super) fn ledger(geometry: Geometry, birth: Birth) -> Vec<u8> {
    let mut bytes = Bytes(vec![0; geometry.ledger_len()]);
    let strides = (size_of::<LedgerDevice>(), geometry.slot_stride());
    put_head!(bytes, LedgerHeader, LEDGER_MAGIC, birth, geometry, strides);
    bytes.0
}

/// Checks the words that both headers begin with. `len` is the file's real length.
macro_rules! check_head {
    ($name:ident, $type:ident, $magic:expr, $len:ident, $strides:expr) => {
        pub(super) fn $name(bytes: &Bytes, len: u64) -> Result<(Geometry, Birth), PageError> {
            let word = |at| bytes.u32(at) as usize;
            if bytes.u64(offset_of!($type, magic)) != $magic {
                return Err(PageError::Magic);
            }
            let major = u16::from_ne_bytes(bytes.get(offset_of!($type, major)));
            if major != ABI_MAJOR {
                return Err(PageError::Major(major));
            }
            let unknown = bytes.u64(offset_of!($type, required)) & !KNOWN_FEATURES;
            if unknown != 0 {
                return Err(PageError::Required(unknown));
            }
            let geometry = Geometry::new(word(offset_of!($type, device_count)))
                .ok_or(PageError::Geometry("device count"))?;
            let (device_stride, slot_stride): (usize, usize) = $strides(geometry);
            let words = [
                (word(offset_of!($type, header_len)), size_of::<$type>(), "header length"),
                (word(offset_of!($type, device_stride)), device_stride, "device stride"),
                (word(offset_of!($type, slot_stride)), slot_stride, "slot stride"),
                (word(offset_of!($type, slot_count)), SLOTS, "slot count"),
            ];
            if let Some((_, _, name)) = words.iter().find(|(found, due, _)| found != due) {
                return Err(PageError::Geometry(name));
            }
            let due = geometry.$len() as u64;
            if len != due {
                return Err(PageError::Size(due, len));
            }
            if bytes.u64(offset_of!($type, file_len)) != due {
                return Err(PageError::Geometry("file length"));
            }
            let id = AllotmentId(bytes.u64(offset_of!($type, allotment)));
            let boot_id = bytes.get(offset_of!($type, boot_id));
            Ok((geometry, Birth { id, boot_id, created: 0 }))
        }
    };
}

check_head!(limits_head, LimitsHeader, LIMITS_MAGIC, limits_len, |geometry: Geometry| {
    (size_of::<LimitsDevice>(), geometry.agent_slot_stride())
});
check_head!(ledger_head, LedgerHeader, LEDGER_MAGIC, ledger_len, |geometry: Geometry| {
    (size_of::<LedgerDevice>(), geometry.slot_stride())
});

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
        unasked: long!(unasked),
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
