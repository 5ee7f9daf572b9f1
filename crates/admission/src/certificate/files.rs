//! The certificate as two files, `tls.crt` and `tls.key`, the way a Secret is mounted. They
//! are read again when they change; a pair that cannot be used leaves the one before in place.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

/// How often the files are looked at. The kubelet itself brings a Secret's change within a minute.
const EVERY: Duration = Duration::from_secs(5);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
#[error(
    "no certificate in {folder}: {error}; mount a Secret of type kubernetes.io/tls there, with \
     tls.crt and tls.key"
)]
pub struct NoCertificate {
    folder: PathBuf,
    error: std::io::Error,
}

/// A folder with a certificate.
pub struct Files {
    folder: PathBuf,
    seen: Vec<u8>,
}

impl Files {
    /// Reads the certificate for the first time.
    ///
    /// # Errors
    /// [`NoCertificate`] where it is not there, or not a pair.
    pub async fn open(folder: &Path) -> Result<(Self, RustlsConfig), NoCertificate> {
        let refused = |error| NoCertificate { folder: folder.to_owned(), error };
        let pair = Pair::read(folder).await.map_err(refused)?;
        let files = Self { folder: folder.to_owned(), seen: pair.digest() };
        let config = RustlsConfig::from_pem(pair.certificate, pair.key).await.map_err(refused)?;
        Ok((files, config))
    }

    /// Gives `config` every later pair. Never ends.
    pub async fn follow(mut self, config: RustlsConfig) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.look(&config).await;
        }
    }

    /// Reads once, and changes `config` where the files changed.
    pub async fn look(&mut self, config: &RustlsConfig) {
        // A pair that is half written is told once, and read again when it changed.
        let pair = match Pair::read(&self.folder).await {
            Ok(pair) if pair.digest() != self.seen => pair,
            Ok(_) => return,
            Err(error) => {
                return warn!(%error, "the certificate cannot be read; the one before stays");
            }
        };
        self.seen = pair.digest();
        match config.reload_from_pem(pair.certificate, pair.key).await {
            Ok(()) => info!("the certificate was changed"),
            Err(error) => warn!(%error, "the certificate is no pair; the one before stays"),
        }
    }
}

struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    async fn read(folder: &Path) -> std::io::Result<Self> {
        let certificate = tokio::fs::read(folder.join("tls.crt")).await?;
        Ok(Self { certificate, key: tokio::fs::read(folder.join("tls.key")).await? })
    }

    fn digest(&self) -> Vec<u8> {
        Sha256::new().chain_update(&self.certificate).chain_update(&self.key).finalize().to_vec()
    }
}
