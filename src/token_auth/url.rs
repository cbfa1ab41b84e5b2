//! The URLs of issuers, key sets and resources, and the well-known ones beside them
//! ([RFC 8615](https://www.rfc-editor.org/rfc/rfc8615)).

use http::{Uri, uri::Scheme};

use super::error::ConfigErrorKind;

/// Over what a URL may be fetched or offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transport {
    #[default]
    Https,
    /// Or plain HTTP, where nothing proves who answers.
    AlsoHttp,
}

/// Reads an absolute URL with a host and without a fragment or user information.
pub(super) fn read(text: &str, transport: Transport) -> Result<Uri, ConfigErrorKind> {
    let uri: Uri = text.parse().map_err(|_| ConfigErrorKind::UrlInvalid)?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(ConfigErrorKind::UrlInvalid) };
    // `Uri` drops a fragment without a word.
    if authority.host().is_empty() || authority.as_str().contains('@') || text.contains('#') {
        return Err(ConfigErrorKind::UrlInvalid);
    }
    if *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && transport == Transport::AlsoHttp) {
        Ok(uri)
    } else {
        Err(ConfigErrorKind::UrlInsecure)
    }
}

/// `/.well-known/<name>` put between host and path, as [RFC 8414 §3](https://www.rfc-editor.org/rfc/rfc8414#section-3) and
/// [RFC 9728 §3](https://www.rfc-editor.org/rfc/rfc9728#section-3) have it.
pub(super) fn well_known_before_path(url: &Uri, name: &str) -> String {
    let path = url.path_and_query().map_or("", |path| path.as_str());
    // A slash that only ends the host is left out, so is one that ends the path of an issuer.
    let path = match path.strip_prefix('/') {
        Some("") => "",
        Some(rest) if rest.starts_with('?') => rest,
        _ => path,
    };
    format!("{}/.well-known/{name}{path}", origin(url))
}

/// `/.well-known/<name>` put behind the path, as
/// [OpenID Connect Discovery 1.0 §4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig) has it.
#[cfg(feature = "token-auth-remote")]
pub(super) fn well_known_after_path(url: &Uri, name: &str) -> String {
    format!("{}{}/.well-known/{name}", origin(url), url.path().trim_end_matches('/'))
}

fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::error::ConfigErrorKind::{UrlInsecure, UrlInvalid};
    use proptest::prelude::*;

    #[test]
    fn urls() {
        for (name, text, expected) in [
            ("https", "https://login.example", Ok(())),
            ("with a path", "https://login.example/tenant/1?x=1", Ok(())),
            ("scheme by case", "HTTPS://login.example", Ok(())),
            ("http", "http://login.example", Err(UrlInsecure)),
            ("http on loopback", "http://127.0.0.1:4000", Err(UrlInsecure)),
            ("another scheme", "file://login.example/etc/passwd", Err(UrlInsecure)),
            ("relative", "/keys", Err(UrlInvalid)),
            ("only a host", "login.example", Err(UrlInvalid)),
            ("user information", "https://user:secret@login.example/", Err(UrlInvalid)),
            ("fragment", "https://login.example/#keys", Err(UrlInvalid)),
            ("line break", "https://login.example/\r\nx", Err(UrlInvalid)),
            ("nothing", "", Err(UrlInvalid)),
        ] {
            assert_eq!(read(text, Transport::Https).map(drop), expected, "{name}");
        }
        assert!(read("http://127.0.0.1:4000", Transport::AlsoHttp).is_ok());
        assert_eq!(read("ftp://127.0.0.1", Transport::AlsoHttp), Err(UrlInsecure));
    }

    #[test]
    fn well_known_urls() {
        for (name, url, before, after) in [
            ("host", "https://a.example", "https://a.example/.well-known/x", "https://a.example/.well-known/x"),
            ("slash", "https://a.example/", "https://a.example/.well-known/x", "https://a.example/.well-known/x"),
            (
                "path",
                "https://a.example:8443/t",
                "https://a.example:8443/.well-known/x/t",
                "https://a.example:8443/t/.well-known/x",
            ),
            ("path and slash", "https://a.example/t/", "https://a.example/.well-known/x/t/", "https://a.example/t/.well-known/x"),
            ("query", "https://a.example?k=v", "https://a.example/.well-known/x?k=v", "https://a.example/.well-known/x"),
        ] {
            let url = read(url, Transport::Https).unwrap();
            assert_eq!(well_known_before_path(&url, "x"), before, "{name}");
            #[cfg(feature = "token-auth-remote")]
            assert_eq!(well_known_after_path(&url, "x"), after, "{name}");
            #[cfg(not(feature = "token-auth-remote"))]
            let _ = after;
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_https_with_a_host(text in "(https?|ftp)?(:/?/?)[a-z@:/?#.]{0,20}") {
            if let Ok(uri) = read(&text, Transport::Https) {
                prop_assert!(uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()));
                prop_assert!(read(&well_known_before_path(&uri, "x"), Transport::Https).is_ok());
            }
        }
    }
}
