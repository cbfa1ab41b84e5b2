use std::fmt;

use http::{HeaderName, HeaderValue};

use super::{CacheControl, Reach, parse::FLAGS};
use crate::core::header::{is_token, quote};

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |list, (name, argument)| match argument {
            None => list.element(format_args!("{name}")),
            Some(token) if is_token(token.as_bytes()) => list.element(format_args!("{name}={token}")),
            Some(text) => list.element(format_args!("{name}={}", quote(text))),
        })
    }
}

/// The directives of a targeted field: a dictionary of structured fields ([RFC 9213 §2.1](https://www.rfc-editor.org/rfc/rfc9213#section-2.1)).
///
/// Flags, numbers and the lists of fields are written as in `Cache-Control`, which is a dictionary too. Only the extensions may hold
/// what a dictionary cannot, and a field with one of those would be ignored altogether.
struct Dictionary<'a>(&'a CacheControl);

impl fmt::Display for Dictionary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, |list, (name, argument)| match argument {
            _ if !is_key(name) => Ok(()),
            None => list.element(format_args!("{name}")),
            Some(item) if is_integer(item) || is_sf_token(item) => list.element(format_args!("{name}={item}")),
            Some(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
                list.element(format_args!("{name}={}", quote(text)))
            }
            Some(_) => Ok(()),
        })
    }
}

/// [RFC 9651 §3.1.2](https://www.rfc-editor.org/rfc/rfc9651#section-3.1.2); the names of extensions are lower-case already.
fn is_key(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first == '*' || first.is_ascii_lowercase());
    begins && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'))
}

/// [RFC 9651 §3.3.1](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.1), without the sign that no directive has.
fn is_integer(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// [RFC 9651 §3.3.4](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.4).
fn is_sf_token(text: &str) -> bool {
    is_token(text.as_bytes()) && text.starts_with(|first: char| first == '*' || first.is_ascii_alphabetic())
}

impl CacheControl {
    /// As the value of a targeted field.
    pub(in crate::conditional_cache) fn to_dictionary(&self) -> HeaderValue {
        HeaderValue::try_from(Dictionary(self).to_string()).unwrap_or(HeaderValue::from_static("no-store"))
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        extension: impl Fn(&mut List<'_, '_>, (&str, Option<&str>)) -> fmt::Result,
    ) -> fmt::Result {
        let mut list = List { f, first: true };
        // In the order that people write them: who may keep it, for how long, and what else holds.
        let (head, flags) = FLAGS.split_at(1);
        let (storing, others) = flags.split_at(2);
        list.flags(self.flags, head)?;
        list.reach("private", &self.private)?;
        list.reach("no-cache", &self.no_cache)?;
        list.flags(self.flags, storing)?;
        for (name, seconds) in [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
            ("max-stale", self.max_stale),
            ("min-fresh", self.min_fresh),
        ] {
            if let Some(seconds) = seconds {
                list.element(format_args!("{name}={seconds}"))?;
            }
        }
        list.flags(self.flags, others)?;
        self.extensions().try_for_each(|one| extension(&mut list, one))
    }
}

/// The value of a `Cache-Control` field.
impl From<&CacheControl> for HeaderValue {
    fn from(directives: &CacheControl) -> Self {
        // Tokens, numbers and quoted strings always make a field value; if one did not, nothing must be kept.
        Self::try_from(directives.to_string()).unwrap_or(Self::from_static("no-store"))
    }
}

/// The value of a `Cache-Control` field.
impl From<CacheControl> for HeaderValue {
    fn from(directives: CacheControl) -> Self {
        Self::from(&directives)
    }
}

struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl List<'_, '_> {
    fn element(&mut self, element: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.f.write_str(", ")?;
        }
        self.f.write_fmt(element)
    }

    fn flags(&mut self, set: u16, table: &[(&str, u16)]) -> fmt::Result {
        for (name, flag) in table {
            if set & flag != 0 {
                self.element(format_args!("{name}"))?;
            }
        }
        Ok(())
    }

    fn reach(&mut self, name: &str, reach: &Reach) -> fmt::Result {
        match reach {
            Reach::Absent => Ok(()),
            Reach::Everything => self.element(format_args!("{name}")),
            Reach::Fields(fields) => {
                let fields: Vec<_> = fields.iter().map(HeaderName::as_str).collect();
                self.element(format_args!("{name}=\"{}\"", fields.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dictionaries() {
        for (name, line, expected) in [
            ("nothing", "", ""),
            ("as in Cache-Control", "public, max-age=60, immutable", "public, max-age=60, immutable"),
            ("fields", "private=\"set-cookie\", no-cache", "private=\"set-cookie\", no-cache"),
            ("a flag of others", "max-age=1, x.y", "max-age=1, x.y"),
            ("a number of others", "x=060", "x=060"),
            ("a number too long", "x=1234567890123456", "x=\"1234567890123456\""),
            ("a token", "community=UCI", "community=UCI"),
            ("a token that would be no item", "x=1a", "x=\"1a\""),
            ("a string", "x=\"a, \\\"b\"", "x=\"a, \\\"b\""),
            ("beyond ASCII", "x=\"\u{fc}\", max-age=1", "max-age=1"),
            ("no key", "1x=y, x!y, max-age=1", "max-age=1"),
        ] {
            assert_eq!(CacheControl::parse(line.as_bytes()).to_dictionary().to_str().unwrap(), expected, "{name}");
        }
    }

    /// What a directive of others is written as, and what of its name and argument another implementation of structured fields reads.
    fn written(name: &str, argument: Option<&str>) -> (String, Option<(String, String)>) {
        let line = CacheControl::new().with_extension(name, argument).to_dictionary().to_str().unwrap().to_owned();
        let members: sfv::Dictionary = sfv::Parser::new(&line).parse().unwrap();
        let read = members.into_iter().next().map(|(key, entry)| match entry {
            sfv::ListEntry::Item(item) => match item.bare_item {
                sfv::BareItem::Token(token) => (key.into(), token.into()),
                sfv::BareItem::String(string) => (key.into(), string.into()),
                sfv::BareItem::Integer(number) => (key.into(), number.to_string()),
                other => panic!("{other:?}"),
            },
            sfv::ListEntry::InnerList(list) => panic!("no inner list was written: {list:?}"),
        });
        (line, read)
    }

    #[test]
    #[ignore = "needs what tests/conformance/structured-fields fetches"]
    fn structured_field_tests() {
        for case in crate::core::header::structured_field_tests::texts() {
            let expected = case.written.map(|_| ("x-y".to_owned(), case.text.clone()));
            assert_eq!(written("x-y", Some(&case.text)).1, expected, "{}", case.name);
        }
        let (mut keys, mut refused) = (0, 0);
        for case in crate::core::header::structured_field_tests::cases() {
            let (true, [member]) = (case.kind == "dictionary", case.expected.as_array().map_or(&[][..], Vec::as_slice)) else {
                continue;
            };
            let (Some(key), true) = (member[0].as_str(), member[1] == serde_json::json!([1, []])) else { continue };
            let expected = match case.must_fail {
                // The names of directives are compared without regard to case, and a dictionary has none but small letters.
                true if key.bytes().any(|byte| byte.is_ascii_uppercase()) => format!("{}=1", key.to_ascii_lowercase()),
                true => String::new(),
                false => case.canonical,
            };
            assert_eq!(written(key, Some("1")).0, expected, "{}", case.name);
            (keys, refused) = (keys + 1, refused + usize::from(case.must_fail));
        }
        assert_eq!((keys, refused), (287, 189));
    }

    proptest! {
        #[test]
        fn a_dictionary_leaves_out_nothing_but_extensions(line in "((public|no-store|immutable|max-age=[0-9]{1,4}|private=\"[a-z!, ]{0,5}\"|no-cache|[a-z!0-9]{1,3}(=[a-zA-Z0-9]{1,4}|=\"[^\"]{0,4}\")?)[, ]{1,2}){0,5}") {
            let mut directives = CacheControl::parse(line.as_bytes());
            let mut told = CacheControl::parse(directives.to_dictionary().as_bytes());
            prop_assert!(told.extensions.iter().all(|one| directives.extensions.contains(one)));
            (directives.extensions, told.extensions) = <_>::default();
            prop_assert_eq!(told, directives);
        }

        #[test]
        fn a_dictionary_says_the_same_to_who_reads_directives(line in "((public|max-age=[0-9]{1,4}|private=\"[a-z, ]{0,5}\"|[a-z]{1,3}(=[a-zA-Z0-9]{1,4}))[, ]{1,2}){0,5}") {
            let directives = CacheControl::parse(line.as_bytes());
            prop_assert_eq!(CacheControl::parse(directives.to_dictionary().as_bytes()), directives);
        }
    }
}
