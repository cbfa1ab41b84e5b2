use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::list::{contains_token, elements};

/// Adds `names` to `Vary`, each once; a `Vary: *` already says it all
/// ([RFC 9110 §12.5.5](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.5)).
///
/// A new field line is appended, so that what the handler wrote stays as it is.
pub(crate) fn add_vary(headers: &mut HeaderMap, names: &[HeaderName]) {
    if elements(headers, &header::VARY).any(|element| element == b"*") {
        return;
    }
    for name in names {
        if !contains_token(headers, &header::VARY, name.as_str()) {
            headers.append(header::VARY, HeaderValue::from(name.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging() {
        for (name, before, after) in [
            ("new", &[][..], &["accept", "cookie"][..]),
            ("one there", &["Accept"], &["Accept", "cookie"]),
            ("both there in one line", &["Cookie , Accept"], &["Cookie , Accept"]),
            ("star", &["*"], &["*"]),
            ("star among others", &["origin, *"], &["origin, *"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in before {
                headers.append(header::VARY, HeaderValue::from_static(line));
            }
            add_vary(&mut headers, &[header::ACCEPT, header::COOKIE]);
            assert_eq!(headers.get_all(header::VARY).iter().collect::<Vec<_>>(), after, "{name}");
        }
    }
}
