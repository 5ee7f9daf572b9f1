//! The components' command lines and configurations, as texts. No I/O.
//!
//! All listen on 127.0.0.1; pods share the machine's network, so that no network plugin is needed. The
//! machine may be a plain virtual machine or a container with little privilege: cgroup v1 or v2, without
//! CAP_SYS_RESOURCE. The kubelet's own folder is where it is by default (`machine`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::pki::Identity;

/// Ports on 127.0.0.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// etcd, for clients.
    pub etcd: u16,
    /// etcd, for its peers.
    pub etcd_peer: u16,
    /// The API server.
    pub api: u16,
    /// The kubelet.
    pub kubelet: u16,
}

/// Where a run's files lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    /// Of everything.
    pub root: PathBuf,
}

impl Places {
    /// A path below.
    #[must_use]
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The container runtime's socket.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.at("runtime/sock")
    }
}

fn flags<'a>(all: impl IntoIterator<Item = (&'a str, String)>) -> Vec<String> {
    all.into_iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// etcd's command line.
#[must_use]
pub fn etcd(places: &Places, ports: Ports, authority: &Path, identity: &Identity) -> Vec<String> {
    let client = format!("https://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    flags([
        ("name", "e2e".into()),
        ("data-dir", shown(&places.at("etcd"))),
        // Nothing of a run outlives it, and a disk may be slow.
        ("unsafe-no-fsync", "true".into()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("e2e={peer}")),
        ("client-cert-auth", "true".into()),
        ("trusted-ca-file", shown(authority)),
        ("cert-file", shown(&identity.certificate)),
        ("key-file", shown(&identity.key)),
    ])
}

/// What the API server has to know.
pub struct ApiServer<'a> {
    /// The authority's certificate.
    pub authority: &'a Path,
    /// Its own.
    pub identity: &'a Identity,
    /// For tokens of service accounts: the private and the public key.
    pub signing: (&'a Path, &'a Path),
    /// As whom it speaks with the kubelet.
    pub client: &'a Identity,
    /// A file of bearer tokens.
    pub tokens: &'a Path,
    /// The machine's address, which it tells others: it takes none of the loopback for that.
    pub told: IpAddr,
}

/// kube-apiserver's command line.
#[must_use]
pub fn api_server(ports: Ports, it: &ApiServer<'_>) -> Vec<String> {
    flags([
        ("etcd-servers", format!("https://127.0.0.1:{}", ports.etcd)),
        ("etcd-cafile", shown(it.authority)),
        ("etcd-certfile", shown(&it.identity.certificate)),
        ("etcd-keyfile", shown(&it.identity.key)),
        ("bind-address", "127.0.0.1".into()),
        ("advertise-address", it.told.to_string()),
        ("secure-port", ports.api.to_string()),
        ("service-cluster-ip-range", "10.96.0.0/24".into()),
        ("client-ca-file", shown(it.authority)),
        ("tls-cert-file", shown(&it.identity.certificate)),
        ("tls-private-key-file", shown(&it.identity.key)),
        ("kubelet-certificate-authority", shown(it.authority)),
        ("kubelet-client-certificate", shown(&it.client.certificate)),
        ("kubelet-client-key", shown(&it.client.key)),
        ("service-account-issuer", "https://kubernetes.default.svc".into()),
        ("service-account-signing-key-file", shown(it.signing.0)),
        ("service-account-key-file", shown(it.signing.1)),
        ("token-auth-file", shown(it.tokens)),
        // No proxy serves the services' addresses: webhooks are called where their pods are.
        ("enable-aggregator-routing", "true".into()),
        // Its node's name, which the machine's own table of hosts has.
        ("kubelet-preferred-address-types", "Hostname".into()),
        ("authorization-mode", "Node,RBAC".into()),
        ("enable-admission-plugins", "NodeRestriction".into()),
        ("allow-privileged", "true".into()),
    ])
}

/// kube-controller-manager's command line.
#[must_use]
pub fn controller_manager(kubeconfig: &Path, authority: &Path, signing: &Path) -> Vec<String> {
    flags([
        ("kubeconfig", shown(kubeconfig)),
        ("root-ca-file", shown(authority)),
        ("service-account-private-key-file", shown(signing)),
        ("use-service-account-credentials", "true".into()),
        ("leader-elect", "false".into()),
        ("bind-address", "127.0.0.1".into()),
        ("secure-port", "0".into()),
    ])
}

/// kube-scheduler's command line.
#[must_use]
pub fn scheduler(kubeconfig: &Path) -> Vec<String> {
    flags([
        ("kubeconfig", shown(kubeconfig)),
        ("leader-elect", "false".into()),
        ("bind-address", "127.0.0.1".into()),
        ("secure-port", "0".into()),
    ])
}

/// The kubelet's command line.
#[must_use]
pub fn kubelet(places: &Places, kubeconfig: &Path, node: &str, address: IpAddr) -> Vec<String> {
    flags([
        ("config", shown(&places.at("kubelet.json"))),
        ("kubeconfig", shown(kubeconfig)),
        ("hostname-override", node.into()),
        ("node-ip", address.to_string()),
    ])
}

/// The kubelet's configuration. Its cgroups lie below `cgroup`, which is there in every hierarchy.
#[must_use]
pub fn kubelet_config(
    places: &Places,
    ports: Ports,
    authority: &Path,
    own: &Identity,
    cgroup: &str,
) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": ports.kubelet,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {"x509": {"clientCAFile": authority}, "anonymous": {"enabled": false}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": own.certificate,
        "tlsPrivateKeyFile": own.key,
        "containerRuntimeEndpoint": format!("unix://{}", places.runtime().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        // 1.35 and later refuse cgroup v1 unless they are told not to.
        "failCgroupV1": false,
        "failSwapOn": false,
        "protectKernelDefaults": false,
        // Below its own value only CAP_SYS_RESOURCE may go.
        "oomScoreAdj": 0,
        // The disk is whatever is there: nothing is evicted or collected for it.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": false,
        "enforceNodeAllocatable": [],
        "registerWithTaints": [
            {"key": "example.com/gpu-not-ready", "value": "", "effect": "NoSchedule"},
        ],
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "2s",
        // Of its own: the kubelet removes what it finds there of nobody's.
        "podLogsDir": places.at("pods"),
        "volumePluginDir": places.at("volume-plugins"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places { root: "/r".into() }
    }

    const PORTS: Ports = Ports { etcd: 1, etcd_peer: 2, api: 3, kubelet: 4 };

    #[test]
    fn nothing_listens_beyond_this_machine() {
        let identity = Identity { certificate: "/c".into(), key: "/k".into() };
        let one = Path::new("/x");
        let told = IpAddr::from([192, 0, 2, 7]);
        let server = ApiServer {
            authority: one,
            identity: &identity,
            signing: (one, one),
            client: &identity,
            tokens: one,
            told,
        };
        let all = [
            etcd(&places(), PORTS, one, &identity),
            api_server(PORTS, &server),
            controller_manager(one, one, one),
            scheduler(one),
            kubelet(&places(), one, "n1", told),
        ]
        .concat();
        for flag in all {
            assert!(flag.starts_with("--") && !flag.contains("0.0.0.0"), "{flag}");
        }
        let config = kubelet_config(&places(), PORTS, one, &identity, "/e2e");
        assert_eq!((&config["address"], &config["readOnlyPort"]), (&json!("127.0.0.1"), &json!(0)));
    }

    #[test]
    fn the_kubelet_asks_the_runtimes_socket_and_needs_no_privilege_for_scores() {
        let identity = Identity { certificate: "/c".into(), key: "/k".into() };
        let config = kubelet_config(&places(), PORTS, Path::new("/x"), &identity, "/e2e");
        assert_eq!(config["containerRuntimeEndpoint"], "unix:///r/runtime/sock");
        assert_eq!(config["oomScoreAdj"], 0);
    }
}
