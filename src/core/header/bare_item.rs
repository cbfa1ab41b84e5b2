use super::token::is_token;

/// A text as a bare item of structured fields: a token where it can be one, else a string. `None` if it is empty or holds anything but printable
/// ASCII ([RFC 9651 §4.1.6, §4.1.7](https://www.rfc-editor.org/rfc/rfc9651#section-4.1.6)).
pub(crate) fn bare_item(text: &str) -> Option<String> {
    let first = text.bytes().next()?;
    if (first.is_ascii_alphabetic() || first == b'*') && text.bytes().all(is_of_token) {
        return Some(text.to_owned());
    }
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return None;
    }
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn is_of_token(byte: u8) -> bool {
    matches!(byte, b':' | b'/') || is_token(&[byte])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (name, text, expected) in [
            ("a host", "edge.example.net", Some("edge.example.net")),
            ("with a port", "edge:8080", Some("edge:8080")),
            ("a star", "*", Some("*")),
            ("an address", "192.0.2.1", Some("\"192.0.2.1\"")),
            ("words", "my edge", Some("\"my edge\"")),
            ("a quote and an escape", r#"a"b\c"#, Some(r#""a\"b\\c""#)),
            ("a separator", "a;b,c", Some("\"a;b,c\"")),
            ("nothing", "", None),
            ("a line end", "a\r\nx: 1", None),
            ("a tab", "a\tb", None),
            ("not ASCII", "bücher", None),
        ] {
            assert_eq!(bare_item(text).as_deref(), expected, "{name}");
        }
    }
    #[test]
    #[ignore = "needs what tests/conformance/structured-fields fetches"]
    fn structured_field_tests() {
        for case in super::super::structured_field_tests::texts() {
            // An empty name would be a name of nobody.
            let expected = case.written.filter(|_| !case.text.is_empty());
            assert_eq!(bare_item(&case.text), expected, "{}", case.name);
        }
    }
}
