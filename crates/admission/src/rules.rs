//! What an administrator decided about admission.

use contract::{Annotation, Domain, Mib, Percent, Resource};
use serde_json::Value;

/// The rules of one cluster.
#[derive(Clone, Debug)]
pub struct Rules {
    domain: String,
    tolerations: Vec<Value>,
    runtime_class: Option<String>,
    left_alone: Vec<String>,
    translation: Option<Translation>,
    pools: Vec<String>,
}

/// What translating pods that speak other systems' words ([`crate::translate`]) has to be told of their cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Translation {
    /// What the cluster's cards have to divide (NVML's `total - reserved`), for amounts of memory.
    pub card: Option<Mib>,
    /// What one replica of NVIDIA's time-slicing is of a GPU. Without it `nvidia.com/gpu` is a whole GPU.
    pub replica: Option<Percent>,
}

impl Rules {
    /// The rules for resources under `domain`: no tolerations, and the system's own namespaces left
    /// alone.
    #[must_use]
    pub fn new(domain: Domain<'_>) -> Self {
        let left_alone = ["kube-system", "kube-public", "kube-node-lease"];
        Self {
            domain: domain.as_str().to_owned(),
            tolerations: Vec::new(),
            runtime_class: None,
            left_alone: left_alone.map(str::to_owned).to_vec(),
            translation: None,
            pools: Vec::new(),
        }
    }

    /// With pools whose whole GPUs are asked for by these resources, without the domain, such as
    /// `gpu-training`. Their shares are known by the end of their names.
    #[must_use]
    pub fn with_pools(mut self, resources: impl IntoIterator<Item = String>) -> Self {
        self.pools.extend(resources);
        self
    }

    /// With pods in other systems' words translated.
    #[must_use]
    pub fn translating(mut self, translation: Option<Translation>) -> Self {
        self.translation = translation;
        self
    }

    pub(crate) fn translation(&self) -> Option<Translation> {
        self.translation
    }

    /// With tolerations, each a core/v1 Toleration, that every pod with a GPU gets.
    #[must_use]
    pub fn with_tolerations(mut self, tolerations: Vec<Value>) -> Self {
        self.tolerations = tolerations;
        self
    }

    /// With a RuntimeClass, by its name, that every new pod with a GPU gets which names none: where the driver comes by
    /// NVIDIA's runtime, and another one is the nodes' default.
    #[must_use]
    pub fn with_runtime_class(mut self, name: Option<String>) -> Self {
        self.runtime_class = name;
        self
    }

    pub(crate) fn runtime_class(&self) -> Option<&str> {
        self.runtime_class.as_deref()
    }

    /// With namespaces that are left alone besides the system's.
    #[must_use]
    pub fn leaving_alone(mut self, namespaces: impl IntoIterator<Item = String>) -> Self {
        self.left_alone.extend(namespaces);
        self
    }

    /// Whether objects in this namespace are looked at.
    #[must_use]
    pub fn touch(&self, namespace: &str) -> bool {
        !self.left_alone.iter().any(|name| name == namespace)
    }

    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// The namespaces that are left alone.
    pub(crate) fn left_alone(&self) -> &[String] {
        &self.left_alone
    }

    /// The label by which a namespace opts out of admission, where its value is `disabled`.
    #[must_use]
    pub fn opt_out(&self) -> String {
        format!("{}/gpu-admission", self.domain)
    }

    /// What the mutating policy makes of a fraction that is no share, in thousandths: no node has it.
    pub(crate) fn refused(&self) -> String {
        format!("{}/gpu-fraction-refused", self.domain)
    }

    pub(crate) fn tolerations(&self) -> &[Value] {
        &self.tolerations
    }

    /// `example.com/gpu-fraction`, as a resource and as an annotation.
    pub(crate) fn fraction(&self) -> String {
        self.annotation(Annotation::GpuFraction)
    }

    pub(crate) fn resource(&self, resource: Resource) -> String {
        format!("{}/{}", self.domain, resource.as_str())
    }

    /// The resources of whole GPUs, of every pool.
    pub(crate) fn wholes(&self) -> Vec<String> {
        let pools = self.pools.iter().map(|pool| format!("{}/{pool}", self.domain));
        [self.resource(Resource::Gpu)].into_iter().chain(pools).collect()
    }

    /// Whether this resource is shares of a pool: all their names end alike. That of the pool without a name is
    /// looked at by itself.
    pub(crate) fn is_share_of_a_pool(&self, name: &str) -> bool {
        let ours = name.strip_prefix(&self.domain).is_some_and(|rest| rest.starts_with('/'));
        ours && name.ends_with("-percent") && name != self.resource(Resource::GpuPercent)
    }

    pub(crate) fn annotation(&self, annotation: Annotation) -> String {
        format!("{}/{}", self.domain, annotation.as_str())
    }

    /// How the name of every MIG resource begins.
    pub(crate) fn mig_prefix(&self) -> String {
        format!("{}/mig-", self.domain)
    }
}
