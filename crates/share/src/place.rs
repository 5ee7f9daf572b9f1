//! Where a share fits, and which of the places is best.

use contract::Percent;

/// What is free of one GPU, in percent: 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Free(u8);

/// How shares are spread over the GPUs that have room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// Fill the fullest GPU first, so that the large holes stay large.
    #[default]
    Pack,
    /// Take the emptiest GPU first, so that tenants have fewer neighbours.
    Spread,
}

impl Free {
    /// A GPU that nobody holds a part of.
    pub const ALL: Self = Self(100);

    /// What is left of a GPU of which `taken` percent are held; nothing where more is held than
    /// there is.
    #[must_use]
    pub const fn after(taken: u32) -> Self {
        Self(100u32.saturating_sub(taken) as u8)
    }

    /// The number, 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// What is left once `share` is taken, if it fits.
    #[must_use]
    pub const fn minus(self, share: Percent) -> Option<Self> {
        match self.0.checked_sub(share.get()) {
            Some(left) => Some(Self(left)),
            None => None,
        }
    }
}

/// Whether `share` fits on one GPU with `free` left. A share never spans GPUs.
#[must_use]
pub const fn fits(share: Percent, free: Free) -> bool {
    free.minus(share).is_some()
}

/// The index of the GPU that should take `share`, of GPUs with these parts free; the first of equals.
/// `None` where no single GPU has room, however much is free in sum.
pub fn pick(share: Percent, gpus: impl IntoIterator<Item = Free>, policy: Policy) -> Option<usize> {
    let left = |(index, free): (usize, Free)| Some((free.minus(share)?, index));
    let candidates = gpus.into_iter().enumerate().filter_map(left);
    match policy {
        Policy::Pack => candidates.min(),
        Policy::Spread => candidates.min_by_key(|&(left, index)| (100 - left.get(), index)),
    }
    .map(|(_, index)| index)
}

/// As [`pick`], where the scheduler has planned shares that are not taken yet, each as the index of its
/// GPU and its size. A share that was planned goes where it was planned; of equal ones any, because the
/// GPUs come out the same. Another leaves what is planned free where it can.
#[must_use]
pub fn pick_planned(
    share: Percent,
    gpus: &[Free],
    planned: &[(usize, Percent)],
    policy: Policy,
) -> Option<usize> {
    let is_meant = |index: usize| planned.contains(&(index, share));
    let meant = gpus.iter().enumerate();
    let meant = meant.map(|(index, free)| if is_meant(index) { *free } else { Free::after(100) });
    let kept = gpus.iter().enumerate().map(|(index, free)| {
        let its = planned.iter().filter(|(gpu, _)| *gpu == index);
        let planned: u32 = its.map(|(_, share)| u32::from(share.get())).sum();
        Free::after(100 - u32::from(free.get()) + planned)
    });
    pick(share, meant, policy)
        .or_else(|| pick(share, kept, policy))
        .or_else(|| pick(share, gpus.iter().copied(), policy))
}

/// How good a place is for `share`, 0 (no room) to 10 (best), as a scheduler extender says it.
#[must_use]
pub fn score(share: Percent, free: Free, policy: Policy) -> u8 {
    let Some(left) = free.minus(share) else { return 0 };
    let tightness = match policy {
        Policy::Pack => 100 - left.get(),
        Policy::Spread => left.get(),
    };
    1 + (u16::from(tightness) * 9 / 100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(value: u64) -> Percent {
        Percent::new(value).unwrap()
    }

    fn free(parts: &[u32]) -> Vec<Free> {
        parts.iter().map(|part| Free::after(100 - part)).collect()
    }

    #[test]
    fn two_halves_on_two_gpus_are_not_room_for_one_whole() {
        assert_eq!(pick(percent(60), free(&[50, 50]), Policy::Pack), None);
    }

    #[test]
    fn pack_takes_the_tightest_hole_and_spread_the_widest() {
        let gpus = free(&[100, 30, 60, 30]);
        assert_eq!(pick(percent(25), gpus.clone(), Policy::Pack), Some(1));
        assert_eq!(pick(percent(25), gpus, Policy::Spread), Some(0));
    }

    #[test]
    fn a_planned_share_goes_where_it_was_planned_and_another_leaves_it_that_place() {
        let gpus = free(&[60, 50, 100]);
        let planned = [(0, percent(40)), (2, percent(50))];
        let chosen = |size| pick_planned(percent(size), &gpus, &planned, Policy::Pack);
        assert_eq!(chosen(50), Some(2), "50 would fit tighter on the second");
        assert_eq!(chosen(40), Some(0));
        assert_eq!(chosen(20), Some(0), "what is left beside the plan");
        assert_eq!(chosen(30), Some(1), "the first has 20 beside its plan");
        assert_eq!(chosen(60), Some(0), "a plan is a hint: it keeps nobody out");
    }

    #[test]
    fn a_gpu_that_holds_more_than_it_has_has_nothing_free() {
        assert_eq!(Free::after(130).get(), 0);
    }

    proptest! {
        #[test]
        fn what_is_picked_fits_and_nothing_that_fits_is_overlooked(
            share in 1u64..=100, parts in prop::collection::vec(0u32..=100, 0..9), spread: bool
        ) {
            let (gpus, share) = (free(&parts), percent(share));
            let policy = if spread { Policy::Spread } else { Policy::Pack };
            match pick(share, gpus.clone(), policy) {
                Some(index) => {
                    prop_assert!(fits(share, gpus[index]));
                    let best = gpus.iter().map(|&gpu| score(share, gpu, policy)).max();
                    prop_assert_eq!(Some(score(share, gpus[index], policy)), best);
                }
                None => prop_assert!(gpus.iter().all(|&gpu| !fits(share, gpu))),
            }
        }

        #[test]
        fn a_plan_changes_where_a_share_goes_and_never_whether(
            share in 1u64..=100, parts in prop::collection::vec(0u32..=100, 0..9),
            planned in prop::collection::vec((0usize..9, 1u64..=100), 0..6)
        ) {
            let (gpus, share) = (free(&parts), percent(share));
            let planned: Vec<_> = planned.into_iter().map(|(gpu, part)| (gpu, percent(part))).collect();
            let chosen = pick_planned(share, &gpus, &planned, Policy::Pack);
            prop_assert!(chosen.is_none_or(|index| fits(share, gpus[index])));
            let fits = pick(share, gpus.iter().copied(), Policy::Pack).is_some();
            prop_assert_eq!(chosen.is_some(), fits);
        }
    }
}
