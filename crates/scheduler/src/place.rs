//! Whether all containers of a pod fit on a node, and what they take there. The order and the reuse of
//! init containers' devices are the kubelet's; which GPU takes a share is decided by [`share::pick`],
//! as the node agent decides it.

use std::collections::BTreeMap;

use contract::Percent;
use published::Node;
use share::{Free, Policy};

use crate::ask::{Ask, Need, Pool, Pools, Turn};

/// Why a pod does not fit on a node. The sentences stand in the pod's events.
#[derive(Clone, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Misfit {
    /// No GPU has room for a share.
    #[error("no GPU{} has {share} left, at most {largest}%", of(.pool))]
    Share {
        /// Of which GPUs.
        pool: Pool,
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
    #[error("{asked} whole GPUs{} were asked for, and {free} are free", of(.pool))]
    Whole {
        /// Of which GPUs.
        pool: Pool,
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
#[derive(Clone, PartialEq, Eq, Debug)]
struct Hole {
    pool: Pool,
    free: Free,
    is_free_whole: bool,
}

/// How the shares of a pod choose among GPUs.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wish<'a> {
    /// Pack or spread.
    pub policy: Policy,
    /// The GPU, by index, that was chosen for each share before: it is taken where it has room.
    pub plan: &'a [Option<usize>],
}

/// What the init containers leave for those after them: it lies on one GPU, because the kubelet makes
/// every container take of it first. It is kept by resource, as the kubelet keeps it.
#[derive(Clone, Copy, Default)]
struct Reuse {
    gpu: usize,
    percent: u8,
    whole: u32,
}

impl Holes {
    /// What is free of `node`. Names of its pools are learned.
    #[must_use]
    pub fn of(node: &Node, pools: &mut Pools) -> Self {
        let hole = |gpu: &published::Gpu| Hole {
            pool: gpu.resource.as_deref().map(|name| pools.learn(name)),
            free: gpu.free(),
            is_free_whole: gpu.is_free_whole(),
        };
        let gpus = node.gpus.iter().map(hole).collect();
        Self { gpus, slices: node.slices.clone(), least: node.least() }
    }

    /// What is free of each GPU of a pool; nothing of the others.
    pub fn free<'a>(&'a self, pool: &'a Pool) -> impl Iterator<Item = Free> + 'a {
        self.gpus.iter().map(move |hole| hole.free_in(pool))
    }

    /// The smallest share that the node gives.
    #[must_use]
    pub fn least(&self) -> Percent {
        self.least
    }

    /// What the node's sums say is free, in percent: what a scheduler without us would see.
    #[must_use]
    pub fn sum_percent(&self) -> u32 {
        self.gpus.iter().map(|hole| u32::from(hole.free.get())).sum()
    }

    /// Whether one GPU has room for a share that is all a pod asks for: what [`place`] says of it.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn has_room(&self, pool: &Pool, share: Percent) -> Result<(), Misfit> {
        if share < self.least {
            return Err(Misfit::TooSmall { share, least: self.least });
        }
        match self.largest(pool) {
            largest if largest >= share.get() => Ok(()),
            largest => Err(Misfit::Share { pool: pool.clone(), share, largest }),
        }
    }

    fn largest(&self, pool: &Pool) -> u8 {
        self.free(pool).map(Free::get).max().unwrap_or(0)
    }

    /// Takes percents of a GPU. A GPU in mode auto can no longer be had as a whole then.
    fn take(&mut self, gpu: usize, percent: u8) {
        let hole = &mut self.gpus[gpu];
        hole.free = Free::after(100 - u32::from(hole.free.get()) + u32::from(percent));
        hole.is_free_whole = false;
    }
}

impl Hole {
    fn free_in(&self, pool: &Pool) -> Free {
        if self.pool == *pool { self.free } else { Free::after(100) }
    }
}

/// Takes everything that `ask` needs from `holes`, and says on which GPU, by index, each share lies.
///
/// # Errors
/// [`Misfit`]: the first need that is not there. `holes` are then as they were after the needs before.
pub fn place(ask: &Ask, holes: &mut Holes, wish: Wish<'_>) -> Result<Vec<usize>, Misfit> {
    let mut reuses: BTreeMap<&Pool, Reuse> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (turn, need) in ask.needs() {
        match need {
            Need::Share { pool, share } => {
                let planned = wish.plan.get(chosen.len()).copied().flatten();
                let (wish, reuse) = ((planned, wish.policy), reuses.entry(pool).or_default());
                chosen.push(place_share(pool, *share, *turn, reuse, holes, wish)?);
            }
            Need::Whole { pool, count } => {
                place_whole(pool, *count, *turn, reuses.entry(pool).or_default(), holes)?;
            }
            Need::Slices { profile, count } => place_slices(profile, *count, holes)?,
        }
    }
    Ok(chosen)
}

fn place_share(
    pool: &Pool,
    share: Percent,
    turn: Turn,
    reuse: &mut Reuse,
    holes: &mut Holes,
    (planned, policy): (Option<usize>, Policy),
) -> Result<usize, Misfit> {
    if share < holes.least {
        return Err(Misfit::TooSmall { share, least: holes.least });
    }
    let again = reuse.percent.min(share.get());
    let more = share.get() - again;
    let misfit = || Misfit::Share { pool: pool.clone(), share, largest: holes.largest(pool) };
    let has_room = |gpu: &usize| {
        holes.gpus.get(*gpu).is_some_and(|hole| share::fits(share, hole.free_in(pool)))
    };
    let gpu = match again {
        0 => planned
            .filter(has_room)
            .or_else(|| share::pick(share, holes.free(pool), policy))
            .ok_or_else(misfit)?,
        // What it takes again binds the rest to the same GPU.
        _ if holes.gpus[reuse.gpu].free.get() >= more => reuse.gpu,
        _ => {
            let left = holes.gpus[reuse.gpu].free.get();
            return Err(Misfit::Again { share, again, left });
        }
    };
    holes.take(gpu, more);
    reuse.percent = match turn {
        Turn::Init => reuse.percent.max(share.get()),
        Turn::Lasting => reuse.percent - again,
    };
    reuse.gpu = gpu;
    Ok(gpu)
}

fn place_whole(
    pool: &Pool,
    asked: u32,
    turn: Turn,
    reuse: &mut Reuse,
    holes: &mut Holes,
) -> Result<(), Misfit> {
    let again = reuse.whole.min(asked);
    let wanted = (asked - again) as usize;
    let is_free = |hole: &Hole| hole.is_free_whole && hole.pool == *pool;
    let free = holes.gpus.iter().filter(|hole| is_free(hole)).count();
    if free < wanted {
        return Err(Misfit::Whole { pool: pool.clone(), asked, free: free as u32 + again });
    }
    for hole in holes.gpus.iter_mut().filter(|hole| is_free(hole)).take(wanted) {
        (hole.free, hole.is_free_whole) = (Free::after(100), false);
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

/// How a sentence names the GPUs of a pool.
fn of(pool: &Pool) -> String {
    pool.as_ref().map_or_else(String::new, |pool| format!(" of {pool}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use published::{Gpu, Mode};

    fn node(taken: &[u32]) -> Node {
        let gpu = |(index, taken): (usize, &u32)| Gpu {
            uuid: format!("GPU-{index}"),
            resource: None,
            mode: Mode::Auto,
            taken_percent: *taken,
            is_whole: false,
            is_usable: true,
        };
        let gpus = taken.iter().enumerate().map(gpu).collect();
        Node { gpus, least_percent: 1, ..Node::default() }
    }

    fn share(turn: Turn, percent: u64) -> (Turn, Need) {
        (turn, Need::Share { pool: None, share: Percent::new(percent).unwrap() })
    }

    fn left(taken: &[u32], needs: Vec<(Turn, Need)>) -> Result<Vec<u8>, Misfit> {
        let mut holes = Holes::of(&node(taken), &mut Pools::default());
        place(&Ask::of(needs), &mut holes, Wish::default())?;
        Ok(holes.free(&None).map(Free::get).collect())
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
        let needs = vec![(Lasting, Need::Whole { pool: None, count: 2 })];
        assert_eq!(left(&[0, 1, 0], needs.clone()), Ok(vec![0, 99, 0]));
        let said = left(&[0, 1, 2], needs).unwrap_err().to_string();
        assert_eq!(said, "2 whole GPUs were asked for, and 1 are free");
    }

    #[test]
    fn a_pool_gives_to_those_who_ask_for_it_and_to_nobody_else() {
        let mut node = node(&[10, 40, 0]);
        node.gpus[1].resource = Some("gpu-chat".to_owned());
        node.gpus[2].resource = Some("gpu-training".to_owned());
        let mut pools = Pools::default();
        let holes = Holes::of(&node, &mut pools);
        let chat = Some(pools.learn("gpu-chat"));
        let of_chat = |percent| {
            let share = Percent::new(percent).unwrap();
            Ask::of(vec![(Lasting, Need::Share { pool: chat.clone(), share })])
        };
        assert_eq!(place(&of_chat(60), &mut holes.clone(), Wish::default()), Ok(vec![1]));
        let said = place(&of_chat(70), &mut holes.clone(), Wish::default()).unwrap_err();
        assert_eq!(said.to_string(), "no GPU of gpu-chat has 70% left, at most 60%");
        let two = |pool| Ask::of(vec![(Lasting, Need::Whole { pool, count: 2 })]);
        let training = Some(pools.learn("gpu-training"));
        let said = place(&two(training), &mut holes.clone(), Wish::default()).unwrap_err();
        assert_eq!(said.to_string(), "2 whole GPUs of gpu-training were asked for, and 1 are free");
    }

    #[test]
    fn a_share_goes_where_it_was_planned_if_that_still_has_room() {
        let holes = Holes::of(&node(&[50, 0]), &mut Pools::default());
        let ask = Ask::of(vec![share(Lasting, 50)]);
        let at = |plan: &[Option<usize>]| {
            place(&ask, &mut holes.clone(), Wish { policy: Policy::Pack, plan })
        };
        assert_eq!(at(&[]), Ok(vec![0]));
        assert_eq!(at(&[Some(1)]), Ok(vec![1]));
        assert_eq!(at(&[Some(7)]), Ok(vec![0]), "a GPU that is no more");
    }

    #[test]
    fn a_sick_gpu_gives_nothing() {
        let mut node = node(&[0]);
        node.gpus[0].is_usable = false;
        let mut holes = Holes::of(&node, &mut Pools::default());
        for need in [share(Lasting, 1), (Lasting, Need::Whole { pool: None, count: 1 })] {
            assert!(place(&Ask::of(vec![need]), &mut holes, Wish::default()).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_single_share_has_room_where_it_would_be_placed(
            taken in prop::collection::vec(0u32..=120, 0..9), percent in 1u64..=100, least in 1u8..=20, init: bool
        ) {
            let node = Node { least_percent: least, ..node(&taken) };
            let holes = Holes::of(&node, &mut Pools::default());
            let ask = Ask::of(vec![share(if init { Init } else { Lasting }, percent)]);
            let placed = place(&ask, &mut holes.clone(), Wish::default()).map(drop);
            let (pool, share) = ask.only_share().unwrap();
            prop_assert_eq!(holes.has_room(pool, share), placed);
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
