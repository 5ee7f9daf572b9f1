//! Two ranks in one process, each on a GPU of its own: steps of work, after each of which either waits for
//! the other on its GPU, as collective libraries let them. A rank that runs while the other may not spins.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use driver::cuda::{Driver, Event, Flags};

use crate::gpu::Gpu;
use crate::tally::Tally;

/// Steps of a rank that are under way.
const AHEAD: usize = 8;
/// Flags of a rank: a step's is used again long after both have passed it.
const RING: usize = 8 * AHEAD;
/// Steps that are still made when the time is over: as many as the other rank may be ahead.
const MORE: usize = 2 * AHEAD;

/// Plays both until the time is over. What the first got is told.
pub(crate) fn play(
    driver: &Driver,
    kernel: Duration,
    tally: &mut Tally,
    until: Instant,
) -> Result<()> {
    let flags = [driver.flags(RING)?, driver.flags(RING)?];
    let last = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            rank(driver, 1, kernel, [flags[1], flags[0]], |step, _| {
                Ok(step < last.load(Ordering::Acquire))
            })
        });
        let first = rank(driver, 0, kernel, flags, |step, ended| {
            (0..ended).try_for_each(|_| tally.got(kernel, None))?;
            if Instant::now() >= until {
                let _ = last.compare_exchange(
                    usize::MAX,
                    step + MORE,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
            }
            Ok(step < last.load(Ordering::Acquire))
        });
        if first.is_err() {
            last.store(0, Ordering::Release);
        }
        other.join().expect("a rank panicked").and(first)
    })
}

/// One rank, whose failure lets the other go on.
fn rank(
    driver: &Driver,
    device: u32,
    kernel: Duration,
    flags: [Flags; 2],
    goes_on: impl FnMut(usize, usize) -> Result<bool>,
) -> Result<()> {
    let done = steps(driver, device, kernel, flags, goes_on);
    if done.is_err() {
        flags[0].set_all();
    }
    done
}

/// Goes on while `goes_on` says so, which is told the step and how many have ended since.
fn steps(
    driver: &Driver,
    device: u32,
    kernel: Duration,
    [own, other]: [Flags; 2],
    mut goes_on: impl FnMut(usize, usize) -> Result<bool>,
) -> Result<()> {
    let device = driver.device(device).context("ranks need two GPUs")?;
    let _primary = device.primary()?;
    let (gpu, meeting) = (Gpu::new(driver, &device, kernel)?, driver.meeting()?);
    let mut under_way: VecDeque<Event<'_>> = VecDeque::new();
    let (mut step, mut ended) = (0, 0);
    while goes_on(step, std::mem::take(&mut ended))? {
        gpu.kernel()?;
        meeting.meet(gpu.stream(), (own, step), (other, step))?;
        let event = driver.event(false)?;
        gpu.stream().record(&event)?;
        under_way.push_back(event);
        step += 1;
        if under_way.len() > AHEAD
            && let Some(event) = under_way.pop_front()
        {
            event.synchronize()?;
            ended += 1;
            own.clear(step + RING / 2);
        }
    }
    under_way.into_iter().try_for_each(|event| Ok(event.synchronize()?))
}
