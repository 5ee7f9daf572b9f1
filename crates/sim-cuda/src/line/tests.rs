//! Lines on a card that nobody else uses, whose clock the test moves.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::kernel::Flag as Role;

/// A card with one priority, whose kernels begin at 1,000 and run without a stop.
#[derive(Default)]
struct Card {
    now: u64,
    end: u64,
    open: u32,
    /// How often a kernel was said to run no longer.
    closed: u32,
    waiting: Vec<(u64, u64, Arc<Mark>)>,
}

const BEGIN: u64 = 1_000;

impl Card {
    /// So late it is; what has ended by then passes.
    fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        let ran = self.ran(0);
        for (at, floor, mark) in self.waiting.extract_if(.., |(at, ..)| *at <= ran) {
            mark.set((BEGIN + at).max(floor));
        }
        self
    }
}

impl Engines for Card {
    fn device(&self) -> usize {
        0
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn ran(&self, _: u32) -> u64 {
        self.now.saturating_sub(BEGIN).min(self.end)
    }

    fn kernel(&mut self, _: u32, after: u64, _: u64, cost: Cost) -> u64 {
        self.end = self.end.max(after) + cost.duration_ns;
        self.end
    }

    fn copy(&mut self, _: CopyEngine, not_before: u64, duration: u64) -> u64 {
        not_before + duration
    }

    fn pass(&mut self, level: u32, at: u64, floor: u64, mark: &Arc<Mark>) {
        match at <= self.ran(level) {
            true => mark.set(floor),
            false => {
                mark.is_due(crate::mark::At { device: 0, level, at, floor });
                self.waiting.push((at, floor, mark.clone()));
            }
        }
    }

    fn open(&mut self, _: u32, more: bool) {
        self.open = if more { self.open + 1 } else { self.open - 1 };
        self.closed += u32::from(!more);
    }

    fn expect(&self, _: u32, at: u64) -> u64 {
        BEGIN + at
    }
}

fn card() -> Card {
    Card { now: BEGIN, ..Card::default() }
}

fn kernel(duration_ns: u64) -> Op {
    let cost = Cost { duration_ns, occupancy_percent: 100, flag: Role::None };
    Op::Kernel { cost, effect: None }
}

fn copy(duration_ns: u64) -> Op {
    Op::Copy { engine: CopyEngine::In, duration_ns, effect: None }
}

fn nothing() -> Act {
    Arc::new(|| ())
}

fn flag() -> (Arc<AtomicBool>, Flag) {
    let word = Arc::new(AtomicBool::new(false));
    let seen = word.clone();
    (word, Arc::new(move || seen.load(Ordering::Relaxed)))
}

#[test]
fn ends_of_kernels_add_up_without_a_wall() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(kernel(10), &mut card);
    line.push(kernel(5), &mut card);
    let mark = line.point(&mut card);
    assert_eq!((mark.time(), line.walled()), (None, false));
    card.at(1_014);
    assert_eq!(mark.time(), None);
    card.at(1_015);
    assert_eq!(mark.time(), Some(1_015));
}

#[test]
fn a_line_of_the_same_priority_waits_without_a_wall() {
    let (mut card, mut one, mut other) = (card(), Line::default(), Line::default());
    one.push(kernel(100), &mut card);
    let mark = one.point(&mut card);
    other.push(Op::Wait(mark), &mut card);
    other.push(kernel(1), &mut card);
    assert!(!other.walled());
    let mark = other.point(&mut card);
    card.at(2_000);
    assert_eq!(mark.time(), Some(1_101));
}

#[test]
fn a_copy_waits_for_kernels_and_starts_when_they_ended() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(kernel(100), &mut card);
    line.push(copy(7), &mut card);
    let mark = line.point(&mut card);
    assert_eq!((line.walled(), line.wake(&card)), (true, Some(1_100)));
    line.pump(card.at(1_090));
    assert!(line.walled());
    line.pump(card.at(1_150));
    assert_eq!((mark.time(), line.walled()), (Some(1_107), false));
}

#[test]
fn a_kernel_waits_for_the_copy_before_it() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(copy(50), &mut card);
    line.push(kernel(10), &mut card);
    assert_eq!((line.walled(), line.wake(&card)), (true, Some(1_050)));
    line.pump(card.at(1_050));
    assert_eq!((line.walled(), card.end), (false, 10));
}

#[test]
fn what_follows_a_host_function_waits_for_its_return() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(kernel(10), &mut card);
    line.push(Op::Call(nothing()), &mut card);
    line.push(copy(10), &mut card);
    let mark = line.point(&mut card);
    assert_eq!((mark.time(), line.call_due(&mut card)), (None, Some(1_010)));
    assert_eq!(line.call_due(card.at(1_020)), Some(1_010));
    assert!(line.take_call().is_some() && line.pump(&mut card).is_empty());
    assert_eq!(mark.time(), None);
    line.call_done(1_500);
    line.pump(card.at(1_500));
    assert_eq!((mark.time(), line.walled()), (Some(1_510), false));
}

#[test]
fn an_effect_behind_a_wall_is_carried_out_after_it() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(Op::Call(nothing()), &mut card);
    let op = Op::Copy { engine: CopyEngine::In, duration_ns: 1, effect: Some(nothing()) };
    assert!(line.push(op, &mut card).is_none());
    let _call = line.take_call();
    line.call_done(1);
    assert_eq!(line.pump(&mut card).len(), 1);
}

#[test]
fn memory_is_written_when_everything_before_has_ended() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(kernel(10), &mut card);
    assert!(line.push(Op::Write(nothing()), &mut card).is_none());
    assert!(line.pump(card.at(1_009)).is_empty());
    assert_eq!(line.pump(card.at(1_010)).len(), 1);
}

#[test]
fn a_flag_holds_up_what_follows_until_it_is_set() {
    let (mut card, mut line) = (card(), Line::default());
    let (word, seen) = flag();
    line.push(Op::Await(seen), &mut card);
    let mark = line.point(&mut card);
    line.pump(card.at(5_000));
    assert_eq!((mark.time(), line.wake(&card)), (None, Some(5_000 + POLL_NS)));
    word.store(true, Ordering::Relaxed);
    line.pump(card.at(6_000));
    assert_eq!(mark.time(), Some(6_000));
}

#[test]
fn a_kernel_that_spins_is_on_the_card_until_its_flag_is_set() {
    let (mut card, mut line) = (card(), Line::default());
    let (word, seen) = flag();
    line.push(kernel(10), &mut card);
    line.push(Op::Spin(seen), &mut card);
    assert_eq!(card.open, 1, "it follows the kernel");
    line.pump(card.at(1_010));
    assert_eq!((card.open, line.walled()), (1, true));
    word.store(true, Ordering::Relaxed);
    line.pump(card.at(3_000));
    assert_eq!((card.open, line.walled(), line.tail), (0, false, 3_000));
}

#[test]
fn a_kernel_that_spins_behind_a_copy_takes_the_card_when_that_has_ended() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(copy(50), &mut card);
    line.push(Op::Spin(flag().1), &mut card);
    assert_eq!((card.open, line.wake(&card)), (0, Some(1_050)), "the copy takes no processor");
    line.pump(card.at(1_050));
    assert_eq!(card.open, 1);
}

#[test]
fn between_kernels_that_spin_the_card_is_given_to_nobody() {
    let (mut card, mut line) = (card(), Line::default());
    let (word, seen) = flag();
    let (_, never) = flag();
    for op in [Op::Spin(seen), kernel(10), Op::Write(nothing()), Op::Spin(never)] {
        line.push(op, &mut card);
    }
    word.store(true, Ordering::Relaxed);
    line.pump(card.at(2_000));
    assert_eq!((card.open, card.closed), (1, 0));
}

#[test]
fn a_line_that_is_abandoned_spins_no_more() {
    let (mut card, mut line) = (card(), Line::default());
    line.push(Op::Spin(flag().1), &mut card);
    let mark = line.point(&mut card);
    line.abandon(&mut card);
    assert_eq!((card.open, mark.time()), (0, Some(BEGIN)));
}

#[test]
fn a_full_queue_says_when_to_look_again() {
    let (mut card, mut line) = (card(), Line::default());
    for _ in 0..DEPTH {
        line.push(kernel(10), &mut card);
    }
    assert_eq!(line.full_until(&card), Some(1_010));
    assert_eq!(line.full_until(card.at(1_010)), None);
}
