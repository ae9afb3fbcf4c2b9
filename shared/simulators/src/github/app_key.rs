//! The App's RSA key pair, made anew at every start: no key stands in a file of the project.

use anyhow::Context;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};

use crate::pem::pem;

/// A key pair for a GitHub App: the client signs with the private half, the simulator checks with the public one.
#[derive(Clone)]
pub struct AppKey {
    /// PKCS#8 in PEM, as a client reads it from its secret.
    pub private_pem: String,
    /// SubjectPublicKeyInfo in PEM, for [`super::Options`].
    pub public_pem: String,
}

impl AppKey {
    /// Makes a fresh pair of 2048 bits.
    pub fn generate() -> anyhow::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).context("no RSA key could be made")?;
        let private: Pkcs8V1Der = pair.as_der().context("the private key has no DER form")?;
        let public: PublicKeyX509Der = aws_lc_rs::signature::KeyPair::public_key(&pair)
            .as_der()
            .context("the public key has no DER form")?;
        Ok(Self {
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        })
    }
}
