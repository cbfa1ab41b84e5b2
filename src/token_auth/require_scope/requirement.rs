use std::sync::Arc;

use crate::{
    Principal,
    token_auth::{
        claims::RawClaims,
        jwt::{
            claims,
            json::{Json, Members},
        },
        scope,
    },
};

/// What a caller must have been granted.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    needed: Needed,
    wanted: Box<[Box<str>]>,
    /// The members that lead to the claim; the principal's scopes, if there are none.
    pub(super) claim: Option<Box<[Box<str>]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    All,
    Any,
}

/// How a caller stands to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Granted,
    NotGranted,
    /// Nobody said who it is.
    Unknown,
}

impl Requirement {
    pub(super) fn new<I>(needed: Needed, wanted: I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        Self { needed, wanted: wanted.into_iter().map(Into::into).collect(), claim: None }
    }

    pub(super) fn judge(&self, principal: Option<&Principal>) -> Standing {
        let Some(principal) = principal else { return Standing::Unknown };
        let granted = match &self.claim {
            None => self.is_met_by(|wanted| principal.has_scope(wanted)),
            Some(path) => self.is_met_in(principal, path),
        };
        if granted { Standing::Granted } else { Standing::NotGranted }
    }

    /// The `scope` of the challenge: "the scope necessary to access the protected resource"
    /// ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    pub(super) fn scope(&self) -> Option<Arc<str>> {
        let scopes: Vec<&str> = self.wanted.iter().map(AsRef::as_ref).filter(|wanted| scope::is_scope(wanted)).collect();
        (self.claim.is_none() && !scopes.is_empty()).then(|| scopes.join(" ").into())
    }

    fn is_met_by(&self, is_granted: impl Fn(&str) -> bool) -> bool {
        match self.needed {
            Needed::All => self.wanted.iter().all(|wanted| is_granted(wanted)),
            Needed::Any => self.wanted.iter().any(|wanted| is_granted(wanted)),
        }
    }

    fn is_met_in(&self, principal: &Principal, path: &[Box<str>]) -> bool {
        let Some(Ok(members)) = principal.claims::<RawClaims>().map(|raw| claims::read(raw.as_str())) else { return false };
        let claim = follow(&members, path);
        // Names of roles may hold spaces: `Assistant admin` is no `admin`.
        let is_list = path.last().is_some_and(|name| matches!(&**name, "scope" | "scp"));
        self.is_met_by(|wanted| match claim {
            _ if wanted.is_empty() => false,
            Some(Json::Array(list)) => list.iter().any(|item| matches!(item, Json::Text(text) if text == wanted)),
            Some(Json::Text(words)) if is_list => words.split(' ').any(|word| word == wanted),
            Some(Json::Text(text)) => text == wanted,
            _ => false,
        })
    }
}

fn follow<'a>(members: &'a Members<'a>, path: &[Box<str>]) -> Option<&'a Json<'a>> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(members.get(first)?, |json, name| match json {
        Json::Object(members) => members.get(name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(claims: &str) -> Principal {
        Principal::builder().scopes(["read", "write"]).claims(RawClaims::new(claims).unwrap()).build()
    }

    #[test]
    fn scopes() {
        for (name, needed, wanted, expected) in [
            ("all there", Needed::All, vec!["write", "read"], Standing::Granted),
            ("one missing", Needed::All, vec!["read", "admin"], Standing::NotGranted),
            ("one there", Needed::Any, vec!["admin", "read"], Standing::Granted),
            ("none there", Needed::Any, vec!["admin", "owner"], Standing::NotGranted),
            ("all of none", Needed::All, vec![], Standing::Granted),
            ("any of none", Needed::Any, vec![], Standing::NotGranted),
            ("by case", Needed::All, vec!["Read"], Standing::NotGranted),
            ("a part", Needed::Any, vec!["rea", ""], Standing::NotGranted),
            ("two in one", Needed::All, vec!["read write"], Standing::NotGranted),
        ] {
            let requirement = Requirement::new(needed, wanted);
            assert_eq!(requirement.judge(Some(&principal("{}"))), expected, "{name}");
            assert_eq!(requirement.judge(None), Standing::Unknown, "{name}");
        }
    }

    #[test]
    fn claims_by_their_path() {
        let roles = r#"{"realm_access":{"roles":["admin","a b"]},"groups":"staff editors","https://app.example/roles":["owner"],
            "flag":true,"numbers":[1],"role":"Assistant admin","nothing":"","nobody":[""],"scope":"read  a:b","app":{"scp":"x y"}}"#;
        for (name, path, wanted, expected) in [
            ("nested", vec!["realm_access", "roles"], "admin", Standing::Granted),
            ("with a space", vec!["realm_access", "roles"], "a b", Standing::Granted),
            ("not in the list", vec!["realm_access", "roles"], "a", Standing::NotGranted),
            ("a word of a text", vec!["groups"], "editors", Standing::NotGranted),
            ("a whole text", vec!["groups"], "staff editors", Standing::Granted),
            ("the end of another role", vec!["role"], "admin", Standing::NotGranted),
            ("a role with a space", vec!["role"], "Assistant admin", Standing::Granted),
            ("a word of scope", vec!["scope"], "a:b", Standing::Granted),
            ("a word of a nested scp", vec!["app", "scp"], "y", Standing::Granted),
            ("two words of scope", vec!["app", "scp"], "x y", Standing::NotGranted),
            ("nothing between the words of scope", vec!["scope"], "", Standing::NotGranted),
            ("an empty text", vec!["nothing"], "", Standing::NotGranted),
            ("an empty text in a list", vec!["nobody"], "", Standing::NotGranted),
            ("a name with dots", vec!["https://app.example/roles"], "owner", Standing::Granted),
            ("an object", vec!["realm_access"], "roles", Standing::NotGranted),
            ("beyond a list", vec!["realm_access", "roles", "admin"], "admin", Standing::NotGranted),
            ("a flag", vec!["flag"], "true", Standing::NotGranted),
            ("a number", vec!["numbers"], "1", Standing::NotGranted),
            ("not there", vec!["roles"], "admin", Standing::NotGranted),
            ("no path", vec![], "admin", Standing::NotGranted),
            ("a scope is no role", vec!["realm_access", "roles"], "read", Standing::NotGranted),
        ] {
            let mut requirement = Requirement::new(Needed::Any, [wanted]);
            requirement.claim = Some(path.into_iter().map(Into::into).collect());
            assert_eq!(requirement.judge(Some(&principal(roles))), expected, "{name}");
            assert_eq!(requirement.judge(Some(&Principal::builder().build())), Standing::NotGranted, "{name}: no claims");
            assert_eq!(requirement.scope(), None, "{name}");
        }
    }

    #[test]
    fn the_challenge_names_scopes_and_nothing_that_is_none() {
        let scope = |wanted: &[&str]| Requirement::new(Needed::All, wanted.iter().copied()).scope();
        assert_eq!(scope(&["a", "b:c"]).as_deref(), Some("a b:c"));
        assert_eq!(scope(&["a\"", "b c", "d"]).as_deref(), Some("d"));
        assert_eq!(scope(&[]), None);
    }
}
