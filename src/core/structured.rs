//! Structured fields, [RFC 9651](https://www.rfc-editor.org/rfc/rfc9651), as far as they are read here: lists and dictionaries of items.
//!
//! A field that breaks the grammar anywhere is no field at all (§4.2): reading returns `None` and nothing of it is used. Nor is one that is
//! longer than every reader has to bear: members are compared with each other, and a sender who is hostile sends many.

use std::borrow::Cow;

/// The members of a list ([§3.1](https://www.rfc-editor.org/rfc/rfc9651#section-3.1)) or of a dictionary
/// ([§3.2](https://www.rfc-editor.org/rfc/rfc9651#section-3.2)), those of a repeated key too.
const MEMBERS: usize = 1024;

/// The items of an inner list ([§3.1.1](https://www.rfc-editor.org/rfc/rfc9651#section-3.1.1)), and the parameters of one item or list
/// ([§3.1.2](https://www.rfc-editor.org/rfc/rfc9651#section-3.1.2)), those of a repeated key too.
const OF_A_MEMBER: usize = 256;

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
    while reader.more()? {
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
    while reader.more()? {
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
    /// How many were begun.
    members: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        Some(Self { rest: text.trim_matches(' '), members: 0 })
    }

    /// Whether another member follows; `None` if what follows is none.
    fn more(&mut self) -> Option<bool> {
        let first = self.members == 0;
        self.members += 1;
        if first {
            return Some(!self.rest.is_empty());
        }
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.is_empty() {
            return Some(false);
        }
        if !self.eat(',') || self.members > MEMBERS {
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
        for _ in 0..OF_A_MEMBER {
            if !self.eat(';') {
                return Some(());
            }
            self.rest = self.rest.trim_start_matches(' ');
            self.key()?;
            if self.eat('=') {
                self.bare()?;
            }
        }
        (!self.rest.starts_with(';')).then_some(())
    }

    fn member(&mut self) -> Option<Item<'a>> {
        if !self.eat('(') {
            return self.bare();
        }
        // Once more for its end.
        for _ in 0..=OF_A_MEMBER {
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
        None
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
mod tests;
