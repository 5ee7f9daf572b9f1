//! What an administrator writes on the command line, read once.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use contract::{Domain, Mib, Percent};
use kube_api::{ApiFlags, Client};
use serde_json::{Value, json};

use crate::certificate::keeper::Keeper;
use crate::certificate::names;
use crate::policies::ChartFile;
use crate::translate::replica;
use crate::{Rules, Translation};

/// The admission of Aliquot's shares of GPUs.
#[derive(clap::Parser)]
#[command(name = "aliquot-admission", version)]
pub struct Options {
    /// Translate new pods that speak HAMi's, KAI's or Run:ai's words.
    #[arg(long)]
    translate: bool,
    /// What the cluster's cards have to divide, such as 32510Mi: for those who ask by amounts of memory.
    #[arg(long, value_name = "AMOUNT", requires = "translate", value_parser = card_memory)]
    card_memory: Option<Mib>,
    /// How many replicas of each GPU NVIDIA's time-slicing was configured for: then one of `nvidia.com/gpu` is no
    /// whole GPU.
    #[arg(long, value_name = "COUNT", requires = "translate", value_parser = replica)]
    replicas: Option<Percent>,
    /// A pool's resource of whole GPUs, without the domain, such as gpu-training.
    #[arg(long = "pool", global = true, value_name = "RESOURCE", value_delimiter = ',')]
    pools: Vec<String>,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The domain of the resources.
    #[arg(long, global = true, env = "ALIQUOT_DOMAIN", default_value = contract::DEFAULT_DOMAIN)]
    domain: String,
    /// Where to listen.
    #[arg(long, env = "ALIQUOT_LISTEN", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// The folder with tls.crt and tls.key.
    #[arg(long, env = "ALIQUOT_CERTIFICATE", default_value = "/etc/aliquot/certificate")]
    pub certificate: PathBuf,
    /// Make the certificate oneself, and keep it in this Secret of one's own namespace: no folder is
    /// read then.
    #[arg(long, value_name = "SECRET", requires_all = ["service", "namespace"])]
    pub own_certificate: Option<String>,
    /// The Service by which the API server calls.
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// The namespace of the Service and the Secret.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// The name of the two webhook configurations that are told the certificate's authority.
    #[arg(long, value_name = "NAME", default_value = "aliquot-shares")]
    pub configuration: String,
    /// Where the API server is.
    #[command(flatten)]
    pub api: ApiFlags,
    /// The log.
    #[command(flatten)]
    pub log: logs::Flags,
    /// A namespace that is left alone, besides the system's own.
    #[arg(long = "leave-alone", global = true, value_name = "NAMESPACE", value_delimiter = ',')]
    leave_alone: Vec<String>,
    /// The RuntimeClass of every new pod with a GPU that names none, such as nvidia.
    #[arg(long, global = true, value_name = "NAME", value_parser = runtime_class)]
    runtime_class: Option<String>,
    /// A taint that every pod with a GPU tolerates: key[=value][:effect].
    #[arg(long = "tolerate", global = true, value_name = "TAINT", value_delimiter = ',', value_parser = toleration)]
    tolerate: Vec<Value>,
}

/// What the program does besides serving.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write the admission policies for these rules, to be applied to a cluster of 1.36 or later: they
    /// do what the server does, without one.
    Policies {
        /// Write a file of the chart, with words in place of the rules.
        #[arg(long, value_enum, value_name = "FILE")]
        chart: Option<ChartFile>,
    },
}

impl Options {
    /// Who makes the certificate, where the server does it itself.
    ///
    /// # Errors
    /// No API server, or no service account.
    pub fn keeper(&self) -> anyhow::Result<Option<Keeper>> {
        let Some(secret) = &self.own_certificate else { return Ok(None) };
        let base =
            self.api.base().context("--own-certificate needs an API server: none is known")?;
        let client = Client::new(&base, &self.api.kube_account, "aliquot-admission")?;
        let namespace = self.namespace.clone().unwrap_or_default();
        let names = names(self.service.as_deref().unwrap_or_default(), &namespace);
        let (secret, configuration) = (secret.clone(), self.configuration.clone());
        Ok(Some(Keeper { client, namespace, secret, names, configuration }))
    }

    /// The rules that they say.
    ///
    /// # Errors
    /// Where the domain is none.
    pub fn rules(&self) -> anyhow::Result<Rules> {
        let domain = Domain::parse(&self.domain)
            .map_err(|error| anyhow::anyhow!("--domain {:?}: {error}", self.domain))?;
        let translation = self
            .translate
            .then_some(Translation { card: self.card_memory, replica: self.replicas });
        let rules = Rules::new(domain).with_tolerations(self.tolerate.clone());
        let rules = rules.with_pools(self.pools.iter().cloned());
        let rules = rules.translating(translation);
        let rules = rules.with_runtime_class(self.runtime_class.clone());
        Ok(rules.leaving_alone(self.leave_alone.iter().cloned()))
    }
}

fn card_memory(text: &str) -> Result<Mib, contract::MemoryError> {
    contract::parse_memory(text)
}

/// The name of an object: a DNS subdomain.
fn runtime_class(text: &str) -> Result<String, String> {
    match Domain::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a RuntimeClass has a DNS name in lower case, such as nvidia".to_owned()),
    }
}

/// A core/v1 Toleration from the form in which `kubectl taint` writes taints.
fn toleration(text: &str) -> Result<Value, String> {
    let (taint, effect) = match text.split_once(':') {
        Some((taint, effect)) => (taint, Some(effect)),
        None => (text, None),
    };
    let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if let Some(effect) = effect.filter(|effect| !known.contains(effect)) {
        return Err(format!("effect {effect:?} is none of {}", known.join(", ")));
    }
    let (key, value) = match taint.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (taint, None),
    };
    if key.is_empty() {
        return Err("a taint has a key: write key[=value][:effect]".to_owned());
    }
    let mut toleration = match value {
        Some(value) => json!({ "key": key, "operator": "Equal", "value": value }),
        None => json!({ "key": key, "operator": "Exists" }),
    };
    if let Some(effect) = effect {
        toleration["effect"] = json!(effect);
    }
    Ok(toleration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_becomes_the_toleration_that_matches_it() {
        let table = [
            ("nvidia.com/gpu", json!({ "key": "nvidia.com/gpu", "operator": "Exists" })),
            (
                "sku=gpu:NoSchedule",
                json!({ "key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule" }),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(toleration(text), Ok(expected), "{text}");
        }
        assert!(toleration("gpu:Sometimes").is_err_and(|said| said.contains("Sometimes")));
        assert!(toleration("=x").is_err());
    }
}
