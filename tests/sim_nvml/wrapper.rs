//! What a device plugin asks, through nvml-wrapper.

use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TopologyLevel};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use sim_world::admin::{self, Change};

use crate::client_handle::Client;
use crate::harness::TestWorld;

fn nvml(world: &TestWorld) -> Nvml {
    let library = world.libraries().join("libnvidia-ml.so.1");
    Nvml::builder().lib_path(library.as_os_str()).init().unwrap()
}

#[test]
fn a_card_is_described_as_its_profile_says() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    assert_eq!(nvml.sys_driver_version().unwrap(), "580.95.05");
    assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 13000);
    assert_eq!(nvml.device_count().unwrap(), 2);
    let device = nvml.device_by_index(1).unwrap();
    assert_eq!(device.index().unwrap(), 1);
    assert_eq!(device.minor_number().unwrap(), 1);
    assert_eq!(device.name().unwrap(), "Tesla V100-SXM2-32GB");
    assert_eq!(device.uuid().unwrap(), world.report().cards[1].uuid);
    let pci = device.pci_info().unwrap();
    assert_eq!(
        (pci.bus_id.as_str(), pci.bus, pci.pci_device_id),
        ("00000000:16:00.0", 0x16, 0x1DB510DE)
    );
    let capability = device.cuda_compute_capability().unwrap();
    assert_eq!((capability.major, capability.minor), (7, 0));
    assert_eq!(device.num_cores().unwrap(), 80 * 64);
    assert_eq!(device.max_clock_info(Clock::SM).unwrap(), 1530);
    assert!(device.temperature(TemperatureSensor::Gpu).unwrap() > 20);
    assert!(device.power_usage().unwrap() >= 42_000);
    assert_eq!(device.enforced_power_limit().unwrap(), 300_000);
    assert_eq!(device.max_pcie_link_width().unwrap(), 16);
    assert!(device.is_ecc_enabled().unwrap().currently_enabled);
    let memory = device.memory_info().unwrap();
    assert_eq!((memory.total >> 20, memory.reserved >> 20, memory.used), (32768, 258, 0));
    let other = nvml.device_by_index(0).unwrap();
    assert!(matches!(device.topology_common_ancestor(other).unwrap(), TopologyLevel::System));
}

#[test]
fn a_card_is_found_by_uuid_and_bus_and_by_nothing_else() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    let device = nvml.device_by_index(1).unwrap();
    let found = [
        nvml.device_by_uuid(device.uuid().unwrap()).unwrap(),
        nvml.device_by_pci_bus_id("0000:16:00.0").unwrap(),
        nvml.device_by_pci_bus_id("00000000:16:00.0").unwrap(),
    ];
    assert_eq!(found.map(|device| device.index().unwrap()), [1; 3]);
    assert!(matches!(nvml.device_by_uuid("GPU-none").unwrap_err(), NvmlError::NotFound));
    assert!(matches!(nvml.device_by_pci_bus_id("0000:99:00.0").unwrap_err(), NvmlError::NotFound));
    assert!(matches!(nvml.device_by_index(2).unwrap_err(), NvmlError::InvalidArg));
}

#[test]
fn processes_are_listed_with_host_pid_and_memory() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    let device = nvml.device_by_index(0).unwrap();
    let mut clients =
        [1, 2].map(|i| Client::start(world.root(), &["context=300", &format!("take={}", i * 100)]));
    for client in &mut clients {
        assert_eq!([client.answer(), client.answer()], ["done", "done"]);
    }
    let processes = device.running_compute_processes().unwrap();
    let listed: Vec<_> =
        processes.iter().map(|process| (process.pid, used_mib(&process.used_gpu_memory))).collect();
    let mut expected = vec![(clients[0].pid(), 400), (clients[1].pid(), 500)];
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert!(device.running_graphics_processes().unwrap().is_empty());
    assert_eq!(device.running_compute_processes_count().unwrap(), 2);
    let samples = device.process_utilization_stats(None).unwrap();
    assert_eq!(samples.len(), 2);
}

#[test]
fn an_xid_comes_once_to_each_event_set_and_a_wait_without_one_times_out() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    let device = nvml.device_by_index(1).unwrap();
    let types = device.supported_event_types().unwrap();
    assert!(types.contains(EventTypes::CRITICAL_XID_ERROR));
    let sets = [0, 1].map(|_| {
        let set = nvml.create_event_set().unwrap();
        device.register_events(EventTypes::CRITICAL_XID_ERROR, set).unwrap()
    });
    admin::change(world.root(), Change::Xid { card: 0, number: 48 }).unwrap();
    admin::change(world.root(), Change::Xid { card: 1, number: 79 }).unwrap();
    for set in &sets {
        let event = set.wait(10_000).unwrap();
        assert!(matches!(event.event_data, Some(XidError::Value(79))), "{:?}", event.event_data);
        assert_eq!(event.device.uuid().unwrap(), world.report().cards[1].uuid);
        let before = std::time::Instant::now();
        assert!(matches!(set.wait(300).unwrap_err(), NvmlError::Timeout));
        assert!(before.elapsed() >= Duration::from_millis(290), "it really blocks");
    }
}

#[test]
fn a_lost_card_says_so_and_its_neighbour_goes_on() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    let (lost, well) = (nvml.device_by_index(0).unwrap(), nvml.device_by_index(1).unwrap());
    admin::change(world.root(), Change::Vanish { card: 0 }).unwrap();
    assert!(matches!(lost.memory_info().unwrap_err(), NvmlError::GpuLost));
    assert!(matches!(lost.name().unwrap_err(), NvmlError::GpuLost));
    assert!(matches!(nvml.device_by_index(0).unwrap_err(), NvmlError::GpuLost));
    assert_eq!(nvml.device_count().unwrap(), 2);
    well.memory_info().unwrap();
    admin::change(world.root(), Change::Restore { card: 0 }).unwrap();
    lost.memory_info().unwrap();
}

#[test]
fn a_world_that_ends_under_a_client_is_a_driver_not_loaded_and_nothing_hangs() {
    let world = TestWorld::new();
    let nvml = nvml(&world);
    let device = nvml.device_by_index(0).unwrap();
    let set = nvml.create_event_set().unwrap();
    let set = device.register_events(EventTypes::CRITICAL_XID_ERROR, set).unwrap();
    world.kill_daemon();
    assert!(matches!(device.memory_info().unwrap_err(), NvmlError::DriverNotLoaded));
    assert!(matches!(set.wait(60_000).unwrap_err(), NvmlError::DriverNotLoaded));
}

#[test]
fn mig_is_off_where_it_could_be_had_and_unknown_elsewhere() {
    let world = TestWorld::with(&[("v100-32gb", 1), ("a100-40gb", 1)], crate::harness::options());
    let nvml = nvml(&world);
    let mode = |index| nvml.device_by_index(index).unwrap().mig_mode();
    assert!(matches!(mode(0).unwrap_err(), NvmlError::NotSupported));
    assert_eq!(mode(1).unwrap().current, 0);
}

fn used_mib(memory: &UsedGpuMemory) -> u64 {
    match memory {
        UsedGpuMemory::Used(bytes) => bytes >> 20,
        UsedGpuMemory::Unavailable => 0,
    }
}
