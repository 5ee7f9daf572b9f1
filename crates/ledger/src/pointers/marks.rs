//! Which buckets have entries of which tag: a bit for each bucket, and a bit for each group of words of such
//! bits, so that what a tag left behind is found without a look at anything else.
//!
//! A mark is made before its entry and stays when that is taken out: it says where there was one. The
//! buckets of the first level have none, because they are few and always looked at.

use super::{BUCKETS, Bucket, Buckets, Table, level_start};
use crate::sync::Ordering;

const BITS: usize = u64::BITS as usize;
/// Words with a bit for each bucket.
const LEAVES: usize = BUCKETS.div_ceil(BITS);
/// Words of them in a group.
const GROUP: usize = LEAVES.div_ceil(BITS);
/// The word with a bit for each group; those of the buckets follow.
const ROOT: usize = 0;
/// Words of one tag.
pub(crate) const WORDS: usize = 1 + LEAVES;

/// What becomes of the marks that are looked at.
#[derive(Clone, Copy)]
pub(crate) enum Marks {
    /// Others' entries of that tag may be there.
    Stay,
    /// Nobody has entries of that tag from now on, until it is given to somebody else.
    Go,
}

impl<B: Buckets> Table<B> {
    /// Marks a bucket before an entry with this tag is put there.
    #[inline]
    pub(super) fn mark(&self, tag: u8, bucket: usize) {
        if bucket < level_start(1) {
            return;
        }
        let word = self.buckets.mark(tag, 1 + bucket / BITS);
        if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit(bucket) == 0) {
            self.mark_first(tag, bucket);
        }
    }

    /// The group's bit is set before, so that no bucket's is seen without it, and again behind: who takes marks away
    /// takes the group's first, and may have found nothing of this bucket yet.
    #[cold]
    fn mark_first(&self, tag: u8, bucket: usize) {
        let leaf = bucket / BITS;
        let words = (self.buckets.mark(tag, ROOT), self.buckets.mark(tag, 1 + leaf));
        let (Some(root), Some(word)) = words else { return };
        root.fetch_or(bit(leaf / GROUP), Ordering::AcqRel);
        word.fetch_or(bit(bucket), Ordering::AcqRel);
        root.fetch_or(bit(leaf / GROUP), Ordering::AcqRel);
    }

    /// Visits the buckets in which entries with this tag may lie.
    #[cold]
    pub(super) fn each_marked(&self, tag: u8, marks: Marks, visit: &mut dyn FnMut(&Bucket)) {
        let mut visit = |at| {
            if let Some(bucket) = self.buckets.bucket(at) {
                visit(bucket);
            }
        };
        (0..level_start(1)).for_each(&mut visit);
        // Words that nobody has written yet cost a page fault.
        if self.deepest() == 0 {
            return;
        }
        for group in bits(self.marked(tag, ROOT, marks)) {
            for leaf in group * GROUP..((group + 1) * GROUP).min(LEAVES) {
                bits(self.marked(tag, 1 + leaf, marks)).for_each(|at| visit(leaf * BITS + at));
            }
        }
    }

    /// A word of marks, taken away where they are to go.
    fn marked(&self, tag: u8, word: usize, marks: Marks) -> u64 {
        let Some(word) = self.buckets.mark(tag, word) else { return 0 };
        match (word.load(Ordering::Acquire), marks) {
            (0, _) => 0,
            (seen, Marks::Stay) => seen,
            (_, Marks::Go) => word.swap(0, Ordering::AcqRel),
        }
    }
}

/// The bit of this number in its word.
const fn bit(number: usize) -> u64 {
    1 << (number % BITS)
}

/// The numbers of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let lowest = word.trailing_zeros();
        // None is left of an empty word.
        word &= word.checked_sub(1)?;
        Some(lowest as usize)
    })
}
