//! The header of a proof, [RFC 9449 §4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2), and the key that it brings.

use super::error::ProofErrorKind;
use crate::token_auth::{
    crypto::Algorithm,
    error::ConfigErrorKind,
    jwt::{
        der,
        json::{self, Json, Members},
        jwk::{self, Material},
        keys::VerifyingKey,
        parse::{self, Header},
    },
    thumbprint::Thumbprint,
};

/// The key that the header brings, if everything in the header allows to use it.
///
/// Anywhere else a key in a token's own header is an attack; here it proves nothing until the access token names it.
pub(in crate::token_auth) fn read(json: &[u8], algorithms: &[Algorithm]) -> Result<(VerifyingKey, Thumbprint), ProofErrorKind> {
    let text = std::str::from_utf8(json).map_err(|_| ProofErrorKind::Malformed)?;
    let members = json::object(text).map_err(|_| ProofErrorKind::Malformed)?;
    let header = Header::of(&members).map_err(ProofErrorKind::of_token)?;
    if !parse::is_type(header.typ.as_deref(), Some("dpop+jwt")) {
        return Err(ProofErrorKind::WrongType);
    }
    if header.algorithm.is_symmetric() || !algorithms.contains(&header.algorithm) {
        return Err(ProofErrorKind::AlgorithmNotAllowed);
    }
    let Some(Json::Object(jwk)) = members.get("jwk") else { return Err(ProofErrorKind::KeyNotAllowed) };
    read_key(jwk, header.algorithm)
}

/// Every private member of every type of key ([RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6)).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The client chooses this key, so it must not be able to choose one that makes us work: the modulus ends at 4096 bits and the exponent at 32,
/// beyond which nobody has a use.
const RSA_BITS_MOST: usize = 4096;
const RSA_EXPONENT_BITS_MOST: usize = 32;

fn read_key(members: &Members<'_>, algorithm: Algorithm) -> Result<(VerifyingKey, Thumbprint), ProofErrorKind> {
    if PRIVATE.iter().any(|name| members.get(name).is_some()) {
        return Err(ProofErrorKind::KeyPrivate);
    }
    let not_allowed = |_: ConfigErrorKind| ProofErrorKind::KeyNotAllowed;
    let jwk = jwk::read(members).map_err(not_allowed)?;
    let said = members.get("alg").is_some();
    if jwk.algorithm.family() != algorithm.family() || (said && jwk.algorithm != algorithm) {
        return Err(ProofErrorKind::KeyNotAllowed);
    }
    if let Material::Rsa { modulus, exponent } = &jwk.material
        && (der::bits(modulus) > RSA_BITS_MOST || der::bits(exponent) > RSA_EXPONENT_BITS_MOST)
    {
        return Err(ProofErrorKind::KeyNotAllowed);
    }
    let key = VerifyingKey::from_material(algorithm, &jwk.material).map_err(|error| not_allowed(error.kind()))?;
    let thumbprint = Thumbprint::of_material(&jwk.material).ok_or(ProofErrorKind::KeyNotAllowed)?;
    Ok((key, thumbprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    const ES256: &[Algorithm] = &[Algorithm::Es256];
    const X: &str = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs";
    const Y: &str = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA";

    fn key() -> String {
        format!(r#""kty":"EC","crv":"P-256","x":"{X}","y":"{Y}""#)
    }

    fn judged(header: &str, algorithms: &[Algorithm]) -> Result<String, ProofErrorKind> {
        read(header.as_bytes(), algorithms).map(|(_, thumbprint)| thumbprint.to_string())
    }

    #[test]
    fn headers() {
        use ProofErrorKind::{AlgorithmNotAllowed, HeaderNotAllowed, KeyNotAllowed, Malformed, WrongType};
        let key = key();
        let good = Ok("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        for (name, members, expected) in [
            ("good", format!(r#""typ":"dpop+jwt","alg":"ES256","jwk":{{{key}}}"#), good),
            ("type by case", format!(r#""typ":"application/DPoP+JWT","alg":"ES256","jwk":{{{key}}}"#), good),
            ("no type", format!(r#""alg":"ES256","jwk":{{{key}}}"#), Err(WrongType)),
            ("another type", format!(r#""typ":"JWT","alg":"ES256","jwk":{{{key}}}"#), Err(WrongType)),
            ("an access token's type", format!(r#""typ":"at+jwt","alg":"ES256","jwk":{{{key}}}"#), Err(WrongType)),
            ("no algorithm", format!(r#""typ":"dpop+jwt","jwk":{{{key}}}"#), Err(Malformed)),
            ("none", format!(r#""typ":"dpop+jwt","alg":"none","jwk":{{{key}}}"#), Err(AlgorithmNotAllowed)),
            ("symmetric", format!(r#""typ":"dpop+jwt","alg":"HS256","jwk":{{{key}}}"#), Err(AlgorithmNotAllowed)),
            ("not allowed", format!(r#""typ":"dpop+jwt","alg":"RS256","jwk":{{{key}}}"#), Err(AlgorithmNotAllowed)),
            ("no key", r#""typ":"dpop+jwt","alg":"ES256""#.to_owned(), Err(KeyNotAllowed)),
            ("key a text", r#""typ":"dpop+jwt","alg":"ES256","jwk":"x""#.to_owned(), Err(KeyNotAllowed)),
            ("key empty", r#""typ":"dpop+jwt","alg":"ES256","jwk":{}"#.to_owned(), Err(KeyNotAllowed)),
            ("key elsewhere", r#""typ":"dpop+jwt","alg":"ES256","jku":"http://x","kid":"a""#.to_owned(), Err(KeyNotAllowed)),
            ("crit", format!(r#""typ":"dpop+jwt","alg":"ES256","crit":["x"],"jwk":{{{key}}}"#), Err(HeaderNotAllowed)),
            ("b64", format!(r#""typ":"dpop+jwt","alg":"ES256","b64":false,"jwk":{{{key}}}"#), Err(HeaderNotAllowed)),
            ("two keys", format!(r#""typ":"dpop+jwt","alg":"ES256","jwk":{{{key}}},"jwk":{{{key}}}"#), Err(Malformed)),
        ] {
            assert_eq!(judged(&format!("{{{members}}}"), ES256), expected.map(str::to_owned), "{name}");
        }
        assert_eq!(read(b"\xff", ES256).unwrap_err(), Malformed);
    }

    #[test]
    fn keys() {
        use ProofErrorKind::{KeyNotAllowed, KeyPrivate};
        let ec = key();
        let base64 = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let rsa = |bits: usize, exponent: &str| format!(r#""kty":"RSA","n":"{}","e":"{exponent}""#, base64(bits / 8));
        let all = &super::super::ALGORITHMS;
        for (name, algorithm, jwk, expected) in [
            ("P-256", "ES256", ec.clone(), None),
            ("with the same alg", "ES256", format!(r#"{ec},"alg":"ES256","use":"sig","key_ops":["verify"],"ext":true"#), None),
            ("with another alg", "ES256", format!(r#"{ec},"alg":"ES384""#), Some(KeyNotAllowed)),
            ("for encryption", "ES256", format!(r#"{ec},"use":"enc""#), Some(KeyNotAllowed)),
            ("of another family", "RS256", ec.clone(), Some(KeyNotAllowed)),
            ("of another curve", "ES384", ec.clone(), Some(KeyNotAllowed)),
            ("a short coordinate", "ES256", format!(r#""kty":"EC","crv":"P-256","x":"{X}","y":"AAAA""#), Some(KeyNotAllowed)),
            ("private", "ES256", format!(r#"{ec},"d":"{X}""#), Some(KeyPrivate)),
            ("private, and not a text", "ES256", format!(r#"{ec},"d":null"#), Some(KeyPrivate)),
            ("private RSA without d", "RS256", format!(r#"{},"p":"AQAB""#, rsa(2048, "AQAB")), Some(KeyPrivate)),
            ("a secret", "ES256", format!(r#""kty":"oct","k":"{X}""#), Some(KeyPrivate)),
            ("RSA", "RS256", rsa(2048, "AQAB"), None),
            ("RSA for PSS", "PS384", rsa(2048, "AQAB"), None),
            ("RSA for PSS, of another alg", "PS384", format!(r#"{},"alg":"RS256""#, rsa(2048, "AQAB")), Some(KeyNotAllowed)),
            ("weak RSA", "RS256", rsa(1024, "AQAB"), Some(KeyNotAllowed)),
            ("RSA that would make us work", "RS256", rsa(8192, "AQAB"), Some(KeyNotAllowed)),
            ("an exponent that would", "RS256", rsa(2048, &base64(255)), Some(KeyNotAllowed)),
            ("an exponent of one", "RS256", rsa(2048, "AQ"), Some(KeyNotAllowed)),
            ("Ed25519", "EdDSA", format!(r#""kty":"OKP","crv":"Ed25519","x":"{X}""#), None),
            ("X25519", "EdDSA", format!(r#""kty":"OKP","crv":"X25519","x":"{X}""#), Some(KeyNotAllowed)),
        ] {
            let header = format!(r#"{{"typ":"dpop+jwt","alg":"{algorithm}","jwk":{{{jwk}}}}}"#);
            assert_eq!(judged(&header, all).err(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(json in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&json, ES256);
        }

        #[test]
        fn any_key_is_judged_without_a_panic(
            members in prop::collection::btree_map("kty|crv|alg|n|e|x|y|k|d|use", "RSA|EC|OKP|oct|P-256|Ed25519|sig|[A-Z]{4}|[A-Za-z]{43}", 0..9)
        ) {
            let jwk = serde_json::to_string(&members).unwrap();
            let judged = judged(&format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#), ES256);
            prop_assert!(judged.is_err() || !members.contains_key("d"));
        }
    }
}
