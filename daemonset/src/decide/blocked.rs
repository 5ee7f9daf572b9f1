//! Why nobody new can have what is there.

use contract::DeviceUuid;

use super::Taken;
use crate::inventory::{Gpu, Inventory, Kind};

/// Why nobody new can have a device that is there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Blocked {
    /// See [`Gpu::sick`].
    #[error("out of order ({0})")]
    Sick(String),
    /// See [`Gpu::cordon`].
    #[error("cordoned ({0})")]
    Cordoned(String),
    /// See [`Gpu::foreign`].
    #[error("shared by others ({0})")]
    Foreign(String),
    /// See [`Gpu::no_shares`].
    #[error("not for shares ({0})")]
    NoShares(String),
    /// Somebody holds the GPU as something else.
    #[error("in use as {}", word(.0))]
    Bound(Kind),
    /// Somebody holds a slice that the card has no more: what was made in its place is reached by that one's device nodes.
    #[error("divided anew while a slice that it has no more is held")]
    Divided,
    /// Somebody holds a part of it as another resource than it is offered as.
    #[error("held under another resource's name than it has by now")]
    Moved,
    /// The configuration wants it otherwise.
    #[error("no longer configured for this")]
    Otherwise,
}

pub(super) const fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Whole => "a whole GPU",
        Kind::Percent => "a shared GPU",
        Kind::Slice => "MIG slices",
    }
}

/// Why nobody new can have devices of this kind of a GPU; `None` where somebody can.
#[must_use]
pub fn blocked(gpu: &Gpu, kind: Kind, taken: &Taken) -> Option<Blocked> {
    let bound = taken.kind(gpu.uuid).filter(|bound| *bound != kind);
    let foreign = gpu.foreign.map(|by| Blocked::Foreign(by.to_string()));
    let foreign = foreign.or_else(|| gpu.no_shares.clone().map(Blocked::NoShares));
    let foreign = foreign.filter(|_| kind == Kind::Percent);
    match (&gpu.sick, &gpu.cordon, foreign, bound) {
        (Some(why), ..) => Some(Blocked::Sick(why.clone())),
        (_, Some(why), ..) => Some(Blocked::Cordoned(why.clone())),
        (.., Some(why), _) => Some(why),
        _ if !gpu.offers(kind) => Some(Blocked::Otherwise),
        _ if taken.has_moved(gpu) => Some(Blocked::Moved),
        _ if kind == Kind::Slice && taken.has_lost_slice(gpu) => Some(Blocked::Divided),
        (.., Some(bound)) => Some(Blocked::Bound(bound)),
        _ => None,
    }
}

/// Why a GPU that works is given to nobody new, as whatever it is offered; `None` where somebody can have a part of it, or
/// could if it were free. That no share of it can be held here is told apart.
#[must_use]
pub fn shut(gpu: &Gpu, taken: &Taken) -> Option<String> {
    let offered =
        [Kind::Whole, Kind::Percent, Kind::Slice].into_iter().filter(|it| gpu.offers(*it));
    let by_holders = || {
        let all: Option<Vec<_>> = offered.map(|kind| blocked(gpu, kind, taken)).collect();
        all?.into_iter()
            .find(|why| matches!(why, Blocked::Bound(_) | Blocked::Divided | Blocked::Moved))
    };
    gpu.closed().or_else(|| by_holders().map(|why| why.to_string()))
}

/// What whole cards nobody new can have as what.
#[must_use]
pub fn closed(inventory: &Inventory, taken: &Taken) -> Vec<(DeviceUuid, Kind)> {
    let both = inventory.gpus().iter().flat_map(|gpu| [(gpu, Kind::Whole), (gpu, Kind::Percent)]);
    let closed = both.filter(|(gpu, kind)| blocked(gpu, *kind, taken).is_some());
    closed.map(|(gpu, kind)| (gpu.uuid, kind)).collect()
}

#[cfg(test)]
mod tests {
    use contract::DeviceId;

    use super::*;
    use crate::inventory::Membership;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    #[test]
    fn a_gpu_is_shut_where_nobody_new_can_have_any_of_it_although_it_works() {
        let mut part = Taken::default();
        part.add([DeviceId::Percent(uuid(0), 7)], Some("gpu-percent"));
        let shut = |gpu: Gpu, taken: &Taken| shut(&gpu, taken).unwrap_or_default();
        let pool = Membership { name: "a".into(), resource: "gpu-a".into() };
        let moved = || Gpu { pool: Some(pool.clone()), ..gpu(0, Mode::Shared) };
        assert!(shut(moved(), &part).contains("another resource's name"));
        assert!(shut(gpu(0, Mode::Whole), &part).contains("in use as a shared GPU"));
        for (gpu, taken) in [
            (gpu(0, Mode::Shared), &part),
            (gpu(0, Mode::Auto), &part),
            (moved(), &Taken::default()),
            (Gpu { sick: Some("XID 79".into()), ..moved() }, &part),
            (Gpu { no_shares: Some("noexec".into()), ..gpu(0, Mode::Shared) }, &part),
        ] {
            assert_eq!(shut(gpu, taken), "");
        }
    }
}
