//! The compact serialization and the header of a signed token, [RFC 7515 §3.1, §4](https://www.rfc-editor.org/rfc/rfc7515#section-3.1).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::json::{self, Json, Members};
use crate::token_auth::{
    crypto::Algorithm,
    verifier::TokenErrorKind::{self, AlgorithmNotAllowed, HeaderNotAllowed, Malformed, Oversized},
};

/// The longest token that is looked at unless told otherwise, in bytes. A longer one hardly passes as a header field anyway.
pub(in crate::token_auth) const MAX_LEN: usize = 8 * 1024;

/// The three segments, still in base64url.
#[derive(Debug)]
pub(in crate::token_auth) struct Compact<'a> {
    pub(super) header: &'a str,
    pub(super) claims: &'a str,
    pub(super) signature: &'a str,
    /// The first two with their dot: what is signed.
    pub(super) signed: &'a str,
}

impl<'a> Compact<'a> {
    /// Splits at exactly two dots. The length is looked at first, so a megabyte of dots costs no more than a short token.
    pub(in crate::token_auth) fn split(token: &'a str, max_len: usize) -> Result<Self, TokenErrorKind> {
        if token.len() > max_len {
            return Err(Oversized);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed)?;
        // Five segments are an encrypted token (RFC 7516 §3.1), four are nothing.
        if header.is_empty() || claims.is_empty() || claims.contains('.') {
            return Err(Malformed);
        }
        Ok(Self { header, claims, signature, signed })
    }
}

/// Undoes base64url as RFC 7515 §2 has it: no padding, no line breaks, and no stray bits at the end, so that one token has one spelling.
pub(super) fn decode_into(segment: &str, bytes: &mut Vec<u8>) -> Result<(), TokenErrorKind> {
    bytes.clear();
    URL_SAFE_NO_PAD.decode_vec(segment, bytes).map_err(|_| Malformed)
}

/// What the header says, of that which may be believed before the signature is.
#[derive(Debug, PartialEq)]
pub(in crate::token_auth) struct Header<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) typ: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    /// Reads the header's JSON.
    ///
    /// `crit` is refused whatever it lists, since no extension is understood here (§4.1.11); so are `b64` other than `true`
    /// ([RFC 7797 §7](https://www.rfc-editor.org/rfc/rfc7797#section-7)) and `enc`, the mark of an encrypted token. `jwk`, `jku`, `x5c` and
    /// `x5u` are never looked at: a token does not choose the key that it is checked with.
    pub(in crate::token_auth) fn read(json: &'a [u8]) -> Result<Self, TokenErrorKind> {
        let text = std::str::from_utf8(json).map_err(|_| Malformed)?;
        let members = json::object(text).map_err(|json::Malformed| Malformed)?;
        if members.get("crit").is_some() || members.get("enc").is_some() {
            return Err(HeaderNotAllowed);
        }
        if members.get("b64").is_some_and(|b64| *b64 != Json::Bool(true)) {
            return Err(HeaderNotAllowed);
        }
        let alg = text_member(&members, "alg")?.ok_or(Malformed)?;
        let algorithm = Algorithm::from_name(&alg).ok_or(AlgorithmNotAllowed)?;
        Ok(Self { algorithm, kid: text_member(&members, "kid")?, typ: text_member(&members, "typ")? })
    }
}

fn text_member<'a>(members: &Members<'a>, name: &str) -> Result<Option<Cow<'a, str>>, TokenErrorKind> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Malformed),
    }
}

/// Whether a header's `typ` is the type that is wanted ([RFC 7515 §4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)): a media
/// type, compared without regard to case, `application/` left out or not.
///
/// With none wanted, a plain token (`JWT`, or nothing said) and an access token (`at+jwt`) pass. Any other type was issued for another
/// purpose, such as a logout or a proof of possession, and must not pass for an access token
/// ([RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
pub(in crate::token_auth) fn is_type(typ: Option<&str>, wanted: Option<&str>) -> bool {
    let same = |typ: &str, wanted: &str| without_application(typ).eq_ignore_ascii_case(without_application(wanted));
    match (typ, wanted) {
        (None, None) => true,
        (Some(typ), None) => same(typ, "JWT") || same(typ, "at+jwt"),
        (Some(typ), Some(wanted)) => same(typ, wanted),
        (None, Some(_)) => false,
    }
}

fn without_application(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments() {
        for (name, token, expected) in [
            ("three", "a.b.c", Ok(("a", "b", "c"))),
            ("no signature", "a.b.", Ok(("a", "b", ""))),
            ("none", "", Err(Malformed)),
            ("one", "a", Err(Malformed)),
            ("two", "a.b", Err(Malformed)),
            ("four", "a.b.c.d", Err(Malformed)),
            ("an encrypted token", "a.b.c.d.e", Err(Malformed)),
            ("empty header", ".b.c", Err(Malformed)),
            ("empty claims", "a..c", Err(Malformed)),
            ("only dots", "..", Err(Malformed)),
            ("as long as allowed", "aaaa.bbb.c", Ok(("aaaa", "bbb", "c"))),
            ("too long", "aaaa.bbbb.c", Err(Oversized)),
        ] {
            let split = Compact::split(token, 10).map(|compact| (compact.header, compact.claims, compact.signature));
            assert_eq!(split, expected, "{name}");
        }
    }

    #[test]
    fn base64url_has_one_spelling() {
        for (name, segment, good) in [
            ("plain", "Zm9v", true),
            ("two bytes", "Zm8", true),
            ("padded", "Zm8=", false),
            ("stray bits", "Zm9", false),
            ("standard alphabet", "_-8", true),
            ("the other alphabet", "/+8", false),
            ("line break", "Zm\n9v", false),
            ("one character", "Z", false),
        ] {
            assert_eq!(decode_into(segment, &mut Vec::new()).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn headers() {
        for (name, json, expected) in [
            ("plain", r#"{"alg":"HS256"}"#, Ok(())),
            ("all", r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#, Ok(())),
            ("unknown members", r#"{"alg":"HS256","x":[1]}"#, Ok(())),
            ("embedded keys are not looked at", r#"{"alg":"HS256","jwk":{"k":"AA"},"jku":"http://x","x5u":1,"x5c":[]}"#, Ok(())),
            ("none", r#"{"alg":"none"}"#, Err(AlgorithmNotAllowed)),
            ("none by case", r#"{"alg":"nOnE"}"#, Err(AlgorithmNotAllowed)),
            ("unknown", r#"{"alg":"ES256K"}"#, Err(AlgorithmNotAllowed)),
            ("no alg", "{}", Err(Malformed)),
            ("alg of another type", r#"{"alg":["HS256"]}"#, Err(Malformed)),
            ("kid of another type", r#"{"alg":"HS256","kid":1}"#, Err(Malformed)),
            ("typ of another type", r#"{"alg":"HS256","typ":null}"#, Err(Malformed)),
            ("crit", r#"{"alg":"HS256","crit":["exp"]}"#, Err(HeaderNotAllowed)),
            ("empty crit", r#"{"alg":"HS256","crit":[]}"#, Err(HeaderNotAllowed)),
            ("b64 false", r#"{"alg":"HS256","b64":false}"#, Err(HeaderNotAllowed)),
            ("b64 true", r#"{"alg":"HS256","b64":true}"#, Ok(())),
            ("enc", r#"{"alg":"HS256","enc":"A256GCM"}"#, Err(HeaderNotAllowed)),
            ("duplicate alg", r#"{"alg":"none","alg":"HS256"}"#, Err(Malformed)),
            ("array", "[]", Err(Malformed)),
            ("not UTF-8 is tested below", "", Err(Malformed)),
        ] {
            assert_eq!(Header::read(json.as_bytes()).map(drop), expected, "{name}");
        }
        assert_eq!(Header::read(b"{\"alg\":\"HS256\",\"kid\":\"\xff\"}"), Err(Malformed));
    }

    #[test]
    fn types() {
        for (name, typ, wanted, good) in [
            ("nothing said, nothing wanted", None, None, true),
            ("JWT", Some("jwt"), None, true),
            ("access token", Some("application/AT+JWT"), None, true),
            ("logout token", Some("logout+jwt"), None, false),
            ("proof of possession", Some("dpop+jwt"), None, false),
            ("empty", Some(""), None, false),
            ("wanted and there", Some("at+jwt"), Some("application/at+jwt"), true),
            ("wanted and missing", None, Some("at+jwt"), false),
            ("wanted and other", Some("JWT"), Some("at+jwt"), false),
            ("no character boundary", Some("applicatio\u{f1}/x"), None, false),
        ] {
            assert_eq!(is_type(typ, wanted), good, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_split_joins_again(token in "[a-z.]{0,20}") {
            if let Ok(compact) = Compact::split(&token, MAX_LEN) {
                prop_assert_eq!(format!("{}.{}.{}", compact.header, compact.claims, compact.signature), token.clone());
                prop_assert_eq!(format!("{}.{}", compact.signed, compact.signature), token);
            }
        }

        #[test]
        fn any_header_is_read_without_a_panic(json in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::read(&json);
        }
    }
}
