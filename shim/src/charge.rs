//! Charges that are under way: taken before the driver is asked, then kept or given back.
//!
//! A charge is plain data and nothing happens when it is dropped, because one is in hand while the
//! driver runs: a call that is cancelled there stays charged until its process ends.

use crate::allotments::Share;
use crate::device::{self, Device};
use crate::{contexts, exported, graph_memory, leaving, pools, say};
use ledger::Kind;
use nvidia_sys::cuda::CUdevice;

/// Bytes charged to a share, which the driver has not confirmed.
#[derive(Clone, Copy)]
#[must_use = "a charge is kept or given back"]
pub(crate) struct Charge {
    pub(crate) share: Share,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    /// The context that owns what was taken, where one is known to.
    pub(crate) owner: u8,
}

/// What becomes of a request before the driver sees it.
pub(crate) enum Attempt {
    /// The driver is asked, and the charge settled by its answer.
    Charged(Charge),
    /// The driver is asked and will refuse by itself, or takes nothing.
    Pass,
    /// The driver is not asked: out of memory.
    Refused,
}

impl Charge {
    /// One that no context owns.
    pub(crate) const fn new(share: Share, kind: Kind, bytes: u64) -> Self {
        Self { share, kind, bytes, owner: contexts::UNKNOWN }
    }

    /// The driver did not take the memory, or has given it back.
    pub(crate) fn give_back(self) {
        self.share.allotment.release(self.share.device, self.kind, self.bytes);
    }

    /// Makes it a charge of `bytes` whatever the limit says, because the driver has them.
    #[cold]
    pub(crate) fn take(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.bytes);
        self.share.allotment.charge_taken(self.share.device, self.kind, more);
        self.bytes = self.bytes.max(bytes);
    }

    /// Makes it a charge of `bytes`, as the driver has taken them; false where that passes the limit,
    /// and nothing is changed.
    pub(crate) fn settle(&mut self, bytes: u64) -> bool {
        let (allotment, device) = (self.share.allotment, self.share.device);
        if let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0)
            && allotment.charge(device, self.kind, more).is_err()
        {
            return false;
        }
        if let Some(less) = self.bytes.checked_sub(bytes).filter(|less| *less > 0) {
            allotment.release(device, self.kind, less);
        }
        self.bytes = bytes;
        true
    }
}

/// Charges `bytes` to the device of the calling thread's context, and with them that context where
/// nobody saw it begin.
#[inline]
pub(crate) fn to_current(kind: Kind, bytes: u64) -> Attempt {
    let Some(current) = contexts::current() else { return Attempt::Pass };
    match device::of(current.device) {
        Device::Share(share) => {
            if let Attempt::Refused = current.charge_unseen(share) {
                return Attempt::Refused;
            }
            match to_share(share, kind, bytes) {
                Attempt::Charged(charge) => {
                    Attempt::Charged(Charge { owner: current.owner, ..charge })
                }
                attempt => attempt,
            }
        }
        Device::Full => refused_as_full(current.device),
        Device::Unknown => Attempt::Pass,
    }
}

/// Charges `bytes` to a device, whether a context is there or not.
pub(crate) fn to_device(ordinal: CUdevice, kind: Kind, bytes: u64) -> Attempt {
    match device::of(ordinal) {
        Device::Share(share) => to_share(share, kind, bytes),
        Device::Full => refused_as_full(ordinal),
        Device::Unknown => Attempt::Pass,
    }
}

/// Charges `bytes` to a share, of which pools and graphs give back what they can before it is refused.
#[inline]
pub(crate) fn to_share(share: Share, kind: Kind, bytes: u64) -> Attempt {
    match at_once(share, kind, bytes) {
        Some(charge) => Attempt::Charged(charge),
        None => to_trimmed(share, kind, bytes),
    }
}

/// Gives back to the driver, and to the share, what lies idle in its pools and for its graphs, and what
/// streams have come past.
#[cold]
pub(crate) fn trim(share: Share) {
    leaving::settle();
    exported::settle();
    pools::trim_all(share);
    graph_memory::trim_all(share);
}

/// Charges `bytes` to a share as it stands. A refusal is not the last word, and is not counted.
#[inline]
pub(crate) fn at_once(share: Share, kind: Kind, bytes: u64) -> Option<Charge> {
    let charged = share.allotment.try_charge(share.device, kind, bytes);
    charged.is_ok().then(|| Charge::new(share, kind, bytes))
}

/// The last word, once pools and graphs have given back what they can. Where the administrator only
/// observes, it is counted and never a refusal.
#[cold]
fn to_trimmed(share: Share, kind: Kind, bytes: u64) -> Attempt {
    trim(share);
    match share.allotment.charge(share.device, kind, bytes) {
        Ok(()) => Attempt::Charged(Charge::new(share, kind, bytes)),
        Err(_) => Attempt::Refused,
    }
}

/// The device is visible, and none of it is ours.
#[cold]
pub(crate) fn refused_as_full(ordinal: CUdevice) -> Attempt {
    static SAID: say::Once = say::Once::new();
    if crate::allotments::shares().is_ok() {
        SAID.say(|line| {
            line.text("device ")
                .number(ordinal.unsigned_abs().into())
                .text(" is visible but not allotted to this container: it has no memory here");
        });
    }
    Attempt::Refused
}
