//! Units that are right by construction.

use core::fmt;

/// A share of one GPU: 1 to 100 percent of its memory and of its compute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Percent(u8);

/// A percentage outside 1 to 100.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} is not a share of one GPU: ask for 1 to 100 percent")]
pub struct PercentError(pub u64);

impl Percent {
    /// The whole GPU, metered.
    pub const WHOLE: Self = Self(100);

    /// `percent` of one GPU.
    ///
    /// # Errors
    /// [`PercentError`] unless 1 ≤ `percent` ≤ 100.
    pub const fn new(percent: u64) -> Result<Self, PercentError> {
        match percent {
            1..=100 => Ok(Self(percent as u8)),
            other => Err(PercentError(other)),
        }
    }

    /// The number, 1 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// This share of `total`, rounded down to whole MiB, so that shares that add up to 100 percent
    /// always fit.
    #[must_use]
    pub const fn of(self, total: Mib) -> Mib {
        // Widened: 100 × a 64-bit count of MiB must not wrap.
        Mib((total.0 as u128 * self.0 as u128 / 100) as u64)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// An amount of memory in whole mebibytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mib(pub u64);

impl Mib {
    /// Bytes in one MiB.
    pub const BYTES: u64 = 1 << 20;

    /// The whole MiB in `bytes`, rounded down.
    #[must_use]
    pub const fn floor_of_bytes(bytes: u64) -> Self {
        Self(bytes / Self::BYTES)
    }

    /// The amount in bytes; saturates at `u64::MAX`, which no card reaches.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(Self::BYTES)
    }
}

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MiB", self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_of_a_32_gb_v100_is_16255_mib() {
        assert_eq!(Percent(50).of(Mib(32510)), Mib(16255));
    }

    #[test]
    fn a_percent_outside_1_to_100_is_refused_with_its_value() {
        assert_eq!(Percent::new(0), Err(PercentError(0)));
        assert_eq!(Percent::new(101), Err(PercentError(101)));
        assert!(std::format!("{}", PercentError(101)).starts_with("101 "));
    }

    proptest! {
        #[test]
        fn shares_that_add_up_to_100_percent_fit(total in 0..u64::MAX, cut in 1u64..100) {
            let (a, b) = (Percent::new(cut).unwrap(), Percent::new(100 - cut).unwrap());
            prop_assert!(a.of(Mib(total)).0.checked_add(b.of(Mib(total)).0).unwrap() <= total);
        }
    }
}
