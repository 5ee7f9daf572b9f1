//! The one clock that stands in a page: the machine's CLOCK_MONOTONIC.
//!
//! Intervals of several containers are compared with each other, so they need one base. A process in a
//! time namespace sees that clock shifted by what `/proc/self/timens_offsets` states, and takes it off.
//! Where /proc does not tell, its intervals lie outside what the arbiter believes, and its sums count.

use crate::sys;

/// This process's CLOCK_MONOTONIC in nanoseconds; no system call where the kernel maps its clock.
#[inline]
#[must_use]
pub fn own_ns() -> u64 {
    sys::monotonic(libc::CLOCK_MONOTONIC)
}

/// The same as it stood at the kernel's last tick, some milliseconds ago at most: a third of the cost.
#[inline]
#[must_use]
pub fn own_tick_ns() -> u64 {
    sys::monotonic(libc::CLOCK_MONOTONIC_COARSE)
}

/// By how many nanoseconds this process's CLOCK_MONOTONIC is ahead of the machine's. Three system
/// calls; 0 where there are no time namespaces.
#[cold]
#[must_use]
pub fn ahead_ns() -> i64 {
    let mut text = [0; 128];
    let len = sys::read_file(c"/proc/self/timens_offsets", &mut text).unwrap_or(0);
    parse(text.get(..len).unwrap_or(&[])).unwrap_or(0)
}

/// The machine's time for one of this process's; never before the machine's boot.
#[inline]
#[must_use]
pub const fn machine_ns(own_ns: u64, ahead_ns: i64) -> u64 {
    own_ns.saturating_add_signed(ahead_ns.saturating_neg())
}

/// The first line: `monotonic`, seconds, nanoseconds.
fn parse(text: &[u8]) -> Option<i64> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if words.next()? != b"monotonic" {
        return None;
    }
    let (seconds, rest) = (number(words.next()?)?, number(words.next()?)?);
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

fn number(word: &[u8]) -> Option<i64> {
    let (sign, digits) = match word {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    digits.iter().try_fold(0i64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(sign * i64::from(digit))
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_the_kernel_writes_them() {
        let cases: [(&[u8], Option<i64>); 6] = [
            (b"monotonic           0         0\nboottime            0         0\n", Some(0)),
            (b"monotonic      172800         5\nboottime 604800 0\n", Some(172_800_000_000_005)),
            (b"monotonic         -10  500000000\n", Some(-9_500_000_000)),
            (b"boottime 1 1\n", None),
            (b"monotonic 99999999999999999999 0\n", None),
            (b"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected);
        }
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_back() {
        assert_eq!(machine_ns(100, 40), 60);
        assert_eq!(machine_ns(100, -40), 140);
        assert_eq!(machine_ns(100, 400), 0);
    }

    #[test]
    fn the_clock_goes_forward() {
        let before = own_ns();
        assert!(before > 0 && own_ns() >= before);
        let tick = own_tick_ns();
        assert!(tick > 0 && own_tick_ns() >= tick && own_ns() >= tick);
        let _ = ahead_ns();
    }
}
