//! What each device pointer was charged, so that a free gives it back.

use crate::allotments::{self, Share, Shares};
use crate::charge::Charge;
use crate::contexts::UNKNOWN;
use crate::leaving_parts::Given;
use crate::references::Memory;
use crate::{exported, external, leaving, lent, small, sparse_arrays};
use ledger::Kind;
use ledger::pointers::Charged;
use nvidia_sys::cuda::CUresult;

/// The tag of what is part of an import, whose number it has for bytes. Other tags are owners.
const PART: u8 = 1;
/// An entry of this kind is charged nothing yet: it is code that is not on the device.
const PENDING: Kind = Kind::Multicast;
/// An entry of this kind is memory that a pool lends: it is charged with its pool, and has for bytes the name of what
/// keeps it when it has gone back there.
const LENT: Kind = Kind::Pool;
/// The device of what is on none.
const NOWHERE: u8 = u8::MAX;

/// Remembers what an address was charged. Where the table is full, after some hundred thousand, the
/// charge stays until the process ends.
#[inline]
pub(crate) fn remember(address: u64, charge: Charge) {
    let Charge { share, kind, bytes, owner } = charge;
    put(address, Charged::new(bytes, share.number, kind, owner));
}

/// Remembers a charge under a name that several threads may charge at once. Nobody knows whom the driver
/// heard last, so of two the larger stays and the other is given back: what is counted may be too much until
/// the next charge, and never too little.
#[cold]
pub(crate) fn raise(name: u64, charge: Charge) {
    let Some(pointers) = allotments::shares().ok().and_then(Shares::pointers) else { return };
    let Charge { share, kind, bytes, owner } = charge;
    let mut larger = Charged::new(bytes, share.number, kind, owner);
    while let Ok(Some(other)) = pointers.insert_shared(name, larger) {
        if other.bytes() <= larger.bytes() {
            return end(name, other);
        }
        // The smaller one lies there: it comes back, unless a third thread has it by then.
        larger = other;
    }
}

/// Remembers that what is at an address keeps an import.
#[cold]
pub(crate) fn remember_part(address: u64, share: Share, import: u64) {
    put(address, Charged::new(import, share.number, Kind::Imported, PART));
}

/// Remembers what keeps the memory of a pool that begins at an address, by its name.
#[cold]
pub(crate) fn remember_lent(address: u64, share: Share, keeper: u64) {
    put(address, Charged::new(keeper, share.number, LENT, UNKNOWN));
}

/// What is remembered so.
#[cold]
pub(crate) fn lent(address: u64) -> Option<u64> {
    look(address).filter(|known| known.kind() == LENT).map(Charged::bytes)
}

/// Remembers code that would be charged so much, were it on the device; in a context of this share, or
/// in none.
#[cold]
pub(crate) fn remember_pending(name: u64, of: Option<(Share, u8)>, bytes: u64) {
    let (device, owner) = of.map_or((NOWHERE, 0), |(share, owner)| (share.number, owner));
    put(name, Charged::new(bytes, device, PENDING, owner));
}

/// What is remembered so.
#[cold]
pub(crate) fn pending(name: u64) -> Option<u64> {
    look(name).filter(|known| known.kind() == PENDING).map(Charged::bytes)
}

/// Whether anything is remembered by this name.
#[cold]
pub(crate) fn is_known(name: u64) -> bool {
    look(name).is_some()
}

/// Charges an object at once for the plain allocation that begins at an address, which it keeps and nobody will say of
/// that it ends.
#[cold]
pub(crate) fn keep_also(address: u64, keeper: &'static Memory) {
    let charged =
        look(address).filter(|charged| charged.kind() != PENDING && charged.kind() != LENT);
    let Some(charge) = allotments::shares().ok().zip(charged).and_then(|(all, of)| charge(all, of))
    else {
        return;
    };
    keeper.charge_object(charge.share, charge.bytes.max(small::PAGE));
}

/// Charges what the driver takes unasked, whatever the limit says, and remembers it. Of threads that charge it
/// at once one's charge stays.
#[cold]
pub(crate) fn remember_unasked(name: u64, charge: Charge) {
    let Charge { share, kind, bytes, owner } = charge;
    if share.allotment.charge_unasked(share.device, kind, bytes).is_err() {
        return;
    }
    let Some(pointers) = allotments::shares().ok().and_then(Shares::pointers) else { return };
    let charged = Charged::new(bytes, share.number, kind, owner);
    if let Ok(Some(before)) = pointers.insert_shared(name, charged) {
        end_unseen(name, before);
    }
}

fn look(name: u64) -> Option<Charged> {
    allotments::shares().ok()?.pointers()?.find(name)
}

/// Forgets an address that is charged itself; what it was charged, if anybody knows.
#[inline]
pub(crate) fn forget(address: u64) -> Option<Charge> {
    let shares = allotments::shares().ok()?;
    charge(shares, shares.pointers()?.remove(address)?)
}

/// The entry is taken out before the driver frees: another thread may be given the same address.
#[inline]
pub(crate) fn give_back(address: u64, driver: impl FnOnce() -> CUresult) -> CUresult {
    let table = allotments::shares().ok().and_then(Shares::pointers);
    let entry = table.and_then(|table| table.remove(address));
    entry.inspect(|charged| before_its_pool_has_it(*charged));
    let result = driver();
    if let Some(charged) = entry {
        if result == CUresult::CUDA_SUCCESS {
            end(address, charged);
        } else {
            put(address, charged);
        }
    }
    result
}

/// As [`give_back`], of what the driver may have for a while yet: `later` is given what is to end when it has not. Where
/// descriptors keep the memory that is a reference to what they keep it by, which is charged for it from now on.
#[inline]
pub(crate) fn give_back_later(
    address: u64,
    driver: impl FnOnce() -> CUresult,
    later: impl FnOnce(Given),
) -> CUresult {
    let Some(entry) = allotments::shares()
        .ok()
        .and_then(Shares::pointers)
        .and_then(|table| table.remove(address))
    else {
        return driver();
    };
    before_its_pool_has_it(entry);
    let result = driver();
    if result != CUresult::CUDA_SUCCESS {
        put(address, entry);
    } else if entry.tag() == PART || [PENDING, LENT].contains(&entry.kind()) {
        end(address, entry);
    } else {
        // Of what is at the address by now, which another thread may be given before the stream has come so far.
        let left = Left { address, charged: entry };
        later(match left.outlived() {
            None => Given::Charge(left),
            Some(keeper) => {
                left.end();
                Given::References(keeper, 1)
            }
        });
    }
    result
}

/// What an address was charged, which is in no table any more. Plain data: nothing happens when it is dropped.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    address: u64,
    charged: Charged,
}

impl Left {
    /// The number of the share that is charged.
    pub(crate) fn share(self) -> u8 {
        self.charged.device()
    }

    /// All of it, for [`Self::of`].
    pub(crate) fn words(self) -> (u64, u64) {
        (self.address, self.charged.word())
    }

    /// What has these words.
    pub(crate) fn of(address: u64, charged: u64) -> Self {
        Self { address, charged: Charged::of(charged) }
    }

    /// What keeps the memory for its descriptors, if any: it is charged for it from now on. With one reference more.
    fn outlived(self) -> Option<&'static Memory> {
        let Charge { share, bytes, .. } = self.charge()?;
        // A small one's page, which others may share.
        let bytes = if self.is_small() { small::PAGE } else { bytes };
        exported::outlived(self.address, share, bytes)
    }

    /// The driver has it back.
    #[inline]
    pub(crate) fn end(self) {
        match self.charge() {
            Some(charge) if self.is_small() => small::take(charge, self.address),
            Some(charge) => charge.give_back(),
            None => {}
        }
    }

    fn is_small(self) -> bool {
        self.charged.kind() == Kind::Linear && self.charged.bytes() <= small::LARGEST
    }

    #[inline]
    fn charge(self) -> Option<Charge> {
        charge(allotments::shares().ok()?, self.charged)
    }
}

/// What keeps the memory of a pool is charged before it goes back: the next reading of the pool's size may be without
/// it.
#[inline]
fn before_its_pool_has_it(entry: Charged) {
    if entry.kind() == LENT {
        lent::outlived(entry.bytes());
    }
}

/// Gives back what this process holds in a context of a device, which has ended; or, of [`UNKNOWN`], in those of the
/// device that are not known.
#[cold]
pub(crate) fn forget_owned(share: Share, owner: u8) {
    let Ok(shares) = allotments::shares() else { return };
    let Some(pointers) = shares.pointers() else { return };
    if external::owns_any(share, owner) {
        let is_its = |part: Charged| external::is_owned(part.bytes(), share, owner);
        pointers.remove_where(PART, &is_its, &mut end);
    }
    if owner == UNKNOWN {
        pointers.remove_where(owner, &|charged| charged.device() == share.number, &mut end);
    } else {
        pointers.remove_all(owner, &mut end);
    }
    external::forget(share, owner);
    sparse_arrays::forget(share, owner);
    leaving::forget(share, owner);
}

#[inline]
fn put(address: u64, charged: Charged) {
    let Some(pointers) = allotments::shares().ok().and_then(Shares::pointers) else { return };
    // The address was charged before, and its memory ended unseen.
    if let Ok(Some(before)) = pointers.insert(address, charged) {
        end_unseen(address, before);
    }
}

#[cold]
#[inline(never)]
fn end_unseen(address: u64, charged: Charged) {
    end(address, charged);
}

#[inline]
fn end(address: u64, charged: Charged) {
    if charged.tag() == PART {
        external::unmapped(charged.bytes());
    } else if charged.kind() == PENDING {
        // Nothing was charged.
    } else if charged.kind() == LENT {
        lent::outlived(charged.bytes());
    } else {
        let left = Left { address, charged };
        left.outlived().inspect(|keeper| keeper.let_go());
        left.end();
    }
}

#[inline]
fn charge(shares: &'static Shares, charged: Charged) -> Option<Charge> {
    let share = shares.at(charged.device().into())?;
    Some(Charge { share, kind: charged.kind(), bytes: charged.bytes(), owner: charged.tag() })
}
