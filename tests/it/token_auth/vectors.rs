//! Tokens that others signed: the examples of the standards, and Project Wycheproof's for JSON Web Signatures and Keys.
//!
//! Their payloads are seldom claims. Nothing of the claims is read before the signature is found good, so a refusal for the claims says that
//! the signature, and all before it, was taken.

use donjon::token_auth::{
    ConfigError, JwtVerifier, KeySet,
    TokenErrorKind::{self, AlgorithmNotAllowed, ClaimMissing, ClaimsMalformed, Malformed, SignatureInvalid},
    Verdict, VerifyToken as _, VerifyingKey,
};
use serde_json::Value;
use wycheproof_ng_kdf_jose::json_web::TestName;

use super::{at, crypto};

/// The examples of RFC 7515 expire then, in 2011.
const EXAMPLE_EXPIRES: u64 = 1_300_819_380;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// A good token.
    Token,
    /// A good signature of something that is no claims set.
    Signature,
    Refused(TokenErrorKind),
    /// No verifier could be built with the key.
    NoKey,
}

impl Outcome {
    fn is_good(self) -> bool {
        matches!(self, Self::Token | Self::Signature)
    }
}

fn verify(keys: Result<KeySet, ConfigError>, jws: &str) -> Outcome {
    let Ok(keys) = keys else { return Outcome::NoKey };
    let builder = JwtVerifier::builder(keys).dangerous_accept_any_audience().crypto(crypto());
    let clock = donjon::ManualClock::at(at(EXAMPLE_EXPIRES - 1));
    let Ok(verifier) = builder.clock(clock).build() else { return Outcome::NoKey };
    match verifier.verify(jws) {
        Verdict::Now(Ok(_)) => Outcome::Token,
        Verdict::Now(Err(error)) if [ClaimsMalformed, ClaimMissing].contains(&error.kind()) => Outcome::Signature,
        Verdict::Now(Err(error)) => Outcome::Refused(error.kind()),
        Verdict::Later(_) => panic!("keys at hand answer at once"),
    }
}

/// RFC 7515 appendix A, RFC 7520 §4, RFC 7797 §4, RFC 8037 appendix A.
#[test]
fn the_examples_of_the_standards() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../vectors/rfc.json")).unwrap();
    assert_eq!(rows.len(), 13);
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap();
        let outcome = verify(VerifyingKey::from_jwk(&row["key"].to_string()).map(KeySet::from), text("jws"));
        let expected = match text("expected") {
            "token" => outcome == Outcome::Token,
            "signature" => outcome == Outcome::Signature,
            _ => matches!(outcome, Outcome::Refused(_)),
        };
        assert!(expected, "{}: {outcome:?}", text("name"));
        // One bit of the signature, and it is another's.
        if outcome.is_good() {
            let (signed, signature) = text("jws").rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { "B" } else { "A" };
            let changed = format!("{signed}.{other}{}", &signature[1..]);
            let outcome = verify(VerifyingKey::from_jwk(&row["key"].to_string()).map(KeySet::from), &changed);
            assert_eq!(outcome, Outcome::Refused(SignatureInvalid), "{}, changed", text("name"));
        }
    }
}

#[test]
fn the_example_of_rfc_7515_is_good_until_its_time() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../vectors/rfc.json")).unwrap();
    let key = VerifyingKey::from_jwk(&rows[0]["key"].to_string()).unwrap();
    for (seconds, good) in [(EXAMPLE_EXPIRES - 1, true), (EXAMPLE_EXPIRES, false)] {
        let builder = JwtVerifier::builder(key.clone()).dangerous_accept_any_audience().issuer("joe").crypto(crypto());
        let verifier = builder.leeway(std::time::Duration::ZERO).clock(donjon::ManualClock::at(at(seconds))).build().unwrap();
        let verdict = verifier.verify(rows[0]["jws"].as_str().unwrap());
        assert_eq!(matches!(verdict, Verdict::Now(Ok(_))), good);
    }
}

/// One file of Wycheproof: `(test, what is expected, what came, its comment)`.
fn wycheproof(file: TestName) -> Vec<(u64, bool, Outcome, String)> {
    let file: Value = serde_json::from_str(file.json_data()).unwrap();
    let mut rows = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        for test in group["tests"].as_array().unwrap() {
            let keys = match key["keys"].is_array() {
                true => KeySet::from_jwks(&key.to_string()),
                false => VerifyingKey::from_jwk(&key.to_string()).map(KeySet::from),
            };
            let jws = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
            rows.push((
                test["tcId"].as_u64().unwrap(),
                test["result"] == "valid",
                verify(keys, &jws),
                format!("{} {}", group["comment"], test["comment"]),
            ));
        }
    }
    rows
}

/// Every vector comes out as its file says, but for the exceptions, which are the tests of that number with what comes instead.
fn compare(rows: &[(u64, bool, Outcome, String)], exceptions: &[(u64, Outcome, &str)]) {
    let mut unexpected = Vec::new();
    for (test, valid, outcome, comment) in rows {
        let right = match exceptions.iter().find(|(exception, ..)| exception == test) {
            Some((_, expected, _)) => outcome == expected && outcome.is_good() != *valid,
            None => outcome.is_good() == *valid,
        };
        if !right {
            unexpected.push(format!("{test} {comment}: {outcome:?}, but valid: {valid}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}

const EMPTY: &str = "an empty payload is no claims set, and is refused before its signature is looked at";
const PINNED: &str = "the key says PS256 and the token PS384: a key works with one algorithm";
const P521: &str = "ES512 is not offered";
const STRAY: &str = "a character that is not of base64url's alphabet, which some decoders skip";
const SAME: &str = "byte for byte the good test 357: what was to be wrong with it was lost when the file was written";
const HALF: &str = "the second key is not base64url and left out, so that nothing is ambiguous";

/// 355 bad ones: all refused but the two that are no different from a good one. 46 good ones: 34 taken, 6 more with a good signature of no
/// token at all, 6 refused.
#[test]
fn wycheproof_signatures() {
    let rows = wycheproof(TestName::JsonWebSignature);
    assert_eq!((rows.iter().filter(|row| row.1).count(), rows.len()), (46, 401));
    let exceptions = [
        (259, Outcome::Refused(Malformed), EMPTY),
        (264, Outcome::Refused(Malformed), EMPTY),
        (268, Outcome::Refused(Malformed), EMPTY),
        (272, Outcome::Refused(Malformed), EMPTY),
        (320, Outcome::Refused(Malformed), EMPTY),
        (325, Outcome::Refused(Malformed), EMPTY),
        (346, Outcome::Refused(AlgorithmNotAllowed), PINNED),
        (350, Outcome::Refused(AlgorithmNotAllowed), PINNED),
        (347, Outcome::NoKey, P521),
        (351, Outcome::NoKey, P521),
        (372, Outcome::Refused(Malformed), STRAY),
        (373, Outcome::Refused(SignatureInvalid), STRAY),
        (367, Outcome::Signature, SAME),
        (370, Outcome::Signature, SAME),
    ];
    compare(&rows, &exceptions);

    let file: Value = serde_json::from_str(TestName::JsonWebSignature.json_data()).unwrap();
    let tests: Vec<&Value> =
        file["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()).collect();
    let jws = |id: u64| &tests.iter().find(|test| test["tcId"] == id).unwrap()["jws"];
    assert!(jws(367) == jws(357) && jws(370) == jws(357));
}

#[test]
fn wycheproof_keys() {
    let rows = wycheproof(TestName::JsonWebKey);
    assert_eq!((rows.iter().filter(|row| row.1).count(), rows.len()), (5, 26));
    compare(&rows, &[(4, Outcome::Signature, HALF)]);
}
