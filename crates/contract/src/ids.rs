//! What names a GPU, a device of the kubelet's, and an allotment.

use core::{fmt, str::FromStr};

/// Whether a UUID names a physical GPU or a MIG instance of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UuidKind {
    /// `GPU-…`
    Gpu,
    /// `MIG-…`, the form that drivers from 470 on print.
    Mig,
}

/// The UUID of a GPU or of a MIG instance, as NVML prints it: `GPU-` or `MIG-` and 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceUuid {
    /// What it names.
    pub kind: UuidKind,
    /// The 16 bytes, in the order in which cuDeviceGetUuid gives them.
    pub bytes: [u8; 16],
}

/// A device ID as the kubelet knows it: unique over all our resources.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceId {
    /// `<GPU-uuid>`: the whole GPU.
    Whole(DeviceUuid),
    /// `<GPU-uuid>::<n>`: one percent of a GPU; `n` is 0 to 99 and only tells IDs apart.
    Percent(DeviceUuid, u8),
    /// `<MIG-uuid>`: a slice.
    Mig(DeviceUuid),
}

/// The name of an allotment: 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AllotmentId(pub u64);

/// A text that names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdError {
    /// Neither `GPU-` nor `MIG-` and a UUID.
    #[error("not a GPU or MIG UUID: expected GPU- or MIG- and 8-4-4-4-12 hexadecimal digits")]
    Uuid,
    /// The number behind `::` is not 0 to 99.
    #[error("not a device ID: expected <GPU-uuid>::<n> with n from 0 to 99")]
    Unit,
    /// Not 16 lower-case hexadecimal digits.
    #[error("not an allotment: expected 16 lower-case hexadecimal digits")]
    Allotment,
}

impl DeviceUuid {
    /// The UUID of the physical GPU with these bytes.
    #[must_use]
    pub const fn gpu(bytes: [u8; 16]) -> Self {
        Self { kind: UuidKind::Gpu, bytes }
    }
}

impl DeviceId {
    /// The GPU or MIG instance that the ID belongs to.
    #[must_use]
    pub const fn uuid(self) -> DeviceUuid {
        match self {
            Self::Whole(uuid) | Self::Percent(uuid, _) | Self::Mig(uuid) => uuid,
        }
    }
}

impl fmt::Display for DeviceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            UuidKind::Gpu => "GPU",
            UuidKind::Mig => "MIG",
        })?;
        for (index, byte) in self.bytes.iter().enumerate() {
            if matches!(index, 0 | 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for DeviceUuid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, rest) = match text.split_once('-') {
            Some(("GPU", rest)) => (UuidKind::Gpu, rest),
            Some(("MIG", rest)) => (UuidKind::Mig, rest),
            _ => return Err(IdError::Uuid),
        };
        let mut bytes = [0; 16];
        let mut groups = rest.split('-');
        let mut filled = 0;
        for len in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == len).ok_or(IdError::Uuid)?;
            for pair in group.as_bytes().chunks_exact(2) {
                bytes[filled] = hex_byte(pair).ok_or(IdError::Uuid)?;
                filled += 1;
            }
        }
        groups.next().is_none().then_some(Self { kind, bytes }).ok_or(IdError::Uuid)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(uuid) | Self::Mig(uuid) => uuid.fmt(f),
            Self::Percent(uuid, unit) => write!(f, "{uuid}::{unit}"),
        }
    }
}

impl FromStr for DeviceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some((uuid, unit)) = text.split_once("::") else {
            let uuid: DeviceUuid = text.parse()?;
            return Ok(match uuid.kind {
                UuidKind::Gpu => Self::Whole(uuid),
                UuidKind::Mig => Self::Mig(uuid),
            });
        };
        let uuid: DeviceUuid = uuid.parse()?;
        let canonical = unit == "0" || !unit.starts_with(['0', '+']);
        match unit.parse::<u8>() {
            Ok(unit @ 0..=99) if canonical && uuid.kind == UuidKind::Gpu => {
                Ok(Self::Percent(uuid, unit))
            }
            _ => Err(IdError::Unit),
        }
    }
}

impl fmt::Display for AllotmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for AllotmentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(lower_hex) {
            return Err(IdError::Allotment);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Allotment)
    }
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    const UUID: &str = "GPU-6b1b4a2e-0f6c-4c5d-9a55-0123456789ab";

    #[test]
    fn ids_print_as_they_were_read() {
        for text in [UUID.to_string(), std::format!("{UUID}::0"), std::format!("{UUID}::99")] {
            assert_eq!(text.parse::<DeviceId>().unwrap().to_string(), text);
        }
        let mig = UUID.replace("GPU", "MIG");
        assert!(matches!(mig.parse(), Ok(DeviceId::Mig(_))));
    }

    #[test]
    fn what_names_no_device_is_refused() {
        let mig_share = std::format!("{}::1", UUID.replace("GPU", "MIG"));
        let units = ["100", "-1", "01", "", "x", "+1"].map(|unit| std::format!("{UUID}::{unit}"));
        let short = &UUID[..UUID.len() - 1];
        let others = [mig_share.as_str(), short, "", "GPU-", "gpu", "::1"];
        for text in units.iter().map(|s| s.as_str()).chain(others) {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_uuid_survives_print_and_parse(bytes: [u8; 16], unit in 0u8..100, id: u64) {
            let device = DeviceId::Percent(DeviceUuid::gpu(bytes), unit);
            prop_assert_eq!(device.to_string().parse(), Ok(device));
            prop_assert_eq!(AllotmentId(id).to_string().parse(), Ok(AllotmentId(id)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<DeviceId>();
            let _ = text.parse::<AllotmentId>();
        }
    }
}
