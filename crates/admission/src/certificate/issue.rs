//! A certificate and the authority that signed it, made anew each time. The authority's key is thrown
//! away: it signs once, so there is nothing to steal that could sign more.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How long a certificate holds.
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How much of that is left when the next is made.
pub(super) const LEFT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Clocks of other machines may be behind by so much.
const SKEW: Duration = Duration::from_secs(3600);

/// A pair with its authority, all in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The authority's certificate.
    pub authority: String,
    /// The server's certificate.
    pub certificate: String,
    /// The server's private key.
    pub key: String,
    /// When the next should be made.
    pub renew_at: SystemTime,
}

impl Issued {
    /// Makes one for a server with these names.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn new(names: &[String], now: SystemTime) -> Result<Self, rcgen::Error> {
        let (from, until) = (now - SKEW, now + LIFE);
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "aliquot-admission authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        (authority.not_before, authority.not_after) = (from.into(), until.into());
        let signed = authority.self_signed(&authority_key)?;

        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(names.to_vec())?;
        server.distinguished_name.push(DnType::CommonName, "aliquot-admission");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (server.not_before, server.not_after) = (from.into(), until.into());
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
        Ok(Self {
            authority: signed.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            renew_at: until - LEFT,
        })
    }
}

/// The names by which an API server calls a service.
#[must_use]
pub fn names(service: &str, namespace: &str) -> Vec<String> {
    let short = format!("{service}.{namespace}.svc");
    vec![format!("{short}.cluster.local"), short]
}
