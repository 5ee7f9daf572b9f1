//! How cards lie to one another: those of a NUMA node under its host bridge, the others across the
//! machine.

use std::ffi::{c_int, c_uint, c_ulong};

use nvidia_sys::nvml::*;
use sim_world::{Card, World};

use crate::answer::{Answer, INSUFFICIENT_SIZE, NOT_SUPPORTED, not_loaded};
use crate::export::nvml;
use crate::handle::{card, handle_of};

nvml! {
    fn nvmlDeviceGetTopologyCommonAncestor(
        one: nvmlDevice_t,
        other: nvmlDevice_t,
        level: *mut nvmlGpuTopologyLevel_t,
    ) {
        let (world, one) = card(one)?;
        level.set(common(world, one, card(other)?.1)?)
    }

    fn nvmlDeviceGetTopologyNearestGpus(
        device: nvmlDevice_t,
        level: nvmlGpuTopologyLevel_t,
        count: *mut c_uint,
        devices: *mut nvmlDevice_t,
    ) {
        let (world, card) = card(device)?;
        let others = world.cards().iter().filter(|other| other.id != card.id);
        let near = |other: &&Card| common(world, card, other) == Ok(level);
        let near: Vec<_> = others.filter(near).collect();
        let room = if devices.is_null() { 0 } else { count.get()? as usize };
        count.set(near.len() as u32)?;
        let places = near.iter().take(room).enumerate();
        places.into_iter().try_for_each(|(i, other)| devices.set_at(i, handle_of(other)))
    }

    fn nvmlDeviceGetP2PStatus(
        one: nvmlDevice_t,
        other: nvmlDevice_t,
        index: nvmlGpuP2PCapsIndex_t,
        status: *mut nvmlGpuP2PStatus_t,
    ) {
        let (world, one) = card(one)?;
        let other = card(other)?.1;
        status.set(match index {
            nvmlGpuP2PCapsIndex_t::NVML_P2P_CAPS_INDEX_NVLINK if links(world, one, other)? > 0 => {
                nvmlGpuP2PStatus_t::NVML_P2P_STATUS_OK
            }
            nvmlGpuP2PCapsIndex_t::NVML_P2P_CAPS_INDEX_READ
            | nvmlGpuP2PCapsIndex_t::NVML_P2P_CAPS_INDEX_WRITE => {
                nvmlGpuP2PStatus_t::NVML_P2P_STATUS_OK
            }
            _ => nvmlGpuP2PStatus_t::NVML_P2P_STATUS_NOT_SUPPORTED,
        })
    }

    fn nvmlDeviceOnSameBoard(one: nvmlDevice_t, other: nvmlDevice_t, same: *mut c_int) {
        same.set(i32::from(card(one)?.1.id == card(other)?.1.id))
    }

    /// For machines on which a GPU's memory is a NUMA node of its own. Here the node a card is near to
    /// is in its memory affinity.
    fn nvmlDeviceGetNumaNodeId(device: nvmlDevice_t, _node: *mut c_uint) {
        card(device)?;
        Err(NOT_SUPPORTED)
    }

    fn nvmlDeviceGetMemoryAffinity(
        device: nvmlDevice_t,
        size: c_uint,
        nodes: *mut c_ulong,
        _scope: c_uint,
    ) {
        let (world, card) = card(device)?;
        let node = numa_node(world, card)?;
        if size == 0 {
            return Err(INSUFFICIENT_SIZE);
        }
        nodes.set(1 << node)?;
        zeros_from(1, size, |i| nodes.set_at(i, 0))
    }
}

/// The NUMA node that a card is nearest to.
fn numa_node(world: &World, card: &Card) -> Answer<u32> {
    Ok(world.condition(card).map_err(not_loaded)?.numa_node.unwrap_or(card.numa_node))
}

fn links(world: &World, one: &Card, other: &Card) -> Answer<u32> {
    let links = world.condition(one).map_err(not_loaded)?.links;
    Ok(links.iter().find(|link| link.peer == other.id).map_or(0, |link| link.count))
}

/// How two cards lie to each other.
pub(crate) fn common(world: &World, one: &Card, other: &Card) -> Answer<nvmlGpuTopologyLevel_t> {
    let near = numa_node(world, one)? == numa_node(world, other)?;
    Ok(match (one.id == other.id, near) {
        (true, _) => nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_INTERNAL,
        (_, true) => nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_HOSTBRIDGE,
        _ => nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_SYSTEM,
    })
}

fn zeros_from(first: usize, size: u32, set: impl FnMut(usize) -> Answer) -> Answer {
    (first..size as usize).try_for_each(set)
}
