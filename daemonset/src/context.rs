//! What one CUDA context takes on a card: the least that a share must hold.
//!
//! The driver tells only once a context exists, so this is an estimate, made when a share is asked
//! for; what a container really holds is read from NVML later.

use contract::Mib;

/// By a part of the product's name; the first match counts. Guesses all, in the range that is
/// published (300 to 500 MB; less on a T4), until a probe of a real card replaces them.
const BY_PRODUCT: [(&str, Mib); 6] = [
    ("V100", Mib(308)),
    ("T4", Mib(105)),
    ("A100", Mib(410)),
    ("L40S", Mib(390)),
    ("H100", Mib(520)),
    ("H200", Mib(520)),
];

/// For a product that the table does not know.
const UNKNOWN: Mib = Mib(512);

/// What one context takes on the product of this name.
#[must_use]
pub fn estimate(product: &str) -> Mib {
    let known = BY_PRODUCT.iter().find(|(part, _)| product.contains(part));
    known.map_or(UNKNOWN, |(_, context)| *context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_known_by_a_part_of_its_name() {
        assert_eq!(estimate("Tesla V100-SXM2-32GB"), Mib(308));
        assert_eq!(estimate("NVIDIA A100-SXM4-80GB"), Mib(410));
        assert_eq!(estimate("NVIDIA B300"), UNKNOWN);
    }
}
