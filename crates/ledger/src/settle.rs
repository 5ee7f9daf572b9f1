//! The total that all processes share, set to the sum of what they have. Who asks for memory for the first time does not
//! come here: it lies apart from what first use runs.

use crate::charge::{Books, SUMS};
use crate::total;

/// Sets the total to the sum over the living as soon as nothing happens meanwhile, or not at all where something always
/// does.
#[cold]
#[inline(never)]
pub(crate) fn settle_soon<B: Books>(books: &B) {
    for _ in 0..SUMS {
        if settle(books) {
            return;
        }
        books.pause();
    }
}

/// The same, unless something happens meanwhile.
fn settle<B: Books>(books: &B) -> bool {
    let marked = total::mark(books.total(), books.ticket());
    total::replace(books.total(), marked, books.sum(None).charged)
}
