//! How long a kernel takes. A simulated kernel computes nothing; what it costs is read from its name.

/// A kernel whose name says nothing takes this long.
const DEFAULT_NS: u64 = 10_000;

/// Nanoseconds of GPU time of the kernel `name`: a number behind `ns_`, `us_` or `ms_`, as in
/// `spin_us_250`, or the default. C++ names may carry it anywhere.
pub(crate) fn duration_ns(name: &str) -> u64 {
    let units = [("ns_", 1), ("us_", 1_000), ("ms_", 1_000_000)];
    let said = units.iter().find_map(|(unit, scale)| {
        let (_, rest) = name.split_once(unit)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse::<u64>().ok()?.checked_mul(*scale)
    });
    said.unwrap_or(DEFAULT_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_long_its_kernel_takes() {
        assert_eq!(duration_ns("spin_us_250"), 250_000);
        assert_eq!(duration_ns("_Z10spin_ms_50Pfi"), 50_000_000);
        assert_eq!(duration_ns("k_ns_0"), 0);
    }

    #[test]
    fn a_name_that_says_nothing_means_the_default() {
        for name in ["", "gemm", "focus_on_this", "us_", "us_99999999999999999999"] {
            assert_eq!(duration_ns(name), DEFAULT_NS, "{name}");
        }
    }
}
