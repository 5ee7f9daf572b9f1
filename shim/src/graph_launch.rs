//! Room for a graph before it is uploaded or launched: it is charged the sum of its allocations, in
//! what drivers let memory grow by, and settled by what the driver has reserved after. A driver may
//! lay allocations that do not live together in one place, and takes nothing where enough is idle.
//!
//! Where its device's graphs have reserved less than it needs, or there is no room for so much, the
//! graph is uploaded first, which can be undone: what it lets grow past the limit is trimmed away, and
//! the launch refused. A stream that is being captured takes nothing.

use crate::capture::relaxed;
use crate::charge::{self, Attempt, Charge};
use crate::device::{self, Device};
use crate::graph_execs::{self, Need};
use crate::graph_memory::Memory;
use crate::pools::CHUNK;
use ledger::Kind;
use nvidia_sys::cuda::{CUgraphExec, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;

/// A launch, or an upload alone.
pub(crate) struct Launch<'a> {
    /// Takes the memory and does nothing else.
    pub(crate) upload: &'a dyn Fn() -> CUresult,
    /// What the program asked for, where that is more.
    pub(crate) launch: Option<&'a dyn Fn() -> CUresult>,
    /// Whether the stream is being captured.
    pub(crate) is_captured: &'a dyn Fn() -> bool,
}

impl Launch<'_> {
    /// Carries it out, or refuses it with nothing done.
    #[cold]
    pub(crate) fn run(&self, exec: CUgraphExec) -> CUresult {
        let alone = graph_execs::of(exec).nth(1).is_none();
        self.charged(&mut graph_execs::of(exec), alone)
    }

    fn put(&self) -> CUresult {
        self.launch.unwrap_or(self.upload)()
    }

    /// Charges one need after the other, then asks the driver.
    fn charged(&self, needs: &mut dyn Iterator<Item = Need>, alone: bool) -> CUresult {
        let Some(need) = needs.next() else { return self.put() };
        let share = match device::of(need.device) {
            Device::Share(share) => share,
            Device::Unknown => return self.charged(needs, alone),
            Device::Full if (self.is_captured)() => return self.put(),
            Device::Full => {
                charge::refused_as_full(need.device);
                return OUT_OF_MEMORY;
            }
        };
        let (Some(memory), Some(most)) = (Memory::of(need.device, share), most(need)) else {
            return OUT_OF_MEMORY;
        };
        let grows = alone && self.launch.is_some() && memory.charged() < need.bytes;
        match charge::at_once(share, Kind::Graph, most) {
            Some(bound) if !grows || (self.is_captured)() => {
                return self.within(memory, bound, needs, alone);
            }
            Some(bound) => {
                if let Some(result) = self.uploaded_new(memory, bound, need) {
                    return result;
                }
            }
            None => {}
        }
        if (self.is_captured)() {
            return self.put();
        }
        if alone && let Some(result) = self.tried(memory, need) {
            return result;
        }
        charge::trim(share);
        if alone && let Some(result) = self.tried(memory, need) {
            return result;
        }
        match charge::to_share(share, Kind::Graph, most) {
            Attempt::Charged(bound) if grows => {
                self.uploaded_new(memory, bound, need).unwrap_or(OUT_OF_MEMORY)
            }
            Attempt::Charged(bound) => self.within(memory, bound, needs, alone),
            _ => OUT_OF_MEMORY,
        }
    }

    /// With a bound that covers whatever the driver takes on one device.
    fn within(
        &self,
        memory: Memory,
        bound: Charge,
        needs: &mut dyn Iterator<Item = Need>,
        alone: bool,
    ) -> CUresult {
        memory.begin();
        let result = self.charged(needs, alone);
        if memory.end(bound) || result != SUCCESS {
            return result;
        }
        if self.launch.is_some() {
            // What has been launched cannot be undone.
            memory.look();
            return result;
        }
        memory.trim();
        OUT_OF_MEMORY
    }

    /// With less than such a bound: whole pages, or what is idle. None: it does not fit.
    fn tried(&self, memory: Memory, need: Need) -> Option<CUresult> {
        let nothing = memory.nothing();
        if let Some(pages) = charge::at_once(nothing.share, Kind::Graph, need.bytes) {
            return self.uploaded_new(memory, pages, need);
        }
        if !memory.claim(need.bytes) {
            return None;
        }
        let result = self.uploaded(memory, nothing);
        memory.unclaim(need.bytes);
        result
    }

    /// Into memory that it lets grow itself, within a bound.
    fn uploaded_new(&self, memory: Memory, bound: Charge, need: Need) -> Option<CUresult> {
        memory.claim_new(need.bytes);
        let result = self.uploaded(memory, bound);
        memory.unclaim_new(need.bytes);
        result
    }

    /// The bound is held until the launch is over: what the upload took may have been trimmed or used by
    /// another thread's before the launch, which then takes it again.
    fn uploaded(&self, memory: Memory, mut bound: Charge) -> Option<CUresult> {
        memory.begin();
        let result = relaxed(self.upload);
        let fits = memory.is_within(&mut bound);
        let result = match result {
            SUCCESS if fits => self.launch.map_or(result, |launch| launch()),
            SUCCESS | OUT_OF_MEMORY => {
                memory.end(bound);
                memory.trim();
                return None;
            }
            // The driver will say what is wrong.
            _ => self.put(),
        };
        if !memory.end(bound) {
            memory.look();
        }
        Some(result)
    }
}

fn most(need: Need) -> Option<u64> {
    need.bytes.checked_next_multiple_of(CHUNK)
}
