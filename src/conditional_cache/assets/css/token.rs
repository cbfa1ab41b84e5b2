//! Tokens, [CSS Syntax §4](https://www.w3.org/TR/css-syntax-3/#tokenization), as far as they decide what is a URL.

use std::ops::Range;

/// A token. What begins with a range holds the raw text between the quotes or parentheses, escapes and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Ident,
    /// Its range is the name.
    Function(Range<usize>),
    /// Its range is the name.
    At(Range<usize>),
    /// `"..."` with both its quotes.
    String(Range<usize>),
    /// `url(...)` without quotes, with its closing parenthesis.
    Url(Range<usize>),
    /// White space and comments.
    Space,
    /// `(`, `[` or `{`.
    Open(u8),
    /// `)`, `]` or `}`.
    Close(u8),
    Colon,
    Semicolon,
    /// Numbers, hashes, delimiters; strings and URLs that never end or are malformed.
    Other,
}

/// The tokens of a stylesheet, each with where it stands.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(css: &'a str) -> Self {
        // A byte order mark is not part of the text (§3.2).
        Self { text: css.as_bytes(), at: if css.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let first = *self.text.get(start)?;
        let token = self.consume(first);
        Some((token, start..self.at))
    }
}

impl Tokens<'_> {
    /// §4.3.1
    fn consume(&mut self, first: u8) -> Token {
        match first {
            b'/' if self.peek(1) == Some(b'*') => {
                self.comment();
                Token::Space
            }
            byte if is_space(byte) => {
                self.skip_space();
                Token::Space
            }
            quote @ (b'"' | b'\'') => self.string(quote),
            b'#' if self.peek(1).is_some_and(is_name) || self.is_escape(1) => {
                self.at += 1;
                self.name();
                Token::Other
            }
            b'@' if self.starts_ident(1) => {
                self.at += 1;
                Token::At(self.name())
            }
            b'<' if self.follows(b"<!--") => self.skip(4),
            b'-' if self.follows(b"-->") => self.skip(3),
            _ if self.starts_number() => {
                self.number();
                Token::Other
            }
            _ if self.starts_ident(0) => self.ident_like(),
            b'(' | b'[' | b'{' => self.single(Token::Open(first)),
            b')' | b']' | b'}' => self.single(Token::Close(first)),
            b':' => self.single(Token::Colon),
            b';' => self.single(Token::Semicolon),
            _ => self.single(Token::Other),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn follows(&self, text: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn skip(&mut self, bytes: usize) -> Token {
        self.at += bytes;
        Token::Other
    }

    fn skip_space(&mut self) {
        while self.peek(0).is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// §4.3.2; one that never ends takes the rest.
    fn comment(&mut self) {
        self.at += 2;
        while let Some(byte) = self.peek(0) {
            if byte == b'*' && self.peek(1) == Some(b'/') {
                self.at += 2;
                return;
            }
            self.at += 1;
        }
    }

    /// §4.3.5. A newline ends it as malformed and is not part of it; so is for us one that the end of the input ends.
    fn string(&mut self, quote: u8) -> Token {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            match byte {
                byte if byte == quote => {
                    let inner = start..self.at;
                    self.at += 1;
                    return Token::String(inner);
                }
                byte if is_newline(byte) => return Token::Other,
                b'\\' => self.escape_in_string(),
                _ => self.at += 1,
            }
        }
        Token::Other
    }

    /// In a string a backslash also lets a line go on, and CRLF is one newline.
    fn escape_in_string(&mut self) {
        if self.is_escape(0) {
            self.escape();
        } else {
            self.at += if self.follows(b"\\\r\n") { 3 } else { 2 };
        }
    }

    /// §4.3.4
    fn ident_like(&mut self) -> Token {
        let name = self.name();
        if self.peek(0) != Some(b'(') {
            return Token::Ident;
        }
        self.at += 1;
        if !is_url(self.text.get(name.clone()).unwrap_or_default()) {
            return Token::Function(name);
        }
        let inside = self.at;
        self.skip_space();
        if matches!(self.peek(0), Some(b'"' | b'\'')) {
            self.at = inside;
            return Token::Function(name);
        }
        self.url()
    }

    /// §4.3.6
    fn url(&mut self) -> Token {
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            match byte {
                b')' => {
                    let inner = start..self.at;
                    self.at += 1;
                    return Token::Url(inner);
                }
                byte if is_space(byte) => {
                    let inner = start..self.at;
                    self.skip_space();
                    return match self.peek(0) {
                        Some(b')') => self.single(Token::Url(inner)),
                        None => Token::Other,
                        Some(_) => self.bad_url(),
                    };
                }
                b'"' | b'\'' | b'(' | 0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f => return self.bad_url(),
                b'\\' if self.is_escape(0) => self.escape(),
                b'\\' => return self.bad_url(),
                _ => self.at += 1,
            }
        }
        Token::Other
    }

    /// §4.3.14
    fn bad_url(&mut self) -> Token {
        while let Some(byte) = self.peek(0) {
            match byte {
                b')' => return self.single(Token::Other),
                b'\\' if self.is_escape(0) => self.escape(),
                _ => self.at += 1,
            }
        }
        Token::Other
    }

    /// §4.3.8
    fn is_escape(&self, ahead: usize) -> bool {
        self.peek(ahead) == Some(b'\\') && !self.peek(ahead + 1).is_some_and(is_newline)
    }

    /// A backslash and what it escapes, with the white space that ends its digits (§4.3.7).
    fn escape(&mut self) {
        self.at += 1;
        let digits = (0..6).take_while(|ahead| self.peek(*ahead).is_some_and(|byte| byte.is_ascii_hexdigit())).count();
        if digits == 0 {
            // Of a character of more bytes the others are those of a name.
            self.at = (self.at + 1).min(self.text.len());
            return;
        }
        self.at += digits;
        if self.follows(b"\r\n") {
            self.at += 2;
        } else if self.peek(0).is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// §4.3.9
    fn starts_ident(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            Some(b'-') => {
                self.peek(ahead + 1).is_some_and(|byte| is_name_start(byte) || byte == b'-') || self.is_escape(ahead + 1)
            }
            Some(b'\\') => self.is_escape(ahead),
            Some(byte) => is_name_start(byte),
            None => false,
        }
    }

    /// §4.3.10
    fn starts_number(&self) -> bool {
        let digit = |ahead| self.peek(ahead).is_some_and(|byte: u8| byte.is_ascii_digit());
        let after_sign = usize::from(matches!(self.peek(0), Some(b'+' | b'-')));
        digit(after_sign) || (self.peek(after_sign) == Some(b'.') && digit(after_sign + 1))
    }

    /// §4.3.12, and the unit (§4.3.3).
    fn number(&mut self) {
        self.at += usize::from(matches!(self.peek(0), Some(b'+' | b'-')));
        self.digits();
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
            self.digits();
        }
        let signed = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        if matches!(self.peek(0), Some(b'e' | b'E')) && self.peek(1 + signed).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1 + signed;
            self.digits();
        }
        if self.starts_ident(0) {
            self.name();
        }
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// §4.3.11
    fn name(&mut self) -> Range<usize> {
        let start = self.at;
        loop {
            if self.peek(0).is_some_and(is_name) {
                self.at += 1;
            } else if self.is_escape(0) {
                self.escape();
            } else {
                return start..self.at;
            }
        }
    }
}

/// `url`, also if written with escapes.
fn is_url(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"url")
        || (name.contains(&b'\\')
            && std::str::from_utf8(name).is_ok_and(|name| super::escape::unescape(name).eq_ignore_ascii_case("url")))
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0x0c)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t') || is_newline(byte)
}

/// NUL is read as U+FFFD, which is part of names (§3.3).
fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 || byte == 0
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'-'
}
