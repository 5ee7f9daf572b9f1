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

/// What a device's graphs are charged, and how much of what lies idle launches rely on that are under way.
pub(crate) struct OfDevice {
    grown: Grown,
    claimed: AtomicU64,
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
        let claimed = self.place.claimed.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let used = self.number(CUgraphMem_attribute::CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT);
        let idle = self.reserved().zip(used).map(|(all, used)| all.saturating_sub(used));
        let is_idle = idle.is_some_and(|idle| idle >= claimed);
        if !is_idle {
            self.unclaim(bytes);
        }
        is_idle
    }

    /// As [`Self::claim`] of what a launch is about to let grow itself: nobody else's claim is to count that as
    /// idle between its upload and its launch.
    pub(crate) fn claim_new(&self, bytes: u64) {
        self.place.claimed.fetch_add(bytes, Ordering::SeqCst);
    }

    /// The launch that claimed is over.
    pub(crate) fn unclaim(&self, bytes: u64) {
        if self.place.claimed.fetch_sub(bytes, Ordering::SeqCst) == bytes {
            self.look();
        }
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

    /// What is to be charged for it; none: all that is, as long as somebody relies on it.
    fn size(&self, bound: u64) -> Option<u64> {
        let reserved = self.reserved()?;
        let is_covered = reserved <= self.charged().saturating_add(bound);
        // Read after the driver was asked.
        let is_claimed = self.place.claimed.load(Ordering::SeqCst) > 0;
        (!(is_covered && is_claimed)).then_some(reserved)
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
