//! The server's own certificate, shared by all its replicas: a Secret holds it, the webhooks'
//! configurations get its authority, and it is served only once they have it.
//!
//! A Secret's authorities are the one in force and the one before, so a replica that still serves the
//! certificate before is believed. Whoever writes first wins; the others read what was written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube_api::{ApiError, Body, Client, Method};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::issue::{Issued, LEFT};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(60);
/// How long before its end a certificate that cannot be renewed is somebody's business.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// In the Secret: when the next certificate is made, in seconds since 1970.
const RENEW_AT: &str = "aliquot-renew-at";

/// Keeps the certificate.
pub struct Keeper {
    /// The API server.
    pub client: Client,
    /// The namespace of the Secret and of the server.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The names by which the server is called.
    pub names: Vec<String>,
    /// The name of both webhook configurations.
    pub configuration: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The API server did not do it.
    #[error("{what}: {error}")]
    Api {
        /// What was wanted.
        what: String,
        /// Why it was not done.
        error: ApiError,
    },
    /// A name that no certificate can have.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The Secret's pair is none.
    #[error("secret {0} holds no pair that can be served: delete it, and one is made")]
    Pair(String),
}

/// How bad it is that a certificate cannot be looked after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    /// There is time.
    Early,
    /// Somebody has to act.
    Soon,
    /// It has expired.
    Over,
}

impl Trouble {
    fn of(expires: SystemTime, now: SystemTime) -> Self {
        match expires.duration_since(now) {
            Err(_) => Self::Over,
            Ok(left) if left < SOON => Self::Soon,
            Ok(_) => Self::Early,
        }
    }
}

/// What a Secret holds.
#[derive(Clone, PartialEq, Eq)]
struct Held {
    /// When the next is to be made.
    renew_at: SystemTime,
    /// All authorities to be believed, in PEM.
    authorities: String,
    certificate: String,
    key: String,
}

impl Keeper {
    /// Gets or makes the certificate, makes it known, and serves it from then on.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn start(&self) -> Result<RustlsConfig, KeeperError> {
        let held = self.ready(SystemTime::now()).await?;
        let broken = |_| KeeperError::Pair(self.secret.clone());
        RustlsConfig::from_pem(held.certificate.into(), held.key.into()).await.map_err(broken)
    }

    /// Keeps `config` fresh, for as long as it can be served; answers why there is no later one. Who serves with a
    /// certificate that has expired is believed by no API server, and starting again is all that is left.
    pub async fn keep(self, config: RustlsConfig) -> KeeperError {
        // One that is started with is renewed before.
        let mut expires = SystemTime::now() + LEFT;
        loop {
            tokio::time::sleep(EVERY).await;
            let now = SystemTime::now();
            match (self.look(&config, now).await, Trouble::of(expires, now)) {
                (Ok(until), _) => expires = until,
                (Err(error), Trouble::Early) => {
                    warn!(%error, "the certificate is not looked after, trying again");
                }
                (Err(error), Trouble::Soon) => error!(
                    %error,
                    "the certificate expires within a week and cannot be renewed: no pod with a GPU is admitted then"
                ),
                (Err(error), Trouble::Over) => return error,
            }
        }
    }

    /// Looks once: renews what is due at `now`, and serves what the Secret holds. Answers when that expires.
    ///
    /// # Errors
    /// [`KeeperError`]; the certificate before is still served.
    pub async fn look(
        &self,
        config: &RustlsConfig,
        now: SystemTime,
    ) -> Result<SystemTime, KeeperError> {
        let held = self.ready(now).await?;
        let broken = |_| KeeperError::Pair(self.secret.clone());
        let expires = held.renew_at + LEFT;
        config.reload_from_pem(held.certificate.into(), held.key.into()).await.map_err(broken)?;
        Ok(expires)
    }

    /// What is to be served, once the webhooks' configurations know its authority.
    async fn ready(&self, now: SystemTime) -> Result<Held, KeeperError> {
        let held = self.secret(now).await?;
        for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            self.inject(kind, &held.authorities).await?;
        }
        Ok(held)
    }

    /// What the Secret holds; made or renewed where that is due.
    async fn secret(&self, now: SystemTime) -> Result<Held, KeeperError> {
        let path = format!("/api/v1/namespaces/{}/secrets", self.namespace);
        let one = format!("{path}/{}", self.secret);
        // Of several replicas that write at once all but one are refused, and read again.
        for _ in 0..5 {
            let stands = self.get(&one).await?;
            if let Some(held) =
                stands.as_ref().filter(|secret| now < renew_at(secret)).and_then(held)
            {
                return Ok(held);
            }
            let issued = Issued::new(&self.names, now)?;
            let before = stands.as_ref().and_then(held);
            let (method, path) = match &stands {
                Some(_) => (Method::PUT, &one),
                None => (Method::POST, &path),
            };
            let secret = self.written(&issued, before.as_ref(), stands.as_ref());
            match self.client.call(method, path, Body::Json(&secret)).await {
                Ok(_) => info!(secret = self.secret, "a certificate was made"),
                Err(error) if error.code() == Some(409) => {}
                Err(error) => return Err(self.failed(&format!("cannot write {one}"), error)),
            }
        }
        Err(KeeperError::Pair(self.secret.clone()))
    }

    fn written(&self, issued: &Issued, before: Option<&Held>, stands: Option<&Value>) -> Value {
        let first = before.and_then(|held| held.authorities.split_inclusive(END).next());
        let authorities = format!("{}{}", issued.authority, first.unwrap_or_default());
        let seconds = issued.renew_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {
                "name": self.secret, "namespace": self.namespace,
                "annotations": { RENEW_AT: seconds.to_string() },
            },
            "data": {
                "ca.crt": STANDARD.encode(authorities), "tls.crt": STANDARD.encode(&issued.certificate),
                "tls.key": STANDARD.encode(&issued.key),
            },
        });
        if let Some(stands) = stands {
            secret["metadata"]["resourceVersion"] = stands["metadata"]["resourceVersion"].clone();
        }
        secret
    }

    /// Gives every webhook of a configuration the authorities.
    async fn inject(&self, kind: &str, authorities: &str) -> Result<(), KeeperError> {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}/{}", self.configuration);
        let wanted = json!(STANDARD.encode(authorities));
        for _ in 0..5 {
            let Some(mut configuration) = self.get(&path).await? else {
                warn!(path, "there is no such webhook configuration, so nobody asks this server");
                return Ok(());
            };
            let webhooks = configuration["webhooks"].as_array_mut();
            let mut changed = false;
            for webhook in webhooks.into_iter().flatten() {
                changed |= webhook["clientConfig"]["caBundle"] != wanted;
                webhook["clientConfig"]["caBundle"] = wanted.clone();
            }
            if !changed {
                return Ok(());
            }
            match self.client.call(Method::PUT, &path, Body::Json(&configuration)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some(409) => {}
                Err(error) => return Err(self.failed(&format!("cannot write {path}"), error)),
            }
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, KeeperError> {
        match self.client.call(Method::GET, path, Body::None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(self.failed(&format!("cannot read {path}"), error)),
        }
    }

    fn failed(&self, what: &str, error: ApiError) -> KeeperError {
        KeeperError::Api { what: what.to_owned(), error }
    }
}

/// The last line of a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----\n";

/// When a Secret is to be renewed; long ago where it does not say so.
fn renew_at(secret: &Value) -> SystemTime {
    let text = secret["metadata"]["annotations"][RENEW_AT].as_str();
    // Of 32 bits: no sum of what anybody writes there can overflow.
    let seconds: u32 = text.and_then(|text| text.parse().ok()).unwrap_or(0);
    UNIX_EPOCH + Duration::from_secs(seconds.into())
}

/// `None` where a part is missing or is no text.
fn held(secret: &Value) -> Option<Held> {
    let part = |name: &str| {
        let bytes = STANDARD.decode(secret["data"][name].as_str()?).ok()?;
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    Some(Held {
        renew_at: renew_at(secret),
        authorities: part("ca.crt")?,
        certificate: part("tls.crt")?,
        key: part("tls.key")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_renewed_is_worse_the_less_it_has_left() {
        let day = |number: u64| UNIX_EPOCH + Duration::from_secs(number * 24 * 3600);
        let table =
            [(60, Trouble::Early), (82, Trouble::Early), (84, Trouble::Soon), (91, Trouble::Over)];
        for (now, expected) in table {
            assert_eq!(Trouble::of(day(90), day(now)), expected, "{now}");
        }
    }
}
