//! The contexts of this process: which one a thread allocates in, what each is charged, and which of
//! them owns what. Plain tables of atomics: nothing here stands before a function of the driver.

use crate::allotments::Share;
use crate::charge::{self, Attempt, Charge};
use crate::device;
use crate::hooks::real;
use crate::region::Within;
use crate::{primary, sys, unseen};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64};
use ledger::Kind;
use ledger::single::Single;
use nvidia_sys::cuda::{CUcontext, CUctx_st, CUdevice, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// Where the calling thread allocates.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// The device of its context.
    pub(crate) device: CUdevice,
    /// The number of the context among those that are known; [`UNKNOWN`] of another.
    pub(crate) owner: u8,
    is_known: bool,
}

/// The owner of what no known context owns.
pub(crate) const UNKNOWN: u8 = 0;

/// Where the calling thread allocates; none where the driver will say what is wrong.
#[inline]
pub(crate) fn current() -> Option<Current> {
    if let Some((owner, known)) = current_handle().and_then(Known::find) {
        let device = known.device.load(Relaxed);
        return Some(Current { device, owner, is_known: true });
    }
    let device = device::current_ordinal()?;
    Some(Current { device, owner: UNKNOWN, is_known: false })
}

/// The handle of the calling thread's context, if it has one.
#[inline]
pub(crate) fn current_handle() -> Option<CUcontext> {
    let mut context = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    let asked = real::cuCtxGetCurrent.get().map(|get| unsafe { get(&mut context) });
    (asked == Some(SUCCESS) && !context.is_null()).then_some(context)
}

/// A context that is known, as if it were current.
pub(crate) fn of(context: CUcontext) -> Option<Current> {
    let (owner, known) = Known::find(context)?;
    Some(Current { device: known.device.load(Relaxed), owner, is_known: true })
}

impl Current {
    /// Charges a context that nobody saw begin, by the first allocation in it.
    #[inline]
    pub(crate) fn charge_unseen(self, share: Share) -> Attempt {
        if self.is_known { Attempt::Pass } else { unseen::charge(share, self.device) }
    }
}

/// The device of a context that is known.
pub(crate) fn device_of(context: CUcontext) -> Option<CUdevice> {
    Known::find(context).map(|(_, known)| known.device.load(Relaxed))
}

/// Contexts of this process, green ones included.
#[unsafe(link_section = ".data")]
static LIVING: AtomicU32 = AtomicU32::new(0);

/// Whether this process has more contexts than one: what "the current one" means must be asked then.
#[inline]
pub(crate) fn are_several() -> bool {
    LIVING.load(Relaxed) > 1
}

/// Counts a context that begins or ends.
pub(crate) fn count(begins: bool) {
    let change = |count: u32| if begins { count.checked_add(1) } else { count.checked_sub(1) };
    let _ = LIVING.fetch_update(Relaxed, Relaxed, change);
}

/// A charge for a context that the driver has made already, whatever the limit says.
#[cold]
pub(crate) fn charge_made(share: Share) -> Charge {
    let mut charge = Charge::new(share, Kind::Context, 0);
    charge.take(share.allotment.context_estimate(share.device));
    charge
}

/// Charges one more context.
pub(crate) fn charge(share: Share) -> Attempt {
    match share.allotment.context_estimate(share.device) {
        0 => Attempt::Pass,
        bytes => charge::to_share(share, Kind::Context, bytes),
    }
}

/// The contexts of this process on one device.
pub(crate) struct Here {
    pub(crate) created: AtomicU32,
    /// Those that threads are about to begin.
    pub(crate) coming: AtomicU32,
    /// How many threads are charged for the primary one that the driver is making.
    making: AtomicU32,
    /// The last one has ended while another was coming.
    pub(crate) is_due: AtomicBool,
    /// What those are charged of which nothing else is known.
    pub(crate) unnamed: AtomicU64,
    /// What is known of the primary one while it lives, by the number of its place.
    pub(crate) primary: Single,
    /// The primary one's handle, which stays the same.
    pub(crate) handle: AtomicPtr<CUctx_st>,
    /// One that came another way is charged.
    pub(crate) unseen: AtomicBool,
}

impl Here {
    const fn new() -> Self {
        let (primary, unseen) = (Single::new(), AtomicBool::new(false));
        let (created, coming, making) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let handle = AtomicPtr::new(core::ptr::null_mut());
        let (is_due, unnamed) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { created, coming, making, is_due, unnamed, primary, handle, unseen }
    }

    /// Those on the device of this ordinal.
    pub(crate) fn of(device: CUdevice) -> Option<&'static Self> {
        #[unsafe(link_section = ".data")]
        static DEVICES: [Here; device::MOST] = [const { Here::new() }; device::MOST];
        DEVICES.get(usize::try_from(device).ok()?)
    }

    /// A context has begun, and is charged so much.
    pub(crate) fn begun(
        &self,
        context: CUcontext,
        device: CUdevice,
        is_primary: bool,
        charge: Option<Charge>,
    ) {
        charge.inspect(|charge| introduce(charge.share));
        if is_primary {
            return primary::begun(self, context, device, charge);
        }
        let bytes = charge.map_or(0, |charge| charge.bytes);
        count(true);
        self.created.fetch_add(1, Relaxed);
        match Known::reserve(context, device, false, bytes) {
            None => drop(self.unnamed.fetch_add(bytes, Relaxed)),
            Some((_, known)) => known.handle.store(context, SeqCst),
        }
    }

    /// A thread is about to begin a context: until it has, none is the last.
    pub(crate) fn comes(&self) {
        self.coming.fetch_add(1, SeqCst);
    }

    /// It has begun, or has not. One that is cancelled meanwhile never says so, and what would go with the
    /// last context stays charged until the process ends.
    pub(crate) fn came(&self, device: CUdevice) {
        self.coming.fetch_sub(1, SeqCst);
        if self.is_due.swap(false, SeqCst) {
            self.give_back_if_last(device);
        }
    }

    /// A thread that is charged for a context lets the driver make it. One that is cancelled meanwhile stays
    /// charged, for as long as it is counted here: for the one primary context that another may make, or for
    /// the one that it has made itself.
    pub(crate) fn makes(&self, is_primary: bool) {
        self.making.fetch_add(u32::from(is_primary), AcqRel);
    }

    /// The driver has made it, or has not.
    pub(crate) fn made(&self, is_primary: bool) {
        self.making.fetch_sub(u32::from(is_primary), AcqRel);
    }

    /// Whether another thread is charged for the primary context, which comes or has come.
    #[cold]
    pub(crate) fn is_made_by_another(&self) -> bool {
        // The other may have been charged just now, and not have said so.
        (0..100).any(|_| {
            sys::yield_now();
            self.primary.is_charged() || self.making.load(Acquire) > 0
        })
    }
}

/// A context, the device that it is on, and what it is charged. One that finds no room here stays
/// charged until the process ends, and so does what is allocated in it.
pub(crate) struct Known {
    pub(crate) handle: AtomicPtr<CUctx_st>,
    pub(crate) device: AtomicI32,
    pub(crate) is_primary: AtomicBool,
    pub(crate) bytes: AtomicU64,
    /// How often it was attached to, beyond the first time.
    attached: AtomicU32,
}

/// Contexts that a process can have at a time.
const MOST: usize = 128;
/// The first of them own what is allocated in them; the others' goes with the last context.
const OWNERS: usize = 14;
/// The owner's number of the first: below are [`UNKNOWN`] and what `held` has for itself.
const FIRST: usize = 2;
/// Above the owners' numbers.
pub(crate) const OWNERS_END: usize = FIRST + OWNERS;

// What first use touches lies in `.data` (`entry` says why).
#[unsafe(link_section = ".data")]
static OWNING: [Known; OWNERS] = [const { Known::new() }; OWNERS];
static OTHERS: [Known; MOST - OWNERS] = [const { Known::new() }; MOST - OWNERS];
#[unsafe(link_section = ".data")]
static WITHIN: Within = Within::new();

impl Known {
    /// In the place of a handle: it is filled or emptied, or its context is not to be found.
    pub(crate) const NOBODYS: CUcontext = core::ptr::without_provenance_mut(1);

    const fn new() -> Self {
        Self {
            handle: AtomicPtr::new(core::ptr::null_mut()),
            device: AtomicI32::new(0),
            is_primary: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            attached: AtomicU32::new(0),
        }
    }

    fn all() -> impl Iterator<Item = &'static Self> {
        OWNING.iter().chain(&OTHERS)
    }

    /// A place for a context, by whose handle it is not found yet, and the place's number. None: there is no
    /// room, or nobody says the handle.
    pub(crate) fn reserve(
        context: CUcontext,
        device: CUdevice,
        is_primary: bool,
        bytes: u64,
    ) -> Option<(u32, &'static Self)> {
        if context.is_null() {
            return None;
        }
        let take = |(_, place): &(u32, &Known)| {
            let free = core::ptr::null_mut();
            place.handle.compare_exchange(free, Self::NOBODYS, Relaxed, Relaxed).is_ok()
        };
        let (at, place) = (0..).zip(Self::all()).find(take)?;
        WITHIN.reaches(at as usize);
        place.device.store(device, Relaxed);
        place.is_primary.store(is_primary, Relaxed);
        place.bytes.store(bytes, Relaxed);
        place.attached.store(0, Relaxed);
        Some((at, place))
    }

    /// The context at the place of this number, and its number as an owner.
    pub(crate) fn at(place: u32) -> Option<(u8, &'static Self)> {
        let at = place as usize;
        Self::all().nth(at).map(|known| (Self::owner(at), known))
    }

    /// The number of the context at a place as an owner.
    fn owner(at: usize) -> u8 {
        if at < OWNERS { (at + FIRST) as u8 } else { UNKNOWN }
    }

    /// The context of this handle, and its number as an owner.
    #[inline]
    pub(crate) fn find(context: CUcontext) -> Option<(u8, &'static Self)> {
        let is_it = |place: &&Known| !context.is_null() && place.handle.load(Acquire) == context;
        let mut places = (0..).zip(Self::all().take(WITHIN.places()));
        let (at, known) = places.find(|(_, place)| is_it(place))?;
        Some((Self::owner(at), known))
    }

    /// The device whose primary context this is.
    pub(crate) fn primary(context: CUcontext) -> Option<CUdevice> {
        let (_, known) = Self::find(context)?;
        known.is_primary.load(Relaxed).then(|| known.device.load(Relaxed))
    }

    /// It was attached to, or is about to be detached from. False: it has no reference but the first.
    pub(crate) fn attached(context: CUcontext, more: bool) -> bool {
        let change = |attached: u32| {
            if more { attached.checked_add(1) } else { attached.checked_sub(1) }
        };
        Self::find(context)
            .is_some_and(|(_, known)| known.attached.fetch_update(Relaxed, Relaxed, change).is_ok())
    }
}

/// Notes in this process's slot, for people, which driver it runs on.
#[cold]
fn introduce(share: Share) {
    let mut version = 0;
    // SAFETY: the driver writes one number.
    let asked = real::cuDriverGetVersion.get().map(|get| unsafe { get(&mut version) });
    if asked == Some(SUCCESS) {
        share.allotment.set_driver_version(version.unsigned_abs());
    }
}
