//! Words of memory that streams wait for and write. Memory that is gone holds nobody up: with a real driver
//! such a wait would be the program's mistake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::copy::device_side;
use crate::line::{Act, Flag};
use crate::status::{Res, Status};

/// Bytes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Four,
    Eight,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// CU_STREAM_WAIT_VALUE_*: how a word and a value are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The word, as a number that goes round, is not behind the value.
    AtLeast,
    Equal,
    /// They have a bit in common.
    And,
    /// They do not have all bits between them.
    Nor,
}

impl Until {
    /// By the lower bits of the interface's flags.
    pub(crate) fn of(flags: u32) -> Res<Self> {
        match flags & !FLUSH {
            0 => Ok(Self::AtLeast),
            1 => Ok(Self::Equal),
            2 => Ok(Self::And),
            3 => Ok(Self::Nor),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn holds(self, word: u64, value: u64, width: Width) -> bool {
        let ones = if width == Width::Four { u64::from(u32::MAX) } else { u64::MAX };
        let (word, value) = (word & ones, value & ones);
        match self {
            Self::AtLeast => word.wrapping_sub(value) & (ones ^ (ones >> 1)) == 0,
            Self::Equal => word == value,
            Self::And => word & value != 0,
            Self::Nor => (word | value) != ones,
        }
    }
}

/// CU_STREAM_WAIT_VALUE_FLUSH, which changes nothing here.
const FLUSH: u32 = 1 << 30;

/// Whether the 32-bit word at `address` is not zero.
pub(crate) fn is_set(address: usize) -> Res<Flag> {
    check(address, Width::Four)?;
    Ok(Arc::new(move || read(address, Width::Four).is_none_or(|word| word != 0)))
}

/// Whether the word at `address` compares with `value` as asked.
pub(crate) fn compares(address: usize, value: u64, width: Width, until: Until) -> Res<Flag> {
    check(address, width)?;
    let holds = move |word| until.holds(word, value, width);
    Ok(Arc::new(move || read(address, width).is_none_or(holds)))
}

/// Writes `value` to `address`.
pub(crate) fn write(address: usize, value: u64, width: Width) -> Res<Act> {
    check(address, width)?;
    Ok(Arc::new(move || {
        if check(address, width).is_err() {
            return;
        }
        // SAFETY: the address is aligned and lies in living memory that the driver knows, which stays
        // mapped while the program uses it; other threads see it as a word too.
        unsafe {
            match width {
                Width::Four => {
                    (*(address as *const AtomicU32)).store(value as u32, Ordering::Release)
                }
                Width::Eight => (*(address as *const AtomicU64)).store(value, Ordering::Release),
            }
        }
    }))
}

fn read(address: usize, width: Width) -> Option<u64> {
    check(address, width).ok()?;
    // SAFETY: as in `write`.
    Some(unsafe {
        match width {
            Width::Four => u64::from((*(address as *const AtomicU32)).load(Ordering::Acquire)),
            Width::Eight => (*(address as *const AtomicU64)).load(Ordering::Acquire),
        }
    })
}

/// Aligned, and in living memory that the driver knows.
fn check(address: usize, width: Width) -> Res {
    if address == 0 || !address.is_multiple_of(width.bytes()) {
        return Err(Status::INVALID_VALUE);
    }
    device_side(address, width.bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_those_of_the_header() {
        let four = |until: Until, word, value| until.holds(word, value, Width::Four);
        assert!(four(Until::AtLeast, 5, 5) && four(Until::AtLeast, 6, 5));
        assert!(!four(Until::AtLeast, 4, 5));
        assert!(four(Until::AtLeast, 2, 0xffff_fff0), "the word has gone round");
        assert!(four(Until::Equal, 7, 7) && !four(Until::Equal, 8, 7));
        assert!(four(Until::And, 6, 2) && !four(Until::And, 4, 2));
        assert!(four(Until::Nor, 0, 1) && !four(Until::Nor, 0xffff_fff0, 0xf));
        assert!(Until::AtLeast.holds(1 << 40, 5, Width::Eight));
    }
}
