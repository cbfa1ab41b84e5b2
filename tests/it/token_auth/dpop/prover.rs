//! Makes proofs of possession by hand, good and bad. Only the signature comes from a library.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::CryptoProvider, jwk::EllipticCurve};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::token_auth::NOW;

#[cfg(feature = "aws-lc-rs")]
fn provider() -> &'static CryptoProvider {
    &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> &'static CryptoProvider {
    &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER
}

fn der(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/keys/test-only-{name}-private.pem", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(path).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(base64).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of the client's.
pub(super) struct Key {
    algorithm: Algorithm,
    private: EncodingKey,
    pub(super) public: Value,
}

impl Key {
    pub(super) fn es256() -> Self {
        Self::new(Algorithm::ES256)
    }

    pub(super) fn new(algorithm: Algorithm) -> Self {
        let utils = &provider().key_utils;
        let (private, public) = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => {
                let (name, curve) = if algorithm == Algorithm::ES256 { ("p256", "P-256") } else { ("p384", "P-384") };
                let der = der(name);
                let (_, x, y) = (utils.ec_pub_components_from_private_key)(&der, algorithm).unwrap();
                (EncodingKey::from_ec_der(&der), json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) }))
            }
            Algorithm::EdDSA => {
                let der = der("ed25519");
                let x = (utils.ed_pub_components_from_private_key)(&der, &EllipticCurve::Ed25519).unwrap();
                (EncodingKey::from_ed_der(&der), json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(x) }))
            }
            _ => {
                let der = der("rsa2048-pkcs1");
                let (n, e) = (utils.rsa_pub_components_from_private_key)(&der).unwrap();
                (EncodingKey::from_rsa_der(&der), json!({ "kty": "RSA", "n": base64(n), "e": base64(e) }))
            }
        };
        Self { algorithm, private, public }
    }

    /// RFC 7638 §3: `serde_json` writes the members in the order of their names, and there are no others.
    pub(super) fn thumbprint(&self) -> String {
        base64(Sha256::digest(self.public.to_string()))
    }

    pub(super) fn sign(&self, message: &str) -> Vec<u8> {
        let signer = (provider().signer_factory)(&self.algorithm, &self.private).unwrap();
        signer.try_sign(message.as_bytes()).unwrap()
    }
}

/// A proof before it is signed.
#[derive(Clone)]
pub(super) struct Proof {
    header: Value,
    claims: Value,
}

impl Proof {
    /// For `GET https://api.example/articles` with the token, made now.
    pub(super) fn of(key: &Key, token: &str) -> Self {
        Self {
            header: json!({ "typ": "dpop+jwt", "alg": format!("{:?}", key.algorithm), "jwk": key.public }),
            claims: json!({
                "jti": "e1j3V_bKic8-LAEB",
                "htm": "GET",
                "htu": "https://api.example/articles",
                "iat": NOW,
                "ath": base64(Sha256::digest(token)),
            }),
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    pub(super) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        for part in [&mut self.header, &mut self.claims] {
            part.as_object_mut().unwrap().remove(name);
        }
        self
    }

    pub(super) fn sign(&self, key: &Key) -> String {
        signed(&self.header.to_string(), &self.claims.to_string(), key)
    }
}

/// Signs texts that need not be JSON.
pub(super) fn signed(header: &str, claims: &str, key: &Key) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    format!("{message}.{}", base64(key.sign(&message)))
}
