//! This process's allotments: opened at their first use, once, and kept.
//!
//! Whoever comes first opens them, without a lock: of threads that come together one is believed and
//! the others' mappings stay unused. What is found wrong is said once on standard error and stays so
//! for the life of the process: it fails closed. Where only descriptors or memory were short at that moment, whoever
//! comes next tries again.

use crate::folder::{Distrust, Folder, Path};
use crate::own;
use crate::say::{Line, Once};
use crate::sys;
use contract::paths::{CONTAINER_ALLOTMENTS, LEDGER_FILE, LIMITS_FILE};
use core::cell::UnsafeCell;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use ledger::pointers::Pointers;
use ledger::{Allotment, DeviceIndex, PageError, clock};

/// How many allotments one container can hold.
pub(crate) const MOST: usize = 16;
/// How many GPUs and MIG instances they can have in all.
pub(crate) const MOST_SHARES: usize = 64;
/// How many threads may open them at the same moment.
pub(crate) const OPENERS: usize = 4;
/// The version that a slot shows, as `major << 16 | minor << 8 | patch`.
const VERSION: u32 = version();

/// One GPU or MIG instance of an allotment. It is kept as long as the process lives.
pub(crate) type Share = &'static Allotted;

/// What a [`Share`] is.
pub(crate) struct Allotted {
    /// The allotment that it belongs to.
    pub(crate) allotment: &'static Allotment,
    /// Its place there.
    pub(crate) device: DeviceIndex,
    /// Its place among all shares of this process.
    pub(crate) number: u8,
}

/// What this process was allotted, and what it was charged for each pointer.
#[repr(C)]
pub(crate) struct Shares {
    /// Never dropped, and so there is no code to drop it.
    pointers: Option<ManuallyDrop<Pointers>>,
    list: [Option<Allotted>; MOST_SHARES],
}

/// There is no allotment to go by: everything is refused.
#[derive(Clone, Copy)]
pub(crate) struct Broken;

/// The shares of this process; the allotments are opened if nobody has yet.
#[inline]
pub(crate) fn shares() -> Result<&'static Shares, Broken> {
    match opened() {
        Some(shares) => Ok(shares),
        None => open(),
    }
}

impl Shares {
    /// The number of the share of the device with this UUID, given as cuDeviceGetUuid does; none if
    /// this process was not allotted it.
    pub(crate) fn number(&self, uuid: &[u8; 16]) -> Option<u32> {
        let is_it = |share: &Allotted| share.allotment.device(uuid) == Some(share.device);
        let number = self.list.iter().position(|share| share.as_ref().is_some_and(is_it))?;
        u32::try_from(number).ok()
    }

    /// The share of this number.
    #[inline]
    pub(crate) fn at(&'static self, number: u32) -> Option<Share> {
        self.list.get(number as usize)?.as_ref()
    }

    /// What each device pointer of this process was charged.
    #[inline]
    pub(crate) fn pointers(&self) -> Option<&Pointers> {
        self.pointers.as_deref()
    }

    /// Unmaps what was opened so far, of which nobody else knows.
    #[cold]
    fn close(&mut self) {
        let mut last: *const Allotment = core::ptr::null();
        for share in self.list.iter().flatten() {
            // Those of one allotment lie side by side.
            if !core::ptr::eq(last, share.allotment) {
                last = share.allotment;
                // SAFETY: an allotment that lives; its place is written anew before anybody reads it again.
                unsafe { core::ptr::read(last) }.close();
            }
        }
        *self = Self::none();
    }

    const fn none() -> Self {
        Self { list: [const { None }; MOST_SHARES], pointers: None }
    }

    fn add(&mut self, allotment: &'static Allotment) -> Result<(), Fault> {
        for device in allotment.devices() {
            let mut places = (0..).zip(&mut self.list);
            let (number, place) =
                places.find(|(_, place)| place.is_none()).ok_or(Fault::TooMany)?;
            *place = Some(Allotted { allotment, device, number });
        }
        Ok(())
    }
}

// What first use touches lies in `.data` (`entry` says why).
#[unsafe(link_section = ".data")]
static OPENED: AtomicPtr<Shares> = AtomicPtr::new(core::ptr::null_mut());
#[unsafe(link_section = ".data")]
static BROKEN: AtomicBool = AtomicBool::new(false);
#[unsafe(link_section = ".data")]
static OPENING: AtomicUsize = AtomicUsize::new(0);
// This begins `.bss`, in what is left of the last page of `.data`.
#[unsafe(link_section = ".bss")]
static PLACES: [Place; OPENERS] = [const { Place::new() }; OPENERS];

/// Where one thread opens the allotments.
#[repr(C)]
struct Place {
    // What a process with one allotment needs lies together.
    first: UnsafeCell<MaybeUninit<Allotment>>,
    shares: UnsafeCell<Shares>,
    others: UnsafeCell<[MaybeUninit<Allotment>; MOST - 1]>,
}

// SAFETY: a place is written by the one thread whose number it has, before it is published.
unsafe impl Sync for Place {}

impl Place {
    const fn new() -> Self {
        Self {
            first: UnsafeCell::new(MaybeUninit::uninit()),
            shares: UnsafeCell::new(Shares::none()),
            others: UnsafeCell::new([const { MaybeUninit::uninit() }; MOST - 1]),
        }
    }
}

/// How long a thread waits for those that are opening.
const LONGEST_NS: u64 = 1_000_000_000;

#[inline]
fn opened() -> Option<&'static Shares> {
    // SAFETY: what is stored there was written before, and is never changed again.
    unsafe { OPENED.load(Ordering::Acquire).as_ref() }
}

#[cold]
#[inline(never)]
fn open() -> Result<&'static Shares, Broken> {
    let mut until = None;
    while !BROKEN.load(Ordering::Relaxed) {
        if let Some(shares) = opened() {
            return Ok(shares);
        }
        if let Some(number) = claim() {
            return open_at(number);
        }
        // As many as may are opening already: one of them is done soon, though it may have to wait for a processor.
        // Bounded, because in a forked child they are not there.
        let now = clock::own_ns();
        if now > *until.get_or_insert(now.saturating_add(LONGEST_NS)) {
            let at = Path::of(CONTAINER_ALLOTMENTS.as_bytes()).unwrap_or(Path::EMPTY);
            say(&at, &Fault::Others);
            break;
        }
        sys::yield_now();
    }
    opened().ok_or(Broken)
}

/// A place that no other thread has.
fn claim() -> Option<usize> {
    let free = |taken: usize| taken.trailing_ones() as usize;
    let claim = |taken| (free(taken) < OPENERS).then(|| taken | 1 << free(taken));
    OPENING.fetch_update(Ordering::Acquire, Ordering::Relaxed, claim).ok().map(free)
}

/// Opens the allotments in the place of this number, which is the caller's.
fn open_at(number: usize) -> Result<&'static Shares, Broken> {
    let place = PLACES.get(number).ok_or(Broken)?;
    // SAFETY: no other thread has this number.
    let (first, shares) = unsafe { (&mut *place.first.get(), &mut *place.shares.get()) };
    // SAFETY: as above.
    let room = Room { first, others: unsafe { &mut *place.others.get() } };
    let mut at = Path::EMPTY;
    match fill(number, room, shares, &mut at) {
        Ok(()) => {
            let none = core::ptr::null_mut();
            let _ = OPENED.compare_exchange(none, shares, Ordering::AcqRel, Ordering::Relaxed);
        }
        Err(fault) if fault.passes() => {
            shares.close();
            say(&at, &fault);
            OPENING.fetch_and(!(1 << number), Ordering::Release);
        }
        Err(fault) => {
            BROKEN.store(true, Ordering::Relaxed);
            say(&at, &fault);
        }
    }
    opened().ok_or(Broken)
}

/// What is wrong with an allotment.
enum Fault {
    Distrust(Distrust),
    Page(PageError),
    None,
    TooMany,
    /// None of the threads that open the allotments came to an end.
    Others,
}

/// Where allotments are put.
struct Room {
    first: &'static mut MaybeUninit<Allotment>,
    others: &'static mut [MaybeUninit<Allotment>; MOST - 1],
}

/// Opens every allotment into `room` and lists their devices. `at` is where it stands.
fn fill(opener: usize, room: Room, shares: &mut Shares, at: &mut Path) -> Result<(), Fault> {
    let container = Folder::container().map_err(Fault::Distrust)?;
    let mut room = core::iter::once(room.first).chain(room.others).enumerate();
    let mut open_all = |folder: &Folder| {
        *at = folder.path;
        let mut result = Err(Fault::None);
        let read = folder.each(|path| {
            if matches!(result, Ok(()) | Err(Fault::None)) {
                *at = path;
                result = room.next().ok_or(Fault::TooMany).and_then(|(number, place)| {
                    let allotment = open_one(folder, (opener, number), at)?;
                    shares.add(place.write(allotment))
                });
            }
        });
        (read, result)
    };
    let (mut read, mut result) = open_all(&container);
    let has_any = !matches!(result, Err(Fault::None));
    if container.is_vacant(&read, has_any)
        && let Some(own) = Folder::own()
    {
        (read, result) = open_all(&own);
    }
    read.map_err(Fault::Distrust)?;
    result?;
    let first = own::memory().map_err(|(call, errno)| Fault::Page(PageError::Io(call, errno)))?;
    shares.pointers = Some(ManuallyDrop::new(own::pointers(first)));
    Ok(())
}

/// Opens the allotment whose folder is `at`, and moves `at` to the file that is not believed. `place` is the
/// opener's number and the allotment's.
fn open_one(folder: &Folder, place: (usize, usize), at: &mut Path) -> Result<Allotment, Fault> {
    let own = own::slot(place).map_err(|(call, errno)| Fault::Page(PageError::Io(call, errno)))?;
    Allotment::open_for(at.as_c_str(), VERSION, own, folder.trust()).map_err(|error| {
        *at = blamed(at, &error);
        Fault::Page(error)
    })
}

/// The file that an error is about.
#[cold]
fn blamed(allotment: &Path, error: &PageError) -> Path {
    let file = match error {
        PageError::Mismatch | PageError::LongPath => return *allotment,
        PageError::Value(_) | PageError::Uuid | PageError::Owner => LIMITS_FILE,
        _ if Allotment::limits_are_good(allotment.as_c_str()) => LEDGER_FILE,
        _ => LIMITS_FILE,
    };
    allotment.join(file.as_bytes()).unwrap_or(*allotment)
}

#[cold]
fn say(path: &Path, fault: &Fault) {
    static SAID: [Once; 2] = [const { Once::new() }; 2];
    let [for_good, for_now] = &SAID;
    let (said, what) = match fault.passes() {
        false => (for_good, "this process gets no GPU (cuInit answers 800, not permitted)"),
        true => (for_now, "until that passes cuInit answers 800 (not permitted)"),
    };
    said.say(|line| {
        line.bytes(path.bytes()).text(": ");
        fault.explain(line);
        line.text("; ").text(what);
    });
}

impl Fault {
    /// Whether it says nothing of the allotments: the process, or the machine, is short of something for now.
    fn passes(&self) -> bool {
        let (Self::Distrust(Distrust::Io(_, errno)) | Self::Page(PageError::Io(_, errno))) = self
        else {
            return false;
        };
        matches!(*errno, libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
    }

    fn explain(&self, line: &mut Line) {
        match self {
            Self::None => line.text("no allotment lies here, and without one nothing is permitted"),
            Self::TooMany => line.text("more than 16 allotments lie here"),
            Self::Others => {
                line.text("threads that were opening the allotments have not come to an end")
            }
            Self::Distrust(Distrust::LongPath) => line.text("its path is longer than 255 bytes"),
            Self::Distrust(Distrust::Io(call, errno)) => {
                line.text(call).text(" failed with errno ").number(*errno as u64)
            }
            Self::Page(error) => explain_page(error, line),
        };
    }
}

fn explain_page<'a>(error: &PageError, line: &'a mut Line) -> &'a mut Line {
    line.text(error.reason());
    match error {
        PageError::Io(_, errno) => line.text(" failed with errno ").number(*errno as u64),
        PageError::Size(due, found) => {
            line.text(" (").number(*found).text(" bytes instead of ").number(*due).text(")")
        }
        PageError::Major(major) => line.text(" (").number((*major).into()).text(")"),
        PageError::Geometry(word) | PageError::Value(word) => line.text(" (").text(word).text(")"),
        _ => line,
    }
}

const fn version() -> u32 {
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"))
}

const fn number(text: &str) -> u32 {
    let (mut digits, mut number) = (text.as_bytes(), 0);
    while let [digit, rest @ ..] = digits {
        number = number * 10 + (*digit - b'0') as u32;
        digits = rest;
    }
    number
}
