//! HTTPS for the simulated ServiceNow: an authority for this start alone, whose certificate is put into a file.

use std::net::SocketAddr;

use anyhow::Context as _;
use interlock_simulators::tls::{ServerTls, TestAuthority};

use super::secrets::Secrets;

const CERTIFICATE: &str = "servicenow-ca.pem";

/// What the listener needs, and what people are told.
pub struct Authority {
    /// For the listener.
    pub server: ServerTls,
    /// Where the authority's certificate is, and how to trust it.
    pub told: String,
}

impl Authority {
    /// A new one, for a server that others reach as `named`, or where it listens.
    pub fn open(secrets: &Secrets, named: Option<&str>, listen: SocketAddr) -> anyhow::Result<Self> {
        let authority = TestAuthority::new().context("no certificate can be made")?;
        let address = listen.ip().to_string();
        let mut names = vec!["localhost", "127.0.0.1", &*address];
        names.extend(named);
        names.sort_unstable();
        names.dedup();
        let server = authority.server(&names).context("no certificate can be made for these names")?;
        let file = secrets.publish(CERTIFICATE, authority.pem())?;
        let told = format!(
            "# ServiceNow speaks HTTPS. Its authority, made for this start, nobody else trusts:\n\
             #   {}\n#   SHA-256 {}\n\
             # Start Interlock with SSL_CERT_FILE=<that file>: it then trusts this authority, and no other.",
            file.display(),
            authority.fingerprint()
        );
        Ok(Self { server, told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authoritys_certificate_is_in_a_file_that_is_told_with_its_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path()).unwrap();
        let listen = "127.0.0.1:8090".parse().unwrap();
        let told = Authority::open(&secrets, Some("servicenow.example"), listen).unwrap().told;
        let file = folder.path().canonicalize().unwrap().join(CERTIFICATE);
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(told.contains(&file.display().to_string()) && told.contains("SHA-256 "), "{told}");
    }
}
