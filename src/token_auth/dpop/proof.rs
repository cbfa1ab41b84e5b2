//! The proof of possession, [RFC 9449 §4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2), and the checks of
//! [§4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3), by their numbers there.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::{error::ProofErrorKind, header, target};
use crate::token_auth::{
    crypto::{Algorithm, Crypto},
    jwt::{
        claims,
        json::{Json, Members},
        parse::{self, Compact, MAX_LEN},
    },
    thumbprint::Thumbprint,
};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The one proof of a request (check 1).
pub(super) fn only(headers: &HeaderMap) -> Result<&str, ProofErrorKind> {
    let mut lines = headers.get_all(DPOP).into_iter();
    let line = lines.next().ok_or(ProofErrorKind::Missing)?;
    if lines.next().is_some() {
        return Err(ProofErrorKind::Several);
    }
    line.to_str().map_err(|_| ProofErrorKind::Malformed)
}

/// What is signed, and by whom.
pub(super) struct Signed {
    pub(super) key: Thumbprint,
    /// The JSON.
    pub(super) claims: String,
}

/// Checks 2 and 4 to 7: form, type, algorithm, key and signature.
pub(super) fn verify(proof: &str, algorithms: &[Algorithm], crypto: Crypto) -> Result<Signed, ProofErrorKind> {
    let compact = Compact::split(proof, MAX_LEN).map_err(ProofErrorKind::of_token)?;
    let (key, thumbprint) = header::read(&parse::decode(compact.header).map_err(ProofErrorKind::of_token)?, algorithms)?;
    let signature = parse::decode(compact.signature).map_err(ProofErrorKind::of_token)?;
    if !key.verifies(crypto, compact.signed.as_bytes(), &signature) {
        return Err(ProofErrorKind::SignatureInvalid);
    }
    let claims = parse::decode(compact.claims).map_err(ProofErrorKind::of_token)?;
    let claims = String::from_utf8(claims).map_err(|_| ProofErrorKind::Malformed)?;
    Ok(Signed { key: thumbprint, claims })
}

/// What a proof says.
#[derive(Debug)]
pub(in crate::token_auth) struct ProofClaims<'a> {
    pub(in crate::token_auth) jti: &'a str,
    pub(in crate::token_auth) htm: &'a str,
    pub(in crate::token_auth) htu: &'a str,
    pub(in crate::token_auth) iat: SystemTime,
    pub(super) nonce: Option<&'a str>,
    ath: &'a str,
    not_before: Option<SystemTime>,
    expires_at: Option<SystemTime>,
}

impl<'a> ProofClaims<'a> {
    /// Check 3: everything is there, and of its type.
    pub(in crate::token_auth) fn read(members: &'a Members<'_>) -> Result<Self, ProofErrorKind> {
        let required = |name| text(members, name)?.filter(|text| !text.is_empty()).ok_or(ProofErrorKind::ClaimMissing);
        let time = |name| claims::time(members, name).map_err(ProofErrorKind::of_token);
        Ok(Self {
            jti: required("jti")?,
            htm: required("htm")?,
            htu: required("htu")?,
            iat: time("iat")?.ok_or(ProofErrorKind::ClaimMissing)?,
            ath: required("ath")?,
            nonce: text(members, "nonce")?,
            not_before: time("nbf")?,
            expires_at: time("exp")?,
        })
    }

    /// Checks 8 and 9: made for this request.
    pub(super) fn is_for(&self, method: &str, path: &str, origins: &[target::Origin]) -> Result<(), ProofErrorKind> {
        if self.htm != method {
            return Err(ProofErrorKind::WrongMethod);
        }
        let htu = target::normalise(self.htu).ok_or(ProofErrorKind::WrongUri)?;
        let path = target::normalise_path(path);
        let known = origins.iter().any(|origin| origin.is_target(&htu, &path));
        known.then_some(()).ok_or(ProofErrorKind::WrongUri)
    }

    /// Check 11, and `nbf` and `exp` where a client adds them. `times` are the earliest and the latest time of making.
    pub(super) fn is_of_now(&self, now: SystemTime, times: (SystemTime, SystemTime)) -> Result<(), ProofErrorKind> {
        let (earliest, latest) = times;
        let in_time = self.iat >= earliest
            && self.iat <= latest
            && self.not_before.is_none_or(|start| start <= latest)
            && self.expires_at.is_none_or(|end| now < end);
        in_time.then_some(()).ok_or(ProofErrorKind::OutOfTime)
    }

    /// The first half of check 12: made for this access token. That the token names the key is the other half.
    pub(super) fn is_of_token(&self, hash: &Thumbprint) -> Result<(), ProofErrorKind> {
        (Thumbprint::parse(self.ath).as_ref() == Some(hash)).then_some(()).ok_or(ProofErrorKind::WrongToken)
    }
}

fn text<'a>(members: &'a Members<'_>, name: &str) -> Result<Option<&'a str>, ProofErrorKind> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(ProofErrorKind::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::{jwt::json, url::Transport};
    use http::HeaderValue;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The proofs of RFC 9449 §5 and §7.1, by the key whose thumbprint is in §6.1.
    #[test]
    fn the_examples_of_rfc_9449() {
        const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
        let Some(crypto) = Crypto::compiled().first() else { return };
        for (name, claims, signature, jti) in [
            (
                "token request",
                "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ",
                "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
                "-BwC3ESc6acc2lTc",
            ),
            (
                "protected resource",
                "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9",
                "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
                "e1j3V_bKic8-LAEB",
            ),
        ] {
            let signed = verify(&format!("{HEADER}.{claims}.{signature}"), &[Algorithm::Es256], *crypto).unwrap();
            assert_eq!(signed.key.to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "{name}");
            let members = json::object(&signed.claims).unwrap();
            assert_eq!(members.get("jti"), Some(&Json::Text(jti.into())), "{name}");
            let forged = format!("{HEADER}.{claims}.{}", signature.replacen('2', "3", 1));
            let forged = verify(&forged, &[Algorithm::Es256], *crypto).map(drop);
            assert_eq!(forged, Err(ProofErrorKind::SignatureInvalid), "{name}");
        }
    }

    #[test]
    fn one_header_field() {
        for (name, lines, expected) in [
            ("one", &["a.b.c"][..], Ok("a.b.c")),
            ("none", &[], Err(ProofErrorKind::Missing)),
            ("two", &["a.b.c", "a.b.c"], Err(ProofErrorKind::Several)),
            ("not ASCII", &["\u{e4}"], Err(ProofErrorKind::Malformed)),
        ] {
            let lines = lines.iter().map(|line| (DPOP, HeaderValue::from_str(line).unwrap()));
            assert_eq!(only(&lines.collect()), expected, "{name}");
        }
    }

    const GOOD: &str = r#""jti":"1","htm":"GET","htu":"https://a.example/x","iat":1000,"ath":"y""#;

    fn read(members: &str) -> Result<(), ProofErrorKind> {
        let text = format!("{{{members}}}");
        ProofClaims::read(&json::object(&text).unwrap()).map(drop)
    }

    #[test]
    fn claims() {
        use ProofErrorKind::{ClaimMissing, Malformed};
        for (name, from, to, expected) in [
            ("good", "", "", Ok(())),
            ("no jti", r#""jti":"1","#, "", Err(ClaimMissing)),
            ("empty jti", r#""jti":"1""#, r#""jti":"""#, Err(ClaimMissing)),
            ("jti a number", r#""jti":"1""#, r#""jti":1"#, Err(Malformed)),
            ("no htm", r#""htm":"GET","#, "", Err(ClaimMissing)),
            ("htm an array", r#""GET""#, r#"["GET"]"#, Err(Malformed)),
            ("no htu", r#""htu":"https://a.example/x","#, "", Err(ClaimMissing)),
            ("no iat", r#""iat":1000,"#, "", Err(ClaimMissing)),
            ("iat a text", "1000", r#""1000""#, Err(Malformed)),
            ("iat negative", "1000", "-1", Err(Malformed)),
            ("no ath", r#","ath":"y""#, "", Err(ClaimMissing)),
            ("nonce a number", r#""jti""#, r#""nonce":1,"jti""#, Err(Malformed)),
            ("exp a text", r#""jti""#, r#""exp":"1","jti""#, Err(Malformed)),
        ] {
            assert_eq!(read(&if from.is_empty() { GOOD.to_owned() } else { GOOD.replace(from, to) }), expected, "{name}");
        }
    }

    #[test]
    fn times() {
        for (name, more, now, expected) in [
            ("now", "", 1000, true),
            ("at the end of the window", "", 1060, true),
            ("after it", "", 1061, false),
            ("from the future, within the window", "", 940, true),
            ("from a later future", "", 939, false),
            ("before its nbf", r#","nbf":1100"#, 1000, false),
            ("at its exp", r#","exp":1010"#, 1010, false),
            ("before its exp", r#","exp":1010"#, 1009, true),
        ] {
            let text = format!("{{{GOOD}{more}}}");
            let members = json::object(&text).unwrap();
            let judged = ProofClaims::read(&members).unwrap().is_of_now(at(now), (at(now - 60), at(now + 60)));
            assert_eq!(judged, expected.then_some(()).ok_or(ProofErrorKind::OutOfTime), "{name}");
        }
    }

    #[test]
    fn requests() {
        let text = format!("{{{GOOD}}}");
        let members = json::object(&text).unwrap();
        let claims = ProofClaims::read(&members).unwrap();
        let origins =
            ["https://b.example", "https://a.example"].map(|origin| target::Origin::parse(origin, Transport::Https).unwrap());
        for (name, method, path, expected) in [
            ("the one", "GET", "/x", Ok(())),
            ("another method", "POST", "/x", Err(ProofErrorKind::WrongMethod)),
            ("method by case", "get", "/x", Err(ProofErrorKind::WrongMethod)),
            ("another path", "GET", "/y", Err(ProofErrorKind::WrongUri)),
        ] {
            assert_eq!(claims.is_for(method, path, &origins), expected, "{name}");
        }
        assert_eq!(claims.is_for("GET", "/x", &[]), Err(ProofErrorKind::WrongUri));
    }

    /// The access token of RFC 9449 §7.1 and its hash.
    #[test]
    fn tokens() {
        let hash = Thumbprint::of(b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        for (name, ath, expected) in [
            ("the one", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", Ok(())),
            ("another", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp", Err(ProofErrorKind::WrongToken)),
            ("none", "x", Err(ProofErrorKind::WrongToken)),
        ] {
            let text = format!("{{{}}}", GOOD.replace(r#""y""#, &format!("{ath:?}")));
            let members = json::object(&text).unwrap();
            assert_eq!(ProofClaims::read(&members).unwrap().is_of_token(&hash), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "[A-Za-z0-9_.-]{0,60}") {
            if let Some(crypto) = Crypto::compiled().first() {
                prop_assert!(verify(&text, &[Algorithm::Es256], *crypto).is_err());
            }
        }

        #[test]
        fn what_is_read_has_its_claims(members in prop::collection::btree_map("jti|htm|htu|iat|ath|nonce", "[a-z0-9]{0,2}", 0..7)) {
            let text = serde_json::to_string(&members).unwrap();
            // A text is no time.
            prop_assert!(ProofClaims::read(&json::object(&text).unwrap()).is_err());
        }
    }
}
