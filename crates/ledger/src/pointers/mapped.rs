//! The table in a mapping of its own.
#![allow(unsafe_code)]

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
struct Mapped(Mapping);

impl Buckets for Mapped {
    #[inline]
    fn bucket(&self, index: usize) -> Option<&Bucket> {
        if index >= BUCKETS {
            return None;
        }
        // SAFETY: the mapping holds so many buckets, which are as large as they are aligned.
        Some(unsafe { self.0.at_unchecked(index * size_of::<Bucket>()) })
    }
}

impl Pointers {
    /// An empty table: 37 MiB of addresses, of which the kernel gives memory as it fills.
    ///
    /// # Errors
    /// [`PageError::Io`]: the mapping was refused.
    pub fn new() -> Result<Self, PageError> {
        let mapping = Mapping::private(BUCKETS * size_of::<Bucket>());
        let mapping = mapping.map_err(|(call, errno)| PageError::Io(call, errno))?;
        Ok(Self(Table::new(Mapped(mapping))))
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
