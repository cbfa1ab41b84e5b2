use std::borrow::Cow;

/// The content of a quoted string with its escapes undone, or `None` if `bytes` is not one whole quoted string
/// ([RFC 9110 §5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)).
pub(crate) fn unquote(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let [b'"', inner @ .., b'"'] = bytes else { return None };
    if end_of_quoted(bytes, 0) != Some(bytes.len()) {
        return None;
    }
    if !inner.contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut content = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        content.push(if byte == b'\\' { rest.next()? } else { byte });
    }
    Some(Cow::Owned(content))
}

/// `text` as a quoted string. What a field value cannot hold (controls but tab) is left out.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| *character == '\t' || !character.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// The index after the closing quote of the quoted string that starts at `start`; `None` if it never closes.
pub(super) fn end_of_quoted(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unquoting() {
        for (name, text, expected) in [
            ("plain", r#""abc""#, Some("abc")),
            ("empty", r#""""#, Some("")),
            ("escapes", r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            ("bare", "abc", None),
            ("one quote", "\"", None),
            ("escaped end", r#""abc\""#, None),
            ("text after the end", r#""a"b""#, None),
        ] {
            assert_eq!(unquote(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    proptest! {
        #[test]
        fn quoting_and_back(text in "[^\\p{Cc}]*") {
            let quoted = quote(&text);
            let back = unquote(quoted.as_bytes());
            prop_assert_eq!(back.as_deref(), Some(text.as_bytes()));
        }

        #[test]
        fn what_is_quoted_fits_into_a_header(text in any::<String>()) {
            prop_assert!(http::HeaderValue::from_str(&quote(&text)).is_ok());
        }

        #[test]
        fn any_bytes_unquote_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = unquote(&bytes);
        }
    }
}
