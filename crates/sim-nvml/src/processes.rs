//! Who is on a card. A process with a context is a compute process, a server of MPS is what the world was
//! told of; the simulation has no graphics. Pids are the host's, as the daemon sees them.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::{Card, Kind, Process, World};

use crate::answer::{Answer, INSUFFICIENT_SIZE, check_version, not_loaded};
use crate::arg::Out;
use crate::export::nvml;

/// Neither in a GPU instance nor in a compute instance.
const NO_INSTANCE: u32 = u32::MAX;

nvml! {
    fn nvmlDeviceGetComputeRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v1_t,
    ) {
        let (world, card) = crate::handle::device(device)?;
        infos.fill(count, &list(compute_processes(world, &card)?, info_v1))
    }

    fn nvmlDeviceGetComputeRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v2_t,
    ) {
        let (world, card) = crate::handle::device(device)?;
        infos.fill(count, &list(compute_processes(world, &card)?, info_v2))
    }

    fn nvmlDeviceGetComputeRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_t,
    ) {
        let (world, card) = crate::handle::device(device)?;
        infos.fill(count, &list(compute_processes(world, &card)?, info_v2))
    }

    fn nvmlDeviceGetGraphicsRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        _infos: *mut nvmlProcessInfo_v1_t,
    ) {
        nobody(device, count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        _infos: *mut nvmlProcessInfo_v2_t,
    ) {
        nobody(device, count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        _infos: *mut nvmlProcessInfo_t,
    ) {
        nobody(device, count)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v1_t,
    ) {
        infos.fill(count, &list(mps_servers(device)?, info_v1))
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v2_t,
    ) {
        infos.fill(count, &list(mps_servers(device)?, info_v2))
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_t,
    ) {
        infos.fill(count, &list(mps_servers(device)?, info_v2))
    }

    /// Mode 0 asks for compute processes; the others have none.
    fn nvmlDeviceGetRunningProcessDetailList(
        device: nvmlDevice_t,
        plist: *mut nvmlProcessDetailList_t,
    ) {
        let (world, card) = crate::handle::device(device)?;
        let mut asked = plist.get()?;
        check_version::<nvmlProcessDetailList_v1_t>(asked.version, 1)?;
        let found = match asked.mode {
            0 => list(compute_processes(world, &card)?, detail),
            _ => Vec::new(),
        };
        let room = asked.numProcArrayEntries as usize;
        asked.numProcArrayEntries = found.len() as u32;
        plist.set(asked)?;
        // SAFETY: the caller's array has as many places as its struct said.
        let places = unsafe { crate::arg::Arg::admit(asked.procArray) };
        match found.len() <= room {
            true => found.iter().enumerate().try_for_each(|(i, one)| places.set_at(i, *one)),
            false => Err(INSUFFICIENT_SIZE),
        }
    }
}

/// The processes that have a context on `card`.
pub(crate) fn compute_processes(world: &World, card: &Card) -> Answer<Vec<Process>> {
    let mut processes = world.processes(card).map_err(not_loaded)?;
    processes.retain(|process| process.of(Kind::Context) > 0);
    Ok(processes)
}

/// The servers of MPS that have the card.
pub(crate) fn mps_servers(device: Out<nvmlDevice_st>) -> Answer<Vec<Process>> {
    let (world, card) = crate::handle::device(device)?;
    let pids = world.condition(&card).map_err(not_loaded)?.mps;
    let server = |host_pid| Process {
        host_pid,
        used_bytes: MPS_SERVER_BYTES,
        kinds: [0; Kind::ALL.len()],
        slice: card.place(),
        slots: Vec::new(),
    };
    Ok(pids.into_iter().map(server).collect())
}

/// What a server of MPS holds of a card, all told: a guess.
const MPS_SERVER_BYTES: u64 = 30 << 20;

/// The GPU instance and the compute instance that a process is in.
pub(crate) fn instances(process: &Process) -> [u32; 2] {
    process.slice.unwrap_or([NO_INSTANCE; 2])
}

fn list<T>(processes: Vec<Process>, entry: impl Fn(&Process) -> T) -> Vec<T> {
    processes.iter().map(entry).collect()
}

fn nobody(device: Out<nvmlDevice_st>, count: Out<c_uint>) -> Answer {
    crate::handle::device(device)?;
    count.set(0)
}

fn info_v1(process: &Process) -> nvmlProcessInfo_v1_t {
    nvmlProcessInfo_v1_t { pid: process.host_pid, usedGpuMemory: process.used_bytes }
}

fn info_v2(process: &Process) -> nvmlProcessInfo_v2_t {
    nvmlProcessInfo_v2_t {
        pid: process.host_pid,
        usedGpuMemory: process.used_bytes,
        gpuInstanceId: instances(process)[0],
        computeInstanceId: instances(process)[1],
    }
}

fn detail(process: &Process) -> nvmlProcessDetail_v1_t {
    nvmlProcessDetail_v1_t {
        pid: process.host_pid,
        usedGpuMemory: process.used_bytes,
        gpuInstanceId: instances(process)[0],
        computeInstanceId: instances(process)[1],
        usedGpuCcProtectedMemory: 0,
    }
}
