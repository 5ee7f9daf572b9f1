//! Live changes: the limits page, mapped by its one writer.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::path::Path;

use contract::paths::LIMITS_FILE;
use contract::{AllotmentId, DeviceUuid};

use super::DeviceSpec;
use super::image;
use crate::abi::Command;
use crate::error::PageError;
use crate::head::{HEAD, Head, Page};
use crate::layout::{self, Geometry, LimitsDevice, LimitsHeader};
use crate::sys::{self, Fd, Mapping};

/// A limits page that this process writes. There is one writer per allotment.
pub struct LimitsPage {
    pub(super) mapping: Mapping,
    pub(super) geometry: Geometry,
    id: AllotmentId,
}

/// Changes the devices named in `devices` to what it says, while containers run.
///
/// # Errors
/// As [`LimitsPage::open`] and [`LimitsPage::set`].
pub fn update(dir: &Path, devices: &[DeviceSpec]) -> Result<(), PageError> {
    LimitsPage::open(dir)?.set(devices)
}

impl LimitsPage {
    /// Maps the limits page of the allotment in `dir`.
    ///
    /// # Errors
    /// [`PageError`]: it cannot be opened for writing, or is not a limits page.
    pub fn open(dir: &Path) -> Result<Self, PageError> {
        let io = |(call, errno)| PageError::Io(call, errno);
        let path = sys::c_path(&dir.join(LIMITS_FILE)).map_err(io)?;
        let fd = Fd::open(&path, true).map_err(io)?;
        let stat = fd.stat().map_err(io)?;
        if !stat.regular {
            return Err(PageError::NotRegular);
        }
        let mut bytes = [0; HEAD];
        let read = fd.read(&mut bytes).map_err(io)?;
        let Head { geometry, allotment, .. } = Page::Limits.check(&bytes, read, stat.size)?;
        let mapping = Mapping::of_file(&fd, geometry.limits_len(), true).map_err(io)?;
        Ok(Self { mapping, geometry, id: AllotmentId(allotment) })
    }

    /// The allotment's id.
    #[must_use]
    pub fn id(&self) -> AllotmentId {
        self.id
    }

    /// How many devices it has.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.geometry.devices()
    }

    /// Where a device stands.
    #[must_use]
    pub fn index_of(&self, uuid: DeviceUuid) -> Option<usize> {
        (0..self.devices()).find(|&index| {
            self.device(index).is_some_and(|device| {
                let kind = image::device_kind(uuid.kind).raw();
                let words = device.uuid.each_ref().map(|word| word.load(Ordering::Relaxed));
                device.kind.load(Ordering::Relaxed) == kind
                    && words == layout::uuid_words(&uuid.bytes)
            })
        })
    }

    /// Changes the devices named to what `devices` says: all of them at once, for a reader that
    /// looks at the generation.
    ///
    /// # Errors
    /// [`PageError::Uuid`] for a device that the allotment does not have, [`PageError::Value`] for a
    /// value out of range. Nothing is changed then.
    pub fn set(&self, devices: &[DeviceSpec]) -> Result<(), PageError> {
        for device in devices {
            device.check()?;
            self.index_of(device.uuid).ok_or(PageError::Uuid)?;
        }
        self.change(|| {
            for spec in devices {
                let place = self.index_of(spec.uuid).and_then(|index| self.device(index));
                if let Some(place) = place {
                    write_device(place, spec);
                }
            }
        });
        Ok(())
    }

    /// Gives all processes of the container a command; the epoch that they acknowledge.
    pub fn command(&self, command: Command) -> u64 {
        let Some(head) = self.head() else { return 0 };
        let epoch = head.command_epoch.load(Ordering::Relaxed).wrapping_add(1);
        self.change(|| {
            head.command.store(command.raw(), Ordering::Relaxed);
            head.command_epoch.store(epoch, Ordering::Relaxed);
        });
        epoch
    }

    fn head(&self) -> Option<&LimitsHeader> {
        self.mapping.at(0)
    }

    pub(super) fn device(&self, index: usize) -> Option<&LimitsDevice> {
        // Behind the last device the records of slots begin.
        let index = (index < self.devices()).then_some(index)?;
        self.mapping.at(self.geometry.limits_device(index))
    }

    /// Brackets a change of several words.
    pub(super) fn change(&self, write: impl FnOnce()) {
        let Some(head) = self.head() else { return };
        // A writer that died in the middle left it odd: this change makes the page whole again.
        let odd = head.generation.load(Ordering::Relaxed) | 1;
        head.generation.store(odd, Ordering::SeqCst);
        write();
        head.generation.store(odd.wrapping_add(1), Ordering::SeqCst);
        head.wake.fetch_add(1, Ordering::SeqCst);
    }
}

fn write_device(place: &LimitsDevice, spec: &DeviceSpec) {
    let long = |word: &AtomicU64, value| word.store(value, Ordering::Relaxed);
    let word = |word: &AtomicU32, value| word.store(value, Ordering::Relaxed);
    long(&place.hard, spec.hard);
    long(&place.soft, spec.soft);
    long(&place.swap, spec.swap);
    word(&place.at_limit, spec.at_limit.raw());
    word(&place.policy, spec.policy.raw());
    word(&place.weight, spec.weight);
    word(&place.cap, spec.cap);
    word(&place.quantum_us, spec.quantum_us);
    word(&place.back_end, spec.back_end.raw());
    long(&place.gang, spec.gang);
    long(&place.context_estimate, spec.context_estimate);
    word(&place.flags, spec.flags);
}
