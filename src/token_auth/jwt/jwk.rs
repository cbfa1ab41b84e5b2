//! JSON Web Keys, [RFC 7517](https://www.rfc-editor.org/rfc/rfc7517), with the members of
//! [RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6) and [RFC 8037 §2](https://www.rfc-editor.org/rfc/rfc8037#section-2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::json::{Json, Members};
use crate::token_auth::{
    crypto::Algorithm,
    error::ConfigErrorKind::{self, AlgorithmUnknown, KeyFormat, KeyMismatch, KeyPrivate},
};

/// A key that is meant for verifying.
#[derive(Debug)]
pub(super) struct Jwk<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<&'a str>,
    pub(super) material: Material,
}

/// The numbers of a key, not yet checked against a policy.
pub(in crate::token_auth) enum Material {
    Secret(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point, with its leading 4.
    Point(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material")
    }
}

/// Reads one key and sees that it is meant for checking signatures.
pub(super) fn read<'a>(members: &'a Members<'_>) -> Result<Jwk<'a>, ConfigErrorKind> {
    if text(members, "use")?.is_some_and(|key_use| key_use != "sig") {
        return Err(KeyMismatch);
    }
    if let Some(operations) = members.get("key_ops") {
        let Json::Array(operations) = operations else { return Err(KeyFormat) };
        if !operations.iter().any(|operation| matches!(operation, Json::Text(text) if text == "verify")) {
            return Err(KeyMismatch);
        }
    }
    if members.get("d").is_some() {
        return Err(KeyPrivate);
    }
    let (implied, material) = match text(members, "kty")? {
        Some("oct") => (Algorithm::Hs256, Material::Secret(bytes(members, "k")?)),
        Some("RSA") => (Algorithm::Rs256, rsa(members)?),
        Some("EC") => elliptic(members)?,
        Some("OKP") if text(members, "crv")? == Some("Ed25519") => (Algorithm::EdDsa, Material::Ed25519(bytes(members, "x")?)),
        Some(_) => return Err(KeyMismatch),
        None => return Err(KeyFormat),
    };
    let algorithm = match text(members, "alg")? {
        None => implied,
        Some(name) => Algorithm::from_name(name).ok_or(AlgorithmUnknown)?,
    };
    if algorithm.family() != implied.family() {
        return Err(KeyMismatch);
    }
    Ok(Jwk { algorithm, kid: text(members, "kid")?, material })
}

/// The objects in a key set's `keys`.
pub(super) fn keys_of<'a>(members: &'a Members<'a>) -> Result<impl Iterator<Item = &'a Members<'a>>, ConfigErrorKind> {
    let Some(Json::Array(keys)) = members.get("keys") else { return Err(KeyFormat) };
    Ok(keys.iter().filter_map(|key| if let Json::Object(members) = key { Some(members) } else { None }))
}

fn rsa(members: &Members<'_>) -> Result<Material, ConfigErrorKind> {
    let number = |name| bytes(members, name).map(|number| super::der::unsigned(&number).to_vec());
    Ok(Material::Rsa { modulus: number("n")?, exponent: number("e")? })
}

fn elliptic(members: &Members<'_>) -> Result<(Algorithm, Material), ConfigErrorKind> {
    let (algorithm, coordinate_len) = match text(members, "crv")? {
        Some("P-256") => (Algorithm::Es256, 32),
        Some("P-384") => (Algorithm::Es384, 48),
        _ => return Err(KeyMismatch),
    };
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = bytes(members, name)?;
        // RFC 7518 §6.2.1.2: the full size, leading zeros included.
        if coordinate.len() != coordinate_len {
            return Err(KeyFormat);
        }
        point.extend(coordinate);
    }
    Ok((algorithm, Material::Point(point)))
}

fn bytes(members: &Members<'_>, name: &str) -> Result<Vec<u8>, ConfigErrorKind> {
    URL_SAFE_NO_PAD.decode(text(members, name)?.ok_or(KeyFormat)?).map_err(|_| KeyFormat)
}

fn text<'a>(members: &'a Members<'_>, name: &str) -> Result<Option<&'a str>, ConfigErrorKind> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFormat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::jwt::json;
    use proptest::prelude::*;

    fn algorithm_of(jwk: &str) -> Result<Algorithm, ConfigErrorKind> {
        read(&json::object(jwk).unwrap()).map(|jwk| jwk.algorithm)
    }

    #[test]
    fn keys() {
        let x = "A".repeat(43);
        let ec = format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{x}""#);
        for (name, members, expected) in [
            ("secret", r#""kty":"oct","k":"AAAA""#, Ok(Algorithm::Hs256)),
            ("secret with alg", r#""kty":"oct","k":"AAAA","alg":"HS512""#, Ok(Algorithm::Hs512)),
            ("RSA", r#""kty":"RSA","n":"AQAB","e":"AQAB""#, Ok(Algorithm::Rs256)),
            ("RSA with alg", r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"PS384""#, Ok(Algorithm::Ps384)),
            ("RSA with alg of another family", r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"HS256""#, Err(KeyMismatch)),
            ("RSA to encrypt", r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"RSA-OAEP""#, Err(AlgorithmUnknown)),
            ("use enc", r#""kty":"RSA","n":"AQAB","e":"AQAB","use":"enc""#, Err(KeyMismatch)),
            ("use sig", r#""kty":"RSA","n":"AQAB","e":"AQAB","use":"sig""#, Ok(Algorithm::Rs256)),
            ("key_ops sign", r#""kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["sign"]"#, Err(KeyMismatch)),
            ("key_ops verify", r#""kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["sign","verify"]"#, Ok(Algorithm::Rs256)),
            ("private", r#""kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB""#, Err(KeyPrivate)),
            ("EC", &ec, Ok(Algorithm::Es256)),
            ("EC with alg of another curve", &format!(r#"{ec},"alg":"ES384""#), Err(KeyMismatch)),
            ("EC with a short coordinate", r#""kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA""#, Err(KeyFormat)),
            ("EC of another curve", r#""kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA""#, Err(KeyMismatch)),
            ("Ed25519", r#""kty":"OKP","crv":"Ed25519","x":"AAAA""#, Ok(Algorithm::EdDsa)),
            ("X25519", r#""kty":"OKP","crv":"X25519","x":"AAAA""#, Err(KeyMismatch)),
            ("no type", r#""k":"AAAA""#, Err(KeyFormat)),
            ("kid of another type", r#""kty":"oct","k":"AAAA","kid":1"#, Err(KeyFormat)),
            ("not base64url", r#""kty":"oct","k":"AA==""#, Err(KeyFormat)),
        ] {
            assert_eq!(algorithm_of(&format!("{{{members}}}")), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_members_are_read_without_a_panic(members in prop::collection::btree_map("kty|crv|alg|n|e|x|y|k|use", "RSA|EC|OKP|oct|P-256|Ed25519|sig|[A-Z]{4}", 0..9)) {
            let text = serde_json::to_string(&members).unwrap();
            let _ = read(&json::object(&text).unwrap());
        }
    }
}
