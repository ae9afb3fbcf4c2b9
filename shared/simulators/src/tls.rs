//! HTTPS for a simulator: an authority for tests alone, and certificates by it for servers and clients.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use crate::pem::pem;

/// An authority that lives as long as the process; nobody but a test should trust it.
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate by the authority, and its key.
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// SHA-256 of the certificate, in hexadecimal: what an instance knows a client's certificate by.
    pub fingerprint: String,
}

/// What a listener needs to speak TLS.
#[derive(Clone)]
pub struct ServerTls(pub(crate) Arc<ServerConfig>);

impl TestAuthority {
    /// A new authority with a key of its own.
    pub fn new() -> io::Result<Self> {
        let mut params = named("Interlock simulators")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?.der().clone();
        let pem = pem("CERTIFICATE", &certificate);
        Ok(Self { issuer: Issuer::new(params, key), certificate, pem })
    }

    /// The authority's certificate, for whoever is to trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the authority's certificate, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate)
    }

    /// A certificate for a client.
    pub fn client(&self, name: &str) -> io::Result<Identity> {
        let mut params = named(name)?;
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        let (certificate, key) = self.issue(params)?;
        Ok(Identity {
            certificate_pem: pem("CERTIFICATE", &certificate),
            key_pem: pem("PRIVATE KEY", &key.serialize_der()),
            fingerprint: fingerprint(&certificate),
        })
    }

    /// TLS for a server of these names and addresses. A client may show a certificate of this authority.
    pub fn server(&self, names: &[&str]) -> io::Result<ServerTls> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        let (certificate, key) = self.issue(params)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        Ok(ServerTls(Arc::new(config)))
    }

    fn issue(&self, params: CertificateParams) -> io::Result<(CertificateDer<'static>, KeyPair)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok((certificate.der().clone(), key))
    }
}

fn named(name: &str) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// SHA-256 of a certificate, in hexadecimal.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate))
}

impl std::fmt::Debug for TestAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestAuthority").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
