use std::borrow::Cow;

use super::{
    list::{split_outside_quotes, trim_ows},
    quoted::unquote,
    token::is_token,
};

/// One `name[=value]` behind a `;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parameter<'a> {
    /// A token, with or without a value; the value's quotes are undone.
    Named { name: &'a [u8], value: Option<Cow<'a, [u8]>> },
    /// What is neither.
    Malformed(&'a [u8]),
}

/// Splits `head; name=value; ...` into the head and its parameters, in order, empty ones left out
/// ([RFC 9110 §5.6.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6)).
///
/// Whitespace around `=` is taken though the grammar has none: the fields that use this are read leniently and compared exactly.
pub(crate) fn parameters(element: &[u8]) -> (&[u8], impl Iterator<Item = Parameter<'_>>) {
    let mut parts = split_outside_quotes(element, b';');
    let head = parts.next().unwrap_or_default();
    (head, parts.filter(|part| !part.is_empty()).map(parameter))
}

/// Reads one `name[=value]`, as in a Cache-Control directive or an authentication parameter.
pub(crate) fn parameter(part: &[u8]) -> Parameter<'_> {
    let (name, value) = match part.iter().position(|byte| *byte == b'=') {
        None => (part, None),
        Some(at) => {
            let (name, value) = part.split_at(at);
            (trim_ows(name), value.split_first().map(|(_equals, value)| trim_ows(value)))
        }
    };
    let value = match value {
        None => None,
        Some(value) if is_token(value) => Some(Cow::Borrowed(value)),
        Some(value) => match unquote(value) {
            Some(content) => Some(content),
            None => return Parameter::Malformed(part),
        },
    };
    if is_token(name) { Parameter::Named { name, value } } else { Parameter::Malformed(part) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(element: &str) -> String {
        let (head, parameters) = parameters(element.as_bytes());
        let mut out = String::from_utf8_lossy(head).into_owned();
        for parameter in parameters {
            out += &match parameter {
                Parameter::Named { name, value: None } => format!("|{}", String::from_utf8_lossy(name)),
                Parameter::Named { name, value: Some(value) } => {
                    format!("|{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(&value))
                }
                Parameter::Malformed(part) => format!("|?{}", String::from_utf8_lossy(part)),
            };
        }
        out
    }

    #[test]
    fn parameter_lists() {
        for (name, element, expected) in [
            ("none", "text/html", "text/html"),
            ("some", "text/html;charset=utf-8; q=0.5", "text/html|charset=utf-8|q=0.5"),
            ("flags", "permessage-deflate; server_no_context_takeover", "permessage-deflate|server_no_context_takeover"),
            ("quoted", r#"a; x="b;\"c", y=1"#, r#"a|?x="b;\"c", y=1"#),
            ("quoted alone", r#"a; x="b;\"c""#, r#"a|x=b;"c"#),
            ("empty ones", "a;; ;b=1;", "a|b=1"),
            ("empty value", "a; b=", "a|?b="),
            ("no name", "a; =1", "a|?=1"),
            ("spaces around equals", "a; b = 1", "a|b=1"),
            ("nothing", "", ""),
        ] {
            assert_eq!(shown(element), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(element in prop::collection::vec(any::<u8>(), 0..200)) {
            let (_, parameters) = parameters(&element);
            prop_assert!(parameters.count() <= element.len());
        }
    }
}
