//! JSON as a token may say it: read once, borrowed, strictly.
//!
//! [RFC 7515 §4](https://www.rfc-editor.org/rfc/rfc7515#section-4) and [RFC 7519 §4](https://www.rfc-editor.org/rfc/rfc7519#section-4)
//! let a reader refuse duplicate members. This one does, at every depth: two readers that disagree on which of two members counts are how
//! one token comes to mean two things. Nesting ends at [`MAX_DEPTH`].

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

/// How deep arrays and objects may nest. Identity providers in use stay below six.
pub(in crate::token_auth) const MAX_DEPTH: usize = 16;

/// The name under which `serde_json` hands out numbers when any crate in the build enables its feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

#[derive(Clone, Debug, PartialEq)]
pub(in crate::token_auth) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(u64),
    /// Negative, fractional or beyond 64 bits.
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object; their names are distinct.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::token_auth) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Members<'a> {
    pub(in crate::token_auth) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn are_distinct(&self) -> bool {
        if self.0.len() <= 16 {
            return self.0.iter().enumerate().all(|(at, (name, _))| self.0.iter().skip(at + 1).all(|(other, _)| other != name));
        }
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.is_sorted_by(|earlier, later| earlier < later)
    }
}

/// Reads one object and nothing after it. The error says nothing of the text.
pub(in crate::token_auth) fn object(text: &str) -> Result<Members<'_>, Malformed> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let json = Reader { depth: 0 }.deserialize(&mut reader).map_err(|_| Malformed)?;
    reader.end().map_err(|_| Malformed)?;
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(Malformed),
    }
}

/// Not an object as this module reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token_auth) struct Malformed;

#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
}

impl Reader {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH { Err(E::custom("nested too deeply")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "a negative time is refused whatever its digits")]
    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(u64::try_from(number).map_or(Json::Float(number as f64), Json::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        // The claims of a usual token fit without growing.
        let mut members = Members(Vec::with_capacity(if self.depth == 0 { 12 } else { 0 }));
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value_seed(inner)?;
            members.0.push((name, value));
        }
        if let [(name, Json::Text(digits))] = members.0.as_slice()
            && name == NUMBER
        {
            return number(digits).ok_or_else(|| A::Error::custom("not a number"));
        }
        if members.are_distinct() { Ok(Json::Object(members)) } else { Err(A::Error::custom("duplicate member")) }
    }
}

fn number<'a>(digits: &str) -> Option<Json<'a>> {
    digits.parse().map(Json::Integer).or_else(|_| digits.parse().map(Json::Float)).ok()
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        for (name, text, good) in [
            ("empty", "{}", true),
            ("flat", r#"{"a":1,"b":"x","c":null,"d":true,"e":-1.5}"#, true),
            ("spaces around", " {} ", true),
            ("trailing text", "{} x", false),
            ("two objects", "{}{}", false),
            ("array", "[]", false),
            ("text", r#""a""#, false),
            ("nothing", "", false),
            ("duplicate", r#"{"a":1,"a":1}"#, false),
            ("duplicate by escape", r#"{"exp":1,"\u0065xp":2}"#, false),
            ("duplicate deeper", r#"{"a":[{"b":1,"b":2}]}"#, false),
            ("the same name at two depths", r#"{"a":{"a":1}}"#, true),
            ("as deep as allowed", &nested(MAX_DEPTH - 1), true),
            ("too deep", &nested(MAX_DEPTH), false),
            ("far too deep", &nested(100_000), false),
            ("comment", "{/**/}", false),
            ("trailing comma", r#"{"a":1,}"#, false),
            ("not a number", r#"{"a":NaN}"#, false),
            ("lone surrogate", r#"{"a":"\ud800"}"#, false),
        ] {
            assert_eq!(object(text).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn many_members_are_checked_too() {
        let members = |last: &str| {
            let many: String = (0..100).map(|n| format!("\"n{n}\":0,")).collect();
            format!("{{{many}\"{last}\":0}}")
        };
        assert!(object(&members("new")).is_ok());
        assert_eq!(object(&members("n42")), Err(Malformed));
    }

    #[test]
    fn numbers_in_either_form() {
        for (text, expected) in [
            ("7", Json::Integer(7)),
            ("-7", Json::Float(-7.0)),
            ("7.5", Json::Float(7.5)),
            ("1e3", Json::Float(1000.0)),
            (r#"{"$serde_json::private::Number":"7"}"#, Json::Integer(7)),
        ] {
            assert_eq!(object(&format!("{{\"n\":{text}}}")).unwrap().get("n"), Some(&expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_another_reader_takes_is_read_alike(names in prop::collection::btree_map("[a-zé\"]{1,6}", any::<u32>(), 0..30)) {
            let text = serde_json::to_string(&names).unwrap();
            let members = object(&text).unwrap();
            for (name, value) in &names {
                prop_assert_eq!(members.get(name), Some(&Json::Integer(u64::from(*value))));
            }
            prop_assert_eq!(members.0.len(), names.len());
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            if object(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
