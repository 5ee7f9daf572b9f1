//! The words that the configuration is written in. Each is right once it is read.

use std::fmt;
use std::str::FromStr;

use contract::Domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// A text that is not the word that its place wants.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct WordError {
    text: String,
    wanted: &'static str,
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $example:literal, $is:expr) => {
        $(#[$doc])*
        #[derive(
            Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", example = &$example)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = WordError;

            fn try_from(text: String) -> Result<Self, WordError> {
                let is: fn(&str) -> bool = $is;
                match is(&text) {
                    true => Ok(Self(text)),
                    false => Err(WordError { text, wanted: $wanted }),
                }
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

word!(
    /// The domain of resource and annotation names.
    DomainName,
    "a domain: not a resource domain unless it is a DNS name in lower case such as example.com, at \
     most 253 characters",
    "example.com",
    |text| Domain::parse(text).is_ok()
);
word!(
    /// A pool of GPUs that are alike, on however many nodes.
    PoolName,
    "a pool's name: write lower-case letters, digits and dashes, at most 40, such as training",
    "training",
    |text| is_label(text, 40)
);
word!(
    /// The part of a resource's name behind its domain.
    ResourceWord,
    "a resource's name: write lower-case letters, digits and dashes without a domain, at most 55, \
     such as gpu-training",
    "gpu-training",
    |text| is_label(text, 55)
);
word!(
    /// A pattern with `*` for any text and `?` for one character; case does not count.
    Glob,
    "a pattern: write a name, with * for any text and ? for one character",
    "*A100*80GB*",
    |text| !text.trim().is_empty()
);
word!(
    /// A PCI address, as `lspci -D` or NVML print it.
    PciAddress,
    "a PCI address: write it as `nvidia-smi` or `lspci -D` print it, such as 0000:3b:00.0",
    "0000:3b:00.0",
    |text| pci(text).is_some()
);

fn is_label(text: &str, longest: usize) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = bytes.first().zip(bytes.last()).is_some_and(|(&a, &z)| edge(a) && edge(z));
    edges && bytes.len() <= longest && bytes.iter().all(|&b| edge(b) || b == b'-')
}

/// Domain, bus, device and function.
fn pci(text: &str) -> Option<(u32, u32, u32, u32)> {
    let hex = |part: &str| u32::from_str_radix(part, 16).ok();
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.rsplit(':');
    let (device, bus) = (hex(parts.next()?)?, hex(parts.next()?)?);
    let domain = parts.next().map_or(Some(0), hex)?;
    let fits = bus <= 0xff && device <= 0x1f && parts.next().is_none();
    fits.then_some((domain, bus, device, hex(function)?))
}

impl Glob {
    /// Whether the pattern matches all of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        WildMatch::new_case_insensitive(&self.0).matches(text)
    }
}

impl PciAddress {
    /// Whether it is the address that NVML printed, however many digits each writes the domain with.
    #[must_use]
    pub fn is(&self, bus_id: &str) -> bool {
        pci(&self.0) == pci(bus_id)
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize,
            Deserialize, JsonSchema, clap::ValueEnum,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }
    };
}

choice! {
    /// How the slices of GPUs in MIG mode are offered.
    MigStrategy {
        /// Slices are not offered; a GPU in MIG mode offers nothing.
        None,
        /// Where all GPUs are in MIG mode and all slices alike, each is a whole-GPU resource.
        Single,
        /// Each kind of slice is a resource of its own, `mig-<profile>`.
        #[default]
        Mixed,
    }
}
choice! {
    /// Which GPU a share takes of those with room.
    Placement {
        /// The fullest.
        #[default]
        Pack,
        /// The emptiest.
        Spread,
    }
}

impl From<Placement> for share::Policy {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Pack => Self::Pack,
            Placement::Spread => Self::Spread,
        }
    }
}

choice! {
    /// How compute is shared out where a pod does not say.
    ComputePolicy {
        /// The share is guaranteed; idle time is lent.
        #[default]
        Fair,
        /// Never more than the share.
        Strict,
        /// Not limited.
        Unlimited,
    }
}
choice! {
    /// Who holds containers to their shares of compute.
    ComputeBackEnd {
        /// Credit of GPU time, granted by the node agent.
        #[default]
        Arbiter,
        /// CUDA MPS, where its daemon runs on the node.
        Mps,
    }
}
choice! {
    /// What happens at a limit.
    AtLimit {
        /// The call is refused or waits.
        #[default]
        Refuse,
        /// It is counted and let through.
        Observe,
    }
}
choice! {
    /// How a GPU and the driver's files come into a container.
    Exposure {
        /// The driver's files as mounts, the GPUs as device nodes and NVIDIA_VISIBLE_DEVICES.
        #[default]
        Mounts,
        /// By a CDI specification of our own.
        Cdi,
        /// By the CDI names of NVIDIA's container toolkit.
        NvidiaCdi,
        /// NVIDIA_VISIBLE_DEVICES and device nodes alone: NVIDIA's runtime brings the driver's files.
        Env,
    }
}
choice! {
    /// How a share's allotment and shim come into a container.
    Injection {
        /// By CDI where the runtime is known to have it, otherwise by mounts.
        #[default]
        Auto,
        /// By a CDI specification of our own, whose hook looks whether the shim can load.
        Cdi,
        /// By mounts alone; whether the shim can load is not looked at.
        Mounts,
    }
}
choice! {
    /// What happens to a container in whose image the shim cannot load; only CDI tells.
    Unloadable {
        /// It does not start, and its status says why.
        #[default]
        Refuse,
        /// It starts without the shim.
        Start,
    }
}
choice! {
    /// What the audit does about a process that takes what it was not given.
    Eviction {
        /// It is said, and nothing else.
        #[default]
        Never,
        /// The pod is evicted.
        Evict,
    }
}
choice! {
    /// What makes a GPU well again after an XID.
    Action {
        /// Nothing is needed: an application's fault.
        #[default]
        Ignore,
        /// The application has to be started again; the GPU goes on.
        RestartApp,
        /// The GPU has to be reset.
        ResetGpu,
        /// The node has to be rebooted.
        Reboot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_is_known_however_many_digits_its_domain_has() {
        let address: PciAddress = "0000:3b:00.0".parse().unwrap();
        assert!(address.is("00000000:3B:00.0") && address.is("3b:00.0"));
        assert!(!address.is("00000001:3B:00.0") && !address.is("00000000:3C:00.0"));
    }

    #[test]
    fn a_glob_matches_all_of_a_name_whatever_its_case() {
        let glob: Glob = "*a100*80gb*".parse().unwrap();
        assert!(glob.matches("NVIDIA A100-SXM4-80GB") && !glob.matches("NVIDIA A100-SXM4-40GB"));
    }

    #[test]
    fn what_is_not_the_word_is_refused_with_its_text() {
        let errors = [
            "a b".parse::<DomainName>().map(drop),
            "Training".parse::<PoolName>().map(drop),
            "nvidia.com/gpu".parse::<ResourceWord>().map(drop),
            "3b".parse::<PciAddress>().map(drop),
        ];
        let texts = ["a b", "Training", "nvidia.com/gpu", "3b"];
        for (error, text) in errors.into_iter().zip(texts) {
            let message = error.unwrap_err().to_string();
            assert!(message.contains(text) && message.contains("such as"), "{message}");
        }
    }
}
