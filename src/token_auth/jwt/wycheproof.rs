//! Signatures that others found libraries to take or to refuse wrongly: [Project Wycheproof](https://github.com/C2SP/wycheproof), every
//! vector of the algorithms that are offered, at the one place where a signature is checked.

use serde_json::Value;
use wycheproof_ng_ecdsa::TestName as Ecdsa;
use wycheproof_ng_eddsa::TestName as EdDsa;
use wycheproof_ng_rsa_signature::{rsa_pkcs1_verify::TestName as Pkcs1, rsa_pss_verify::TestName as Pss};
use wycheproof_ng_symmetric::mac::TestName as Mac;

use super::keys::VerifyingKey;
use crate::token_auth::{
    crypto::{Algorithm, Crypto},
    error::ConfigErrorKind,
};

/// How many vectors were good and bad; all of them judged as they should be.
#[derive(Debug, Default, PartialEq)]
struct Judged {
    valid: usize,
    invalid: usize,
}

/// Judges every vector of a file with the key of its group; `signature` is the name of the member that holds it.
fn judge(algorithm: Algorithm, json: &str, signature: &str, key: impl Fn(&Value, &Value) -> Option<VerifyingKey>) -> Judged {
    let file: Value = serde_json::from_str(json).unwrap();
    let mut judged = Judged::default();
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let Some(key) = key(group, test) else { continue };
            let valid = match test["result"].as_str().unwrap() {
                "valid" => true,
                "invalid" => false,
                // Left to the verifier's taste: both answers are right.
                _ => continue,
            };
            for crypto in Crypto::compiled() {
                let verified = key.verifies(*crypto, &bytes(test, "msg"), &bytes(test, signature));
                let (id, comment) = (&test["tcId"], &test["comment"]);
                assert_eq!(verified, valid, "{algorithm} by {crypto:?}, test {id}: {comment}");
            }
            if valid { judged.valid += 1 } else { judged.invalid += 1 }
        }
    }
    judged
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    let hex = value[name].as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn public(algorithm: Algorithm) -> impl Fn(&Value, &Value) -> Option<VerifyingKey> {
    move |group, _| Some(VerifyingKey::from_pem(algorithm, group["publicKeyPem"].as_str().unwrap()).unwrap())
}

#[test]
fn hmac() {
    for (algorithm, file, expected) in [
        (Algorithm::Hs256, Mac::HmacSha256, Judged { valid: 30, invalid: 54 }),
        (Algorithm::Hs384, Mac::HmacSha384, Judged { valid: 30, invalid: 54 }),
        (Algorithm::Hs512, Mac::HmacSha512, Judged { valid: 30, invalid: 54 }),
    ] {
        let key = |group: &Value, test: &Value| {
            let secret = bytes(test, "key");
            let whole = group["tagSize"] == 8 * algorithm.hash_len();
            match VerifyingKey::from_secret(algorithm, &secret) {
                // A shortened tag is no JWS signature, good or bad.
                Ok(key) => whole.then_some(key),
                Err(error) => {
                    assert_eq!(error.kind(), ConfigErrorKind::KeyWeak);
                    assert!(secret.len() < algorithm.hash_len());
                    None
                }
            }
        };
        assert_eq!(judge(algorithm, file.json_data(), "tag", key), expected, "{algorithm}");
    }
}

#[test]
fn ecdsa() {
    for (algorithm, file, expected) in [
        (Algorithm::Es256, Ecdsa::EcdsaSecp256r1Sha256P1363, Judged { valid: 173, invalid: 89 }),
        (Algorithm::Es384, Ecdsa::EcdsaSecp384r1Sha384P1363, Judged { valid: 193, invalid: 87 }),
    ] {
        assert_eq!(judge(algorithm, file.json_data(), "sig", public(algorithm)), expected, "{algorithm}");
    }
}

#[test]
fn eddsa() {
    let judged = judge(Algorithm::EdDsa, EdDsa::Ed25519.json_data(), "sig", public(Algorithm::EdDsa));
    assert_eq!(judged, Judged { valid: 88, invalid: 63 });
}

#[test]
fn rsa_pkcs1() {
    for (algorithm, file, expected) in [
        (Algorithm::Rs256, Pkcs1::Rsa2048Sha256, Judged { valid: 9, invalid: 249 }),
        (Algorithm::Rs384, Pkcs1::Rsa2048Sha384, Judged { valid: 7, invalid: 250 }),
        (Algorithm::Rs512, Pkcs1::Rsa2048Sha512, Judged { valid: 8, invalid: 250 }),
        (Algorithm::Rs256, Pkcs1::Rsa4096Sha256, Judged { valid: 7, invalid: 250 }),
    ] {
        assert_eq!(judge(algorithm, file.json_data(), "sig", public(algorithm)), expected, "{algorithm}");
    }
}

#[test]
fn rsa_pss() {
    for (algorithm, file, expected) in [
        (Algorithm::Ps256, Pss::RsaPss2048Sha256Mgf1SaltLen32, Judged { valid: 63, invalid: 45 }),
        (Algorithm::Ps384, Pss::RsaPss2048Sha384Mgf1SaltLen48, Judged { valid: 95, invalid: 46 }),
        (Algorithm::Ps512, Pss::RsaPss4096Sha512Mgf1SaltLen64, Judged { valid: 132, invalid: 47 }),
    ] {
        assert_eq!(judge(algorithm, file.json_data(), "sig", public(algorithm)), expected, "{algorithm}");
    }
}

/// A signature made with another salt or another mask is not by the algorithm of that name
/// ([RFC 7518 §3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)).
#[test]
fn rsa_pss_with_other_parameters() {
    for (name, algorithm, file) in [
        ("no salt", Algorithm::Ps256, Pss::RsaPss2048Sha256Mgf1SaltLen0),
        ("a short salt and a mask of SHA-1", Algorithm::Ps256, Pss::RsaPss2048Sha256Mgf1Sha1_20),
        ("a short salt", Algorithm::Ps512, Pss::RsaPss4096Sha512Mgf1SaltLen32),
    ] {
        let file: Value = serde_json::from_str(file.json_data()).unwrap();
        let mut good_elsewhere = 0;
        for group in file["testGroups"].as_array().unwrap() {
            let key = VerifyingKey::from_pem(algorithm, group["publicKeyPem"].as_str().unwrap()).unwrap();
            // Some of the bad ones are bad for having our salt.
            for test in group["tests"].as_array().unwrap().iter().filter(|test| test["result"] == "valid") {
                good_elsewhere += 1;
                for crypto in Crypto::compiled() {
                    let verified = key.verifies(*crypto, &bytes(test, "msg"), &bytes(test, "sig"));
                    assert!(!verified, "{name} by {crypto:?}, test {}", test["tcId"]);
                }
            }
        }
        assert!(good_elsewhere > 10, "{name}");
    }
}

/// The one way in which a good JSON Web Signature is no JSON Web Token: there is nothing in it. It is refused before its signature is looked
/// at; the signature itself is seen to be good here.
#[test]
fn signatures_of_nothing() {
    let file: Value = serde_json::from_str(wycheproof_ng_kdf_jose::json_web::TestName::JsonWebSignature.json_data()).unwrap();
    let mut seen = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap().iter().filter(|test| test["comment"] == "emptyPayload") {
            let (signed, signature) = test["jws"].as_str().unwrap().rsplit_once('.').unwrap();
            let decoded = super::parse::decode(signature).unwrap();
            let key = VerifyingKey::from_jwk(&group["public"].to_string()).unwrap();
            for crypto in Crypto::compiled() {
                assert!(key.verifies(*crypto, signed.as_bytes(), &decoded), "{crypto:?} {}", test["tcId"]);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}
