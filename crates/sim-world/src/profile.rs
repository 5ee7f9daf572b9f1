//! What kinds of card there are: the figures of `profiles/*.toml`, which say where each comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The profiles, by the names that `aliquot sim create` takes.
const PROFILES: [(&str, &str); 7] = [
    ("v100-32gb", include_str!("../profiles/v100-32gb.toml")),
    ("t4", include_str!("../profiles/t4.toml")),
    ("a100-40gb", include_str!("../profiles/a100-40gb.toml")),
    ("a100-80gb", include_str!("../profiles/a100-80gb.toml")),
    ("l40s", include_str!("../profiles/l40s.toml")),
    ("h100-80gb", include_str!("../profiles/h100-80gb.toml")),
    ("h200", include_str!("../profiles/h200.toml")),
];

/// Attributes that all cards share, where their own profile says nothing else.
const COMMON: &str = include_str!("../profiles/common.toml");

/// A card name that no profile has, or a profile that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There is no such card.
    #[error("unknown card {name:?}; known are {}", Profile::names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The profile's text is broken.
    #[error("the profile {name} cannot be read: {reason}")]
    Broken {
        /// The profile.
        name: String,
        /// The parser's words.
        reason: String,
    },
}

/// A kind of card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What `aliquot sim create` calls it; filled in from the file's name.
    #[serde(default)]
    pub short_name: String,
    /// What NVML and CUDA call it.
    pub name: String,
    /// NVML's brand number.
    pub brand: u32,
    /// NVML's architecture number.
    pub architecture: u32,
    /// Compute capability, major and minor.
    pub compute_capability: [i32; 2],
    /// PCI device ID in the upper half, vendor ID in the lower.
    pub pci_device_id: u32,
    /// PCI subsystem device ID in the upper half, vendor ID in the lower.
    pub pci_subsystem_id: u32,
    /// Whether the card can be divided by MIG.
    pub mig_capable: bool,
    /// Memory.
    pub memory: MemoryFigures,
    /// Processors.
    pub compute: Compute,
    /// Power, heat and the bus.
    pub electrical: Electrical,
    /// `CUdevice_attribute` number to value, over the common ones.
    #[serde(default)]
    attributes: BTreeMap<String, i32>,
}

/// A card's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryFigures {
    /// All of it, in MiB: NVML's `total`.
    pub total_mib: u64,
    /// What driver and firmware keep, in MiB: NVML's `reserved`.
    pub reserved_mib: u64,
    /// What one CUDA context takes, in MiB.
    pub context_mib: u64,
    /// BAR1 window, in MiB.
    pub bar1_mib: u64,
    /// Width of the memory bus, in bits.
    pub bus_width_bits: u32,
    /// Memory clock, in MHz.
    pub clock_mhz: u32,
    /// Second-level cache, in KiB.
    pub l2_kib: u32,
    /// Whether ECC is on; none if the card has no such switch.
    pub ecc: bool,
}

/// A card's processors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Streaming multiprocessors.
    pub sms: u32,
    /// CUDA cores of each.
    pub cores_per_sm: u32,
    /// Highest SM clock, in MHz.
    pub clock_mhz: u32,
    /// SM clock at rest, in MHz.
    pub idle_clock_mhz: u32,
    /// Threads resident on one SM.
    pub threads_per_sm: u32,
    /// Blocks resident on one SM.
    pub blocks_per_sm: u32,
    /// Shared memory of one SM, in KiB.
    pub shared_per_sm_kib: u32,
    /// Shared memory one block can opt in to, in KiB.
    pub shared_per_block_kib: u32,
    /// Copy engines.
    pub copy_engines: u32,
    /// How long a process runs kernels while another waits, in microseconds.
    pub slice_us: u32,
    /// What changing over from one process to another costs, in microseconds.
    pub switch_us: u32,
    /// How fast kernels run, in percent of what their names say.
    pub speed_percent: u32,
}

/// Power, heat and the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electrical {
    /// Default power limit, in watts.
    pub power_limit_w: u32,
    /// Power at rest, in watts.
    pub idle_power_w: u32,
    /// Temperature at rest, in degrees Celsius.
    pub idle_temperature_c: u32,
    /// Temperature at which the card slows down, in degrees Celsius.
    pub slowdown_temperature_c: u32,
    /// PCIe generation.
    pub pcie_generation: u32,
    /// PCIe lanes.
    pub pcie_width: u32,
}

impl Profile {
    /// The names that [`Profile::named`] knows.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        PROFILES.iter().map(|(name, _)| *name).collect()
    }

    /// The profile called `name`.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`], which lists the known names.
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        let known = PROFILES.iter().find(|(known, _)| *known == name);
        let (_, text) = known.ok_or_else(|| ProfileError::Unknown { name: name.to_owned() })?;
        Self::parse(name, text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let broken = |e: toml::de::Error| ProfileError::Broken {
            name: name.to_owned(),
            reason: e.to_string(),
        };
        let mut profile: Self = toml::from_str(text).map_err(broken)?;
        let mut attributes: BTreeMap<String, i32> = toml::from_str(COMMON).map_err(broken)?;
        attributes.append(&mut profile.attributes);
        Ok(Self { short_name: name.to_owned(), attributes, ..profile })
    }

    /// The value of `CUdevice_attribute` `number`, where it is the same on every card of this kind.
    #[must_use]
    pub fn attribute(&self, number: i32) -> Option<i32> {
        let (memory, compute) = (&self.memory, &self.compute);
        let derived = match number {
            13 => compute.clock_mhz.checked_mul(1000),
            16 => Some(compute.sms),
            32 => Some(u32::from(memory.ecc)),
            36 => memory.clock_mhz.checked_mul(1000),
            37 => Some(memory.bus_width_bits),
            38 => memory.l2_kib.checked_mul(1024),
            39 => Some(compute.threads_per_sm),
            40 => Some(compute.copy_engines),
            75 | 76 => return self.compute_capability.get(number as usize - 75).copied(),
            81 => compute.shared_per_sm_kib.checked_mul(1024),
            97 => compute.shared_per_block_kib.checked_mul(1024),
            106 => Some(compute.blocks_per_sm),
            139 => Some(self.pci_device_id),
            140 => Some(self.pci_subsystem_id),
            _ => return self.attributes.get(&number.to_string()).copied(),
        };
        derived.map(|value| value as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_reads_and_has_room_for_a_context() {
        for name in Profile::names() {
            let memory = Profile::named(name).unwrap().memory;
            assert!(memory.context_mib < memory.total_mib - memory.reserved_mib, "{name}");
        }
    }

    #[test]
    fn an_unknown_card_is_refused_with_the_known_names() {
        let error = Profile::named("v100").unwrap_err().to_string();
        assert!(error.starts_with("unknown card \"v100\"; known are v100-32gb, t4, "), "{error}");
    }

    #[test]
    fn every_figure_says_where_it_comes_from() {
        for (name, text) in PROFILES {
            for line in text.lines().filter(|line| line.contains(" = ")) {
                let origin = line.rsplit("# ").next().unwrap_or_default();
                let origins = ["measured", "published", "guess"];
                assert!(origins.contains(&origin), "{name}: {line}");
            }
        }
    }

    #[test]
    fn attributes_come_from_the_profile_over_the_common_ones() {
        let v100 = Profile::named("v100-32gb").unwrap();
        assert_eq!(v100.attribute(16), Some(80));
        assert_eq!(v100.attribute(75), Some(7));
        assert_eq!(v100.attribute(10), Some(32));
        assert_eq!(v100.attribute(9999), None);
        assert_eq!(Profile::named("h100-80gb").unwrap().attribute(120), Some(1));
        assert_eq!(v100.attribute(120), Some(0));
    }
}
