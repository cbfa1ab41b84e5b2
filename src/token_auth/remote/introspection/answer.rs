//! What the authorization server said, [RFC 7662 §2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2).

use std::time::SystemTime;

use crate::{
    Principal,
    token_auth::{
        claims::RawClaims,
        confirmation::Confirmation,
        jwt::{
            claims::{text, texts, time},
            json::{self, Json, Members},
        },
        scope,
        verifier::TokenErrorKind::{self, BindingUnknown, ClaimMissing, Expired, Inactive, WrongAudience, WrongIssuer},
    },
};

/// What must be said of a token beyond its being active.
#[derive(Clone, Debug, Default)]
pub(in crate::token_auth) struct Wanted {
    pub(super) issuer: Option<Box<str>>,
    /// `None` accepts any, also none.
    pub(super) audiences: Option<Box<[Box<str>]>>,
}

/// A token that is good now.
#[derive(Debug)]
pub(in crate::token_auth) struct Active {
    pub(in crate::token_auth) principal: Principal,
    pub(super) expires_at: Option<SystemTime>,
}

/// Not an answer: nothing was learned of the token.
#[derive(Debug, PartialEq)]
pub(in crate::token_auth) struct NoAnswer;

/// Whether a 400 says that tokens of this kind are not asked about: they are nobody's here, and asking again is of no use
/// ([RFC 7009 §2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)). Any other error is the fault of whoever asked.
pub(in crate::token_auth) fn is_unsupported(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| {
        json::object(body)
            .is_ok_and(|members| matches!(members.get("error"), Some(Json::Text(code)) if code == "unsupported_token_type"))
    })
}

/// Reads the answer. The members have the types that they have in a token; `active` alone must be there.
pub(in crate::token_auth) fn read(
    body: &[u8],
    wanted: &Wanted,
    now: SystemTime,
) -> Result<Result<Active, TokenErrorKind>, NoAnswer> {
    let body = std::str::from_utf8(body).map_err(|_| NoAnswer)?;
    let members = json::object(body).map_err(|_| NoAnswer)?;
    match members.get("active") {
        Some(Json::Bool(true)) => Ok(active(body, &members, wanted, now)),
        Some(Json::Bool(false)) => Ok(Err(Inactive)),
        _ => Err(NoAnswer),
    }
}

fn active(body: &str, members: &Members<'_>, wanted: &Wanted, now: SystemTime) -> Result<Active, TokenErrorKind> {
    let confirmation = Confirmation::of(members);
    check_type(text(members, "token_type")?, confirmation)?;
    let issuer = text(members, "iss")?;
    if let Some(wanted) = &wanted.issuer
        && issuer.ok_or(ClaimMissing)? != &**wanted
    {
        return Err(WrongIssuer);
    }
    let audiences = texts(members, "aud")?;
    if let Some(wanted) = &wanted.audiences {
        if members.get("aud").is_none() {
            return Err(ClaimMissing);
        }
        let is_wanted =
            |audience: &Json<'_>| matches!(audience, Json::Text(audience) if wanted.iter().any(|wanted| **wanted == **audience));
        if !audiences.iter().any(is_wanted) {
            return Err(WrongAudience);
        }
    }
    // Whether it is too early is the server's to say; but an answer is kept, and may be old when it is used.
    let expires_at = time(members, "exp")?;
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Expired);
    }
    let granted = texts(members, "scope")?;
    let lists = granted.iter().filter_map(|list| if let Json::Text(list) = list { Some(list) } else { None });
    let mut principal = Principal::builder().scopes(lists.flat_map(|list| scope::parse(list)));
    if let Some(issuer) = issuer {
        principal = principal.issuer(issuer);
    }
    if let Some(subject) = text(members, "sub")? {
        principal = principal.subject(subject);
    }
    if let Some(end) = expires_at {
        principal = principal.expires_at(end);
    }
    let claims = RawClaims::verified(body.to_owned(), confirmation);
    Ok(Active { principal: principal.claims(claims).build(), expires_at })
}

/// What may be presented as an access token: `token_type` has the values of
/// [RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1), but some servers write what kind of token it is. A refresh token is
/// active, too, and opens nothing here.
fn check_type(token_type: Option<&str>, confirmation: Confirmation) -> Result<(), TokenErrorKind> {
    const ACCESS: [&str; 3] = ["bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"];
    let Some(token_type) = token_type else { return Ok(()) };
    if token_type.eq_ignore_ascii_case("dpop") {
        // Bound to a key that the answer does not name, it would be a bearer's.
        return if matches!(confirmation, Confirmation::Bound { key: Some(_), .. }) { Ok(()) } else { Err(BindingUnknown) };
    }
    if ACCESS.iter().any(|access| token_type.eq_ignore_ascii_case(access)) { Ok(()) } else { Err(Inactive) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::{claims::Claims, verifier::TokenErrorKind::ClaimsMalformed};
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    const NOW: u64 = 1_000_000;

    fn judged(body: &str) -> Result<Result<Active, TokenErrorKind>, NoAnswer> {
        let wanted = Wanted { issuer: Some("https://issuer".into()), audiences: Some(["api".into()].into()) };
        read(body.as_bytes(), &wanted, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn answers() {
        let good = r#""iss":"https://issuer","aud":"api""#;
        for (name, members, expected) in [
            ("active", format!(r#""active":true,{good}"#), Ok(Ok(()))),
            ("inactive", r#""active":false"#.into(), Ok(Err(Inactive))),
            ("inactive, whatever else", format!(r#""active":false,{good}"#), Ok(Err(Inactive))),
            ("not said", good.into(), Err(NoAnswer)),
            ("said as text", format!(r#""active":"true",{good}"#), Err(NoAnswer)),
            ("said as number", format!(r#""active":1,{good}"#), Err(NoAnswer)),
            ("said twice", format!(r#""active":false,"active":true,{good}"#), Err(NoAnswer)),
            ("one of several audiences", r#""active":true,"iss":"https://issuer","aud":["x","api"]"#.into(), Ok(Ok(()))),
            ("another audience", r#""active":true,"iss":"https://issuer","aud":"x""#.into(), Ok(Err(WrongAudience))),
            ("no audience", r#""active":true,"iss":"https://issuer""#.into(), Ok(Err(ClaimMissing))),
            ("another issuer", r#""active":true,"iss":"https://other","aud":"api""#.into(), Ok(Err(WrongIssuer))),
            ("no issuer", r#""active":true,"aud":"api""#.into(), Ok(Err(ClaimMissing))),
            ("expires now", format!(r#""active":true,{good},"exp":1000000"#), Ok(Err(Expired))),
            ("expires later", format!(r#""active":true,{good},"exp":1000001"#), Ok(Ok(()))),
            ("exp as text", format!(r#""active":true,{good},"exp":"1000001""#), Ok(Err(ClaimsMalformed))),
            ("subject a number", format!(r#""active":true,{good},"sub":1"#), Ok(Err(ClaimsMalformed))),
            ("scope an object", format!(r#""active":true,{good},"scope":{{}}"#), Ok(Err(ClaimsMalformed))),
        ] {
            let answer = judged(&format!("{{{members}}}")).map(|judged| judged.map(drop));
            assert_eq!(answer, expected, "{name}");
        }
        assert_eq!(judged("<html>").map(drop), Err(NoAnswer));
    }

    #[test]
    fn token_types() {
        let print = crate::token_auth::thumbprint::Thumbprint::of(b"");
        let (jkt, certificate) = (format!(r#","cnf":{{"jkt":"{print}"}}"#), format!(r##","cnf":{{"x5t#S256":"{print}"}}"##));
        for (name, token_type, rest, expected) in [
            ("bearer", r#""Bearer""#, "", Ok(())),
            ("bearer in lower case", r#""bearer""#, "", Ok(())),
            ("bearer, bound to a key", r#""Bearer""#, &*jkt, Ok(())),
            ("the kind", r#""access_token""#, "", Ok(())),
            ("the kind in upper case", r#""ACCESS_TOKEN""#, "", Ok(())),
            ("the kind as a URN", r#""urn:ietf:params:oauth:token-type:access_token""#, "", Ok(())),
            ("DPoP with its key", r#""DPoP""#, &*jkt, Ok(())),
            ("DPoP in lower case with its key", r#""dpop""#, &*jkt, Ok(())),
            ("DPoP without a key", r#""DPoP""#, "", Err(BindingUnknown)),
            ("DPoP in lower case without a key", r#""dpop""#, "", Err(BindingUnknown)),
            ("DPoP with a certificate alone", r#""DPoP""#, &*certificate, Err(BindingUnknown)),
            ("DPoP with a key that is none", r#""DPoP""#, r#","cnf":{"jkt":"x"}"#, Err(BindingUnknown)),
            ("refresh token", r#""refresh_token""#, "", Err(Inactive)),
            ("refresh token as a URN", r#""urn:ietf:params:oauth:token-type:refresh_token""#, "", Err(Inactive)),
            ("ID token", r#""urn:ietf:params:oauth:token-type:id_token""#, "", Err(Inactive)),
            ("unheard of", r#""mac""#, "", Err(Inactive)),
            ("empty", "\"\"", "", Err(Inactive)),
            ("a list", r#"["Bearer"]"#, "", Err(ClaimsMalformed)),
        ] {
            let body = format!(r#"{{"active":true,"iss":"https://issuer","aud":"api","token_type":{token_type}{rest}}}"#);
            assert_eq!(judged(&body).map(|judged| judged.map(drop)), Ok(expected), "{name}");
        }
    }

    #[test]
    fn errors() {
        for (name, body, unsupported) in [
            ("unsupported", r#"{"error":"unsupported_token_type","error_description":"x"}"#, true),
            ("another", r#"{"error":"invalid_client"}"#, false),
            ("of another type", r#"{"error":["unsupported_token_type"]}"#, false),
            ("a page", "unsupported_token_type", false),
        ] {
            assert_eq!(is_unsupported(body.as_bytes()), unsupported, "{name}");
        }
    }

    #[test]
    fn the_principal_is_what_was_said() {
        let body = r#"{"active":true,"iss":"https://issuer","aud":"api","sub":"alice","scope":"read write","exp":1000060,"tenant":"t7"}"#;
        let active = judged(body).unwrap().unwrap();
        assert_eq!(active.principal.issuer(), Some("https://issuer"));
        assert_eq!(active.principal.subject(), Some("alice"));
        assert_eq!(active.principal.scopes().collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(active.principal.expires_at(), active.expires_at);
        let Claims(claims) = Claims::<serde_json::Value>::from_principal(&active.principal).unwrap();
        assert_eq!(claims["tenant"], "t7");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&body, &Wanted::default(), UNIX_EPOCH).map(drop), Err(NoAnswer));
        }
    }
}
