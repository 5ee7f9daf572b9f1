//! Of several whole GPUs those that lie closest: by NVLinks first, then by NUMA nodes.

use std::collections::BTreeSet;

use contract::DeviceId;

use crate::inventory::{Gpu, Inventory};

/// More GPUs than this are not tried in every combination.
const TRIED: usize = 16;

/// What one NVLink counts, in shared NUMA nodes: more than all pairs of a machine.
const LINK: u32 = 1000;

/// `size` of the free devices with all of `must`, first, then the others, in the order of their GPUs.
///
/// The set whose members are closest to each other counts; of equals the one whose absence leaves the
/// others closest, so that the next pod finds neighbours too; then the first.
pub(super) fn closest(
    free: &BTreeSet<DeviceId>,
    must: &BTreeSet<DeviceId>,
    size: usize,
    inventory: &Inventory,
) -> Vec<DeviceId> {
    let mut all: Vec<_> = free.iter().map(|&id| (id, inventory.get(id.uuid()))).collect();
    all.sort_by_key(|(id, gpu)| (gpu.map_or(u32::MAX, |gpu| gpu.index), *id));
    let best = (all.len() <= TRIED).then(|| best_of(&all, must, size)).flatten();
    let in_best = |at: usize| best.is_some_and(|best: u32| best & 1 << at != 0);
    let (first, rest): (Vec<_>, Vec<_>) = (0..all.len()).partition(|at| in_best(*at));
    first.into_iter().chain(rest).map(|at| all[at].0).collect()
}

type Candidate<'a> = (DeviceId, Option<&'a Gpu>);

fn best_of(all: &[Candidate], must: &BTreeSet<DeviceId>, size: usize) -> Option<u32> {
    let near = distances(all);
    let wanted = mask(|at| must.contains(&all[at].0), all.len());
    let full = mask(|_| true, all.len());
    let sets = (0..=full).filter(|set| set.count_ones() as usize == size && set & wanted == wanted);
    let rank = |set: &u32| (closeness(&near, *set), closeness(&near, full & !set));
    // The lowest mask of equals: max_by_key takes the last.
    sets.rev().max_by_key(rank)
}

fn mask(is_in: impl Fn(usize) -> bool, len: usize) -> u32 {
    (0..len).filter(|at| is_in(*at)).fold(0, |mask, at| mask | 1 << at)
}

/// For each pair how close it is.
fn distances(all: &[Candidate]) -> Vec<Vec<u32>> {
    let near = |a: Option<&Gpu>, b: Option<&Gpu>| match (a, b) {
        (Some(a), Some(b)) => {
            let links = a.links.get(&b.pci).copied().unwrap_or_default();
            links * LINK + u32::from(a.numa == b.numa)
        }
        _ => 0,
    };
    all.iter().map(|(_, a)| all.iter().map(|(_, b)| near(*a, *b)).collect()).collect()
}

fn closeness(near: &[Vec<u32>], set: u32) -> u32 {
    let members = || (0..near.len()).filter(|at| set & 1 << at != 0);
    members().flat_map(|a| members().filter(move |b| a < *b).map(move |b| near[a][b])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    /// Eight GPUs; 0 to 3 and 4 to 7 are linked in squares, 0-1, 2-3, 4-5 and 6-7 twice.
    fn cubes() -> Inventory {
        let linked = |n: u8| {
            let peers = (0..8u8).filter(|m| *m != n && m / 4 == n / 4);
            let count = |m: u8| if m / 2 == n / 2 { 2 } else { 1 };
            let links = peers.map(|m| (gpu(m, Mode::Whole).pci, count(m))).collect();
            Gpu { links, ..gpu(n, Mode::Whole) }
        };
        Inventory::new((0..8).map(linked).collect())
    }

    fn chosen(free: &[u8], must: &[u8], size: usize) -> Vec<u8> {
        let ids = |gpus: &[u8]| gpus.iter().map(|n| DeviceId::Whole(uuid(*n))).collect();
        let all = closest(&ids(free), &ids(must), size, &cubes());
        all.iter().take(size).map(|id| id.uuid().bytes[0]).collect()
    }

    #[test]
    fn gpus_with_the_most_links_between_them_are_taken() {
        assert_eq!(chosen(&[0, 1, 2, 3, 4, 5, 6, 7], &[], 2), [0, 1]);
        assert_eq!(chosen(&[1, 2, 3, 4], &[], 2), [2, 3]);
        assert_eq!(chosen(&[0, 1, 4, 5, 6, 7], &[], 4), [4, 5, 6, 7]);
        assert_eq!(chosen(&[0, 1, 4, 5, 6, 7], &[1], 2), [0, 1]);
    }

    #[test]
    fn a_single_gpu_is_taken_where_it_breaks_no_pair() {
        assert_eq!(chosen(&[0, 1, 2, 4, 5], &[], 1), [2]);
    }
}
