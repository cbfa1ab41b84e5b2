//! A public key as it is published: [RFC 7517 §4](https://www.rfc-editor.org/rfc/rfc7517#section-4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::key::SigningKey;
use crate::token_auth::jwt::{der, jwk::Material};

/// The key's public half; `None` for a secret, which has none.
pub(super) fn public(key: &SigningKey, material: &Material) -> Option<String> {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match material {
        Material::Secret(_) => return None,
        Material::Rsa { modulus, exponent } => {
            json!({ "kty": "RSA", "n": base64(der::unsigned(modulus)), "e": base64(der::unsigned(exponent)) })
        }
        Material::Point(point) => {
            let (_uncompressed, coordinates) = point.split_first()?;
            let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
            let curve = if x.len() == 32 { "P-256" } else { "P-384" };
            json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) })
        }
        Material::Ed25519(point) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(point) }),
    };
    let Value::Object(members) = &mut jwk else { return None };
    members.insert("use".to_owned(), Value::from("sig"));
    members.insert("alg".to_owned(), Value::from(key.algorithm().as_str()));
    if let Some(kid) = key.kid() {
        members.insert("kid".to_owned(), Value::from(kid));
    }
    Some(jwk.to_string())
}
