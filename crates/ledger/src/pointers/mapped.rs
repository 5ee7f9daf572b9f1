//! The table in a mapping of its own.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::{BUCKETS, Bucket, Buckets, Charged, Full, Table};
use crate::error::PageError;
use crate::sys::{Mapping, Shared};

// SAFETY: `repr(C)` and atomics alone, without padding (asserted).
unsafe impl Shared for Bucket {}

const _: () = assert!(size_of::<Bucket>() == 64);

/// What each device pointer was charged. One per process, or one per kind of handle whose values
/// could coincide.
pub struct Pointers(Table<Mapped>);

/// Buckets in memory that costs nothing until it is touched.
struct Mapped {
    /// Behind the first one: the others lie before it.
    end: NonNull<Bucket>,
    /// Where they lie, if nobody else keeps it.
    _kept: Option<Mapping>,
}

// SAFETY: buckets are atomics, in memory that belongs to the process and not to a thread.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Buckets for Mapped {
    #[inline]
    fn bucket(&self, index: usize) -> Option<&Bucket> {
        if index >= BUCKETS {
            return None;
        }
        // SAFETY: there are so many buckets, as `before` was promised.
        Some(unsafe { self.end.sub(index + 1).as_ref() })
    }
}

impl Pointers {
    /// How many bytes of addresses a table needs.
    pub const BYTES: usize = BUCKETS * size_of::<Bucket>();

    /// An empty table: 34 MiB of addresses, of which the kernel gives memory as it fills.
    ///
    /// # Errors
    /// [`PageError::Io`]: the mapping was refused.
    pub fn new() -> Result<Self, PageError> {
        let mapping = Mapping::private(Self::BYTES);
        let mapping = mapping.map_err(|(call, errno)| PageError::Io(call, errno))?;
        let end = mapping.end().cast();
        Ok(Self(Table::new(Mapped { end, _kept: Some(mapping) })))
    }

    /// An empty table in memory of the caller's, that before `end`. What is touched first lies last.
    ///
    /// # Safety
    /// [`Self::BYTES`] of zeros lie there, aligned to 64, which nobody else uses and which stay for as long
    /// as the table. A forked child is to find zeros there again.
    #[must_use]
    pub unsafe fn before(end: NonNull<u8>) -> Self {
        Self(Table::new(Mapped { end: end.cast(), _kept: None }))
    }

    /// Remembers a pointer. If the table knows it already, its allocation ended unseen (with its
    /// context, say): what was charged for that is answered, and is the caller's to release.
    ///
    /// # Errors
    /// [`Full`], also for the addresses 0 and 1, which no driver gives out. Nothing is changed.
    #[inline]
    pub fn insert(&self, pointer: u64, charged: Charged) -> Result<Option<Charged>, Full> {
        self.0.insert(pointer, charged)
    }

    /// As [`Self::insert`], of a name that several threads may insert at once: it is in the table once, and
    /// of two that came together one is answered what the other inserted.
    ///
    /// # Errors
    /// As [`Self::insert`].
    #[cold]
    pub fn insert_shared(&self, name: u64, charged: Charged) -> Result<Option<Charged>, Full> {
        self.0.insert_shared(name, charged)
    }

    /// What a pointer was charged, which stays in the table: a thread that forgets it meanwhile finds it.
    /// `None`: it is not known here, or is being inserted or forgotten at this moment.
    #[cold]
    #[must_use]
    pub fn find(&self, pointer: u64) -> Option<Charged> {
        self.0.find(pointer)
    }

    /// Forgets a pointer and says what it was charged; `None`: it is not known here. Of several
    /// threads that ask for one pointer, one gets an answer.
    #[inline]
    #[must_use]
    pub fn remove(&self, pointer: u64) -> Option<Charged> {
        self.0.remove(pointer)
    }

    /// Forgets all pointers whose charge is `wanted`, handing each to `removed`: for the end of a
    /// context. Looks at every place that was ever in use; pointers inserted meanwhile may stay.
    #[cold]
    pub fn remove_where(
        &self,
        wanted: impl FnMut(Charged) -> bool,
        removed: impl FnMut(u64, Charged),
    ) {
        self.0.remove_where(wanted, removed);
    }

    #[cfg(test)]
    pub(super) fn deepest(&self) -> usize {
        self.0.deepest()
    }
}
