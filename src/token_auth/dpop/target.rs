//! The target URI that a proof names, [RFC 9449 §4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2), normalised as
//! [RFC 3986 §6.2.2, §6.2.3](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2) have it.

use std::fmt;

use crate::token_auth::{
    error::{ConfigError, ConfigErrorKind},
    url::{self, Transport},
};

/// Scheme, authority and base path by which clients know this server; normalised, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(Box<str>);

impl Origin {
    pub(super) fn parse(text: &str, transport: Transport) -> Result<Self, ConfigError> {
        if url::read(text, transport)?.query().is_some() {
            return Err(ConfigErrorKind::UrlInvalid.into());
        }
        let uri = normalise(text).ok_or(ConfigErrorKind::UrlInvalid)?;
        Ok(Self(uri.trim_end_matches('/').into()))
    }

    /// Whether `htu` is this origin and then the path of the request, both normalised.
    pub(super) fn is_target(&self, htu: &str, path: &str) -> bool {
        htu.strip_prefix(&*self.0) == Some(path)
    }
}

/// An absolute `http` or `https` URI in its normal form, without query and fragment; `None` for anything else.
///
/// Nobody logs in by a URI: with user information it is none of ours.
pub(in crate::token_auth) fn normalise(uri: &str) -> Option<String> {
    let uri = uri.split(['?', '#']).next()?;
    let (scheme, rest) = uri.split_once("://")?;
    let (scheme, default_port) = match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => ("https", "443"),
        _ if scheme.eq_ignore_ascii_case("http") => ("http", "80"),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = split_port(authority)?;
    let mut normal = format!("{scheme}://{}", host.to_ascii_lowercase());
    if !port.is_empty() && port != default_port {
        normal.push(':');
        normal.push_str(port);
    }
    normal.push_str(&normalise_path(path));
    Some(normal)
}

/// Host and port; the port is empty if there is none.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some(parts) if !authority.ends_with(']') => parts,
        _ => (authority, ""),
    };
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match name {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        None => host.bytes().all(|byte| is_unreserved(byte) || matches!(byte, b'!' | b'$'..=b',' | b';' | b'=')),
    };
    (!host.is_empty() && is_host && port.bytes().all(|byte| byte.is_ascii_digit())).then_some((host, port))
}

/// A path in its normal form: what need not be escaped is not, escapes are in capitals, dot segments are resolved
/// ([§6.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2)), and an empty one is `/`
/// ([§6.2.3](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.3)).
pub(in crate::token_auth) fn normalise_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len() + 1);
    let unescaped = Unescaped(path).to_string();
    for segment in unescaped.strip_prefix('/').unwrap_or(&unescaped).split('/') {
        match segment {
            ".." => normal.truncate(normal.rfind('/').unwrap_or(0)),
            "." => {}
            _ => {
                normal.push('/');
                normal.push_str(segment);
            }
        }
    }
    // A path that ends in a dot segment names the folder.
    if normal.is_empty() || unescaped.ends_with("/.") || unescaped.ends_with("/..") {
        normal.push('/');
    }
    normal
}

/// Escapes of unreserved characters undone, the others in capitals. A percent sign that begins no escape is escaped.
struct Unescaped<'a>(&'a str);

impl fmt::Display for Unescaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('%');
        f.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            match part.split_at_checked(2).and_then(|(digits, rest)| Some((escaped(digits)?, rest))) {
                Some((byte, rest)) if is_unreserved(byte) => write!(f, "{}{rest}", char::from(byte))?,
                Some((byte, rest)) => write!(f, "%{byte:02X}{rest}")?,
                None => write!(f, "%25{part}")?,
            }
        }
        Ok(())
    }
}

/// `from_str_radix` would take a sign, too.
fn escaped(digits: &str) -> Option<u8> {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normal_forms() {
        for (name, uri, expected) in [
            ("normal", "https://api.example/a/b", Some("https://api.example/a/b")),
            ("capitals", "HTTPS://API.Example/A", Some("https://api.example/A")),
            ("default port", "https://api.example:443/a", Some("https://api.example/a")),
            ("default port of http", "http://api.example:80/a", Some("http://api.example/a")),
            ("the other's default port", "https://api.example:80/a", Some("https://api.example:80/a")),
            ("empty port", "https://api.example:/a", Some("https://api.example/a")),
            ("port", "https://api.example:8443/a", Some("https://api.example:8443/a")),
            ("IPv6", "https://[2001:DB8::1]:443/a", Some("https://[2001:db8::1]/a")),
            ("no path", "https://api.example", Some("https://api.example/")),
            ("query", "https://api.example/a?b=c", Some("https://api.example/a")),
            ("fragment", "https://api.example/a#b", Some("https://api.example/a")),
            ("query without a path", "https://api.example?b", Some("https://api.example/")),
            ("escapes that make an escape", "https://api.example/%%34%31", Some("https://api.example/%2541")),
            ("needless escape", "https://api.example/%7Ea%2D", Some("https://api.example/~a-")),
            ("small escape", "https://api.example/a%2fb", Some("https://api.example/a%2Fb")),
            ("half an escape", "https://api.example/a%2", Some("https://api.example/a%252")),
            ("no escape", "https://api.example/a%+1b", Some("https://api.example/a%25+1b")),
            ("dot segments", "https://api.example/a/./b/../c", Some("https://api.example/a/c")),
            ("escaped dot segments", "https://api.example/a/%2E%2e/c", Some("https://api.example/c")),
            ("above the root", "https://api.example/../../a", Some("https://api.example/a")),
            ("ends in dots", "https://api.example/a/b/..", Some("https://api.example/a/")),
            ("ends in a dot", "https://api.example/a/.", Some("https://api.example/a/")),
            ("empty segments", "https://api.example//a//", Some("https://api.example//a//")),
            ("user information", "https://user@api.example/a", None),
            ("another scheme", "ftp://api.example/a", None),
            ("relative", "/a", None),
            ("no host", "https:///a", None),
            ("two ports", "https://api.example:1:2/a", None),
            ("a port with a sign", "https://api.example:+1/a", None),
            ("only a port", "https://:443/a", None),
            ("space in the host", "https://api .example/a", None),
            ("backslash in the host", "https://api.example\\@evil/a", None),
            ("not ASCII", "https://äpi.example/a", None),
            ("nothing", "", None),
        ] {
            assert_eq!(normalise(uri).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn origins() {
        use Transport::{AlsoHttp, Https};
        for (name, origin, transport, expected) in [
            ("plain", "https://api.example", Https, Some("https://api.example")),
            ("slash", "https://api.example/", Https, Some("https://api.example")),
            ("base path", "https://api.example/v1/", Https, Some("https://api.example/v1")),
            ("default port", "https://API.example:443", Https, Some("https://api.example")),
            ("http", "http://127.0.0.1:3000", Https, None),
            ("http, allowed", "http://127.0.0.1:3000", AlsoHttp, Some("http://127.0.0.1:3000")),
            ("query", "https://api.example/?a", Https, None),
            ("fragment", "https://api.example/#a", Https, None),
            ("user information", "https://a@api.example", Https, None),
            ("host alone", "api.example", Https, None),
        ] {
            let origin = Origin::parse(origin, transport).ok();
            assert_eq!(origin.as_ref().map(|Origin(origin)| &**origin), expected, "{name}");
        }
    }

    #[test]
    fn targets() {
        for (name, origin, htu, path, same) in [
            ("same", "https://a.example", "https://a.example/x", "/x", true),
            ("root", "https://a.example", "https://a.example", "/", true),
            ("base path", "https://a.example/v1", "https://a.example/v1/x", "/x", true),
            ("base path, written in two ways", "https://a.example/v1/", "https://a.example/%76%31/x", "/%78", true),
            ("another path", "https://a.example", "https://a.example/x", "/y", false),
            ("a longer path", "https://a.example", "https://a.example/x/y", "/x", false),
            ("path by case", "https://a.example", "https://a.example/X", "/x", false),
            ("slash at the end", "https://a.example", "https://a.example/x/", "/x", false),
            ("another host", "https://a.example", "https://b.example/x", "/x", false),
            ("host as prefix", "https://a.example", "https://a.example.evil/x", "/x", false),
            ("another port", "https://a.example", "https://a.example:8443/x", "/x", false),
            ("another scheme", "https://a.example", "http://a.example/x", "/x", false),
            ("without the base path", "https://a.example/v1", "https://a.example/x", "/x", false),
            ("out of the base path", "https://a.example/v1", "https://a.example/v1/../x", "/../x", false),
            ("a tunnel's", "https://a.example", "https://a.example/x", "", false),
        ] {
            let origin = Origin::parse(origin, Transport::Https).unwrap();
            let htu = normalise(htu).unwrap();
            assert_eq!(origin.is_target(&htu, &normalise_path(path)), same, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(uri in "(http|HTTPS)://[a-zA-Z.:@0-9]{1,12}(/[a-zA-Z0-9._~%/+-]{0,20})?([?#][a-z]{0,3})?") {
            if let Some(normal) = normalise(&uri) {
                let again = normalise(&normal);
                prop_assert_eq!(again.as_deref(), Some(&*normal));
                prop_assert!(!normal.contains(['?', '#', '@']));
            }
        }

        #[test]
        fn any_text_is_normalised_without_a_panic(text in any::<String>()) {
            let _ = normalise(&text);
            prop_assert!(normalise_path(&text).starts_with('/'));
        }
    }
}
