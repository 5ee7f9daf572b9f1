//! What an administrator writes on the command line, read once.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use contract::Domain;
use kube_api::{ApiFlags, Client};

use crate::extender::Extender;

/// Tells kube-scheduler on which nodes one GPU has room for a pod's share.
#[derive(clap::Parser)]
#[command(name = "aliquot-scheduler", version)]
pub struct Options {
    /// The domain of the resources.
    #[arg(long, env = "ALIQUOT_DOMAIN", default_value = contract::DEFAULT_DOMAIN)]
    domain: String,
    /// Where to listen. There is no TLS: kube-scheduler asks from the same pod.
    #[arg(long, env = "ALIQUOT_LISTEN", default_value = "127.0.0.1:8888")]
    pub listen: SocketAddr,
    /// Where to tell how it is: /healthz, /readyz and /metrics, and nothing that changes anything
    /// [default: only where it listens].
    #[arg(long, value_name = "ADDRESS", env = "ALIQUOT_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// The namespace in which the node agents publish.
    #[arg(long, env = "POD_NAMESPACE", default_value = "aliquot-system")]
    pub namespace: String,
    /// The CSIStorageCapacity of that namespace whose change makes kube-scheduler try waiting pods again.
    #[arg(long, env = "ALIQUOT_REMINDER", default_value = "aliquot-scheduler")]
    pub reminder: String,
    /// The log.
    #[command(flatten)]
    pub log: logs::Flags,
    /// Where the API server is.
    #[command(flatten)]
    api: ApiFlags,
}

impl Options {
    /// The extender that they describe.
    ///
    /// # Errors
    /// A domain that is none, no API server, no service account.
    pub fn extender(&self) -> Result<Arc<Extender>> {
        Domain::parse(&self.domain)
            .map_err(|error| anyhow!("--domain {:?}: {error}", self.domain))?;
        let base = self.api.base().context("no API server is known: give --kube-api")?;
        let client = Client::new(&base, &self.api.kube_account, "aliquot-scheduler")?;
        Ok(Arc::new(Extender::new(client, self.domain.clone())))
    }
}
