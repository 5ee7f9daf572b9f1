//! The API server as the suite speaks with it: a token, JSON, and waiting.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustls::crypto::ring;
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, parse_pem};

use crate::patience;

/// A connection to the API server.
pub struct Api {
    agent: Agent,
    base: String,
    token: String,
}

impl Api {
    /// The API server at `base`, whose certificate `authority` has signed.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub fn new(base: &str, authority: &Path, token: &str) -> Result<Self> {
        let pem = std::fs::read(authority)?;
        let roots: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        let roots = RootCerts::new_with_certs(&roots);
        let tls = TlsConfig::builder().root_certs(roots);
        let tls = tls.unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_global(Some(patience::of(Duration::from_secs(20))))
            .build();
        Ok(Self { agent: agent.into(), base: base.to_owned(), token: token.to_owned() })
    }

    /// Whether it serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let bearer = format!("Bearer {}", self.token);
        let asked = self.agent.get(format!("{}/readyz", self.base)).header("authorization", bearer);
        asked.call().is_ok_and(|answer| answer.status() == 200)
    }

    /// An object.
    ///
    /// # Errors
    /// What the API server says.
    pub fn get(&self, path: &str) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let asked = self.agent.get(format!("{}{path}", self.base)).header("authorization", bearer);
        answer(path, asked.call())
    }

    /// Makes an object.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn create(&self, path: &str, object: &Value) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let asked = self.agent.post(format!("{}{path}", self.base)).header("authorization", bearer);
        answer(path, asked.send_json(object))
    }

    /// What would be stored of an object if it were made.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn try_out(&self, path: &str, object: &Value) -> Result<Value> {
        self.create(&format!("{path}?dryRun=All"), object)
    }

    /// Changes an object, by a merge patch.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn patch(&self, path: &str, change: &Value) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let asked = self.agent.patch(format!("{}{path}", self.base));
        let asked = asked.header("authorization", bearer);
        let asked = asked.header("content-type", "application/merge-patch+json");
        answer(path, asked.send(change.to_string()))
    }

    /// The same connection for somebody else.
    #[must_use]
    pub fn speaking_as(&self, token: &str) -> Self {
        Self { agent: self.agent.clone(), base: self.base.clone(), token: token.to_owned() }
    }

    /// Takes an object away, at once.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn delete(&self, path: &str) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let url = format!("{}{path}?gracePeriodSeconds=1", self.base);
        answer(path, self.agent.delete(url).header("authorization", bearer).call())
    }

    /// Waits until an object is as it should be, and answers it.
    ///
    /// # Errors
    /// What it is like after `patience`.
    pub fn wait(
        &self,
        path: &str,
        what: &str,
        patience: Duration,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = patience::end(patience);
        loop {
            let found = self.get(path);
            if let Ok(object) = &found
                && so(object)
            {
                return found;
            }
            if Instant::now() > end {
                let found =
                    found.map_or_else(|error| error.to_string(), |it| it["status"].to_string());
                bail!("not {what} after {:?}: {path} is {found}", patience::of(patience));
            }
            thread::sleep(Duration::from_millis(300));
        }
    }
}

fn answer(
    path: &str,
    answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value> {
    let mut answer = answered.with_context(|| path.to_owned())?;
    let status = answer.status();
    let body: Value = answer.body_mut().read_json().unwrap_or_default();
    match status.is_success() {
        true => Ok(body),
        false => Err(anyhow!("{path}: {status}: {}", body["message"])),
    }
}
