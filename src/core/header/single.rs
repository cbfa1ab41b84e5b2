use http::{HeaderMap, HeaderName, HeaderValue};

/// The value of a field that is no list; `None` if it does not come exactly once
/// ([RFC 9110 §5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn exactly_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(only(&headers, &header::HOST), None);
        headers.append(header::HOST, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &header::HOST), Some(&HeaderValue::from_static("a")));
        headers.append(header::HOST, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &header::HOST), None);
    }
}
