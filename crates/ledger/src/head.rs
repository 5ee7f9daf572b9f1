//! The 80 bytes that both files begin with, checked before anything else of a file is believed.
//!
//! The agent reads them with `pread`, the shim from memory that the file was long enough for: a file too
//! short for its own words is an error and not a fault.

use crate::abi::{ABI_MAJOR, KNOWN_FEATURES, LEDGER_MAGIC, LIMITS_MAGIC, SLOTS};
use crate::error::PageError;
use crate::layout::{Geometry, LedgerDevice, LedgerHeader, LimitsDevice, LimitsHeader};

/// How many bytes are looked at.
pub(crate) const HEAD: usize = 80;

/// Which of the two files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Limits,
    Ledger,
}

/// What a file says of itself, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) geometry: Geometry,
    pub(crate) allotment: u64,
    pub(crate) boot_id: [u8; 16],
}

impl Page {
    /// Checks the first bytes of a file that is `size` long, of which `read` were read.
    pub(crate) fn check(
        self,
        bytes: &[u8; HEAD],
        read: usize,
        size: u64,
    ) -> Result<Head, PageError> {
        if read < HEAD {
            return Err(PageError::Size(self.len(Geometry::ONE), size));
        }
        if u64::from_ne_bytes(word(bytes, 0)) != self.magic() {
            return Err(PageError::Magic);
        }
        let major = u16::from_ne_bytes(word(bytes, 8));
        if major != ABI_MAJOR {
            return Err(PageError::Major(major));
        }
        let unknown = u64::from_ne_bytes(word(bytes, 32)) & !KNOWN_FEATURES;
        if unknown != 0 {
            return Err(PageError::Required(unknown));
        }
        let geometry = self.geometry(bytes)?;
        let due = self.len(geometry);
        if size != due {
            return Err(PageError::Size(due, size));
        }
        if u64::from_ne_bytes(word(bytes, 72)) != due {
            return Err(PageError::Geometry("file length"));
        }
        let allotment = u64::from_ne_bytes(word(bytes, 64));
        Ok(Head { geometry, allotment, boot_id: word(bytes, 48) })
    }

    /// The file's length in bytes.
    pub(crate) fn len(self, geometry: Geometry) -> u64 {
        match self {
            Self::Limits => geometry.limits_len() as u64,
            Self::Ledger => geometry.ledger_len() as u64,
        }
    }

    const fn magic(self) -> u64 {
        match self {
            Self::Limits => LIMITS_MAGIC,
            Self::Ledger => LEDGER_MAGIC,
        }
    }

    /// Header length, device stride, slot stride.
    const fn strides(self, geometry: Geometry) -> [usize; 3] {
        let (header, device, slot) = match self {
            Self::Limits => {
                (size_of::<LimitsHeader>(), size_of::<LimitsDevice>(), geometry.agent_slot_stride())
            }
            Self::Ledger => {
                (size_of::<LedgerHeader>(), size_of::<LedgerDevice>(), geometry.slot_stride())
            }
        };
        [header, device, slot]
    }

    fn geometry(self, bytes: &[u8; HEAD]) -> Result<Geometry, PageError> {
        let number = |at| u32::from_ne_bytes(word(bytes, at)) as usize;
        let geometry = Geometry::new(number(20)).ok_or(PageError::Geometry("device count"))?;
        let [header, device, slot] = self.strides(geometry);
        let words = [
            (number(12), header, "header length"),
            (number(16), device, "device stride"),
            (number(24), slot, "slot stride"),
            (number(28), SLOTS, "slot count"),
        ];
        match words.iter().find(|(found, due, _)| found != due) {
            Some((_, _, name)) => Err(PageError::Geometry(name)),
            None => Ok(geometry),
        }
    }

    /// The first bytes of a new file. The offsets are those of either header (`layout`'s tests).
    #[cfg(feature = "std")]
    pub(crate) fn bytes(self, head: Head) -> [u8; HEAD] {
        let [header, device, slot] = self.strides(head.geometry);
        let mut bytes = [0; HEAD];
        let mut put = |at: usize, value: &[u8]| {
            bytes.iter_mut().skip(at).zip(value).for_each(|(place, byte)| *place = *byte);
        };
        put(0, &self.magic().to_ne_bytes());
        put(8, &ABI_MAJOR.to_ne_bytes());
        put(10, &crate::abi::ABI_MINOR.to_ne_bytes());
        let numbers = [header, device, head.geometry.devices(), slot, SLOTS];
        for (index, number) in numbers.into_iter().enumerate() {
            put(12 + 4 * index, &(number as u32).to_ne_bytes());
        }
        put(48, &head.boot_id);
        put(64, &head.allotment.to_ne_bytes());
        put(72, &self.len(head.geometry).to_ne_bytes());
        bytes
    }
}

/// `N` bytes of a head; zeros behind its end, where no caller looks.
fn word<const N: usize>(bytes: &[u8; HEAD], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
