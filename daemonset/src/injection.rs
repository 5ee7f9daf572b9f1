//! How shares come into containers: by CDI or by mounts. A pure decision.
//!
//! A kubelet or a runtime without CDI drops a CDI name in silence. So where a share comes by CDI, its
//! GPU does too: whoever drops one drops both, and no container has a GPU without the shim.

use std::fmt;

use crate::config::{Exposure, Injection};

/// What the API server says of the node's software.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Software {
    /// `nodeInfo.kubeletVersion`, such as `v1.36.2`.
    pub kubelet: String,
    /// `nodeInfo.containerRuntimeVersion`, such as `containerd://2.1.4`.
    pub runtime: String,
}

/// By what a share comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// A CDI name.
    Cdi,
    /// Mounts.
    Mounts,
}

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// How shares come.
    pub shares: By,
    /// How GPUs come: what the configuration says.
    pub exposure: Exposure,
    /// Why so, for people.
    pub why: String,
}

impl Way {
    /// Decides, for a node with or without the hook.
    #[must_use]
    pub fn choose(
        injection: Injection,
        exposure: Exposure,
        has_hook: bool,
        software: Option<&Software>,
    ) -> Self {
        let (shares, why) = match (injection, exposure) {
            (Injection::Cdi, _) => (By::Cdi, "the configuration says so".to_owned()),
            (Injection::Mounts, _) => (By::Mounts, "the configuration says so".to_owned()),
            (Injection::Auto, _) if !has_hook => (By::Mounts, "the agent has no hook".to_owned()),
            // The NVIDIA runtime brings the GPU, with CDI or without.
            (Injection::Auto, Exposure::Env) => {
                (By::Mounts, "GPUs come by NVIDIA's runtime".to_owned())
            }
            (Injection::Auto, _) => by_software(software),
        };
        Self { shares, exposure, why }
    }

    /// How a holding's GPUs come: whoever drops the name of a share's shim drops its GPU's too.
    #[must_use]
    pub fn exposure_of(&self, is_share: bool) -> Exposure {
        match (self.shares, self.exposure) {
            (By::Cdi, Exposure::Mounts) if is_share => Exposure::Cdi,
            (_, exposure) => exposure,
        }
    }

    /// Whether the answer for a holding has the device nodes of its GPUs, by their numbers of that moment.
    #[must_use]
    pub fn has_nodes(&self, is_share: bool) -> bool {
        matches!(self.exposure_of(is_share), Exposure::Mounts | Exposure::Env)
    }

    /// Whether the answer for a holding mounts the driver's files.
    #[must_use]
    pub fn has_driver_files(&self, is_share: bool) -> bool {
        self.exposure_of(is_share) == Exposure::Mounts
    }

    /// Whether a holding comes by names of CDI.
    #[must_use]
    pub fn has_names(&self, is_share: bool) -> bool {
        matches!(self.exposure, Exposure::Cdi | Exposure::NvidiaCdi)
            || (is_share && self.shares == By::Cdi)
    }
}

fn by_software(software: Option<&Software>) -> (By, String) {
    let Some(software) = software else {
        return (By::Mounts, "no API server has told of the node's runtime".to_owned());
    };
    let by = if software.has_cdi() { By::Cdi } else { By::Mounts };
    (by, software.to_string())
}

impl Software {
    /// Whether both are known to have CDI without being told: the kubelet from 1.31 on (KEP-4009, no
    /// longer to be switched off), containerd from 2.0, CRI-O in the versions that go with such a
    /// kubelet. containerd 1.7 has it only where its file says so, which is not known here.
    #[must_use]
    pub fn has_cdi(&self) -> bool {
        let runtime = match self.runtime.split_once("://") {
            Some(("containerd", number)) => version(number) >= Some((2, 0)),
            Some(("cri-o", number)) => version(number) >= Some((1, 31)),
            _ => false,
        };
        runtime && version(&self.kubelet) >= Some((1, 31))
    }
}

impl Software {
    /// Whether one of them is known to drop CDI names, as all before they had CDI: the kubelet to 1.27
    /// (KEP-4009), containerd to 1.6, CRI-O to 1.22, and Docker.
    #[must_use]
    pub fn lacks_cdi(&self) -> bool {
        let older = |text, first| version(text).is_some_and(|its| its < first);
        let runtime = match self.runtime.split_once("://") {
            Some(("containerd", number)) => older(number, (1, 7)),
            Some(("cri-o", number)) => older(number, (1, 23)),
            Some(("docker", _)) => true,
            _ => false,
        };
        runtime || older(&self.kubelet, (1, 28))
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = match (self.has_cdi(), self.lacks_cdi()) {
            (true, _) => "have CDI",
            (_, true) => "do not both have CDI",
            _ => "are not known to have CDI",
        };
        write!(f, "kubelet {} and {} {has}", self.kubelet, self.runtime)
    }
}

/// The first two numbers.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn software(kubelet: &str, runtime: &str) -> Software {
        Software { kubelet: kubelet.into(), runtime: runtime.into() }
    }

    #[test]
    fn cdi_is_taken_where_kubelet_and_runtime_are_known_to_have_it() {
        let table = [
            ("v1.36.2", "containerd://2.1.4", true),
            ("v1.31.0-eks-abc", "containerd://2.0.0-rc.1", true),
            ("v1.33.1", "cri-o://1.33.0", true),
            ("v1.30.9", "containerd://2.1.4", false),
            ("v1.36.2", "containerd://1.7.27", false),
            ("v1.36.2", "cri-o://1.30.1", false),
            ("v1.36.2", "docker://27.0.0", false),
            ("", "", false),
            ("v1", "containerd://2", false),
            ("v99999999999.1", "containerd://2.0.0", false),
        ];
        for (kubelet, runtime, expected) in table {
            let software = software(kubelet, runtime);
            assert_eq!(software.has_cdi(), expected, "{software}");
        }
    }

    #[test]
    fn what_drops_names_is_known_by_its_version() {
        let table = [
            ("v1.36.2", "containerd://1.6.20~ds1", true),
            ("v1.27.9", "containerd://2.1.4", true),
            ("v1.36.2", "cri-o://1.22.5", true),
            ("v1.28.0", "docker://27.0.0", true),
            ("v1.36.2", "containerd://1.7.24", false),
            ("v1.28.0", "cri-o://1.23.0", false),
            ("v1.36.2", "mine://0.1", false),
            ("", "", false),
        ];
        for (kubelet, runtime, expected) in table {
            let software = software(kubelet, runtime);
            assert_eq!(software.lacks_cdi(), expected, "{software}");
            assert!(!(software.lacks_cdi() && software.has_cdi()), "{software}");
        }
        let way = |shares, exposure| Way { shares, exposure, why: String::new() };
        assert!(way(By::Cdi, Exposure::Mounts).has_names(true));
        assert!(!way(By::Cdi, Exposure::Mounts).has_names(false));
        assert!(way(By::Mounts, Exposure::NvidiaCdi).has_names(false));
        assert!(!way(By::Mounts, Exposure::Env).has_names(true));
    }

    #[test]
    fn the_configuration_wins_and_auto_never_takes_what_is_not_known() {
        let good = software("v1.36.2", "containerd://2.1.4");
        let choose = |injection, exposure, hook, software| {
            Way::choose(injection, exposure, hook, software).shares
        };
        use {Exposure as E, Injection as I};
        assert_eq!(choose(I::Auto, E::Mounts, true, Some(&good)), By::Cdi);
        assert_eq!(choose(I::Auto, E::Mounts, true, None), By::Mounts);
        assert_eq!(choose(I::Auto, E::Mounts, false, Some(&good)), By::Mounts);
        assert_eq!(choose(I::Auto, E::Env, true, Some(&good)), By::Mounts);
        assert_eq!(choose(I::Mounts, E::Cdi, true, Some(&good)), By::Mounts);
        assert_eq!(choose(I::Cdi, E::Env, true, None), By::Cdi);
    }
}
