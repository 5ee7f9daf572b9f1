//! What the driver says of the GPUs, on threads of their own: a driver that hangs holds up nobody
//! else, and one card that hangs no other card.

mod heard;
mod keeper;
mod real;
mod slices;

use std::thread;
use std::time::Duration;

pub use keeper::{Opening, Scanner, Wishes, Xids};
pub use real::NvmlSource;
pub(crate) use real::own_name;

use crate::inventory::{Facts, Scanned};

/// Something that knows the GPUs of a node.
pub trait Source: Send + 'static {
    /// Reaches for the driver and answers its cards, by index. What an earlier answer held is let go
    /// of when all cards of it are dropped.
    ///
    /// # Errors
    /// Why the driver cannot be reached, as a clause.
    fn open(&mut self) -> Result<Vec<Box<dyn Card>>, Unreached>;

    /// What tells the driver's library from another in its place: that one is of another driver, and is met when the
    /// driver is reached for the next time. `None` where there is none.
    fn library(&self) -> Option<Mark> {
        None
    }
}

/// The file system and the number in it of a file.
pub type Mark = (u64, u64);

/// Why the driver cannot be reached, as a clause.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreached {
    /// Its library is of another version than what the kernel runs: an upgrade that is not at its end, or a
    /// library that lies here since before one.
    #[error("{0}")]
    Mismatched(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Why a card does not answer, as a clause.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Silence {
    /// The driver has it no more: when it answers again it has been reset, or is another.
    #[error("{0}")]
    Lost(String),
    /// A question failed. Of what the card is like when it answers again that says nothing.
    #[error("{0}")]
    Failed(String),
}

/// One card, asked on a thread of its own.
pub trait Card: Send {
    /// Asks for everything.
    ///
    /// # Errors
    /// Why the card does not answer.
    fn look(&self) -> Result<Facts, Silence>;

    /// Tells of the card, again after each `pause` and at once when something happens to it, until
    /// `tell` answers false. It is told to at least once a second.
    fn watch(&self, pause: Duration, tell: &mut dyn FnMut(News) -> bool) {
        while tell(News::Facts(self.look())) {
            let mut left = pause;
            while !left.is_zero() {
                let step = left.min(SLICE);
                thread::sleep(step);
                left -= step;
                if !tell(News::Alive) {
                    return;
                }
            }
        }
    }
}

/// The longest that a card's thread is silent while its driver answers.
const SLICE: Duration = Duration::from_secs(1);

/// What a card tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// All there is to know, or why it does not answer.
    Facts(Result<Facts, Silence>),
    /// An XID.
    Xid(u64),
    /// The driver lists so many cards.
    Count(u32),
    /// Nothing, but the thread goes on.
    Alive,
}

/// One look at all cards, one after the other.
///
/// # Errors
/// Why the driver cannot be reached.
pub fn scan(source: &mut impl Source) -> Result<Vec<Scanned>, String> {
    let cards = source.open().map_err(|why| why.to_string())?;
    let look = |card: &dyn Card| card.look().map_err(|why| why.to_string());
    Ok(cards.iter().zip(0..).map(|(card, index)| (index, look(&**card))).collect())
}
