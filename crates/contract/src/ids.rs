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

/// Printed: `GPU-` or `MIG-`, and 8-4-4-4-12 digits. The kubelet names hundreds of devices in a call,
/// so both ways go by place, without a search.
const UUID_LEN: usize = 40;

/// Before which of its bytes a UUID has a dash.
const fn has_dash_before(index: usize) -> bool {
    matches!(index, 4 | 6 | 8 | 10)
}

impl fmt::Display for DeviceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl DeviceUuid {
    fn text(&self) -> [u8; UUID_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; UUID_LEN];
        text[..3].copy_from_slice(match self.kind {
            UuidKind::Gpu => b"GPU",
            UuidKind::Mig => b"MIG",
        });
        let mut at = 4;
        for (index, byte) in self.bytes.iter().enumerate() {
            at += usize::from(has_dash_before(index));
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        text
    }
}

impl FromStr for DeviceUuid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text: &[u8; UUID_LEN] = text.as_bytes().try_into().map_err(|_| IdError::Uuid)?;
        let kind = match &text[..4] {
            b"GPU-" => UuidKind::Gpu,
            b"MIG-" => UuidKind::Mig,
            _ => return Err(IdError::Uuid),
        };
        let (mut bytes, mut at) = ([0; 16], 4);
        for (index, byte) in bytes.iter_mut().enumerate() {
            if has_dash_before(index) {
                at += usize::from(text[at] == b'-');
            }
            *byte = hex_byte(text.get(at..at + 2).ok_or(IdError::Uuid)?).ok_or(IdError::Uuid)?;
            at += 2;
        }
        // A dash that is missing leaves something over.
        (at == UUID_LEN).then_some(Self { kind, bytes }).ok_or(IdError::Uuid)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(uuid) | Self::Mig(uuid) => uuid.fmt(f),
            Self::Percent(uuid, unit) => {
                // In one piece: hundreds are written while the kubelet waits.
                let mut text = [b':'; UUID_LEN + 5];
                text[..UUID_LEN].copy_from_slice(&uuid.text());
                let mut end = UUID_LEN + 2;
                for (part, is_shown) in
                    [(unit / 100, *unit > 99), (unit / 10 % 10, *unit > 9), (unit % 10, true)]
                {
                    text[end] = b'0' + part;
                    end += usize::from(is_shown);
                }
                f.write_str(core::str::from_utf8(&text[..end]).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl FromStr for DeviceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (uuid, unit) = text.split_at_checked(UUID_LEN).unwrap_or((text, ""));
        let uuid: DeviceUuid = uuid.parse()?;
        if unit.is_empty() {
            return Ok(match uuid.kind {
                UuidKind::Gpu => Self::Whole(uuid),
                UuidKind::Mig => Self::Mig(uuid),
            });
        }
        let unit = unit.strip_prefix("::").ok_or(IdError::Uuid)?;
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
    let [high, low] = [DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]];
    // What is no digit has bits above those of one.
    ((high | low) < 16).then_some(high << 4 | low)
}

/// What each byte is as a hexadecimal digit; 255: none.
const DIGITS: [u8; 256] = {
    let (mut digits, mut byte) = ([u8::MAX; 256], 0);
    while byte < digits.len() {
        if let Some(digit) = (byte as u8 as char).to_digit(16) {
            digits[byte] = digit as u8;
        }
        byte += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    const UUID: &str = "GPU-6b1b4a2e-0f6c-4c5d-9a55-0123456789ab";

    #[test]
    fn the_word_for_a_dry_run_is_no_devices_id() {
        // An agent that does not know the word has to refuse it.
        assert!(crate::DRY_RUN.parse::<DeviceId>().is_err());
    }

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
        let (undashed, long) = (UUID.replace("f6c-4", "f6c04"), std::format!("{UUID}0"));
        let others = [mig_share.as_str(), short, &undashed, &long, "", "GPU-", "gpu", "::1"];
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
