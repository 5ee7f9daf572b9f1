//! Who may speak with whom: an authority for one run, certificates for each component, and kubeconfigs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

/// The authority of one run.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// Where a certificate and its key lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, whose files lie in `folder`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("aliquot-e2e", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?.pem();
        fs::write(folder.join("ca.crt"), &certificate)?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The same as text.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server with these names and addresses, with which it is a client as well.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn server(&self, file: &str, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.issue(file, CertificateParams::new(names)?, named(file, None))
    }

    /// A certificate for a client; Kubernetes takes `name` for the user and `group` for its group.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn client(&self, file: &str, name: &str, group: Option<&str>) -> Result<Identity> {
        self.issue(file, CertificateParams::default(), named(name, group))
    }

    fn issue(
        &self,
        file: &str,
        mut params: CertificateParams,
        name: DistinguishedName,
    ) -> Result<Identity> {
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let identity = Identity {
            certificate: self.folder.join(format!("{file}.crt")),
            key: self.folder.join(format!("{file}.key")),
        };
        fs::write(&identity.certificate, certificate)?;
        secret(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }

    /// A pair with which tokens of service accounts are signed: the private key's and the public key's file.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn signing_pair(&self) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let (private, public) = (self.folder.join("sa.key"), self.folder.join("sa.pub"));
        secret(&private, &key.serialize_pem())?;
        fs::write(&public, key.public_key_pem())?;
        Ok((private, public))
    }

    /// Writes a kubeconfig for one client of the API server at `server`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn kubeconfig(&self, file: &str, server: &str, client: &Identity) -> Result<PathBuf> {
        let path = self.folder.join(format!("{file}.kubeconfig"));
        // JSON is YAML.
        secret(&path, &kubeconfig(server, &self.file(), client).to_string())?;
        Ok(path)
    }
}

fn kubeconfig(server: &str, authority: &Path, client: &Identity) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "e2e", "user": {
            "client-certificate": client.certificate, "client-key": client.key,
        }}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    })
}

fn named(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    if let Some(group) = group {
        all.push(DnType::OrganizationName, group);
    }
    all.push(DnType::CommonName, name);
    all
}

fn secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_for_their_owner_alone_and_a_kubeconfig_names_files_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path()).unwrap();
        let admin = authority.client("admin", "admin", Some("system:masters")).unwrap();
        let path = authority.kubeconfig("admin", "https://127.0.0.1:6443", &admin).unwrap();
        let (private, public) = authority.signing_pair().unwrap();
        for secret in [&admin.key, &path, &private] {
            assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(fs::read_to_string(public).unwrap().starts_with("-----BEGIN PUBLIC KEY"));
        let config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let user = &config["users"][0]["user"];
        for file in [&user["client-certificate"], &user["client-key"]] {
            assert!(Path::new(file.as_str().unwrap()).exists(), "{file}");
        }
    }
}
