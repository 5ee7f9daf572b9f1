//! What is remembered of a pointer, in one word.

use core::num::NonZeroU64;

use super::TAGS;
use crate::abi::{Kind, MAX_BYTES};

/// What was charged for a pointer, in one word that is never zero, so that it travels in a register:
/// 48 bits of bytes, 8 of device, 4 of kind (one more than its number), 4 of tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charged(NonZeroU64);

impl Charged {
    /// `bytes`, at most [`MAX_BYTES`], taken for `kind` of the caller's device number `device`, with 4
    /// bits of the caller's own: `tag`, below 16.
    #[inline]
    #[must_use]
    pub const fn new(bytes: u64, device: u8, kind: Kind, tag: u8) -> Self {
        let kind = kind.raw() as u64 + 1;
        let tag = tag as u64 % TAGS as u64;
        let whose = (device as u64) << 48 | kind << 56 | tag << 60;
        match NonZeroU64::new(bytes & MAX_BYTES | whose) {
            Some(word) => Self(word),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Bytes.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.get() & MAX_BYTES
    }

    /// The word itself, for [`Self::of`].
    #[inline]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0.get()
    }

    /// The caller's device number.
    #[inline]
    #[must_use]
    pub const fn device(self) -> u8 {
        (self.0.get() >> 48) as u8
    }

    /// What it was taken for.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> Kind {
        match Kind::from_raw((self.0.get() >> 56 & 15).wrapping_sub(1) as u32) {
            Some(kind) => kind,
            None => Kind::Other,
        }
    }

    /// The caller's own 4 bits.
    #[inline]
    #[must_use]
    pub const fn tag(self) -> u8 {
        (self.0.get() >> 60) as u8
    }

    /// What has this word.
    #[inline]
    #[must_use]
    pub fn of(word: u64) -> Self {
        Self(NonZeroU64::new(word).unwrap_or(NonZeroU64::MIN))
    }
}

impl core::fmt::Debug for Charged {
    fn fmt(&self, to: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (bytes, device, tag) = (self.bytes(), self.device(), self.tag());
        write!(to, "{bytes} bytes of device {device} for {:?}, tag {tag}", self.kind())
    }
}
