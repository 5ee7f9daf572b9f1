//! Reading GPU time out of a ledger, often: one `pread` for all sums, one more per device that has new
//! intervals, and no allocation after the first.
//!
//! Everything here is a tenant's claim. Lengths are the agent's own; an interval is given out if it is
//! whole and not absurd by itself, and whether it can be true is the reader's to judge.

use core::mem::offset_of;
use std::path::Path;
use std::vec;
use std::vec::Vec;

use contract::AllotmentId;

use super::image::Bytes;
use crate::abi::{Engine, INTERVALS, SLOTS};
use crate::error::PageError;
use crate::head::{HEAD, Head, Page};
use crate::intervals;
use crate::layout::{Geometry, Interval, LedgerDevice};
use crate::sys::{self, Failure, Fd};

/// No interval is longer, in nanoseconds: longer kernels exist, and are published in parts.
const LONGEST_NS: u64 = 60_000_000_000;

/// A ledger that is read again and again.
pub struct TimeReader {
    fd: Fd,
    id: AllotmentId,
    geometry: Geometry,
    head: Bytes,
    ring: Bytes,
    places: Vec<RingPlace>,
}

/// How far a ring was read.
#[derive(Clone, Copy, Default)]
struct RingPlace {
    /// The next entry's number.
    next: u64,
    /// That entry was found unwritten already: it will be left out when it still is.
    is_late: bool,
}

/// What a container says of a device's time: its living processes and the departed together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceTime {
    /// GPU time spent computing, in nanoseconds.
    pub spent_compute_ns: u64,
    /// GPU time spent on the copy engines, in nanoseconds.
    pub spent_copy_ns: u64,
    /// Spent computing, and what is in flight by estimate, in nanoseconds.
    pub committed_ns: u64,
    /// Launches of kernels and graphs.
    pub launches: u64,
    /// How often somebody waited for credit.
    pub waits: u64,
    /// How long, in nanoseconds.
    pub waited_ns: u64,
    /// Threads that wait for credit; those of a process that died waiting are among them.
    pub waiting: u32,
    /// Intervals ever published.
    pub intervals: u64,
    /// When a batch was launched last while nothing was in flight, by the machine's CLOCK_MONOTONIC in
    /// nanoseconds; 0: nobody says.
    pub since_ns: u64,
}

/// When an engine was busy for a process, as the container claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntervalClaim {
    /// Its beginning, by the machine's CLOCK_MONOTONIC in nanoseconds.
    pub start_ns: u64,
    /// Its end; never before the beginning.
    pub end_ns: u64,
    /// The process's slot, below 1,024.
    pub slot: u32,
    /// Which engine.
    pub engine: Engine,
}

impl DeviceTime {
    /// What is in flight by estimate, in nanoseconds.
    #[must_use]
    pub fn in_flight_ns(&self) -> u64 {
        let flying = self.committed_ns.wrapping_sub(self.spent_compute_ns).cast_signed();
        flying.max(0).unsigned_abs()
    }
}

impl TimeReader {
    /// Opens the ledger at `path`. Intervals published before are not given out.
    ///
    /// # Errors
    /// [`PageError`]: it cannot be read, or is not a ledger.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let fd = Fd::open(&sys::c_path(path).map_err(io)?, false).map_err(io)?;
        let stat = fd.stat().map_err(io)?;
        if !stat.regular {
            return Err(PageError::NotRegular);
        }
        let mut bytes = [0; HEAD];
        let read = fd.read(&mut bytes).map_err(io)?;
        let Head { geometry, allotment, .. } = Page::Ledger.check(&bytes, read, stat.size)?;
        let mut reader = Self {
            fd,
            id: AllotmentId(allotment),
            geometry,
            head: Bytes(vec![0; geometry.ledger_device(geometry.devices())]),
            ring: Bytes(vec![0; INTERVALS * size_of::<Interval>()]),
            places: vec![RingPlace::default(); geometry.devices()],
        };
        reader.read()?;
        for index in 0..geometry.devices() {
            let next = reader.device(index).intervals;
            reader.places[index].next = next;
        }
        Ok(reader)
    }

    /// The allotment that it is the ledger of.
    #[must_use]
    pub fn id(&self) -> AllotmentId {
        self.id
    }

    /// How many devices it has.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.geometry.devices()
    }

    /// Reads every device's sums: one system call.
    ///
    /// # Errors
    /// [`PageError`]: it cannot be read, or was cut.
    pub fn read(&mut self) -> Result<(), PageError> {
        whole(self.fd.read(&mut self.head.0), self.head.0.len())
    }

    /// A device's sums as they were read last; zeros where there is no such device.
    #[must_use]
    pub fn device(&self, index: usize) -> DeviceTime {
        if index >= self.devices() {
            return DeviceTime::default();
        }
        let base = self.geometry.ledger_device(index);
        let word = |at| self.head.u64(base + at);
        DeviceTime {
            spent_compute_ns: word(offset_of!(LedgerDevice, spent_compute_ns)),
            spent_copy_ns: word(offset_of!(LedgerDevice, spent_copy_ns)),
            committed_ns: word(offset_of!(LedgerDevice, committed_ns)),
            launches: word(offset_of!(LedgerDevice, launches)),
            waits: word(offset_of!(LedgerDevice, waits)),
            waited_ns: word(offset_of!(LedgerDevice, waited_ns)),
            waiting: self.head.u32(base + offset_of!(LedgerDevice, waiting)),
            intervals: word(offset_of!(LedgerDevice, intervals)),
            since_ns: word(offset_of!(LedgerDevice, since_ns)),
        }
    }

    /// Calls `visit` with the intervals that were published up to the last [`Self::read`] and not given
    /// out yet, in the order of their numbers; how many were lost, because they were overwritten or
    /// never finished. An entry that is being written is waited for until the next call. No system call
    /// where nothing is new, else one.
    ///
    /// # Errors
    /// [`PageError`]: it cannot be read, or was cut.
    pub fn intervals(
        &mut self,
        index: usize,
        mut visit: impl FnMut(IntervalClaim),
    ) -> Result<u64, PageError> {
        let until = self.device(index).intervals;
        let Some(place) = self.places.get(index).copied() else { return Ok(0) };
        let oldest = until.saturating_sub(INTERVALS as u64);
        // A cursor that went back was scribbled: begin where it stands.
        let next = if place.next > until { until } else { place.next.max(oldest) };
        let mut lost = next.saturating_sub(place.next);
        let mut place = RingPlace { next, is_late: place.is_late && next == place.next };
        if next < until {
            let offset = self.geometry.interval(index, 0);
            whole(self.fd.read_at(&mut self.ring.0, offset), self.ring.0.len())?;
        }
        while place.next < until {
            match self.claim(place.next) {
                Some(claim) => visit(claim),
                None if place.is_late => lost += 1,
                None => {
                    place.is_late = true;
                    break;
                }
            }
            place = RingPlace { next: place.next + 1, is_late: false };
        }
        self.places[index] = place;
        Ok(lost)
    }

    /// An entry of the ring that was read last, if it is whole and not absurd.
    fn claim(&self, number: u64) -> Option<IntervalClaim> {
        let base = (number % INTERVALS as u64) as usize * size_of::<Interval>();
        let word = |at| self.ring.u64(base + at);
        let words = [
            word(offset_of!(Interval, start_ns)),
            word(offset_of!(Interval, end_ns)),
            word(offset_of!(Interval, who)),
            word(offset_of!(Interval, check)),
        ];
        let [start_ns, end_ns, who] = intervals::checked(number, words)?;
        let (slot, engine) = (who as u32, Engine::from_raw((who >> 32) as u32)?);
        let is_sane = end_ns.checked_sub(start_ns)? <= LONGEST_NS && (slot as usize) < SLOTS;
        is_sane.then_some(IntervalClaim { start_ns, end_ns, slot, engine })
    }
}

fn whole(read: Result<usize, Failure>, due: usize) -> Result<(), PageError> {
    match read {
        Ok(read) if read == due => Ok(()),
        Ok(read) => Err(PageError::Size(due as u64, read as u64)),
        Err(failure) => Err(io(failure)),
    }
}

fn io((call, errno): Failure) -> PageError {
    PageError::Io(call, errno)
}
