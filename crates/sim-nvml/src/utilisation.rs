//! How busy a card and its processes are, from the time lines.

use std::ffi::{c_uint, c_ulonglong};

use nvidia_sys::nvml::*;
use sim_world::{Card, Process, World};

use crate::answer::{Answer, INSUFFICIENT_SIZE, NOT_SUPPORTED, check_version, not_loaded};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::{card, is_slice};
use crate::processes::compute_processes;

/// The window that figures are taken over, in microseconds.
const WINDOW_US: u32 = 200_000;

nvml! {
    /// The copy engines stand for "memory": the simulation does not know what kernels read.
    fn nvmlDeviceGetUtilizationRates(device: nvmlDevice_t, rates: *mut nvmlUtilization_t) {
        let (world, card) = undivided(device)?;
        let now = world.utilisation(card);
        rates.set(nvmlUtilization_t { gpu: now.compute_percent, memory: now.copy_percent })
    }

    fn nvmlDeviceGetEncoderUtilization(
        device: nvmlDevice_t,
        percent: *mut c_uint,
        period_us: *mut c_uint,
    ) {
        idle(device, percent, period_us)
    }

    fn nvmlDeviceGetDecoderUtilization(
        device: nvmlDevice_t,
        percent: *mut c_uint,
        period_us: *mut c_uint,
    ) {
        idle(device, percent, period_us)
    }

    fn nvmlDeviceGetJpgUtilization(
        device: nvmlDevice_t,
        percent: *mut c_uint,
        period_us: *mut c_uint,
    ) {
        idle(device, percent, period_us)
    }

    fn nvmlDeviceGetOfaUtilization(
        device: nvmlDevice_t,
        percent: *mut c_uint,
        period_us: *mut c_uint,
    ) {
        idle(device, percent, period_us)
    }

    /// One sample per process, taken now.
    fn nvmlDeviceGetProcessUtilization(
        device: nvmlDevice_t,
        samples: *mut nvmlProcessUtilizationSample_t,
        count: *mut c_uint,
        _last_seen: c_ulonglong,
    ) {
        let (world, card) = undivided(device)?;
        let found = busy_processes(world, card)?;
        let room = if samples.is_null() { 0 } else { count.get()? as usize };
        count.set(found.len() as u32)?;
        if found.len() > room {
            return Err(INSUFFICIENT_SIZE);
        }
        let sample = |(pid, sm)| nvmlProcessUtilizationSample_t {
            pid,
            timeStamp: unix_us(),
            smUtil: sm,
            memUtil: 0,
            encUtil: 0,
            decUtil: 0,
        };
        found.into_iter().enumerate().try_for_each(|(i, one)| samples.set_at(i, sample(one)))
    }

    fn nvmlDeviceGetProcessesUtilizationInfo(
        device: nvmlDevice_t,
        info: *mut nvmlProcessesUtilizationInfo_t,
    ) {
        let (world, card) = undivided(device)?;
        let mut asked = info.get()?;
        check_version::<nvmlProcessesUtilizationInfo_v1_t>(asked.version, 1)?;
        let found = busy_processes(world, card)?;
        let room = if asked.procUtilArray.is_null() { 0 } else { asked.processSamplesCount };
        asked.processSamplesCount = found.len() as u32;
        info.set(asked)?;
        if found.len() > room as usize {
            return Err(INSUFFICIENT_SIZE);
        }
        // SAFETY: the caller's array has as many places as its struct said.
        let places = unsafe { crate::arg::Arg::admit(asked.procUtilArray) };
        let sample = |(pid, sm)| nvmlProcessUtilizationInfo_v1_t {
            timeStamp: unix_us(),
            pid,
            smUtil: sm,
            memUtil: 0,
            encUtil: 0,
            decUtil: 0,
            jpgUtil: 0,
            ofaUtil: 0,
        };
        found.into_iter().enumerate().try_for_each(|(i, one)| places.set_at(i, sample(one)))
    }
}

/// A card in MIG mode, and a MIG device, answer that how busy they are is not known.
fn undivided(device: Out<nvmlDevice_st>) -> Answer<(&'static World, &'static Card)> {
    if is_slice(device) {
        return Err(NOT_SUPPORTED);
    }
    let (world, card) = card(device)?;
    match world.condition(card).map_err(not_loaded)?.mig.current {
        true => Err(NOT_SUPPORTED),
        false => Ok((world, card)),
    }
}

/// Pid and percent of every compute process.
fn busy_processes(world: &World, card: &Card) -> Answer<Vec<(u32, u32)>> {
    let processes = compute_processes(world, card)?;
    let busy = |process: &Process| (process.host_pid, world.process_utilisation(card, process));
    Ok(processes.iter().map(busy).collect())
}

/// Engines that the simulation has no work for.
fn idle(device: Out<nvmlDevice_st>, percent: Out<c_uint>, period_us: Out<c_uint>) -> Answer {
    undivided(device)?;
    percent.set(0)?;
    period_us.set(WINDOW_US)
}

/// NVML's time stamps: microseconds since 1970.
pub(crate) fn unix_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
