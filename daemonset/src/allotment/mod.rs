//! Allotments: what each container holds, on disk and in pages.

mod book;
mod hands;
mod holders;
mod kept;
mod lists;
mod pages;
mod ready;
mod record;
mod refined;
mod release;
mod sheets;
mod store;

pub use book::{Book, BookError, Told};
pub use holders::{Held, holders};
pub(crate) use holders::{clash, holder_of, resource_of};
pub use kept::{Kept, Life};
pub(crate) use lists::is_forgotten;
pub use lists::{Listed, Lists, Look, PodName};
pub use pages::{RuleBook, Rules};
pub(crate) use pages::{living, read as read_pages};
#[cfg(test)]
pub(crate) use record::tests::{held_by, share};
pub use record::{Holder, Holding, Record, name};
pub(crate) use refined::{lower_no_longer, observe_no_longer, refine};
pub(crate) use release::is_kept;
pub(crate) use store::load;
