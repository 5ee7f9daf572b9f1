//! Whether all containers of a pod fit on a node, and what they take there. The order and the reuse of
//! init containers' devices are the kubelet's; which GPU takes a share is decided by [`share::pick`],
//! as the node agent decides it.

use std::collections::BTreeMap;

use contract::Percent;
use published::Node;
use share::{Free, Policy};

use crate::ask::{Ask, Need, Turn};

/// Why a pod does not fit on a node. The sentences stand in the pod's events.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Misfit {
    /// No GPU has room for a share.
    #[error("no GPU has {share} left, at most {largest}%")]
    Share {
        /// What was asked for.
        share: Percent,
        /// The largest part that one GPU has left.
        largest: u8,
    },
    /// It has to take what an init container had, and that GPU has no room for the rest.
    #[error(
        "{share} has to lie on the GPU that an init container had {again}% of, and {left}% more are \
         left there: give the init container the same share"
    )]
    Again {
        /// What was asked for.
        share: Percent,
        /// What is taken again.
        again: u8,
        /// What is left of that GPU.
        left: u8,
    },
    /// The share is too small for the cards of this node.
    #[error("{share} of a GPU is too small for a CUDA context here: ask for at least {least}")]
    TooSmall {
        /// What was asked for.
        share: Percent,
        /// The smallest that this node gives.
        least: Percent,
    },
    /// Not enough whole GPUs.
    #[error("{asked} whole GPUs were asked for, and {free} are free")]
    Whole {
        /// What was asked for.
        asked: u32,
        /// What is free.
        free: u32,
    },
    /// Not enough slices.
    #[error("{asked} slices {profile} were asked for, and {free} are free")]
    Slices {
        /// The MIG profile.
        profile: String,
        /// What was asked for.
        asked: u32,
        /// What is free.
        free: u32,
    },
}

/// What is free of a node. Placing takes from it; a copy tries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holes {
    gpus: Vec<Hole>,
    slices: BTreeMap<String, u32>,
    least: Percent,
}

/// What is free of one GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Hole {
    free: Free,
    is_free_whole: bool,
}

/// What the init containers leave for those after them: it lies on one GPU, because the kubelet makes
/// every container take of it first.
#[derive(Clone, Copy, Default)]
struct Reuse {
    gpu: usize,
    percent: u8,
    whole: u32,
}

impl Holes {
    /// What is free of `node`.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let hole =
            |gpu: &published::Gpu| Hole { free: gpu.free(), is_free_whole: gpu.is_free_whole() };
        let gpus = node.gpus.iter().map(hole).collect();
        Self { gpus, slices: node.slices.clone(), least: node.least() }
    }

    /// What is free of each GPU.
    pub fn free(&self) -> impl Iterator<Item = Free> + '_ {
        self.gpus.iter().map(|hole| hole.free)
    }

    /// What the node's sums say is free, in percent: what a scheduler without us would see.
    #[must_use]
    pub fn sum_percent(&self) -> u32 {
        self.free().map(|free| u32::from(free.get())).sum()
    }

    /// Whether one GPU has room for a share that is all a pod asks for: what [`place`] says of it.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn has_room(&self, share: Percent) -> Result<(), Misfit> {
        if share < self.least {
            return Err(Misfit::TooSmall { share, least: self.least });
        }
        match self.largest() {
            largest if largest >= share.get() => Ok(()),
            largest => Err(Misfit::Share { share, largest }),
        }
    }

    fn largest(&self) -> u8 {
        self.free().map(Free::get).max().unwrap_or(0)
    }

    /// Takes percents of a GPU. A GPU in mode auto can no longer be had as a whole then.
    fn take(&mut self, gpu: usize, percent: u8) {
        let hole = &mut self.gpus[gpu];
        hole.free = Free::after(100 - u32::from(hole.free.get()) + u32::from(percent));
        hole.is_free_whole = false;
    }
}

/// Takes everything that `ask` needs from `holes`.
///
/// # Errors
/// [`Misfit`]: the first need that is not there. `holes` are then as they were after the needs before.
pub fn place(ask: &Ask, holes: &mut Holes, policy: Policy) -> Result<(), Misfit> {
    let mut reuse = Reuse::default();
    ask.needs().try_for_each(|(turn, need)| match need {
        Need::Share(share) => place_share(*share, *turn, &mut reuse, holes, policy),
        Need::Whole(count) => place_whole(*count, *turn, &mut reuse, holes),
        Need::Slices { profile, count } => place_slices(profile, *count, holes),
    })
}

fn place_share(
    share: Percent,
    turn: Turn,
    reuse: &mut Reuse,
    holes: &mut Holes,
    policy: Policy,
) -> Result<(), Misfit> {
    if share < holes.least {
        return Err(Misfit::TooSmall { share, least: holes.least });
    }
    let again = reuse.percent.min(share.get());
    let more = share.get() - again;
    let misfit = Misfit::Share { share, largest: holes.largest() };
    let gpu = match again {
        0 => share::pick(share, holes.free(), policy).ok_or(misfit)?,
        // What it takes again binds the rest to the same GPU.
        _ if holes.gpus[reuse.gpu].free.get() >= more => reuse.gpu,
        _ => {
            let left = holes.gpus[reuse.gpu].free.get();
            return Err(Misfit::Again { share, again, left });
        }
    };
    holes.take(gpu, more);
    reuse.gpu = gpu;
    reuse.percent = match turn {
        Turn::Init => reuse.percent.max(share.get()),
        Turn::Lasting => reuse.percent - again,
    };
    Ok(())
}

fn place_whole(asked: u32, turn: Turn, reuse: &mut Reuse, holes: &mut Holes) -> Result<(), Misfit> {
    let again = reuse.whole.min(asked);
    let wanted = (asked - again) as usize;
    let free = holes.gpus.iter().filter(|hole| hole.is_free_whole).count();
    if free < wanted {
        return Err(Misfit::Whole { asked, free: free as u32 + again });
    }
    for hole in holes.gpus.iter_mut().filter(|hole| hole.is_free_whole).take(wanted) {
        *hole = Hole { free: Free::after(100), is_free_whole: false };
    }
    reuse.whole = match turn {
        Turn::Init => reuse.whole.max(asked),
        Turn::Lasting => reuse.whole - again,
    };
    Ok(())
}

/// Slices of init containers are counted beside the others': a node is found a little fuller than it
/// is, never emptier.
fn place_slices(profile: &str, asked: u32, holes: &mut Holes) -> Result<(), Misfit> {
    let free = holes.slices.get_mut(profile);
    match free {
        Some(free) if *free >= asked => *free -= asked,
        _ => {
            let free = free.map_or(0, |free| *free);
            return Err(Misfit::Slices { profile: profile.to_owned(), asked, free });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use published::{Gpu, Mode};

    fn node(taken: &[u32]) -> Node {
        let gpu = |(index, taken): (usize, &u32)| Gpu {
            uuid: format!("GPU-{index}"),
            mode: Mode::Auto,
            taken_percent: *taken,
            is_whole: false,
            is_usable: true,
        };
        let gpus = taken.iter().enumerate().map(gpu).collect();
        Node { gpus, least_percent: 1, ..Node::default() }
    }

    fn share(turn: Turn, percent: u64) -> (Turn, Need) {
        (turn, Need::Share(Percent::new(percent).unwrap()))
    }

    fn left(taken: &[u32], needs: Vec<(Turn, Need)>) -> Result<Vec<u8>, Misfit> {
        let mut holes = Holes::of(&node(taken));
        place(&Ask::of(needs), &mut holes, Policy::Pack)?;
        Ok(holes.free().map(Free::get).collect())
    }

    use Turn::{Init, Lasting};

    #[test]
    fn a_share_never_spans_gpus_however_much_is_free_in_sum() {
        let said = left(&[50, 50], vec![share(Lasting, 60)]).unwrap_err().to_string();
        assert_eq!(said, "no GPU has 60% left, at most 50%");
    }

    #[test]
    fn containers_of_one_pod_may_lie_on_different_gpus() {
        assert_eq!(left(&[50, 50], vec![share(Lasting, 40), share(Lasting, 40)]), Ok(vec![10, 10]));
    }

    #[test]
    fn what_an_init_container_had_is_taken_again_by_those_after_it() {
        let needs = vec![share(Init, 50), share(Lasting, 30), share(Lasting, 20)];
        assert_eq!(left(&[40, 100], needs), Ok(vec![10, 0]));
    }

    #[test]
    fn what_is_taken_again_binds_the_rest_to_its_gpu() {
        let needs = vec![share(Init, 20), share(Lasting, 60)];
        let said = left(&[70, 0], needs.clone()).unwrap_err();
        let share = Percent::new(60).unwrap();
        assert_eq!(said, Misfit::Again { share, again: 20, left: 10 });
        assert_eq!(left(&[100, 0], needs), Ok(vec![0, 40]));
    }

    #[test]
    fn a_gpu_of_which_a_share_is_taken_is_not_had_as_a_whole() {
        let needs = vec![(Lasting, Need::Whole(2))];
        assert_eq!(left(&[0, 1, 0], needs.clone()), Ok(vec![0, 99, 0]));
        let said = left(&[0, 1, 2], needs).unwrap_err().to_string();
        assert_eq!(said, "2 whole GPUs were asked for, and 1 are free");
    }

    #[test]
    fn a_sick_gpu_gives_nothing() {
        let mut node = node(&[0]);
        node.gpus[0].is_usable = false;
        let mut holes = Holes::of(&node);
        for need in [share(Lasting, 1), (Lasting, Need::Whole(1))] {
            assert!(place(&Ask::of(vec![need]), &mut holes, Policy::Pack).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_single_share_has_room_where_it_would_be_placed(
            taken in prop::collection::vec(0u32..=120, 0..9), percent in 1u64..=100, least in 1u8..=20, init: bool
        ) {
            let holes = Holes::of(&Node { least_percent: least, ..node(&taken) });
            let ask = Ask::of(vec![share(if init { Init } else { Lasting }, percent)]);
            let placed = place(&ask, &mut holes.clone(), Policy::Pack);
            prop_assert_eq!(holes.has_room(ask.only_share().unwrap()), placed);
        }

        #[test]
        fn what_was_placed_was_there(
            taken in prop::collection::vec(0u32..=100, 1..9),
            shares in prop::collection::vec((any::<bool>(), 1u64..=100), 0..6),
        ) {
            let needs: Vec<_> = shares.iter()
                .map(|&(init, percent)| share(if init { Init } else { Lasting }, percent)).collect();
            let before: u32 = taken.iter().map(|taken| 100 - taken).sum();
            let lasting: u64 = shares.iter().filter(|(init, _)| !init).map(|(_, p)| *p).sum();
            if let Ok(after) = left(&taken, needs) {
                let after: u32 = after.into_iter().map(u32::from).sum();
                prop_assert!(u64::from(before - after) >= lasting.min(u64::from(before)));
                prop_assert!(lasting <= u64::from(before));
            }
        }
    }
}
