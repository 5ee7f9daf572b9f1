//! Places of a ring that is counted through for ever.

/// So many numbers from `first` on, as a counter of 32 bits goes on: behind the last comes 0. A stream of half a
/// million batches in four minutes comes there in a few weeks.
pub fn numbers_from(first: u32, count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |number| first.wrapping_add(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_number_behind_the_last_is_the_first() {
        let all: Vec<u32> = numbers_from(u32::MAX - 1, 4).collect();
        assert_eq!(all, [u32::MAX - 1, u32::MAX, 0, 1]);
    }
}
