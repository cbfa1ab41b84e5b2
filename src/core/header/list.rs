use http::{HeaderMap, HeaderName};

use super::quoted::end_of_quoted;

/// The elements of a list field over all its lines, trimmed, empty ones left out
/// ([RFC 9110 §5.6.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2)). Commas within quoted strings do not separate.
pub(crate) fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|value| elements_of(value.as_bytes()))
}

/// The elements of one field line.
pub(crate) fn elements_of(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_outside_quotes(line, b',').filter(|element| !element.is_empty())
}

/// Whether the list holds `token`, compared without regard to case, never by substring.
pub(crate) fn contains_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Without the optional whitespace around it ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The trimmed parts between separators, which do not count inside quoted strings. A quoted string that never ends takes the rest.
pub(super) fn split_outside_quotes(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut at = 0;
        while let Some(&byte) = line.get(at) {
            if byte == separator {
                break;
            }
            at = if byte == b'"' { end_of_quoted(line, at).unwrap_or(line.len()) } else { at + 1 };
        }
        let (part, after) = line.split_at(at.min(line.len()));
        rest = after.split_first().map(|(_separator, after)| after);
        Some(trim_ows(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};
    use proptest::prelude::*;

    fn parts(line: &str) -> Vec<String> {
        elements_of(line.as_bytes()).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }

    #[test]
    fn lists() {
        for (name, line, expected) in [
            ("one", "a", vec!["a"]),
            ("spaces and tabs", " a ,\tb\t", vec!["a", "b"]),
            ("empty elements", ",, a ,,b,", vec!["a", "b"]),
            ("nothing", " , ", vec![]),
            ("quoted comma", r#""a,b", c"#, vec![r#""a,b""#, "c"]),
            ("escaped quote", r#""a\",b", c"#, vec![r#""a\",b""#, "c"]),
            ("quote inside", r#"x="a,b";y, c"#, vec![r#"x="a,b";y"#, "c"]),
            ("unclosed quote", r#"a, "b, c"#, vec!["a", r#""b, c"#]),
            ("unclosed escape", r#""b, c\"#, vec![r#""b, c\"#]),
        ] {
            assert_eq!(parts(line), expected, "{name}");
        }
    }

    #[test]
    fn tokens_are_found_whole_in_any_line_and_case() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.append(header::CONNECTION, HeaderValue::from_static("x, UPGRADE"));
        assert!(contains_token(&headers, &header::CONNECTION, "upgrade"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("not-upgrade"));
        assert!(!contains_token(&headers, &header::CONNECTION, "upgrade"));
    }

    proptest! {
        #[test]
        fn no_element_is_lost_or_invented(tokens in prop::collection::vec("[a-z0-9!#-]{1,8}", 0..8), pad in "[ \t]{0,3}") {
            let line = tokens.join(&format!("{pad},{pad}"));
            prop_assert_eq!(parts(&line), tokens);
        }

        #[test]
        fn any_bytes_are_split_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let total: usize = split_outside_quotes(&line, b',').map(<[u8]>::len).sum();
            prop_assert!(total <= line.len());
        }
    }
}
