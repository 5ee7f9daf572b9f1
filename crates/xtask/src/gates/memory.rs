//! What the shim asks of the kernel: where it can be mapped, with which rights, and how much of it.

use super::Fault;
use super::image::Image;

pub(super) fn segments(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    for segment in &image.segments {
        if segment.align < PAGE || segment.offset % PAGE != segment.address % PAGE {
            faults.push(Fault::Alignment { address: segment.address, align: segment.align });
        }
        if segment.writable && segment.executable {
            faults.push(Fault::WritableCode(segment.address));
        }
    }
    if image.has_text_relocations {
        faults.push(Fault::TextRelocations);
    }
    faults
}

pub(super) fn stack(image: &Image) -> Vec<Fault> {
    match image.stack_is_executable {
        Some(false) => vec![],
        Some(true) | None => vec![Fault::ExecutableStack],
    }
}

pub(super) fn size(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    if image.file_bytes > FILE_LIMIT {
        faults.push(Fault::FileSize { bytes: image.file_bytes, limit: FILE_LIMIT });
    }
    let writable = image.segments.iter().filter(|segment| segment.writable);
    let bytes = writable.map(|segment| segment.touched_bytes).sum();
    if bytes > WRITABLE_LIMIT {
        faults.push(Fault::WritableSize { bytes, limit: WRITABLE_LIMIT });
    }
    faults
}

/// A page of an ARM kernel may have 64 KiB, and x86_64 files are built alike.
const PAGE: u64 = 64 * 1024;
/// Far above what a table of hooks needs; far below what would hint at a runtime inside.
const FILE_LIMIT: u64 = 1024 * 1024;
/// What every process of a container pays in writable memory, touched or not.
const WRITABLE_LIMIT: u64 = 512 * 1024;
