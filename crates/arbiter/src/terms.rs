//! What a container is promised, and how finely a GPU's time is divided.

/// How a container's share is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// The share is guaranteed; idle time is lent to whoever wants it.
    #[default]
    Fair,
    /// Never more than the cap, also while the GPU is idle.
    Strict,
    /// Counted, and never told to wait.
    Unmetered,
}

/// Who goes first where both want the GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Class {
    /// Work whose answers somebody waits for: goes first for as long as it is within its share.
    Latency,
    /// All else.
    #[default]
    Batch,
}

/// What one container was promised of one GPU. Weight and cap are in percent of the GPU; both are
/// brought into 1 to 100, because what writes them refuses others long before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// How the share is meant.
    pub policy: Policy,
    /// What is guaranteed, and the proportion in which idle time is lent.
    pub weight_percent: u32,
    /// The most under [`Policy::Strict`].
    pub cap_percent: u32,
    /// Who goes first.
    pub class: Class,
}

/// How finely time is divided. The same for all containers of a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// In all, two of these are held as credit, in nanoseconds: 1 to 10 ms.
    pub quantum_ns: u64,
    /// How long the card lets one process run before it turns to the next that has work, in
    /// nanoseconds: about 2 ms by NVIDIA's default.
    pub slice_ns: u64,
}

impl Terms {
    /// A fair share of batch work.
    #[must_use]
    pub const fn fair(percent: u32) -> Self {
        Self {
            policy: Policy::Fair,
            weight_percent: percent,
            cap_percent: percent,
            class: Class::Batch,
        }
    }

    /// A share that is never exceeded.
    #[must_use]
    pub const fn strict(percent: u32) -> Self {
        Self { policy: Policy::Strict, ..Self::fair(percent) }
    }

    /// The same, before batch work.
    #[must_use]
    pub const fn latency(self) -> Self {
        Self { class: Class::Latency, ..self }
    }

    pub(crate) fn weight(&self) -> u64 {
        u64::from(self.weight_percent.clamp(1, 100))
    }

    /// The part of the clock's time that it has whatever others do, in percent of the GPU.
    #[must_use]
    pub fn guaranteed_percent(&self) -> u32 {
        match self.policy {
            Policy::Strict => self.cap_percent.clamp(1, 100),
            _ => self.weight_percent.clamp(1, 100),
        }
    }

    pub(crate) fn guaranteed(&self) -> u64 {
        u64::from(self.guaranteed_percent())
    }
}

impl Settings {
    /// A quantum of so many microseconds, brought into 1,000 to 10,000.
    #[must_use]
    pub fn with_quantum_us(quantum_us: u32) -> Self {
        Self { quantum_ns: u64::from(quantum_us.clamp(1000, 10_000)) * 1000, ..Self::default() }
    }

    /// What all containers of the GPU together may be ahead, in nanoseconds, where so many have work:
    /// nobody waits longer for its turn, and a batch that is not told of yet is still covered.
    pub(crate) const fn window_ns(&self, backlogged: usize) -> u64 {
        match backlogged {
            0..=FEW => 2 * self.quantum_ns,
            _ => 7 * self.quantum_ns / 4,
        }
    }

    /// Of how much time a container saves what it did not use of its share, in nanoseconds: so long a rest, or
    /// a look that comes late, takes nothing from it.
    pub(crate) const fn unserved_ns(&self, backlogged: usize) -> u64 {
        match backlogged {
            0..=FEW => 3 * self.window_ns(backlogged),
            // Looks are frequent, and what one saves all others wait for.
            _ => 0,
        }
    }

    /// How long nobody need look while so many have work, in nanoseconds: of the window the part of
    /// each is the smaller the more there are, and nobody's is to run out unseen.
    pub(crate) const fn look_ns(&self, backlogged: usize) -> u64 {
        match backlogged {
            0..=FEW => self.quantum_ns / 2,
            _ => self.quantum_ns / 5,
        }
    }
}

/// As many each have a good part of two quanta.
const FEW: usize = 3;

impl Default for Settings {
    /// Quanta of 5 ms, slices of 2 ms.
    fn default() -> Self {
        Self { quantum_ns: 5_000_000, slice_ns: 2_000_000 }
    }
}
