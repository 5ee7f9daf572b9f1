//! How the time of one GPU is shared out among containers: the policy.
//!
//! [`Gpu`] is told once in a while what the containers say of themselves ([`Reading`]) and answers
//! what each may use from then on ([`Grant`]). The node agent and `aliquot run` both ask it, so that
//! a share means the same under either. It does no I/O and reads no clock: time is what it is told.
//!
//! **Credit runs beside, not in turns.** Every container with work holds some credit at any time, in
//! all two quanta of it, divided by weight; the card's own time slices decide who runs next, and
//! whoever is ahead of the slowest by its part of the two quanta waits. Turns (one container's quantum
//! at a time) measure better, but at every hand-over the card is idle until somebody has noticed,
//! woken the next and seen it launch: with eight containers in 10 ms that is eight times some 0.1 ms,
//! and a late thread idles the whole card. With credit beside, the one that is behind always has
//! some, so nothing is idle, and a tick can be half a quantum late at no cost.
//!
//! What this rests on is that a container can be charged for its part of a time in which others ran
//! as well: what the card did is played again from what all of them tell (`replay` says how).
//!
//! Nothing here believes a reading: what a container claims too much or too little is charged, or
//! not, to itself, and everybody else still has its guaranteed part of the clock's time.
#![forbid(unsafe_code)]

mod ends;
mod gpu;
mod measure;
mod member;
mod replay;
mod rests;
mod settle;
mod terms;
mod timetable;
mod turns;
mod unseen;

pub use ends::{Closed, Ending, Rank};
pub use gpu::Gpu;
pub use member::{Grant, Interval, Pace, Reading};
pub use terms::{Class, Policy, Settings, Terms};
pub use timetable::{Moment, Standing, Timetable, Turn};
pub use turns::Turns;
