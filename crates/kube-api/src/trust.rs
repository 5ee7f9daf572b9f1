//! Whom a client believes to be the API server: the certificates of its service account, which the kubelet writes
//! anew when the cluster's authority is exchanged.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tracing::{info, warn};

/// Calls over TLS to whom it believes.
pub(crate) type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A file of certificates, and calls to who shows one that these have signed.
pub(crate) struct Trust {
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    pem: Vec<u8>,
    http: Http,
}

impl Trust {
    /// Those in the file at `path`.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let known = Mutex::new(Known::read(&path)?);
        Ok(Self { path, known })
    }

    /// Calls by what was read last.
    pub(crate) fn http(&self) -> Http {
        self.known().http.clone()
    }

    /// Reads the file once more; whether it says something else.
    pub(crate) fn has_changed(&self) -> bool {
        match Known::read(&self.path) {
            Ok(read) if read.pem != self.known().pem => {
                info!(path = %self.path.display(), "the API server's authority is another by now");
                *self.known() = read;
                true
            }
            Ok(_) => false,
            Err(error) => {
                warn!(error = format!("{error:#}"), "who the API server is cannot be read");
                false
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn read(path: &Path) -> Result<Self> {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate =
                certificate.map_err(|error| anyhow!("{}: {error}", path.display()))?;
            roots.add(certificate).with_context(|| path.display().to_string())?;
        }
        let provider = rustls::crypto::ring::default_provider().into();
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pem, http })
    }
}

/// Whether a call failed because nobody who is believed has signed what the server showed.
pub(crate) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let is_it = |error: &rustls::Error| matches!(error, rustls::Error::InvalidCertificate(_));
    // What an I/O error wraps is not what it names as its source.
    let wrapped = || error.downcast_ref::<io::Error>()?.get_ref();
    error.downcast_ref().is_some_and(is_it)
        || wrapped().is_some_and(|error| is_untrusted(error))
        || error.source().is_some_and(is_untrusted)
}

#[cfg(test)]
mod tests;
