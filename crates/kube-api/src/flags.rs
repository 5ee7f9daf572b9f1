//! Where the API server is, on the command line.

use std::path::PathBuf;

use clap::Args;

/// Where the API server is.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct ApiFlags {
    /// The API server's address, such as https://10.0.0.1:443 [default: as the pod's environment says]
    #[arg(long, value_name = "URL", env = "ALIQUOT_KUBE_API")]
    pub kube_api: Option<String>,
    /// The service account's folder, with `token` and `ca.crt`
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount"
    )]
    pub kube_account: PathBuf,
    /// Do without the API server: no events, annotations, labels and evictions
    #[arg(long, conflicts_with = "kube_api")]
    pub no_kube: bool,
}

impl ApiFlags {
    /// The API server's address, where there is one and it is wanted.
    #[must_use]
    pub fn base(&self) -> Option<String> {
        if self.no_kube || !self.kube_account.join("token").exists() {
            return None;
        }
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let of_pod = || {
            let host = variable("KUBERNETES_SERVICE_HOST")?;
            let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".into());
            // An IPv6 address stands in brackets.
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            Some(format!("https://{host}:{port}"))
        };
        self.kube_api.clone().or_else(of_pod)
    }
}
