//! `12Gi` becomes mebibytes, exactly and without floating point.

use crate::Mib;
use crate::decimal::Decimal;

/// Why a text is no amount of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemoryError {
    /// Not a number with a unit in any spelling that Kubernetes knows.
    #[error("not an amount of memory: write a number and a unit, such as 12Gi or 12288Mi")]
    NotAnAmount,
    /// A number alone. Other systems mean MiB by it and Kubernetes means bytes, so it is not guessed.
    #[error(
        "without a unit: write 12Gi or 12288Mi, because a number alone means other things elsewhere"
    )]
    NoUnit,
    /// Less than one MiB.
    #[error("less than 1Mi, the smallest amount that is counted")]
    TooSmall,
}

/// Reads an amount of memory: a decimal number and one of the units of Kubernetes' quantities,
/// binary (`Ki` to `Ei`) or decimal (`k` to `E`). Rounded down to whole MiB. (Quantity grammar:
/// apimachinery `resource.Quantity`.)
///
/// # Errors
/// [`MemoryError`] says which rule the text breaks.
pub fn parse_memory(text: &str) -> Result<Mib, MemoryError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (number, suffix) = Decimal::mantissa(unsigned).ok_or(MemoryError::NotAnAmount)?;
    if suffix.is_empty() {
        return Err(MemoryError::NoUnit);
    }
    let unit = unit_bytes(suffix).ok_or(MemoryError::NotAnAmount)?;
    // More than 64 bits of bytes bound nothing on any card.
    let mib = Mib::floor_of_bytes(number.times(unit).unwrap_or(u64::MAX));
    if mib == Mib(0) { Err(MemoryError::TooSmall) } else { Ok(mib) }
}

fn unit_bytes(suffix: &str) -> Option<u64> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let decimal = ["k", "M", "G", "T", "P", "E"];
    let power = |units: [&str; 6]| units.iter().position(|unit| *unit == suffix);
    let binary = power(binary).map(|at| 1u64 << (10 * (at + 1)));
    binary.or_else(|| power(decimal).map(|at| 1000u64.pow(at as u32 + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_with_a_unit_is_read_to_whole_mib() {
        let table = [
            ("12Gi", 12288),
            ("12288Mi", 12288),
            ("1.5Gi", 1536),
            ("+1Gi", 1024),
            ("12582912Ki", 12288),
            ("1G", 953),
            ("0.5Ti", 524_288),
            ("1.9999Mi", 1),
            ("99999999999Ei", u64::MAX >> 20),
        ];
        for (text, mib) in table {
            assert_eq!(parse_memory(text), Ok(Mib(mib)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_by_its_rule() {
        use MemoryError::*;
        let table = [
            ("", NotAnAmount),
            ("Gi", NotAnAmount),
            ("-1Gi", NotAnAmount),
            ("12 Gi", NotAnAmount),
            ("12GB", NotAnAmount),
            ("12m", NotAnAmount),
            ("1e9", NotAnAmount),
            ("12", NoUnit),
            ("1000Ki", TooSmall),
            ("0Gi", TooSmall),
        ];
        for (text, error) in table {
            assert_eq!(parse_memory(text), Err(error), "{text}");
        }
    }
}
