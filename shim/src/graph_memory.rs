//! The memory of graphs: each device keeps some for all graphs of the process, takes more when a
//! graph that needs it is uploaded or launched, and gives back what is idle when it is trimmed. It is
//! charged what the driver reports to have reserved.

use crate::allotments::Share;
use crate::capture::relaxed;
use crate::charge::Charge;
use crate::device::{self, Device};
use crate::grown::Grown;
use crate::hooks::real;
use crate::region::{Place, Region};
use core::sync::atomic::{AtomicU64, Ordering};
use ledger::Kind;
use nvidia_sys::cuda::{CUdevice, CUgraphMem_attribute, CUresult};

static KNOWN: Region<OfDevice, { device::MOST }> = Region::new();

/// What a device's graphs are charged, and how much of what is reserved launches rely on that are under way.
pub(crate) struct OfDevice {
    grown: Grown,
    /// Of all of them: nobody else may take so much for idle.
    claimed: AtomicU64,
    /// Of those that have no bound of their own, and rely on what is charged already.
    relied: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for OfDevice {}

/// The graphs' memory of one device of this process.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    device: CUdevice,
    share: Share,
    place: &'static OfDevice,
}

impl Memory {
    /// Of a device that is this process's; none where nothing can be counted.
    pub(crate) fn of(device: CUdevice, share: Share) -> Option<Self> {
        let place = KNOWN.places()?.get(usize::try_from(device).ok()?)?;
        Some(Self { device, share, place })
    }

    /// Somebody may let it grow from here on, and has charged a bound.
    pub(crate) fn begin(&self) {
        self.place.grown.begin();
    }

    /// Whether what he has let grow so far is within the bound, which is raised where there is room.
    pub(crate) fn is_within(&self, bound: &mut Charge) -> bool {
        self.place.grown.covers(bound, || self.reserved())
    }

    /// He has. False: it has grown past the bound, and past the limit.
    pub(crate) fn end(&self, bound: Charge) -> bool {
        self.place.grown.end(bound, || self.size(bound.bytes))
    }

    /// What is charged.
    pub(crate) fn charged(&self) -> u64 {
        self.place.grown.charged()
    }

    /// A charge of nothing.
    pub(crate) fn nothing(&self) -> Charge {
        Charge::new(self.share, Kind::Graph, 0)
    }

    /// Claims `bytes` of what lies idle for a launch, if nobody else relies on them. Until [`Self::unclaim`]
    /// nothing of what is charged is given back, so what others trim or use meanwhile can be taken again.
    pub(crate) fn claim(&self, bytes: u64) -> bool {
        // Before the driver is asked: whoever gives back after that sees the claim.
        self.place.relied.fetch_add(bytes, Ordering::SeqCst);
        let claimed = self.place.claimed.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let idle = self.reserved().zip(self.used()).map(|(all, used)| all.saturating_sub(used));
        let is_idle = idle.is_some_and(|idle| idle >= claimed);
        if !is_idle {
            self.unclaim(bytes);
        }
        is_idle
    }

    /// The launch that claimed is over.
    pub(crate) fn unclaim(&self, bytes: u64) {
        self.place.claimed.fetch_sub(bytes, Ordering::SeqCst);
        if self.place.relied.fetch_sub(bytes, Ordering::SeqCst) == bytes {
            self.look();
        }
    }

    /// As [`Self::claim`] of what a launch is about to let grow itself: nobody else's claim is to count that as
    /// idle between its upload and its launch. It relies on its bound.
    pub(crate) fn claim_new(&self, bytes: u64) {
        self.place.claimed.fetch_add(bytes, Ordering::SeqCst);
    }

    /// The launch of [`Self::claim_new`] is over.
    pub(crate) fn unclaim_new(&self, bytes: u64) {
        self.place.claimed.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Gives back what is idle.
    pub(crate) fn trim(&self) {
        if let Some(trim) = real::cuDeviceGraphMemTrim.get() {
            // SAFETY: takes the number of a device.
            relaxed(|| unsafe { trim(self.device) });
        }
        self.look();
    }

    /// Charges what is reserved, where that is not known.
    pub(crate) fn look(&self) {
        self.place.grown.look(self.nothing(), || self.size(0));
    }

    /// What is to be charged for it; none: all that is, with the bound. As long as somebody relies on what is
    /// charged, nothing of that is given back, and what others use beside it stays charged too.
    fn size(&self, bound: u64) -> Option<u64> {
        let (reserved, charged) = (self.reserved()?, self.charged());
        let covered = charged.saturating_add(bound);
        // Read after the driver was asked.
        let relied = self.place.relied.load(Ordering::SeqCst);
        if relied == 0 || reserved > covered {
            return Some(reserved);
        }
        let taken_again = self.used()?.saturating_add(relied);
        (taken_again < covered).then_some(reserved.max(charged).max(taken_again))
    }

    fn used(&self) -> Option<u64> {
        self.number(CUgraphMem_attribute::CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT)
    }

    fn reserved(&self) -> Option<u64> {
        self.number(CUgraphMem_attribute::CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT)
    }

    fn number(&self, which: CUgraphMem_attribute) -> Option<u64> {
        let get = real::cuDeviceGetGraphMemAttribute.get()?;
        let mut value = 0_u64;
        // SAFETY: all attributes are numbers of 64 bits.
        let result = relaxed(|| unsafe { get(self.device, which, (&raw mut value).cast()) });
        (result == CUresult::CUDA_SUCCESS).then_some(value)
    }
}

/// Gives back to the driver, and to the share, what its graphs keep idle.
#[cold]
pub(crate) fn trim_all(share: Share) {
    each_of(share, Memory::trim);
}

/// Reads what the graphs of a share have reserved anew.
pub(crate) fn look_all(share: Share) {
    each_of(share, Memory::look);
}

/// The program has trimmed a device.
pub(crate) fn trimmed(device: CUdevice) {
    if let Device::Share(share) = device::of(device) {
        each_of(share, Memory::look);
    }
}

/// The memory of a share's graphs, where there was any.
fn each_of(share: Share, mut of: impl FnMut(&Memory)) {
    for (device, place) in (0..).zip(KNOWN.known()) {
        if place.grown.is_used()
            && let Device::Share(its) = device::of(device)
            && its.number == share.number
        {
            of(&Memory { device, share, place });
        }
    }
}
