//! Makes tokens by hand, good and bad, with nothing of the crate's own: HMAC is written out by RFC 2104.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{AUDIENCE, ISSUER, NOW, SECRET};

#[derive(Clone)]
pub(crate) struct Forger {
    header: Value,
    claims: Value,
}

impl Forger {
    /// What the verifier of the tests takes.
    pub(crate) fn good() -> Self {
        Self {
            header: json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" }),
            claims: json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "nbf": NOW, "exp": NOW + 60 }),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        for part in [&mut self.header, &mut self.claims] {
            part.as_object_mut().unwrap().remove(name);
        }
        self
    }

    /// The token, signed with the secret of the tests.
    pub(crate) fn sign(self) -> String {
        self.sign_with(&SECRET)
    }

    pub(crate) fn sign_with(self, secret: &[u8]) -> String {
        signed(&self.header.to_string(), &self.claims.to_string(), secret)
    }

    /// The claims and header as they are, and whatever is given for a signature.
    pub(crate) fn with_signature(self, signature: &[u8]) -> String {
        let message = message(&self.header.to_string(), &self.claims.to_string());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn claims_text(&self) -> String {
        self.claims.to_string()
    }

    pub(crate) fn header_text(&self) -> String {
        self.header.to_string()
    }
}

/// Signs texts that need not be JSON.
pub(crate) fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = message(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(secret, message.as_bytes()));
    format!("{message}.{signature}")
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = [0; 64];
    let short = if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    key[..short.len()].copy_from_slice(&short);
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}
