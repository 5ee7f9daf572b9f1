//! The table in a mapping of its own.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::marks::WORDS;
use super::{BUCKETS, Bucket, Buckets, Charged, Full, TAGS, Table};
use crate::error::PageError;
use crate::sync::AtomicU64;
use crate::sys::{Mapping, Shared};

// SAFETY: `repr(C)` and atomics alone, without padding (asserted).
unsafe impl Shared for Bucket {}

const _: () = assert!(size_of::<Bucket>() == 64);

/// From one tag's marks to the next's: whole pages.
const ROW: usize = WORDS.next_multiple_of(4096 / size_of::<AtomicU64>());

/// What each device pointer was charged. One per process, or one per kind of handle whose values
/// could coincide.
pub struct Pointers(Table<Mapped>);

/// Buckets in memory that costs nothing until it is touched, and marks before them.
struct Mapped {
    /// Behind the first bucket: the others lie before it, and before the last of them the marks, backwards too.
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

    #[inline]
    fn mark(&self, tag: u8, word: usize) -> Option<&AtomicU64> {
        let tag = usize::from(tag);
        if tag >= TAGS || word >= WORDS {
            return None;
        }
        // SAFETY: before the buckets there are so many words, as `before` was promised; zeros are values of them.
        Some(unsafe { self.end.sub(BUCKETS).cast().sub(tag * ROW + word + 1).as_ref() })
    }
}

impl Pointers {
    /// How many bytes of addresses a table needs.
    pub const BYTES: usize = BUCKETS * size_of::<Bucket>() + TAGS * ROW * size_of::<AtomicU64>();

    /// An empty table: 35 MiB of addresses, of which the kernel gives memory as it fills.
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

    /// Forgets all pointers with this tag, below 16, whose charge is `wanted`, handing each to `removed`. Looks
    /// where one with that tag ever lay, since [`Self::remove_all`]; pointers inserted meanwhile may stay.
    #[cold]
    pub fn remove_where(
        &self,
        tag: u8,
        wanted: &dyn Fn(Charged) -> bool,
        removed: &mut dyn FnMut(u64, Charged),
    ) {
        self.0.remove_where(tag, wanted, removed);
    }

    /// Forgets all pointers with this tag, below 16, handing each to `removed`: what the tag stands for, a context
    /// say, has ended, and others may have the tag from now on. Looks where one with that tag lay since this
    /// was last done. A pointer that is inserted with it meanwhile may stay, and is found by its own address alone.
    #[cold]
    pub fn remove_all(&self, tag: u8, removed: &mut dyn FnMut(u64, Charged)) {
        self.0.remove_all(tag, removed);
    }

    #[cfg(test)]
    pub(super) fn deepest(&self) -> usize {
        self.0.deepest()
    }
}
