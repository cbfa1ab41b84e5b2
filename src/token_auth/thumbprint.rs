//! Hashes that name a key or a certificate, [RFC 7638](https://www.rfc-editor.org/rfc/rfc7638) and
//! [RFC 8705 §3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{
    error::{ConfigError, ConfigErrorKind},
    jwt::{
        json,
        jwk::{self, Material},
    },
};

/// The SHA-256 thumbprint of a public key or of a certificate: what a token is bound to by its `cnf` claim
/// ([RFC 7800 §3.1](https://www.rfc-editor.org/rfc/rfc7800#section-3.1)).
///
/// It is no secret. Its [`Display`](fmt::Display) is base64url without padding, as in `jkt` and `x5t#S256`; an issuer of your own writes
/// it into the token:
///
/// ```
/// use donjon::token_auth::{Grant, Thumbprint};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// // `jwk` is the client's public key, from a proof that was checked.
/// let key = Thumbprint::of_jwk(jwk)?;
/// assert_eq!(key.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// let grant = Grant::new("alice").claims(&json!({ "cnf": { "jkt": key.to_string() } }))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Eq)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of a public JSON Web Key, over its required members in their canonical form
    /// ([RFC 7638 §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    ///
    /// # Errors
    ///
    /// [`KeyPrivate`](ConfigErrorKind::KeyPrivate) for a private or secret key; else as
    /// [`VerifyingKey::from_jwk`](super::VerifyingKey::from_jwk).
    pub fn of_jwk(json: &str) -> Result<Self, ConfigError> {
        let members = json::object(json).map_err(|_| ConfigErrorKind::KeyFormat)?;
        let jwk = jwk::read(&members)?;
        Ok(Self::of_material(&jwk.material).ok_or(ConfigErrorKind::KeyPrivate)?)
    }

    /// The thumbprint of an X.509 certificate in DER.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Self {
        Self::of(der)
    }

    /// A SHA-256 that was computed elsewhere.
    #[must_use]
    pub const fn from_sha256(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads the base64url of a claim, in its one spelling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // 32 bytes are 43 characters: a longer text is not even decoded.
        let bytes = (text.len() == 43).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
        bytes.try_into().ok().map(Self)
    }

    /// `None` for a secret, which has a thumbprint that nobody must see (§7).
    ///
    /// The members are written anew from their numbers, so one key has one thumbprint however its JWK spells it.
    pub(super) fn of_material(material: &Material) -> Option<Self> {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match material {
            Material::Secret(_) => return None,
            Material::Rsa { modulus, exponent } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64(exponent), base64(modulus))
            }
            Material::Point(point) => {
                let (_uncompressed, coordinates) = point.split_first()?;
                let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, base64(x), base64(y))
            }
            Material::Ed25519(point) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64(point)),
        };
        Some(Self::of(canonical.as_bytes()))
    }
}

/// Compares all bytes whatever the first ones are.
impl PartialEq for Thumbprint {
    fn eq(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |difference, (a, b)| difference | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 7638 §3.1, RFC 8037 appendix A.3, RFC 9449 §6.1; and one key in two spellings.
    #[test]
    fn published_thumbprints() {
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        for (name, jwk, expected) in [
            (
                "RFC 7638",
                format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#),
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
            (
                "RFC 7638, exponent with a leading zero",
                format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AAEAAQ"}}"#),
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
            (
                "RFC 8037",
                r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.to_owned(),
                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            ),
            (
                "RFC 9449",
                r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#.to_owned(),
                "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
            ),
        ] {
            assert_eq!(Thumbprint::of_jwk(&jwk).unwrap().to_string(), expected, "{name}");
        }
    }

    #[test]
    fn secrets_have_none() {
        let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, "A".repeat(43));
        assert_eq!(Thumbprint::of_jwk(&secret).unwrap_err().kind(), ConfigErrorKind::KeyPrivate);
    }

    #[test]
    fn claims_have_one_spelling() {
        let good = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        for (name, text, read) in [
            ("good", good.to_owned(), true),
            ("padded", format!("{good}="), false),
            ("stray bits", good.replace("A4I", "A4J"), false),
            ("short", "AAAA".to_owned(), false),
            ("nothing", String::new(), false),
            ("the other alphabet", good.replace('-', "+"), false),
            ("long", "A".repeat(1 << 20), false),
        ] {
            assert_eq!(Thumbprint::parse(&text).is_some(), read, "{name}");
        }
    }

    proptest! {
        #[test]
        fn equal_where_the_bytes_are(bytes in any::<[u8; 32]>(), at in 0..32_usize, flip in 0..=255_u8) {
            let mut other = bytes;
            other[at] ^= flip;
            prop_assert_eq!(Thumbprint(bytes) == Thumbprint(other), flip == 0);
            prop_assert_eq!(Thumbprint::parse(&Thumbprint(bytes).to_string()), Some(Thumbprint(bytes)));
        }
    }
}
