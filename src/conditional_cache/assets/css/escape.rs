//! Escapes, [CSS Syntax §4.3.7](https://www.w3.org/TR/css-syntax-3/#consume-escaped-code-point).

use std::{iter::Peekable, str::Chars};

/// A backslash that does not stand before a newline begins an escape; at the end of the input it stands for U+FFFD.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.peek().copied() {
                // A line that goes on, in a string (§4.3.5).
                Some('\n' | '\r' | '\x0c') => skip_newline(&mut rest),
                Some(digit) if digit.is_ascii_hexdigit() => out.push(hexadecimal(&mut rest)),
                Some('\0') | None => {
                    rest.next();
                    out.push(char::REPLACEMENT_CHARACTER);
                }
                Some(other) => {
                    rest.next();
                    out.push(other);
                }
            },
            // §3.3
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}

/// Up to six digits, and one white space after them.
fn hexadecimal(rest: &mut Peekable<Chars<'_>>) -> char {
    let mut value = 0;
    for _ in 0..6 {
        let Some(digit) = rest.peek().and_then(|character| character.to_digit(16)) else { break };
        rest.next();
        value = value * 16 + digit;
    }
    match rest.peek() {
        Some(' ' | '\t') => drop(rest.next()),
        Some('\n' | '\r' | '\x0c') => skip_newline(rest),
        _ => {}
    }
    char::from_u32(value).filter(|character| *character != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// CRLF is one newline (§3.3).
fn skip_newline(rest: &mut Peekable<Chars<'_>>) {
    if rest.next() == Some('\r') {
        rest.next_if_eq(&'\n');
    }
}

/// `text` as a string in double quotes.
pub(super) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            // The space ends the escape.
            control if control.is_control() => out.push_str(&format!("\\{:x} ", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        for (name, raw, expected) in [
            ("none", "a.png", "a.png"),
            ("a character", r"a\.png", "a.png"),
            ("hexadecimal", r"\61.png", "a.png"),
            ("ended by a space", r"\61 b.png", "ab.png"),
            ("six digits end by themselves", r"\000061b.png", "ab.png"),
            ("a space after six digits", r"\000061 b.png", "ab.png"),
            ("a backslash", r"\\", "\\"),
            ("beyond Unicode", r"\110000 x", "\u{fffd}x"),
            ("a surrogate", r"\d800 x", "\u{fffd}x"),
            ("zero", r"\0 x", "\u{fffd}x"),
            ("a line that goes on", "a\\\nb\\\r\nc", "abc"),
            ("at the end", "a\\", "a\u{fffd}"),
            ("CRLF ends an escape", "\\61\r\nb", "ab"),
        ] {
            assert_eq!(unescape(raw), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in "[^\0]{0,30}") {
            let mut quoted = String::new();
            quote(&mut quoted, &text);
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert_eq!(unescape(inner), text);
        }

        #[test]
        fn any_text_is_unescaped_without_a_panic(raw in any::<String>()) {
            let _ = unescape(&raw);
        }
    }
}
