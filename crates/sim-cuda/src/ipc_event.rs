//! Events that several processes of a world know: a page of memory that all of them map says how often the
//! event was recorded and when the last recording passed. A handle names a descriptor of the process that
//! made the event, as one of memory does; who opened it keeps it when its maker ends.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arg::{Opaque, Out};
use crate::context;
use crate::event::{DISABLE_TIMING, EVENTS, Event, INTERPROCESS};
use crate::mapping;
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};

/// What all processes know of an event.
#[derive(Debug)]
pub(crate) struct Shared {
    file: OwnedFd,
    at: usize,
}

/// What lies at the beginning of the page.
struct Words {
    /// How often the event was recorded.
    turn: AtomicU64,
    /// One more than the nanosecond at which the last recording passed; 0 while nobody knows.
    time: AtomicU64,
}

impl Shared {
    /// What is known of an event that was never recorded.
    pub(crate) fn create() -> Res<Self> {
        Self::of(mapping::memory_file(NAME, PAGE)?)
    }

    fn of(file: OwnedFd) -> Res<Self> {
        let at = mapping::reserve(0, PAGE, PAGE)?;
        let shared = Self { file, at };
        mapping::place(at, PAGE, shared.file.as_fd(), 0)?;
        Ok(shared)
    }

    /// How often it was recorded.
    pub(crate) fn turn(&self) -> u64 {
        self.words().turn.load(Ordering::Acquire)
    }

    /// It is recorded once more; nobody knows yet when that passes.
    pub(crate) fn begin(&self) -> u64 {
        self.words().time.store(0, Ordering::Release);
        self.words().turn.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// A recording passes at `time`; one that was followed by another concerns nobody.
    pub(crate) fn passed(&self, turn: u64, time: u64) {
        if self.turn() == turn {
            self.words().time.store(time.saturating_add(1), Ordering::Release);
        }
    }

    /// When a recording passes. One that was followed by another has passed for who still waits.
    pub(crate) fn time_of(&self, turn: u64) -> Option<u64> {
        match self.turn() == turn {
            true => self.words().time.load(Ordering::Acquire).checked_sub(1),
            false => Some(0),
        }
    }

    fn words(&self) -> &Words {
        // SAFETY: `of` mapped a whole page of an open file there, and only `drop` unmaps it; every bit
        // pattern is a valid word, and words are shared as atomics.
        unsafe { &*(self.at as *const Words) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        mapping::release(self.at, PAGE);
    }
}

/// The header's CUipcEventHandle, as this driver fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Handle {
    magic: u64,
    process: u32,
    descriptor: i32,
    unused: [u64; 6],
}

const _: () = assert!(size_of::<Handle>() == 64);
const MAGIC: u64 = u64::from_le_bytes(*b"simgpuEV");
const PAGE: usize = 4096;
/// How the files are called.
const NAME: &std::ffi::CStr = c"simulated-event";

/// The maker's file, if it still has it.
fn file_of(handle: &Handle) -> Res<OwnedFd> {
    let path = format!("/proc/{}/fd/{}", handle.process, handle.descriptor);
    let name = std::fs::read_link(&path).map_err(|_| Status::INVALID_VALUE)?;
    if !name.to_string_lossy().contains(&*NAME.to_string_lossy()) {
        return Err(Status::INVALID_VALUE);
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = OwnedFd::from(file.map_err(|_| Status::INVALID_VALUE)?);
    match mapping::len_of(file.as_fd()) {
        Some(PAGE) => Ok(file),
        _ => Err(Status::INVALID_VALUE),
    }
}

export! {
    /// A handle of an event that was made for other processes.
    fn cuIpcGetEventHandle(out: Out<Handle>, event: Opaque) {
        let event = EVENTS.get(event as usize).ok_or(Status::INVALID_HANDLE)?;
        let shared = event.shared().ok_or(Status::INVALID_HANDLE)?;
        let descriptor = shared.file.as_raw_fd();
        out.put(Handle { magic: MAGIC, process: std::process::id(), descriptor, unused: [0; 6] })
    }

    /// An event of another process.
    fn cuIpcOpenEventHandle(out: Out<usize>, handle: Handle) {
        if out.is_null() || handle.magic != MAGIC {
            return Err(Status::INVALID_VALUE);
        }
        let context = handle_of(&context::current()?);
        if handle.process == std::process::id() {
            return Err(Status::INVALID_CONTEXT);
        }
        let shared = Arc::new(Shared::of(file_of(&handle)?)?);
        let flags = DISABLE_TIMING | INTERPROCESS;
        out.put(EVENTS.insert(Arc::new(Event::new(context, flags, Some(shared)))))
    }
}
