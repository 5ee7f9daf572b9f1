//! The unwind information of a shared object, one entry per function.

use anyhow::{Context, Result};
use gimli::{BaseAddresses, CieOrFde, EhFrame, EndianSlice, LittleEndian, UnwindSection};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection};

use super::Fault;
use super::image::Image;

/// A function as the unwinder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) start: u64,
    pub(super) bytes: u64,
    /// A personality or a table of its own: something runs when it is unwound.
    pub(super) has_landing_pads: bool,
}

impl Frame {
    /// Whether the function's code holds this address.
    pub(super) fn covers(&self, address: u64) -> bool {
        address >= self.start && address - self.start < self.bytes
    }
}

/// A pthread_cancel in the driver unwinds through our frames, with an unwinder that is not ours: it
/// must find each frame described and nothing in it to run.
pub(super) fn gate(image: &Image) -> Vec<Fault> {
    let pads = image.frames.iter().filter(|frame| frame.has_landing_pads);
    let mut faults: Vec<Fault> =
        pads.map(|frame| Fault::LandingPad(image.name_at(frame.start))).collect();
    let covered = |address| image.frames.iter().any(|frame| frame.covers(address));
    // `dlsym` jumps on and is in no backtrace; every other export calls the driver.
    let hooks = image.exports().filter(|export| export.is_function && export.name != "dlsym");
    let bare = hooks.filter(|hook| !covered(hook.address));
    faults.extend(bare.map(|hook| Fault::NoFrame(hook.name.clone())));
    faults
}

/// Every function of `.eh_frame`; none where the section is absent.
pub(super) fn read(file: &ElfFile64<'_, Endianness>) -> Result<Vec<Frame>> {
    let Some(section) = file.section_by_name(".eh_frame") else { return Ok(vec![]) };
    let text = file.section_by_name(".text").map_or(0, |text| text.address());
    let bases = BaseAddresses::default().set_eh_frame(section.address()).set_text(text);
    let table = EhFrame::new(section.data()?, LittleEndian);
    let mut frames = vec![];
    let mut entries = table.entries(&bases);
    while let Some(entry) = entries.next().context(".eh_frame cannot be read")? {
        if let CieOrFde::Fde(partial) = entry {
            let fde = partial
                .parse(|_, bases, offset| table.cie_from_offset(bases, offset))
                .context(".eh_frame cannot be read")?;
            frames.push(frame(&fde));
        }
    }
    Ok(frames)
}

fn frame(fde: &gimli::FrameDescriptionEntry<EndianSlice<'_, LittleEndian>>) -> Frame {
    Frame {
        start: fde.initial_address(),
        bytes: fde.len(),
        has_landing_pads: fde.lsda().is_some() || fde.personality().is_some(),
    }
}
