//! Resource names under a configurable domain.

use core::fmt;

/// The domain that resource and annotation names stand under: a DNS name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Domain<'a>(&'a str);

/// A text that is no DNS name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a resource domain: expected a DNS name in lower case such as example.com, at most 253 \
     characters"
)]
pub struct NameError;

impl<'a> Domain<'a> {
    /// Reads a domain.
    ///
    /// # Errors
    /// [`NameError`] unless it is a DNS-1123 subdomain, as Kubernetes demands of a qualified name.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let label = |label: &str| {
            let bytes = label.as_bytes();
            let inner = bytes.iter().all(|&b| edge(b) || b == b'-');
            let edges = bytes.first().zip(bytes.last()).is_some_and(|(&a, &z)| edge(a) && edge(z));
            inner && edges && bytes.len() <= 63
        };
        let whole = text.len() <= 253 && text.split('.').all(label);
        whole.then_some(Self(text)).ok_or(NameError)
    }

    /// The domain as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The full name of one of our resources, such as `example.com/gpu-percent`.
    #[must_use]
    pub const fn resource(self, resource: Resource) -> impl fmt::Display + use<'a> {
        Qualified(self.0, resource.as_str())
    }

    /// The full name of one of our annotations, such as `example.com/gpu-memory`.
    #[must_use]
    pub const fn annotation(self, annotation: Annotation) -> impl fmt::Display + use<'a> {
        Qualified(self.0, annotation.as_str())
    }
}

impl Default for Domain<'static> {
    fn default() -> Self {
        Self(crate::DEFAULT_DOMAIN)
    }
}

/// An extended resource of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Resource {
    /// `gpu`: whole GPUs, exclusive, without the shim.
    Gpu,
    /// `gpu-percent`: hundredths of one GPU.
    GpuPercent,
}

impl Resource {
    /// Every resource that the kubelet is told of.
    pub const ALL: [Self; 2] = [Self::Gpu, Self::GpuPercent];

    /// The name without its domain.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::GpuPercent => "gpu-percent",
        }
    }
}

/// An annotation of a pod that asks for a share or refines one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Annotation {
    /// `gpu-fraction`: a fraction of one GPU, such as `0.5`. The same word is written as a resource;
    /// admission turns both into `gpu-percent`.
    GpuFraction,
    /// `gpu-container`: the name of the container that the fraction is for; the first where absent.
    GpuContainer,
    /// `gpu-memory`: a quantity of bytes with a unit, such as `12Gi`, that lowers the share's memory.
    GpuMemory,
    /// `gpu-compute`: percent of the GPU's compute, at most the share's percent.
    GpuCompute,
    /// `compute-policy`: `fair` or `strict`.
    ComputePolicy,
    /// `compute-class`: `latency` or `batch`: who goes first, each within its own share.
    ComputeClass,
    /// `placement`: `pack` or `spread`, what the scheduler extender does with the pod.
    Placement,
    /// `gpu-plan`: on which GPUs the scheduler's extender meant the pod's shares to lie. It is written
    /// by the binding and read by the node agent, as a hint; a user never needs it.
    GpuPlan,
}

impl Annotation {
    /// The name without its domain.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GpuFraction => "gpu-fraction",
            Self::GpuContainer => "gpu-container",
            Self::GpuMemory => "gpu-memory",
            Self::GpuCompute => "gpu-compute",
            Self::ComputePolicy => "compute-policy",
            Self::ComputeClass => "compute-class",
            Self::Placement => "placement",
            Self::GpuPlan => "gpu-plan",
        }
    }
}

struct Qualified<'a>(&'a str, &'static str);

impl fmt::Display for Qualified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_stand_under_the_domain() {
        let domain = Domain::parse("nvidia.com").unwrap();
        assert_eq!(domain.resource(Resource::GpuPercent).to_string(), "nvidia.com/gpu-percent");
        assert_eq!(Domain::default().resource(Resource::Gpu).to_string(), "example.com/gpu");
        let memory = domain.annotation(Annotation::GpuMemory).to_string();
        assert_eq!(memory, "nvidia.com/gpu-memory");
    }

    #[test]
    fn what_is_no_dns_name_is_refused() {
        let long = std::format!("{}.com", "a".repeat(64));
        for text in ["", "Example.com", "a..b", "-a.com", "a-.com", "a/b", "a b", &long] {
            assert_eq!(Domain::parse(text), Err(NameError), "{text}");
        }
    }
}
