//! The driver's NVML.

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use contract::Mib;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::GpuVirtualizationMode;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::event::EventData;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::{Device, EventSet, Nvml};

use super::{Card, Mark, News, SLICE, Silence, Source, Unreached, slices};
use crate::inventory::{Facts, Foreign};

/// NVML_FI_DEV_GET_GPU_RECOVERY_ACTION of nvml.h: from driver 570 on.
const RECOVERY_ACTION: FieldId = FieldId(230);

/// The most NVLinks of a card: NVML_NVLINK_MAX_LINKS of nvml.h.
const LINKS: u32 = 18;

/// The driver's NVML.
pub struct NvmlSource {
    library: PathBuf,
}

impl NvmlSource {
    /// NVML in this file.
    #[must_use]
    pub fn new(library: PathBuf) -> Self {
        Self { library }
    }
}

impl Source for NvmlSource {
    fn open(&mut self) -> Result<Vec<Box<dyn Card>>, Unreached> {
        let nvml = Nvml::builder().lib_path(own_name(&self.library).as_os_str()).init();
        let nvml = nvml.map_err(|error| {
            let why = format!("NVML in {}: {error}", self.library.display());
            match error {
                NvmlError::LibRmVersionMismatch => Unreached::Mismatched(why),
                _ => Unreached::Failed(why),
            }
        })?;
        let count = nvml.device_count().map_err(|error| Unreached::Failed(clause(error)))?;
        let nvml = Arc::new(nvml);
        let card = |index| {
            let (nvml, library) = (nvml.clone(), self.library.clone());
            Box::new(NvmlCard { nvml, library, index }) as Box<dyn Card>
        };
        Ok((0..count).map(card).collect())
    }

    fn library(&self) -> Option<Mark> {
        let file = fs::metadata(&self.library).ok()?;
        Some((file.dev(), file.ino()))
    }
}

/// The file behind the links that lead to a library: it has its driver's version in its name. A loader that has a library of
/// a name open does not look whether another lies there by now.
pub(crate) fn own_name(library: &Path) -> PathBuf {
    fs::canonicalize(library).unwrap_or_else(|_| library.to_owned())
}

/// One card. NVML stays loaded until the last is dropped.
struct NvmlCard {
    nvml: Arc<Nvml>,
    library: PathBuf,
    index: u32,
}

impl Card for NvmlCard {
    fn look(&self) -> Result<Facts, Silence> {
        let device = self.nvml.device_by_index(self.index).map_err(unreached)?;
        self.ask(&device).map_err(|why| match self.nvml.device_by_index(self.index) {
            // Lost while it was asked.
            Err(error) => unreached(error),
            Ok(_) => Silence::Failed(why),
        })
    }

    fn watch(&self, pause: Duration, tell: &mut dyn FnMut(News) -> bool) {
        let (mut events, mut is_stale) = (None, true);
        loop {
            let look = self.look();
            let answers = look.is_ok();
            // Nothing is registered with the kubelet before every card was looked at: that comes first.
            if !tell(News::Facts(look)) {
                return;
            }
            // Whether a card that was away is one of whose XIDs the driver still tells, nobody says.
            if answers
                && is_stale
                && let Some(fresh) = self.events()
            {
                is_stale = false;
                // What came while it was looked at, the old set alone was told of.
                let old = events.replace(fresh);
                let mut missed = old.iter().flat_map(told_of).peekable();
                let is_xid = missed.peek().is_some();
                if !missed.all(&mut *tell) {
                    return;
                }
                if is_xid {
                    continue;
                }
            }
            is_stale |= !answers;
            if !tell(self.nvml.device_count().map_or(News::Alive, News::Count)) {
                return;
            }
            let end = Instant::now() + pause;
            while Instant::now() < end {
                let step = SLICE.min(end.saturating_duration_since(Instant::now()));
                let news = next(events.as_ref(), step).unwrap_or_else(|| {
                    is_stale = true;
                    News::Alive
                });
                let is_xid = matches!(news, News::Xid(_));
                if !tell(news) {
                    return;
                }
                // Whether the card still answers is seen at once, before it can be back.
                if is_xid {
                    break;
                }
            }
        }
    }
}

impl NvmlCard {
    fn ask(&self, device: &Device) -> Result<Facts, String> {
        let uuid = device.uuid().map_err(clause)?;
        let uuid = uuid.parse().map_err(|error| format!("its UUID {uuid:?} is {error}"))?;
        let (total, usable) = self.memory(device)?;
        let facts = facts(device, usable).map_err(clause)?;
        let mode = device.mig_mode();
        // A card that cannot be divided says so in place of a mode.
        let mig_capable = mode.is_ok();
        let slices = slices::of(device, mode, &self.library, (self.index, total))?;
        Ok(Facts { uuid, mig_capable, slices, ..facts })
    }

    /// All that there is, and what there is to divide: all but what the driver keeps. Before 510 a driver has only the first
    /// form of the question, and leaves what it keeps out of that form's total by itself.
    fn memory(&self, device: &Device) -> Result<(Mib, Mib), String> {
        let (total, usable) = match device.memory_info() {
            Ok(memory) => (memory.total, memory.total.saturating_sub(memory.reserved)),
            Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => {
                let total = self.first_form().map_err(|error| format!("NVML: {error}"))?;
                (total, total)
            }
            Err(error) => return Err(clause(error)),
        };
        Ok((Mib::floor_of_bytes(total), Mib::floor_of_bytes(usable)))
    }

    /// The wrapper knows the second form only.
    fn first_form(&self) -> driver::Result<u64> {
        let nvml = driver::nvml::Nvml::open(&self.library)?;
        Ok(nvml.device(self.index)?.memory_v1()?.total)
    }

    /// XIDs of this card; `None` where the driver or the card has no events.
    fn events(&self) -> Option<EventSet<'_>> {
        let set = self.nvml.create_event_set().ok()?;
        let device = self.nvml.device_by_index(self.index).ok()?;
        let types = device.supported_event_types().ok()? & EventTypes::CRITICAL_XID_ERROR;
        device.register_events(types, set).ok()
    }
}

/// What happens to a card within `patience`, in milliseconds at least one; `None` where nobody can tell, after that time.
fn next(events: Option<&EventSet>, patience: Duration) -> Option<News> {
    // A wait for no time at all would not block.
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1);
    match events.map(|events| events.wait(milliseconds)) {
        Some(Ok(event)) => Some(news(&event)),
        Some(Err(NvmlError::Timeout)) => Some(News::Alive),
        None | Some(Err(_)) => {
            // A driver that is gone answers at once: it is not asked in a loop.
            thread::sleep(patience);
            None
        }
    }
}

fn news(event: &EventData<'_>) -> News {
    match event.event_data {
        Some(XidError::Value(number)) => News::Xid(number),
        Some(XidError::Unknown) => News::Xid(999),
        None => News::Alive,
    }
}

/// What a set was told of and nobody has heard: no more than a sick card can fill it with meanwhile.
fn told_of(events: &EventSet) -> impl Iterator<Item = News> {
    iter::from_fn(|| Some(news(&events.wait(1).ok()?))).take(UNHEARD)
}

/// The most that is heard of it.
const UNHEARD: usize = 100;

/// Why there is no card at its place. One that has to be reset before it can be used is lost until it was; a place that
/// there is no more says nothing of the card that was there, which may have another by now.
fn unreached(error: NvmlError) -> Silence {
    use NvmlError::{GpuLost, NotFound, ResetRequired};
    let is_lost = matches!(error, GpuLost | NotFound | ResetRequired);
    let why = clause(error);
    if is_lost { Silence::Lost(why) } else { Silence::Failed(why) }
}

pub(super) fn clause(error: NvmlError) -> String {
    format!("NVML: {error}")
}

fn facts(device: &Device, usable: Mib) -> Result<Facts, NvmlError> {
    let pci = device.pci_info()?.bus_id;
    let virtualised = device.virtualization_mode().ok();
    let mps_clients = mps_clients(device);
    Ok(Facts {
        uuid: contract::DeviceUuid::gpu([0; 16]),
        minor: device.minor_number()?,
        name: device.name()?,
        usable,
        numa: numa_node(Path::new(PCI_DEVICES), &pci),
        links: links(device),
        slices: None,
        mig_capable: false,
        capability: capability(device),
        trouble: trouble(&virtualised),
        foreign: foreign(&mps_clients, &virtualised),
        mps_clients,
        recovery: recovery(device),
        pci,
    })
}

fn capability(device: &Device) -> Option<(u8, u8)> {
    let found = device.cuda_compute_capability().ok()?;
    Some((found.major.try_into().ok()?, found.minor.try_into().ok()?))
}

/// What keeps a card from being given out although it answers.
fn trouble(virtualised: &Option<GpuVirtualizationMode>) -> Option<String> {
    match virtualised {
        Some(GpuVirtualizationMode::HostVgpu | GpuVirtualizationMode::HostVsga) => {
            Some("the vGPU manager gives it to virtual machines".into())
        }
        _ => None,
    }
}

/// Who shares it already, as long as nobody knows whose the clients of MPS are.
fn foreign(mps_clients: &[u32], virtualised: &Option<GpuVirtualizationMode>) -> Option<Foreign> {
    if matches!(virtualised, Some(GpuVirtualizationMode::Vgpu)) {
        return Some(Foreign::Vgpu);
    }
    (!mps_clients.is_empty()).then_some(Foreign::Mps)
}

fn mps_clients(device: &Device) -> Vec<u32> {
    let clients = device.mps_running_compute_processes().unwrap_or_default();
    clients.iter().map(|client| client.pid).collect()
}

/// What the driver says has to be done to it: 0 is nothing. `None` before driver 570.
fn recovery(device: &Device) -> Option<u64> {
    let sample = device.field_values_for(&[RECOVERY_ACTION]).ok()?.pop()?.ok()?;
    match sample.value.ok()? {
        SampleValue::U32(value) => Some(value.into()),
        SampleValue::U64(value) => Some(value),
        SampleValue::I64(value) => u64::try_from(value).ok(),
        SampleValue::F64(_) => None,
    }
}

/// Active NVLinks by the PCI bus id at their other end.
fn links(device: &Device) -> BTreeMap<String, u32> {
    let mut links = BTreeMap::new();
    for link in (0..LINKS).map(|link| device.link_wrapper_for(link)) {
        match link.is_active() {
            Ok(true) => {}
            Ok(false) => continue,
            // A card without NVLink says so of the first one.
            Err(_) => break,
        }
        if let Ok(remote) = link.remote_pci_info() {
            *links.entry(remote.bus_id).or_default() += 1;
        }
    }
    links
}

/// The kernel's answer, where the machine has NUMA nodes: it writes -1 otherwise.
fn numa_node(devices: &Path, bus_id: &str) -> Option<u32> {
    // NVML writes the PCI domain with eight digits, sysfs with four.
    let address = bus_id.to_lowercase();
    let address = address.get(address.len().checked_sub(12)?..)?;
    fs::read_to_string(devices.join(address).join("numa_node")).ok()?.trim().parse().ok()
}

/// Where the kernel lists what hangs on PCI.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_lost_where_the_driver_has_it_no_more_and_not_where_a_question_is_wrong() {
        for (error, is_lost) in [
            (NvmlError::GpuLost, true),
            (NvmlError::NotFound, true),
            (NvmlError::ResetRequired, true),
            // A place that there is no more: the card that was there may have another.
            (NvmlError::InvalidArg, false),
            (NvmlError::Unknown, false),
        ] {
            let said = format!("{error:?}");
            assert_eq!(matches!(unreached(error), Silence::Lost(_)), is_lost, "{said}");
        }
    }

    #[test]
    fn a_cards_numa_node_is_looked_up_by_its_address_as_the_kernel_writes_it() {
        let devices = tempfile::tempdir().unwrap();
        for (address, said) in [("0000:3b:00.0", "1\n"), ("0000:5e:00.0", "-1\n")] {
            let device = devices.path().join(address);
            fs::create_dir(&device).unwrap();
            fs::write(device.join("numa_node"), said).unwrap();
        }
        let table = [
            ("00000000:3B:00.0", Some(1)),
            ("0000:3b:00.0", Some(1)),
            // A machine without NUMA nodes, another card, and what is no address.
            ("00000000:5E:00.0", None),
            ("00000000:5F:00.0", None),
            ("3B:00.0", None),
        ];
        for (bus_id, node) in table {
            assert_eq!(numa_node(devices.path(), bus_id), node, "{bus_id}");
        }
    }
}
