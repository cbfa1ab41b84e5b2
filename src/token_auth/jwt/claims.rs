//! The registered claims, [RFC 7519 §4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1): read with their types, then judged.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::json::{self, Json, Members};
use crate::token_auth::{
    error::ConfigErrorKind,
    scope,
    verifier::TokenErrorKind::{self, ClaimMissing, ClaimsMalformed, Expired, NotYetValid, WrongAudience, WrongIssuer},
};

/// The end of the year 9999, the last second that HTTP dates can name. A later time is a mistake of units.
const LAST_SECOND: u64 = 253_402_300_799;

/// What a token must say.
#[derive(Clone, Debug)]
pub(in crate::token_auth) struct Rules {
    pub(super) issuer: Option<Arc<str>>,
    /// `None` accepts any, also none.
    pub(super) audiences: Option<Box<[Box<str>]>>,
    pub(super) leeway: Leeway,
}

/// Whom a token may be for, as a builder was told: to take any has to be said, and nothing beside it.
pub(in crate::token_auth) fn audiences(named: Vec<Box<str>>, any: bool) -> Result<Option<Box<[Box<str>]>>, ConfigErrorKind> {
    match (named.is_empty(), any) {
        (true, false) => Err(ConfigErrorKind::AudienceMissing),
        (false, true) => Err(ConfigErrorKind::AudienceAmbiguous),
        (true, true) => Ok(None),
        (false, false) => Ok(Some(named.into_boxed_slice())),
    }
}

/// How much longer a token is taken than it says, and how much earlier.
#[derive(Clone, Copy, Debug)]
pub(in crate::token_auth) struct Leeway {
    /// Before `nbf` and `iat`.
    pub(super) at_start: Duration,
    /// After `exp`.
    pub(super) at_end: Duration,
}

/// What it says.
#[derive(Debug)]
pub(in crate::token_auth) struct Registered<'a> {
    pub(super) issuer: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    /// `sid`, where it is a text: other kinds of session are not told apart here.
    pub(super) session: Option<&'a str>,
    pub(super) expires_at: SystemTime,
    not_before: Option<SystemTime>,
    pub(super) issued_at: Option<SystemTime>,
    members: &'a Members<'a>,
}

impl<'a> Registered<'a> {
    /// Takes the registered claims out of the set. Every one that is there must be of its type, whether it will be judged or not; `exp`
    /// must be there.
    pub(in crate::token_auth) fn read(members: &'a Members<'a>) -> Result<Self, TokenErrorKind> {
        for name in ["aud", "scope", "scp"] {
            texts(members, name)?;
        }
        Ok(Self {
            issuer: text(members, "iss")?,
            subject: text(members, "sub")?,
            id: text(members, "jti")?,
            session: members.get("sid").and_then(|session| as_text(session).ok()),
            expires_at: time(members, "exp")?.ok_or(ClaimMissing)?,
            not_before: time(members, "nbf")?,
            issued_at: time(members, "iat")?,
            members,
        })
    }

    /// Judges them at the time `now`.
    ///
    /// The token has expired *at* `exp` (§4.1.4: "on or after"). With a leeway it lives that much longer, and may come that much too early.
    pub(in crate::token_auth) fn judge(&self, rules: &Rules, now: SystemTime) -> Result<(), TokenErrorKind> {
        if let Some(wanted) = &rules.issuer {
            match self.issuer {
                None => return Err(ClaimMissing),
                Some(issuer) if issuer != &**wanted => return Err(WrongIssuer),
                Some(_) => {}
            }
        }
        if let Some(wanted) = &rules.audiences
            && !self.is_for(wanted)?
        {
            return Err(WrongAudience);
        }
        if now >= self.ends(rules.leeway) {
            return Err(Expired);
        }
        if self.starts(rules.leeway).is_some_and(|start| start > now) {
            return Err(NotYetValid);
        }
        Ok(())
    }

    /// When the token is no longer taken.
    pub(in crate::token_auth) fn ends(&self, leeway: Leeway) -> SystemTime {
        self.expires_at.checked_add(leeway.at_end).unwrap_or(self.expires_at)
    }

    /// From when it is taken, if it says so.
    pub(in crate::token_auth) fn starts(&self, leeway: Leeway) -> Option<SystemTime> {
        let start = self.not_before.max(self.issued_at)?;
        Some(start.checked_sub(leeway.at_start).unwrap_or(UNIX_EPOCH))
    }

    /// The scopes granted, in order: `scope` ([RFC 8693 §4.2](https://www.rfc-editor.org/rfc/rfc8693#section-4.2)), then `scp`, which some
    /// providers write instead; each a string or an array.
    pub(in crate::token_auth) fn scopes(&self) -> impl Iterator<Item = &str> {
        let lists = ["scope", "scp"].into_iter().flat_map(|name| texts(self.members, name).unwrap_or_default());
        lists.filter_map(|list| as_text(list).ok()).flat_map(scope::parse)
    }

    fn is_for(&self, wanted: &[Box<str>]) -> Result<bool, TokenErrorKind> {
        if self.members.get("aud").is_none() {
            return Err(ClaimMissing);
        }
        let audiences = texts(self.members, "aud")?;
        Ok(audiences
            .iter()
            .any(|audience| as_text(audience).is_ok_and(|audience| wanted.iter().any(|wanted| &**wanted == audience))))
    }
}

/// A text, or a list of nothing but texts, as a list.
pub(in crate::token_auth) fn texts<'a>(members: &'a Members<'a>, name: &str) -> Result<&'a [Json<'a>], TokenErrorKind> {
    let list = match members.get(name) {
        None => &[],
        Some(Json::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    list.iter().try_for_each(|item| as_text(item).map(drop))?;
    Ok(list)
}

fn as_text<'a>(json: &'a Json<'_>) -> Result<&'a str, TokenErrorKind> {
    if let Json::Text(text) = json { Ok(text) } else { Err(ClaimsMalformed) }
}

pub(in crate::token_auth) fn text<'a>(members: &'a Members<'_>, name: &str) -> Result<Option<&'a str>, TokenErrorKind> {
    members.get(name).map(as_text).transpose()
}

/// A `NumericDate` (§2): seconds since the epoch, a number, fractions allowed.
pub(in crate::token_auth) fn time(members: &Members<'_>, name: &str) -> Result<Option<SystemTime>, TokenErrorKind> {
    let since_epoch = match members.get(name) {
        None => return Ok(None),
        Some(Json::Integer(seconds)) if *seconds <= LAST_SECOND => Duration::from_secs(*seconds),
        Some(Json::Float(seconds)) => Duration::try_from_secs_f64(*seconds).map_err(|_| ClaimsMalformed)?,
        Some(_) => return Err(ClaimsMalformed),
    };
    if since_epoch.as_secs() > LAST_SECOND {
        return Err(ClaimsMalformed);
    }
    UNIX_EPOCH.checked_add(since_epoch).map(Some).ok_or(ClaimsMalformed)
}

/// What is judged, or made into a principal.
const REGISTERED: [&str; 11] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "scp", "cnf"];

/// Reads the claims set for what is registered in it.
pub(in crate::token_auth) fn read_registered(text: &str) -> Result<Members<'_>, TokenErrorKind> {
    json::members(text, &REGISTERED).map_err(|json::Malformed| ClaimsMalformed)
}

/// Reads the claims set.
pub(in crate::token_auth) fn read(text: &str) -> Result<Members<'_>, TokenErrorKind> {
    json::object(text).map_err(|json::Malformed| ClaimsMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_000_000;
    const NONE: Leeway = Leeway { at_start: Duration::ZERO, at_end: Duration::ZERO };

    fn rules() -> Rules {
        Rules { issuer: Some("https://issuer".into()), audiences: Some(["api".into(), "api2".into()].into()), leeway: NONE }
    }

    fn judged_by(rules: &Rules, claims: &str) -> Result<(), TokenErrorKind> {
        let members = read(claims)?;
        Registered::read(&members)?.judge(rules, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn times() {
        for (name, times, expected) in [
            ("in time", r#""exp":1000001,"nbf":1000000,"iat":999999"#, Ok(())),
            ("expires now", r#""exp":1000000"#, Err(Expired)),
            ("expired", r#""exp":999999"#, Err(Expired)),
            ("expired by a fraction", r#""exp":999999.9"#, Err(Expired)),
            ("lives for a fraction", r#""exp":1000000.5"#, Ok(())),
            ("no exp", r#""iat":1"#, Err(ClaimMissing)),
            ("exp as text", r#""exp":"1000001""#, Err(ClaimsMalformed)),
            ("exp null", r#""exp":null"#, Err(ClaimsMalformed)),
            ("exp array", r#""exp":[1000001]"#, Err(ClaimsMalformed)),
            ("exp negative", r#""exp":-1"#, Err(ClaimsMalformed)),
            ("exp in milliseconds", r#""exp":1000001000000"#, Err(ClaimsMalformed)),
            ("exp beyond 64 bits", r#""exp":99999999999999999999999"#, Err(ClaimsMalformed)),
            ("exp beyond floats", r#""exp":1e400"#, Err(ClaimsMalformed)),
            ("exp the last second", r#""exp":253402300799"#, Ok(())),
            ("nbf later", r#""exp":1000009,"nbf":1000001"#, Err(NotYetValid)),
            ("nbf as text", r#""exp":1000009,"nbf":"1""#, Err(ClaimsMalformed)),
            ("iat in the future", r#""exp":1000009,"iat":1000001"#, Err(NotYetValid)),
            ("iat as boolean", r#""exp":1000009,"iat":true"#, Err(ClaimsMalformed)),
        ] {
            let claims = format!(r#"{{"iss":"https://issuer","aud":"api",{times}}}"#);
            assert_eq!(judged_by(&rules(), &claims), expected, "{name}");
        }
    }

    #[test]
    fn leeway_stretches_each_end() {
        let rules = Rules { leeway: Leeway { at_start: Duration::from_secs(10), at_end: Duration::from_secs(9) }, ..rules() };
        for (name, times, expected) in [
            ("just expired", r#""exp":999992"#, Ok(())),
            ("expired", r#""exp":999991"#, Err(Expired)),
            ("a little early", r#""exp":1000100,"nbf":1000010"#, Ok(())),
            ("too early", r#""exp":1000100,"nbf":1000011"#, Err(NotYetValid)),
        ] {
            let claims = format!(r#"{{"iss":"https://issuer","aud":"api",{times}}}"#);
            assert_eq!(judged_by(&rules, &claims), expected, "{name}");
        }
    }

    #[test]
    fn issuers_and_audiences() {
        for (name, claims, expected) in [
            ("both", r#""iss":"https://issuer","aud":"api""#, Ok(())),
            ("one of several", r#""iss":"https://issuer","aud":["x","api2"]"#, Ok(())),
            ("issuer missing", r#""aud":"api""#, Err(ClaimMissing)),
            ("audience missing", r#""iss":"https://issuer""#, Err(ClaimMissing)),
            ("another issuer", r#""iss":"https://issuer/","aud":"api""#, Err(WrongIssuer)),
            ("issuer by case", r#""iss":"https://ISSUER","aud":"api""#, Err(WrongIssuer)),
            ("issuer as array", r#""iss":["https://issuer"],"aud":"api""#, Err(ClaimsMalformed)),
            ("issuer as number", r#""iss":123,"aud":"api""#, Err(ClaimsMalformed)),
            ("issuer null", r#""iss":null,"aud":"api""#, Err(ClaimsMalformed)),
            ("another audience", r#""iss":"https://issuer","aud":"other""#, Err(WrongAudience)),
            ("audience as prefix", r#""iss":"https://issuer","aud":"ap""#, Err(WrongAudience)),
            ("empty audience list", r#""iss":"https://issuer","aud":[]"#, Err(WrongAudience)),
            ("audience as number", r#""iss":"https://issuer","aud":42"#, Err(ClaimsMalformed)),
            ("audience as object", r#""iss":"https://issuer","aud":{}"#, Err(ClaimsMalformed)),
            ("number among the audiences", r#""iss":"https://issuer","aud":["api",42]"#, Err(ClaimsMalformed)),
            ("audience null", r#""iss":"https://issuer","aud":null"#, Err(ClaimsMalformed)),
        ] {
            assert_eq!(judged_by(&rules(), &format!(r#"{{"exp":1000001,{claims}}}"#)), expected, "{name}");
        }
    }

    #[test]
    fn types_are_checked_even_when_nothing_is_wanted() {
        let rules = Rules { issuer: None, audiences: None, leeway: NONE };
        for (name, claims, expected) in [
            ("nothing", "", Ok(())),
            ("audience", r#","aud":42"#, Err(ClaimsMalformed)),
            ("issuer", r#","iss":{}"#, Err(ClaimsMalformed)),
            ("subject", r#","sub":1"#, Err(ClaimsMalformed)),
            ("token id", r#","jti":1"#, Err(ClaimsMalformed)),
            ("scope", r#","scope":{"admin":true}"#, Err(ClaimsMalformed)),
            ("scopes", r#","scp":["a",1]"#, Err(ClaimsMalformed)),
            ("duplicate custom claim", r#","role":"user","role":"admin""#, Err(ClaimsMalformed)),
        ] {
            assert_eq!(judged_by(&rules, &format!(r#"{{"exp":1000001{claims}}}"#)), expected, "{name}");
        }
    }

    #[test]
    fn scopes_come_from_either_claim_in_either_form() {
        for (name, claims, expected) in [
            ("none", "", vec![]),
            ("text", r#","scope":"a b""#, vec!["a", "b"]),
            ("array", r#","scope":["a","b c"]"#, vec!["a", "b", "c"]),
            ("scp", r#","scp":"a""#, vec!["a"]),
            ("both", r#","scp":["b"],"scope":"a""#, vec!["a", "b"]),
        ] {
            let text = format!(r#"{{"exp":1{claims}}}"#);
            let members = read(&text).unwrap();
            assert_eq!(Registered::read(&members).unwrap().scopes().collect::<Vec<_>>(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_passes_has_expired(exp in any::<f64>(), now in 0..LAST_SECOND, leeway in 0..300_u64) {
            let text = format!(r#"{{"exp":{exp:?}}}"#);
            let leeway_of_both = Leeway { at_start: Duration::from_secs(leeway), at_end: Duration::from_secs(leeway) };
            let rules = Rules { issuer: None, audiences: None, leeway: leeway_of_both };
            if let Ok(members) = read(&text)
                && let Ok(registered) = Registered::read(&members)
                && registered.judge(&rules, UNIX_EPOCH + Duration::from_secs(now)).is_ok()
            {
                prop_assert!(exp + leeway as f64 >= now as f64);
            }
        }
    }
}
