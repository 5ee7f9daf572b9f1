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

    /// Whether anything fits here that did not fit into `before`, as far as single GPUs and slices tell.
    pub(crate) fn exceed(&self, before: &Self) -> bool {
        let gpu = |(index, hole): (usize, &Hole)| {
            before.gpus.get(index).is_none_or(|before| {
                before.pool != hole.pool
                    || hole.free.get() > before.free.get()
                    || (hole.is_free_whole && !before.is_free_whole)
            })
        };
        let slices = |(profile, free): (&String, &u32)| before.slices.get(profile) < Some(free);
        self.least < before.least
            || self.gpus.iter().enumerate().any(gpu)
            || self.slices.iter().any(slices)
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
mod tests;
