//! What a share of a card is, in memory.

use contract::{Mib, Percent};

/// Why a card cannot give a share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The share could not hold a CUDA context, let alone an allocation.
    #[error(
        "{share} of this GPU is {}, too small for a CUDA context, which takes {} here: ask for at \
         least {least}", .bound, .context
    )]
    TooSmall {
        /// What was asked for.
        share: Percent,
        /// What it comes to on this card.
        bound: Mib,
        /// What one context takes on this card.
        context: Mib,
        /// The smallest share that holds a context.
        least: Percent,
    },
    /// Not even the whole card holds a context.
    #[error("this GPU has {0} of memory, too little for a single CUDA context")]
    NoCard(Mib),
}

/// The memory bound of `share` on a card with `usable` memory (NVML v2 `total - reserved`), of which
/// one CUDA context takes `context`. Rounded down to whole MiB.
///
/// # Errors
/// [`Refusal`] where the share could not hold one context and one MiB beside it.
pub fn divide(share: Percent, usable: Mib, context: Mib) -> Result<Mib, Refusal> {
    let bound = share.of(usable);
    if bound > context {
        return Ok(bound);
    }
    let holds = |percent: &Percent| percent.of(usable) > context;
    match (1..=100).filter_map(|percent| Percent::new(percent).ok()).find(holds) {
        Some(least) => Err(Refusal::TooSmall { share, bound, context, least }),
        None => Err(Refusal::NoCard(usable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(value: u64) -> Percent {
        Percent::new(value).unwrap()
    }

    #[test]
    fn half_of_a_v100_holds_a_context() {
        assert_eq!(divide(percent(50), Mib(32510), Mib(307)), Ok(Mib(16255)));
    }

    #[test]
    fn a_share_too_small_for_a_context_is_refused_with_the_least_that_is_not() {
        let refusal = divide(percent(1), Mib(15_360), Mib(300)).unwrap_err();
        assert_eq!(
            refusal,
            Refusal::TooSmall {
                share: percent(1),
                bound: Mib(153),
                context: Mib(300),
                least: percent(2)
            }
        );
        assert_eq!(
            refusal.to_string(),
            "1% of this GPU is 153MiB, too small for a CUDA context, which takes 300MiB here: ask \
             for at least 2%"
        );
        assert_eq!(divide(percent(100), Mib(64), Mib(300)), Err(Refusal::NoCard(Mib(64))));
    }

    proptest! {
        #[test]
        fn the_least_share_named_is_itself_granted(
            asked in 1u64..=100, usable in 1u64..1_000_000, context in 0u64..2_000
        ) {
            if let Err(Refusal::TooSmall { least, .. }) = divide(percent(asked), Mib(usable), Mib(context)) {
                prop_assert!(divide(least, Mib(usable), Mib(context)).is_ok());
                prop_assert!(u64::from(least.get()) > asked);
            }
        }
    }
}
