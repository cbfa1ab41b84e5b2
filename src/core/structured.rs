//! Structured fields, [RFC 9651](https://www.rfc-editor.org/rfc/rfc9651), as far as they are read here: lists and dictionaries of items.
//!
//! A field that breaks the grammar anywhere is no field at all (§4.2): reading returns `None` and nothing of it is used.

use std::borrow::Cow;

/// A bare item ([§3.3](https://www.rfc-editor.org/rfc/rfc9651#section-3.3)). What no reader here has a use for is only checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Boolean(bool),
    Integer(i64),
    Token(&'a str),
    String(Cow<'a, str>),
    /// A decimal, a byte sequence, a date, a display string, an inner list.
    Other,
}

impl Item<'_> {
    /// What a token or a string says.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::String(string) => Some(string),
            _ => None,
        }
    }
}

/// The members of a list, without their parameters ([§3.1](https://www.rfc-editor.org/rfc/rfc9651#section-3.1)).
pub(crate) fn list(text: &[u8]) -> Option<Vec<Item<'_>>> {
    let mut reader = Reader::new(text)?;
    let mut members = Vec::new();
    while reader.more(members.is_empty())? {
        let member = reader.member()?;
        reader.parameters()?;
        members.push(member);
    }
    Some(members)
}

/// The members of a dictionary, without their parameters ([§3.2](https://www.rfc-editor.org/rfc/rfc9651#section-3.2)). Of a repeated key
/// the last counts.
pub(crate) fn dictionary(text: &[u8]) -> Option<Vec<(&str, Item<'_>)>> {
    let mut reader = Reader::new(text)?;
    let mut members: Vec<(&str, Item<'_>)> = Vec::new();
    while reader.more(members.is_empty())? {
        let key = reader.key()?;
        let value = if reader.eat('=') { reader.member()? } else { Item::Boolean(true) };
        reader.parameters()?;
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some(member) => member.1 = value,
            None => members.push((key, value)),
        }
    }
    Some(members)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        Some(Self { rest: text.trim_matches(' ') })
    }

    /// Whether another member follows; `None` if what follows is none.
    fn more(&mut self, first: bool) -> Option<bool> {
        if first {
            return Some(!self.rest.is_empty());
        }
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.is_empty() {
            return Some(false);
        }
        if !self.eat(',') {
            return None;
        }
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        // A comma at the end is an error (§4.2.1).
        (!self.rest.is_empty()).then_some(true)
    }

    fn eat(&mut self, expected: char) -> bool {
        self.rest.strip_prefix(expected).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    fn take_while(&mut self, accepted: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !accepted(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<&'a str> {
        let starts = |byte: u8| byte.is_ascii_lowercase() || byte == b'*';
        let key = self.take_while(|byte| starts(byte) || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.'));
        key.bytes().next().is_some_and(starts).then_some(key)
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(';') {
            self.rest = self.rest.trim_start_matches(' ');
            self.key()?;
            if self.eat('=') {
                self.bare()?;
            }
        }
        Some(())
    }

    fn member(&mut self) -> Option<Item<'a>> {
        if !self.eat('(') {
            return self.bare();
        }
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if self.eat(')') {
                return Some(Item::Other);
            }
            self.bare()?;
            self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn bare(&mut self) -> Option<Item<'a>> {
        match self.rest.bytes().next()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Item::String),
            b'?' => self.boolean(),
            b':' => self.byte_sequence(),
            b'@' => {
                self.eat('@');
                matches!(self.number()?, Item::Integer(_)).then_some(Item::Other)
            }
            b'%' => {
                self.eat('%');
                self.display_string()
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                Some(Item::Token(self.take_while(|byte| is_tchar(byte) || matches!(byte, b':' | b'/'))))
            }
            _ => None,
        }
    }

    /// At most 15 digits, or 12 and 3 around a point (§4.2.4).
    fn number(&mut self) -> Option<Item<'a>> {
        let sign = if self.eat('-') { -1 } else { 1 };
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        if !self.rest.starts_with('.') {
            return (whole.len() <= 15).then(|| whole.parse().ok()).flatten().map(|number: i64| Item::Integer(sign * number));
        }
        self.eat('.');
        let fraction = self.take_while(|byte| byte.is_ascii_digit());
        ((1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len())).then_some(Item::Other)
    }

    fn boolean(&mut self) -> Option<Item<'a>> {
        self.eat('?');
        let truth = self.eat('1');
        (truth || self.eat('0')).then_some(Item::Boolean(truth))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.eat('"');
        let plain = self.take_while(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\');
        if self.eat('"') {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.eat('"') {
                return Some(Cow::Owned(text));
            }
            // Only the quote and the backslash itself may be escaped (§4.2.5).
            if self.eat('\\') {
                let escaped = if self.eat('"') { '"' } else { '\\' };
                if escaped == '\\' && !self.eat('\\') {
                    return None;
                }
                text.push(escaped);
            }
            let plain = self.take_while(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\');
            if plain.is_empty() && !self.rest.starts_with(['"', '\\']) {
                return None;
            }
            text.push_str(plain);
        }
    }

    fn byte_sequence(&mut self) -> Option<Item<'a>> {
        self.eat(':');
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.eat(':').then_some(Item::Other)
    }

    /// `%"..."` with two lower-case hexadecimal digits behind each percent sign (§4.2.10). The bytes must be UTF-8.
    fn display_string(&mut self) -> Option<Item<'a>> {
        if !self.eat('"') {
            return None;
        }
        let mut bytes = Vec::new();
        loop {
            bytes.extend(self.take_while(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'%').bytes());
            if self.eat('"') {
                return std::str::from_utf8(&bytes).is_ok().then_some(Item::Other);
            }
            if !self.eat('%') {
                return None;
            }
            let digits = self.rest.get(..2)?;
            if digits.bytes().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            self.rest = self.rest.get(2..)?;
        }
    }
}

fn is_tchar(byte: u8) -> bool {
    super::header::is_token(&[byte])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn string(text: &str) -> Item<'_> {
        Item::String(Cow::Borrowed(text))
    }

    #[test]
    fn lists() {
        for (name, text, expected) in [
            ("nothing", "", Some(vec![])),
            ("strings", "\"a\", \"b, c\"", Some(vec![string("a"), string("b, c")])),
            ("escapes", r#""a\"b\\""#, Some(vec![string("a\"b\\")])),
            ("a wrong escape", r#""a\b""#, None),
            ("no end", "\"a", None),
            ("an escape at the end", "\"a\\", None),
            ("numbers", "1, -22,0.5", Some(vec![Item::Integer(1), Item::Integer(-22), Item::Other])),
            ("fifteen digits", "999999999999999", Some(vec![Item::Integer(999_999_999_999_999)])),
            ("sixteen digits", "1000000000000000", None),
            ("a point and nothing", "1.", None),
            ("too fine", "1.2345", None),
            ("a sign alone", "-", None),
            ("tokens", "a/b:c, *x", Some(vec![Item::Token("a/b:c"), Item::Token("*x")])),
            ("parameters", "a;b;c=1; d=\"x\"", Some(vec![Item::Token("a")])),
            ("a parameter in capitals", "a;B", None),
            ("inner list", "(\"a\" b;c), d", Some(vec![Item::Other, Item::Token("d")])),
            ("inner list without an end", "(a", None),
            ("items that touch", "(a\"b\")", None),
            ("bytes and dates", ":aGk=:, @17", Some(vec![Item::Other, Item::Other])),
            ("a date with a fraction", "@1.5", None),
            ("display string", "%\"f%c3%bc\"", Some(vec![Item::Other])),
            ("no UTF-8", "%\"%c3\"", None),
            ("capital digits", "%\"%C3%BC\"", None),
            ("a comma at the end", "a,", None),
            ("no comma", "a b", None),
            ("an empty member", "a,,b", None),
            ("beyond ASCII", "\"ü\"", None),
        ] {
            assert_eq!(list(text.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn dictionaries() {
        for (name, text, expected) in [
            (
                "flags and numbers",
                "max-age=60, public",
                Some(vec![("max-age", Item::Integer(60)), ("public", Item::Boolean(true))]),
            ),
            ("said to be not", "no-store=?0", Some(vec![("no-store", Item::Boolean(false))])),
            ("the last counts", "a=1, b, a=2", Some(vec![("a", Item::Integer(2)), ("b", Item::Boolean(true))])),
            ("parameters of a flag", "a;x=1, b", Some(vec![("a", Item::Boolean(true)), ("b", Item::Boolean(true))])),
            ("a key in capitals", "Max-Age=60", None),
            ("a space before the sign", "max-age =60", None),
            ("a space behind it", "max-age= 60", None),
            ("what is no key", "max-age=60, &&&", None),
            ("inner list", "a=(1 2)", Some(vec![("a", Item::Other)])),
        ] {
            assert_eq!(dictionary(text.as_bytes()), expected, "{name}");
        }
    }

    /// Whether an item is what a test expects. What is only checked is expected to be something else than what is read.
    fn is_item(item: &Item<'_>, expected: &Value) -> bool {
        match item {
            Item::Boolean(truth) => expected == truth,
            Item::Integer(number) => expected.as_i64() == Some(*number),
            Item::Token(token) => expected["__type"] == "token" && expected["value"] == *token,
            Item::String(text) => expected == text.as_ref(),
            Item::Other => expected.is_f64() || expected.is_array() || expected.is_object() && expected["__type"] != "token",
        }
    }

    fn is_list(members: &[Item<'_>], expected: &Value) -> bool {
        let expected = expected.as_array().unwrap();
        members.len() == expected.len() && members.iter().zip(expected).all(|(member, expected)| is_item(member, &expected[0]))
    }

    fn is_dictionary(members: &[(&str, Item<'_>)], expected: &Value) -> bool {
        let expected = expected.as_array().unwrap();
        let same =
            |((key, member), expected): (&(&str, Item<'_>), &Value)| expected[0] == *key && is_item(member, &expected[1][0]);
        members.len() == expected.len() && members.iter().zip(expected).all(same)
    }

    /// An item is read as a list of one.
    #[test]
    #[ignore = "needs what tests/conformance/structured-fields fetches"]
    fn structured_field_tests() {
        let (mut read, mut refused) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
        for case in crate::core::header::structured_field_tests::cases() {
            let Some(raw) = case.raw else { continue };
            // Behind a member of a list there may be a tab (§4.2.1), behind an item not.
            if case.kind == "item" && raw.trim_end_matches(' ').ends_with('\t') {
                continue;
            }
            let right = match &*case.kind {
                "dictionary" => dictionary(raw.as_bytes()).map(|members| is_dictionary(&members, &case.expected)),
                "list" => list(raw.as_bytes()).map(|members| is_list(&members, &case.expected)),
                _ => list(raw.as_bytes())
                    .filter(|members| members.len() == 1)
                    .map(|members| is_item(&members[0], &case.expected[0])),
            };
            assert_eq!(right, (!case.must_fail).then_some(true), "{}: {raw:?}", case.name);
            let counts = if case.must_fail { &mut refused } else { &mut read };
            *counts.entry(case.kind).or_default() += 1;
        }
        let counts = |counts: [(&str, usize); 3]| counts.map(|(kind, count)| (kind.to_owned(), count)).into();
        assert_eq!(read, counts([("dictionary", 132), ("item", 471), ("list", 106)]));
        assert_eq!(refused, counts([("dictionary", 299), ("item", 340), ("list", 200)]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (list(&text), dictionary(&text));
        }

        #[test]
        fn what_looks_like_a_dictionary_is_read_without_a_panic(text in "([a-z]{1,3}(=([0-9.@-]{1,4}|\"[a\\\\\"]{0,4}\"?|%\"[%a-f0-9]{0,6}\"|\\(a b\\)?))?(;[a-z]=?1?)?, ?){0,4}") {
            if let Some(members) = dictionary(text.as_bytes()) {
                prop_assert!(members.len() <= text.len());
            }
        }
    }
}
