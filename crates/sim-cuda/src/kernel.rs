//! What a kernel costs. A simulated kernel computes nothing: how long it takes, how much of the card it
//! fills and what it does with a flag is read from its name.

/// A kernel whose name says nothing takes this long.
const DEFAULT_NS: u64 = 10_000;

/// What one launch costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Nanoseconds of GPU time, on a card that nobody else uses.
    pub(crate) duration_ns: u64,
    /// How much of the card it fills meanwhile: kernels of one process run side by side as far as they fit.
    pub(crate) occupancy_percent: u32,
    /// What it does with the flag whose address is its first parameter.
    pub(crate) flag: Flag,
}

/// What a kernel does with a 32-bit word of device memory, or of host memory that the driver knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// It has none.
    None,
    /// It runs until the word is not zero, however long that is.
    Until,
    /// It ends by writing 1 into the word.
    Set,
    /// It has none: its first parameter is a graph, which it launches from the card as it ends.
    Graph,
}

/// What the kernel `name` costs. A number behind `ns_`, `us_` or `ms_` that begins a word is its time, as in
/// `spin_us_250`; one behind `occ_` the percent of the card that it fills, as in `spin_us_250_occ_25`;
/// `spin_until` runs until its flag is set, `set_flag` sets it, `launch_graph` launches a graph. C++ names may carry it anywhere.
pub(crate) fn cost(name: &str) -> Cost {
    let words: Vec<&str> = name.split('_').collect();
    let find = |said: fn(&str, &str) -> Option<u64>| {
        words.windows(2).find_map(|pair| said(pair[0], pair[1]))
    };
    let has = |pair: [&str; 2]| {
        words.windows(2).any(|two| two[0].ends_with(pair[0]) && two[1].starts_with(pair[1]))
    };
    let flag = match [["spin", "until"], ["set", "flag"], ["launch", "graph"]].map(has) {
        [true, ..] => Flag::Until,
        [_, true, _] => Flag::Set,
        [.., true] => Flag::Graph,
        _ => Flag::None,
    };
    Cost {
        duration_ns: find(time).unwrap_or(DEFAULT_NS),
        occupancy_percent: find(part).unwrap_or(100).clamp(1, 100) as u32,
        flag,
    }
}

fn time(unit: &str, text: &str) -> Option<u64> {
    let scale = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        _ => return None,
    };
    number(text)?.checked_mul(scale)
}

fn part(unit: &str, text: &str) -> Option<u64> {
    if unit == "occ" { number(text) } else { None }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_long_its_kernel_takes() {
        let duration_ns = |name| cost(name).duration_ns;
        assert_eq!(duration_ns("spin_us_250"), 250_000);
        assert_eq!(duration_ns("_Z10spin_ms_50Pfi"), 50_000_000);
        assert_eq!(duration_ns("k_ns_0"), 0);
    }

    #[test]
    fn a_name_that_says_nothing_means_the_default() {
        for name in ["", "gemm", "focus_on_7", "forms_4", "us_", "us_99999999999999999999"] {
            let said = Cost { duration_ns: DEFAULT_NS, occupancy_percent: 100, flag: Flag::None };
            assert_eq!(cost(name), said, "{name}");
        }
    }

    #[test]
    fn a_name_says_how_much_of_the_card_is_filled_and_what_its_flag_is_for() {
        assert_eq!(cost("spin_us_250_occ_25").occupancy_percent, 25);
        assert_eq!(cost("k_occ_0").occupancy_percent, 1);
        assert_eq!(cost("_Z10spin_untilPj").flag, Flag::Until);
        let set = cost("set_flag_us_5");
        assert_eq!((set.flag, set.duration_ns), (Flag::Set, 5_000));
        assert_eq!(cost("launch_graph_us_5").flag, Flag::Graph);
    }
}
