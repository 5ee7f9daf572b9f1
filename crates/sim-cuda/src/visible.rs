//! What CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER make of the cards. Pure: reads no environment.
//!
//! The grammar is libcuda's as PyTorch restates it: numbers are read as `strtoul` would, so `1gpu` is 1;
//! an entry that names nothing ends the list; an entry given twice leaves the list empty; a list whose
//! first entry is a UUID holds UUIDs only, each possibly cut short as long as one card matches.

/// What of a card decides whether and where it is listed.
pub(crate) struct Candidate<'a> {
    /// `GPU-` and the UUID in hexadecimal.
    pub(crate) uuid: &'a str,
    /// A figure that grows with speed, for the order "fastest first".
    pub(crate) speed: u64,
}

/// The cards, as indices into `cards`, in the order in which a process sees them. `cards` comes in PCI
/// order; `visible` and `order` are the values of the two variables.
pub(crate) fn visible(
    cards: &[Candidate<'_>],
    visible: Option<&str>,
    order: Option<&str>,
) -> Vec<usize> {
    let ordered = in_order(cards, order);
    match visible {
        None => ordered,
        Some(list) if list.trim_start().starts_with("GPU-") => by_uuid(cards, &ordered, list),
        Some(list) => by_number(&ordered, list),
    }
}

/// PCI_BUS_ID keeps PCI order; anything else is the default, fastest first, PCI order among equals.
fn in_order(cards: &[Candidate<'_>], order: Option<&str>) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..cards.len()).collect();
    if order != Some("PCI_BUS_ID") {
        indices.sort_by_key(|i| std::cmp::Reverse(cards[*i].speed));
    }
    indices
}

fn by_uuid(cards: &[Candidate<'_>], ordered: &[usize], list: &str) -> Vec<usize> {
    let one = |entry: &str| {
        let mut hits = ordered.iter().filter(|i| cards[**i].uuid.starts_with(entry));
        match (entry.starts_with("GPU-") && entry.len() > 4, hits.next(), hits.next()) {
            (true, Some(hit), None) => Some(*hit),
            _ => None,
        }
    };
    collect(list, one)
}

fn by_number(ordered: &[usize], list: &str) -> Vec<usize> {
    collect(list, |entry| ordered.get(leading_number(entry)?).copied())
}

fn collect(list: &str, one: impl Fn(&str) -> Option<usize>) -> Vec<usize> {
    let mut seen = Vec::new();
    for entry in list.split(',') {
        match one(entry.trim()) {
            Some(card) if seen.contains(&card) => return Vec::new(),
            Some(card) => seen.push(card),
            None => break,
        }
    }
    seen
}

/// The number that `text` begins with, none where it is negative or no number.
fn leading_number(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARDS: [Candidate<'static>; 3] = [
        Candidate { uuid: "GPU-aa10", speed: 1 },
        Candidate { uuid: "GPU-ab20", speed: 1 },
        Candidate { uuid: "GPU-cc30", speed: 9 },
    ];

    fn seen(list: &str) -> Vec<usize> {
        visible(&CARDS, Some(list), Some("PCI_BUS_ID"))
    }

    #[test]
    fn without_variables_the_fastest_comes_first() {
        assert_eq!(visible(&CARDS, None, None), [2, 0, 1]);
        assert_eq!(visible(&CARDS, None, Some("PCI_BUS_ID")), [0, 1, 2]);
        assert_eq!(visible(&CARDS, Some("0"), Some("FASTEST_FIRST")), [2]);
    }

    #[test]
    fn numbers_choose_and_order() {
        assert_eq!(seen("2,0"), [2, 0]);
        assert_eq!(seen(" 1 , 2 "), [1, 2]);
        assert_eq!(seen("1gpu,+2x"), [1, 2]);
    }

    #[test]
    fn an_entry_that_names_nothing_ends_the_list() {
        assert_eq!(seen("0,-1,1"), [0]);
        assert_eq!(seen("1,7,0"), [1]);
        assert!(seen("").is_empty() && seen("-1").is_empty() && seen("none").is_empty());
        assert_eq!(seen("0,,1"), [0]);
    }

    #[test]
    fn an_entry_given_twice_empties_the_list() {
        assert!(seen("0,1,0").is_empty());
        assert!(seen("GPU-cc,GPU-cc30").is_empty());
    }

    #[test]
    fn a_uuid_may_be_cut_short_while_one_card_matches() {
        assert_eq!(seen("GPU-cc,GPU-aa"), [2, 0]);
        assert!(seen("GPU-a").is_empty() && seen("GPU-").is_empty() && seen("GPU-ff").is_empty());
        assert_eq!(seen("GPU-cc30,1"), [2]);
        assert_eq!(seen("1,GPU-cc30"), [1]);
    }
}
