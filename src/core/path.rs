//! Paths of URLs and the names that they stand for, [RFC 3986 §3.3](https://www.rfc-editor.org/rfc/rfc3986#section-3.3).

use std::borrow::Cow;

/// Undoes percent-encoding; `None` where that would make a separator, a dot segment, a control or another percent sign, or is not UTF-8.
pub(crate) fn decode(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let byte = hex(bytes.next()?)? << 4 | hex(bytes.next()?)?;
                if byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'%') {
                    return None;
                }
                byte
            }
            byte => byte,
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let dots = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
    (!dots).then_some(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Adds `path` with everything encoded but the unreserved characters
/// ([§2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)) and the separators: what comes out can stand in any attribute.
pub(crate) fn encode(out: &mut String, path: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].into_iter().filter_map(|digit| HEX.get(usize::from(digit)));
            out.push('%');
            out.extend(digits.map(|digit| char::from(*digit)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(name in "[^\\x00-\\x1f\\x7f%\\\\/]{0,20}".prop_filter("dots", |name| name != "." && name != "..")) {
            let mut path = String::new();
            encode(&mut path, &name);
            prop_assert!(path.is_ascii() && !path.contains(['<', '"', '\'', '&', ' ', ',', '(', ')']));
            let decoded = decode(Cow::Borrowed(&path));
            prop_assert_eq!(decoded.as_deref(), Some(&*name));
        }

        #[test]
        fn what_is_decoded_hides_nothing(path in "[a./%2eE5cCfF0\\\\]{0,30}") {
            if path.contains('%') && let Some(decoded) = decode(Cow::Borrowed(&path)) {
                prop_assert!(!decoded.contains(['%', '\0']));
                prop_assert_eq!(decoded.matches('/').count(), path.matches('/').count());
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
