//! How long a kernel takes. A simulated kernel computes nothing; what it costs is read from its name.

/// A kernel whose name says nothing takes this long.
const DEFAULT_NS: u64 = 10_000;

/// Nanoseconds of GPU time of the kernel `name`: a number behind `ns_`, `us_` or `ms_` that begins a
/// word, as in `spin_us_250`, or the default. C++ names may carry it anywhere.
pub(crate) fn duration_ns(name: &str) -> u64 {
    let words: Vec<&str> = name.split('_').collect();
    words.windows(2).find_map(|pair| said(pair[0], pair[1])).unwrap_or(DEFAULT_NS)
}

fn said(unit: &str, text: &str) -> Option<u64> {
    let scale = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        _ => return None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse::<u64>().ok()?.checked_mul(scale)
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
        for name in ["", "gemm", "focus_on_7", "forms_4", "us_", "us_99999999999999999999"] {
            assert_eq!(duration_ns(name), DEFAULT_NS, "{name}");
        }
    }
}
