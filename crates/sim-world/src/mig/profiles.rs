//! The GPU instances that cards can be divided into: names, numbers, sizes and places.
//!
//! Figures from NVIDIA's "Multi-Instance GPU User Guide" (supported profiles and their placements) and
//! from what `nvidia-smi mig -lgip` and `-lgipp` were published to print: A100-SXM4-40GB and -80GB,
//! H100-SXM5-80GB. Memory is in MiB, where those print GiB in steps of an eighth.

/// A kind of GPU instance that a card can be divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuProfile {
    /// Its exact name, such as `1g.10gb+me`.
    pub name: &'static str,
    /// NVML's number for such a profile on any card: `NVML_GPU_INSTANCE_PROFILE_*`.
    pub nvml: u32,
    /// Its number on this card, as nvidia-smi takes it.
    pub id: u32,
    /// Compute slices, of the card's seven.
    pub slices: u32,
    /// How many of it fit on an undivided card.
    pub count: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Streaming multiprocessors.
    pub sms: u32,
    /// Copy engines, decoders, JPEG engines, optical flow engines.
    pub engines: [u32; 4],
    /// Memory slices, of the card's eight.
    pub size: u32,
    /// The memory slices that it can begin at.
    pub starts: &'static [u32],
}

/// Compute slices of a card.
pub const COMPUTE_SLICES: u32 = 7;

/// What a card of this profile name can be divided into; nothing where it cannot.
#[must_use]
pub fn gpu_profiles(card: &str) -> &'static [GpuProfile] {
    match card {
        "a100-40gb" => &A100_40,
        "a100-80gb" => &A100_80,
        "h100-80gb" => &H100_80,
        _ => &[],
    }
}

const fn row(
    name: &'static str,
    numbers: [u32; 2],
    [slices, count, size]: [u32; 3],
    memory_mib: u64,
    sms: u32,
    engines: [u32; 4],
) -> GpuProfile {
    let starts: &[u32] = match (slices, size) {
        (4, _) | (_, 8) => &[0],
        (_, 4) => &[0, 4],
        (1, 2) => &[0, 2, 4, 6],
        (_, 2) => &[0, 2, 4],
        _ => &[0, 1, 2, 3, 4, 5, 6],
    };
    let [nvml, id] = numbers;
    GpuProfile { name, nvml, id, slices, count, memory_mib, sms, engines, size, starts }
}

const A100_40: [GpuProfile; 7] = [
    row("1g.5gb", [0, 19], [1, 7, 1], 4864, 14, [1, 0, 0, 0]),
    row("1g.5gb+me", [7, 20], [1, 1, 1], 4864, 14, [1, 1, 1, 1]),
    row("1g.10gb", [9, 15], [1, 4, 2], 9984, 14, [1, 1, 0, 0]),
    row("2g.10gb", [1, 14], [2, 3, 2], 9984, 28, [2, 1, 0, 0]),
    row("3g.20gb", [2, 9], [3, 2, 4], 20096, 42, [3, 2, 0, 0]),
    row("4g.20gb", [3, 5], [4, 1, 4], 20096, 56, [4, 2, 0, 0]),
    row("7g.40gb", [4, 0], [7, 1, 8], 40448, 98, [7, 5, 1, 1]),
];

const A100_80: [GpuProfile; 7] = [
    row("1g.10gb", [0, 19], [1, 7, 1], 9728, 14, [1, 0, 0, 0]),
    row("1g.10gb+me", [7, 20], [1, 1, 1], 9728, 14, [1, 1, 1, 1]),
    row("1g.20gb", [9, 15], [1, 4, 2], 19968, 14, [1, 1, 0, 0]),
    row("2g.20gb", [1, 14], [2, 3, 2], 19968, 28, [2, 1, 0, 0]),
    row("3g.40gb", [2, 9], [3, 2, 4], 40192, 42, [3, 2, 0, 0]),
    row("4g.40gb", [3, 5], [4, 1, 4], 40192, 56, [4, 2, 0, 0]),
    row("7g.80gb", [4, 0], [7, 1, 8], 80896, 98, [7, 5, 1, 1]),
];

const H100_80: [GpuProfile; 7] = [
    row("1g.10gb", [0, 19], [1, 7, 1], 9984, 16, [1, 1, 1, 0]),
    row("1g.10gb+me", [7, 20], [1, 1, 1], 9984, 16, [1, 1, 1, 1]),
    row("1g.20gb", [9, 15], [1, 4, 2], 20096, 26, [1, 1, 1, 0]),
    row("2g.20gb", [1, 14], [2, 3, 2], 20096, 32, [2, 2, 2, 0]),
    row("3g.40gb", [2, 9], [3, 2, 4], 40448, 60, [3, 3, 3, 0]),
    row("4g.40gb", [3, 5], [4, 1, 4], 40448, 64, [4, 4, 4, 0]),
    row("7g.80gb", [4, 0], [7, 1, 8], 81152, 132, [8, 7, 7, 1]),
];
