//! What CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER make of cards and MIG devices. Pure: reads no
//! environment.
//!
//! The grammar is libcuda's as PyTorch restates it: numbers are read as `strtoul` would, so `1gpu` is 1;
//! an entry that names nothing ends the list; an entry given twice leaves the list empty; a list whose
//! first entry is a UUID holds UUIDs only, each possibly cut short as long as one device matches.
//!
//! MIG by NVIDIA's "Multi-Instance GPU User Guide": a process sees one MIG device, the first of several,
//! and then no whole card. `MIG-<GPU-uuid>/<GPU instance>/<compute instance>` is the older form of a name.
//! That a card in MIG mode stands for its first device, and for nothing while it has none, is a guess.

/// What of a card decides whether and where it is listed.
#[derive(Default)]
pub(crate) struct Candidate {
    /// `GPU-` and the UUID in hexadecimal.
    pub(crate) uuid: String,
    /// A figure that grows with speed, for the order "fastest first".
    pub(crate) speed: u64,
    /// Its MIG devices; none for a whole card.
    pub(crate) slices: Option<Vec<SliceName>>,
}

/// What a MIG device is called.
pub(crate) struct SliceName {
    /// `MIG-` and its UUID.
    pub(crate) uuid: String,
    /// Its GPU instance and compute instance.
    pub(crate) place: [u32; 2],
}

/// A device, as an index into the cards, and for a MIG device one into that card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A whole card.
    Card(usize),
    /// A MIG device.
    Slice(usize, usize),
}

/// The devices in the order in which a process sees them. `cards` comes in PCI order; `visible` and
/// `order` are the values of the two variables.
pub(crate) fn visible(
    cards: &[Candidate],
    visible: Option<&str>,
    order: Option<&str>,
) -> Vec<Seen> {
    let ordered = in_order(cards, order);
    let is_named = |list: &str| list.starts_with("GPU-") || list.starts_with("MIG-");
    one_slice(match visible {
        None => ordered,
        Some(list) if is_named(list.trim_start()) => by_uuid(cards, &ordered, list),
        Some(list) => by_number(&ordered, list),
    })
}

/// PCI_BUS_ID keeps PCI order; anything else is the default, fastest first, PCI order among equals.
/// Cards that are divided into nothing are not there.
fn in_order(cards: &[Candidate], order: Option<&str>) -> Vec<Seen> {
    let mut indices: Vec<usize> = (0..cards.len()).collect();
    if order != Some("PCI_BUS_ID") {
        indices.sort_by_key(|i| std::cmp::Reverse(cards[*i].speed));
    }
    let seen = |card: usize| match &cards[card].slices {
        None => Some(Seen::Card(card)),
        Some(slices) if slices.is_empty() => None,
        Some(_) => Some(Seen::Slice(card, 0)),
    };
    indices.into_iter().filter_map(seen).collect()
}

/// Where there is a MIG device, the first is all there is.
fn one_slice(seen: Vec<Seen>) -> Vec<Seen> {
    match seen.iter().find(|device| matches!(device, Seen::Slice(..))) {
        Some(slice) => vec![*slice],
        None => seen,
    }
}

fn by_uuid(cards: &[Candidate], ordered: &[Seen], list: &str) -> Vec<Seen> {
    let card_named = |entry: &str| {
        let matches = |seen: &&Seen| match seen {
            Seen::Card(card) | Seen::Slice(card, _) => cards[*card].uuid.starts_with(entry),
        };
        let mut hits = ordered.iter().filter(matches);
        hits.next().filter(|_| hits.next().is_none()).copied()
    };
    let slice_named = |entry: &str| {
        let mut hits =
            slices(cards).filter(|(_, name, old)| name.starts_with(entry) || old == entry);
        hits.next().filter(|_| hits.next().is_none()).map(|(seen, ..)| seen)
    };
    collect(list, |entry| match entry.len() {
        ..5 => None,
        _ if entry.starts_with("GPU-") => card_named(entry),
        _ if entry.starts_with("MIG-") => slice_named(entry),
        _ => None,
    })
}

/// Every MIG device with both forms of its name.
fn slices(cards: &[Candidate]) -> impl Iterator<Item = (Seen, &str, String)> {
    cards.iter().enumerate().flat_map(|(at, card)| {
        let names = card.slices.iter().flatten().enumerate();
        names.map(move |(number, SliceName { uuid, place: [gpu, compute] })| {
            let old = format!("MIG-{}/{gpu}/{compute}", card.uuid);
            (Seen::Slice(at, number), uuid.as_str(), old)
        })
    })
}

fn by_number(ordered: &[Seen], list: &str) -> Vec<Seen> {
    collect(list, |entry| ordered.get(leading_number(entry)?).copied())
}

fn collect(list: &str, one: impl Fn(&str) -> Option<Seen>) -> Vec<Seen> {
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

    fn cards() -> Vec<Candidate> {
        let card = |uuid: &str, speed| Candidate { uuid: uuid.to_owned(), speed, slices: None };
        vec![card("GPU-aa10", 1), card("GPU-ab20", 1), card("GPU-cc30", 9)]
    }

    /// The second card divided in two, the third into nothing.
    fn divided() -> Vec<Candidate> {
        let mut cards = cards();
        let slice = |uuid: &str, gpu| SliceName { uuid: uuid.to_owned(), place: [gpu, 0] };
        cards[1].slices = Some(vec![slice("MIG-11aa", 1), slice("MIG-12bb", 2)]);
        cards[2].slices = Some(Vec::new());
        cards
    }

    fn seen(list: &str) -> Vec<usize> {
        whole(visible(&cards(), Some(list), Some("PCI_BUS_ID")))
    }

    fn whole(seen: Vec<Seen>) -> Vec<usize> {
        let card = |seen| match seen {
            Seen::Card(card) => card,
            Seen::Slice(..) => panic!("a slice"),
        };
        seen.into_iter().map(card).collect()
    }

    #[test]
    fn without_variables_the_fastest_comes_first() {
        assert_eq!(whole(visible(&cards(), None, None)), [2, 0, 1]);
        assert_eq!(whole(visible(&cards(), None, Some("PCI_BUS_ID"))), [0, 1, 2]);
        assert_eq!(whole(visible(&cards(), Some("0"), Some("FASTEST_FIRST"))), [2]);
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

    #[test]
    fn one_mig_device_is_seen_and_then_no_whole_card() {
        let seen = |list| visible(&divided(), list, Some("PCI_BUS_ID"));
        assert_eq!(seen(None), [Seen::Slice(1, 0)]);
        assert_eq!(seen(Some("0")), [Seen::Card(0)]);
        assert_eq!(seen(Some("0,1")), [Seen::Slice(1, 0)]);
        assert_eq!(seen(Some("GPU-ab")), [Seen::Slice(1, 0)]);
        assert_eq!(seen(Some("MIG-12bb,MIG-11aa")), [Seen::Slice(1, 1)]);
        assert_eq!(seen(Some("MIG-GPU-ab20/2/0")), [Seen::Slice(1, 1)]);
        assert!(seen(Some("MIG-1")).is_empty() && seen(Some("MIG-99")).is_empty());
        assert!(seen(Some("GPU-cc30")).is_empty() && seen(Some("2")).is_empty());
    }
}
