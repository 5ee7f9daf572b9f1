//! What goes with a context that ends: its charge, what was allocated in it, and with the last one of a device all that
//! belongs to none that is known. Apart from `contexts`, because first use runs nothing of it.

use crate::contexts::{Here, Known, UNKNOWN, count};
use crate::device::{self, Device};
use crate::{graph_memory, held, pool_current, pools};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use ledger::Kind;
use nvidia_sys::cuda::{CUcontext, CUdevice};

impl Here {
    /// With the last context ends all that was allocated in any and belongs to none that is known.
    pub(crate) fn give_back_if_last(&self, device: CUdevice) {
        // Asked before: one that has come meanwhile is seen.
        if self.coming.load(SeqCst) > 0 {
            self.is_due.store(true, SeqCst);
            if self.coming.load(SeqCst) > 0 {
                return;
            }
            self.is_due.store(false, SeqCst);
        }
        let seen = self.created.load(Acquire) > 0 || !self.primary.is_over();
        if seen || self.unseen.load(Relaxed) {
            return;
        }
        if let Device::Share(share) = device::of(device) {
            let bytes = self.unnamed.swap(0, Relaxed);
            share.allotment.release(share.device, Kind::Context, bytes);
            held::forget_owned(share, UNKNOWN);
            pool_current::forget(device);
            pools::look_all(share);
            graph_memory::look_all(share);
        }
    }
}

impl Known {
    /// The context of this handle and its number as an owner, which is not found by that handle any more. Not the
    /// primary one, which has other ways to end.
    pub(crate) fn take(context: CUcontext) -> Option<(u8, &'static Self)> {
        let is_created = |known: &Self| !known.is_primary.load(Relaxed);
        Self::find(context).filter(|(_, known)| is_created(known) && known.leave(context))
    }

    /// It is not found by its handle any more. False: another thread was faster.
    fn leave(&self, context: CUcontext) -> bool {
        self.handle.compare_exchange(context, Self::NOBODYS, SeqCst, Relaxed).is_ok()
    }

    /// What it owned has ended.
    pub(crate) fn forget_owned(&self, owner: u8) {
        if let (Device::Share(share), true) =
            (device::of(self.device.load(Relaxed)), owner != UNKNOWN)
        {
            held::forget_owned(share, owner);
        }
    }

    /// It has ended, and with it what it owned.
    pub(crate) fn ended(&self, owner: u8) {
        let device = self.device.load(Relaxed);
        let bytes = self.bytes.load(Relaxed);
        let is_primary = self.is_primary.load(Relaxed);
        self.forget_owned(owner);
        if let Device::Share(share) = device::of(device) {
            share.allotment.release(share.device, Kind::Context, bytes);
        }
        self.handle.store(core::ptr::null_mut(), Release);
        count(false);
        if let Some(here) = Here::of(device) {
            if !is_primary {
                here.created.fetch_sub(1, Relaxed);
            }
            here.give_back_if_last(device);
        }
    }
}
