//! As much of DER and PEM as keys are written in: a few fixed shapes, read strictly, without a general decoder.
//!
//! PEM is [RFC 7468](https://www.rfc-editor.org/rfc/rfc7468), public keys are
//! [RFC 5280 §4.1.2.7](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7) (`SubjectPublicKeyInfo`), private ones
//! [RFC 5208](https://www.rfc-editor.org/rfc/rfc5208) (PKCS#8), RSA within both
//! [RFC 8017 appendix A.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1) (PKCS#1).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::token_auth::crypto::Family;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The content of the `AlgorithmIdentifier` of each family.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 ([RFC 8410 §7](https://www.rfc-editor.org/rfc/rfc8410#section-7)).
pub(in crate::token_auth) const ED25519_PRIVATE_KEY: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The first PEM block of a text: its label and its bytes.
pub(in crate::token_auth) fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (base64, after) = after.split_once("-----END ")?;
    let base64: String = base64.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    (after.strip_prefix(label)?.starts_with("-----")).then_some((label, STANDARD.decode(base64).ok()?))
}

/// The family and the key bits of a `SubjectPublicKeyInfo`: a PKCS#1 key, a point, or 32 bytes.
pub(in crate::token_auth) fn public_key(der: &[u8]) -> Option<(Family, &[u8])> {
    let (spki, []) = element(der, SEQUENCE)? else { return None };
    let (identifier, rest) = element(spki, SEQUENCE)?;
    let (bits, []) = element(rest, BIT_STRING)? else { return None };
    let [0, key @ ..] = bits else { return None };
    Some((family(identifier)?, key))
}

/// The family of a PKCS#8 private key, and the key within: for RSA a PKCS#1 key.
pub(in crate::token_auth) fn private_key(der: &[u8]) -> Option<(Family, &[u8])> {
    let (info, []) = element(der, SEQUENCE)? else { return None };
    let (_version, rest) = element(info, INTEGER)?;
    let (identifier, rest) = element(rest, SEQUENCE)?;
    let (key, _attributes) = element(rest, OCTET_STRING)?;
    Some((family(identifier)?, key))
}

/// Modulus and exponent of a PKCS#1 public key, without leading zeros.
pub(in crate::token_auth) fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, []) = element(der, SEQUENCE)? else { return None };
    let (modulus, rest) = element(key, INTEGER)?;
    let (exponent, []) = element(rest, INTEGER)? else { return None };
    Some((unsigned(modulus), unsigned(exponent)))
}

/// The modulus of a PKCS#1 private key, without leading zeros.
pub(in crate::token_auth) fn rsa_private_modulus(der: &[u8]) -> Option<&[u8]> {
    let (key, []) = element(der, SEQUENCE)? else { return None };
    let (_version, rest) = element(key, INTEGER)?;
    let (modulus, _rest) = element(rest, INTEGER)?;
    Some(unsigned(modulus))
}

/// How many bits a big-endian number without leading zeros has.
pub(in crate::token_auth) fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Without leading zeros.
pub(in crate::token_auth) fn unsigned(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}

fn family(identifier: &[u8]) -> Option<Family> {
    [(RSA, Family::Rsa), (P256, Family::P256), (P384, Family::P384), (ED25519, Family::Ed25519)]
        .into_iter()
        .find_map(|(known, family)| (known == identifier).then_some(family))
}

/// The content of the element of that tag at the start, and what follows it. Lengths of up to two bytes: 64 KiB are plenty for a key.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [first, 0x82, high, low, rest @ ..] if *first == tag => (usize::from(*high) << 8 | usize::from(*low), rest),
        [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str) -> (String, Vec<u8>) {
        let path = format!("{}/tests/keys/test-only-{name}.pem", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (label, der) = pem(&text).unwrap();
        (label.to_owned(), der)
    }

    #[test]
    fn public_keys() {
        for (name, expected) in [
            ("rsa2048-public", Some((Family::Rsa, 270))),
            ("p256-public", Some((Family::P256, 65))),
            ("p384-public", Some((Family::P384, 97))),
            ("ed25519-public", Some((Family::Ed25519, 32))),
            ("secp256k1-public", None),
            ("rsa2048-private", None),
            ("rsa2048-pkcs1-public", None),
        ] {
            assert_eq!(public_key(&key(name).1).map(|(family, key)| (family, key.len())), expected, "{name}");
        }
    }

    #[test]
    fn private_keys() {
        for (name, expected) in [
            ("rsa2048-private", Some(Family::Rsa)),
            ("p256-private", Some(Family::P256)),
            ("p384-private", Some(Family::P384)),
            ("ed25519-private", Some(Family::Ed25519)),
            ("rsa2048-public", None),
            ("rsa2048-pkcs1-private", None),
        ] {
            assert_eq!(private_key(&key(name).1).map(|(family, _)| family), expected, "{name}");
        }
    }

    #[test]
    fn moduli() {
        let (_, public) = key("rsa2048-public");
        let (modulus, exponent) = rsa_public(public_key(&public).unwrap().1).unwrap();
        assert_eq!((bits(modulus), exponent), (2048, &[1, 0, 1][..]));
        let (_, private) = key("rsa2048-pkcs1-private");
        assert_eq!(rsa_private_modulus(&private), Some(modulus));
    }

    #[test]
    fn bit_lengths() {
        for (number, expected) in [(&[][..], 0), (&[1], 1), (&[0x80], 8), (&[1, 0], 9)] {
            assert_eq!(bits(number), expected);
        }
    }

    #[test]
    fn labels_must_match() {
        assert_eq!(pem("-----BEGIN A-----\nAAAA\n-----END A-----\n"), Some(("A", vec![0, 0, 0])));
        assert_eq!(pem("-----BEGIN A-----\nAAAA\n-----END B-----\n"), None);
        assert_eq!(pem("AAAA"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(der in prop::collection::vec(any::<u8>(), 0..80), text in any::<String>()) {
            let _ = (public_key(&der), private_key(&der), rsa_public(&der), rsa_private_modulus(&der), pem(&text));
        }

        #[test]
        fn any_damage_to_a_key_is_read_without_a_panic(at in 0..294_usize, byte in any::<u8>()) {
            let (_, mut der) = key("rsa2048-public");
            der[at] = byte;
            if let Some((_, key)) = public_key(&der) {
                prop_assert!(key.len() < der.len());
            }
        }
    }
}
