//! What a token says about who may use it, [RFC 7800](https://www.rfc-editor.org/rfc/rfc7800).

use super::{
    jwt::json::{Json, Members},
    thumbprint::Thumbprint,
};

/// The `cnf` claim, read once when the token is verified, so that asking it costs nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// No `cnf`: whoever bears the token may use it.
    Bearer,
    /// At least one of the two is there, and all that are must be shown.
    Bound { key: Option<Thumbprint>, certificate: Option<Thumbprint> },
    /// A `cnf` in which nothing is understood. The token is somebody's, nobody can tell whose.
    Unknown,
}

impl Confirmation {
    /// Reads `cnf`. Members that are not known are passed over beside one that is
    /// ([RFC 7800 §3.1](https://www.rfc-editor.org/rfc/rfc7800#section-3.1)); alone they would turn a bound token into a bearer's.
    pub(super) fn of(claims: &Members<'_>) -> Self {
        let members = match claims.get("cnf") {
            None => return Self::Bearer,
            Some(Json::Object(members)) => members,
            Some(_) => return Self::Unknown,
        };
        let (Ok(key), Ok(certificate)) = (thumbprint(members, "jkt"), thumbprint(members, "x5t#S256")) else {
            return Self::Unknown;
        };
        if key.is_none() && certificate.is_none() { Self::Unknown } else { Self::Bound { key, certificate } }
    }
}

struct Unreadable;

fn thumbprint(members: &Members<'_>, name: &str) -> Result<Option<Thumbprint>, Unreadable> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Thumbprint::parse(text).map(Some).ok_or(Unreadable),
        Some(_) => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::jwt::json;
    use proptest::prelude::*;

    #[test]
    fn confirmations() {
        let print = Thumbprint::of(b"");
        let bound = |key: bool, certificate: bool| Confirmation::Bound {
            key: key.then_some(print),
            certificate: certificate.then_some(print),
        };
        for (name, claims, expected) in [
            ("none", "{}".to_owned(), Confirmation::Bearer),
            ("key", format!(r#"{{"cnf":{{"jkt":"{print}"}}}}"#), bound(true, false)),
            ("certificate", format!(r##"{{"cnf":{{"x5t#S256":"{print}"}}}}"##), bound(false, true)),
            ("both", format!(r##"{{"cnf":{{"jkt":"{print}","x5t#S256":"{print}"}}}}"##), bound(true, true)),
            ("one unknown beside", format!(r#"{{"cnf":{{"jkt":"{print}","kid":"a"}}}}"#), bound(true, false)),
            ("only unknown", r#"{"cnf":{"kid":"a"}}"#.to_owned(), Confirmation::Unknown),
            ("empty", r#"{"cnf":{}}"#.to_owned(), Confirmation::Unknown),
            ("null", r#"{"cnf":null}"#.to_owned(), Confirmation::Unknown),
            ("text", r#"{"cnf":"x"}"#.to_owned(), Confirmation::Unknown),
            ("thumbprint a number", r#"{"cnf":{"jkt":1}}"#.to_owned(), Confirmation::Unknown),
            ("thumbprint null", r#"{"cnf":{"jkt":null}}"#.to_owned(), Confirmation::Unknown),
            ("short thumbprint", r#"{"cnf":{"jkt":"AAAA"}}"#.to_owned(), Confirmation::Unknown),
            ("one good, one bad", format!(r##"{{"cnf":{{"jkt":"{print}","x5t#S256":""}}}}"##), Confirmation::Unknown),
        ] {
            assert_eq!(Confirmation::of(&json::object(&claims).unwrap()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_cnf_holds_it_is_no_bearer_s(cnf in "(null|true|1|\"[a-z]{0,3}\"|\\[\\]|\\{\\}|\\{\"(jkt|kid|x5t#S256)\":\"[A-Za-z0-9]{43}\"\\})") {
            let text = format!(r#"{{"cnf":{cnf}}}"#);
            prop_assert_ne!(Confirmation::of(&json::object(&text).unwrap()), Confirmation::Bearer);
        }
    }
}
