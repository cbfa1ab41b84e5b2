//! The family as text.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{super::token, Grant, LAST, Previous, RefreshFamily};

impl RefreshFamily {
    /// The family as JSON, for a store that keeps text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = json!({
            "version": self.version,
            "sub": &*self.grant.subject,
            "scopes": self.grant.scopes.iter().map(|scope| &**scope).collect::<Vec<_>>(),
            "claims": self.grant.claims,
            "current": URL_SAFE_NO_PAD.encode(self.current),
            "idle_until": self.idle_until,
            "ends_at": self.ends_at,
        });
        if let (Some(previous), Value::Object(members)) = (&self.previous, &mut json) {
            let previous = json!({
                "digest": URL_SAFE_NO_PAD.encode(previous.digest),
                "salt": URL_SAFE_NO_PAD.encode(previous.salt),
                "until": previous.until,
            });
            members.insert("previous".to_owned(), previous);
        }
        json.to_string()
    }

    /// Reads what [`to_json`](Self::to_json) wrote; `None` if it is something else.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        let Value::Object(mut members) = serde_json::from_str(json).ok()? else { return None };
        let Some(Value::Object(claims)) = members.remove("claims") else { return None };
        if token::has_reserved(&claims) {
            return None;
        }
        let scopes = members.get("scopes")?.as_array()?.iter().map(|scope| scope.as_str().map(Into::into));
        let previous = match members.get("previous") {
            None => None,
            Some(Value::Object(previous)) => Some(Previous {
                digest: bytes(previous, "digest")?,
                salt: bytes(previous, "salt")?,
                until: time(previous, "until")?,
            }),
            Some(_) => return None,
        };
        Some(Self {
            version: members.get("version")?.as_u64()?,
            grant: Grant { subject: members.get("sub")?.as_str()?.into(), scopes: scopes.collect::<Option<_>>()?, claims },
            current: bytes(&members, "current")?,
            previous,
            idle_until: time(&members, "idle_until")?,
            ends_at: time(&members, "ends_at")?,
        })
    }
}

fn bytes(members: &Map<String, Value>, name: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(members.get(name)?.as_str()?).ok()?.try_into().ok()
}

fn time(members: &Map<String, Value>, name: &str) -> Option<u64> {
    members.get(name)?.as_u64().filter(|time| *time <= LAST)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{super::Lifetimes, *};
    use proptest::prelude::*;

    const LIFETIMES: Lifetimes =
        Lifetimes { idle: Duration::from_secs(100), absolute: Duration::from_secs(250), grace: Duration::from_secs(10) };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn family(grant: Grant) -> RefreshFamily {
        RefreshFamily::new(grant, [1; 32], at(0), LIFETIMES)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let grant = Grant::new("ä\"").scopes(["a"]).claims(&json!({ "tenant": [7, null], "x": "y" })).unwrap();
        let fresh = family(grant);
        let once = fresh.exchanged([2; 32], [9; 32], at(20) + Duration::from_nanos(1_234_567), LIFETIMES);
        for family in [fresh, once] {
            assert_eq!(RefreshFamily::from_json(&family.to_json()), Some(family));
        }
    }

    #[test]
    fn what_is_not_a_family() {
        let good = family(Grant::new("alice").scopes(["a", "b"])).exchanged([2; 32], [9; 32], at(20), LIFETIMES).to_json();
        for (name, from, to) in [
            ("version as text", "\"version\":1", "\"version\":\"1\""),
            ("no subject", "\"sub\"", "\"bus\""),
            ("scope as number", "[\"a\",\"b\"]", "[\"a\",1]"),
            ("claims as list", "\"claims\":{}", "\"claims\":[]"),
            ("a claim of the issuer", "\"claims\":{}", "\"claims\":{\"scp\":[\"admin\"]}"),
            ("digest of another length", "\"current\":\"AgIC", "\"current\":\"AgI"),
            ("previous as text", "\"previous\":{", "\"previous\":\"\",\"x\":{"),
            ("a time beyond all", "\"ends_at\":", "\"ends_at\":18446744073709551615,\"x\":"),
        ] {
            assert!(good.contains(from), "{name}: {good}");
            assert_eq!(RefreshFamily::from_json(&good.replacen(from, to, 1)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            prop_assert!(RefreshFamily::from_json(&text).is_none_or(|family| family.expires_at() >= UNIX_EPOCH));
        }
    }
}
