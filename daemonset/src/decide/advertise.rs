//! What the kubelet is told of.

use contract::Resource;
use kubelet::deviceplugin::{Device, NumaNode, TopologyInfo};

use crate::inventory::{Gpu, Inventory};

/// The devices of one resource. A sick GPU's devices are all there, all unhealthy: a device that
/// may be in use must not vanish from the list.
#[must_use]
pub fn advertise(resource: Resource, inventory: &Inventory) -> Vec<Device> {
    inventory.offered(resource).flat_map(devices).collect()
}

fn devices(gpu: &Gpu) -> impl Iterator<Item = Device> {
    let health = if gpu.sick.is_none() { kubelet::HEALTHY } else { kubelet::UNHEALTHY };
    let node = |id: u32| TopologyInfo { nodes: vec![NumaNode { id: id.into() }] };
    let topology = gpu.numa.map(node);
    gpu.devices().map(move |id| Device {
        id: id.to_string(),
        health: health.to_owned(),
        topology: topology.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::gpu;
    use crate::modes::Mode;

    #[test]
    fn each_gpu_is_offered_as_one_resource_only() {
        let inventory = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Whole)]);
        let counts = Resource::ALL.map(|resource| advertise(resource, &inventory).len());
        assert_eq!(counts, [1, 100]);
    }

    #[test]
    fn every_part_of_a_sick_gpu_is_unhealthy_and_no_part_of_another() {
        let sick = Gpu { sick: Some("XID 79".into()), ..gpu(0, Mode::Shared) };
        let inventory = Inventory::new(vec![sick.clone(), gpu(1, Mode::Shared)]);
        for device in advertise(Resource::GpuPercent, &inventory) {
            let expected = device.id.starts_with(&sick.uuid.to_string());
            assert_eq!(device.health == kubelet::UNHEALTHY, expected, "{}", device.id);
        }
    }

    #[test]
    fn the_numa_node_goes_with_each_device() {
        let near = Gpu { numa: Some(1), ..gpu(0, Mode::Whole) };
        let devices = advertise(Resource::Gpu, &Inventory::new(vec![near]));
        assert_eq!(devices[0].topology.as_ref().unwrap().nodes, [NumaNode { id: 1 }]);
    }
}
