//! Where each kind of object keeps its pod. Knows names and paths, and nothing of what a pod says.

/// A kind of object that is a pod or has the template of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// A pod itself.
    Pod,
    /// v1 PodTemplate: `template`.
    PodTemplate,
    /// Deployment, ReplicaSet, StatefulSet, Job, ReplicationController: `spec.template`.
    Template,
    /// Like [`Workload::Template`], but its controller compares the template's tolerations with
    /// nodes by itself, before any pod is there to get one.
    DaemonSet,
    /// `spec.jobTemplate.spec.template`.
    CronJob,
}

impl Workload {
    /// The workload that a group and kind name, as the API server says them in an admission review.
    /// `None` is none that has a pod which we know.
    #[must_use]
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        Some(match (group, kind) {
            ("", "Pod") => Self::Pod,
            ("", "PodTemplate") => Self::PodTemplate,
            ("", "ReplicationController") | ("batch", "Job") => Self::Template,
            ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") => Self::Template,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("batch", "CronJob") => Self::CronJob,
            _ => return None,
        })
    }

    /// The names that lead from the object to the one that holds the pod's `metadata` and `spec`.
    #[must_use]
    pub const fn path(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &[],
            Self::PodTemplate => &["template"],
            Self::Template | Self::DaemonSet => &["spec", "template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
        }
    }

    /// Whether annotations ask for shares here. A template's are left as they are: its pods bring
    /// them along, and what a GitOps tool wrote stays what it wrote.
    #[must_use]
    pub const fn is_pod(self) -> bool {
        matches!(self, Self::Pod)
    }

    /// Whether the tolerations have to be here for the pods to come into being.
    #[must_use]
    pub const fn wants_tolerations(self) -> bool {
        matches!(self, Self::Pod | Self::DaemonSet)
    }
}
