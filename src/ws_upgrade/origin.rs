//! Which pages may open a socket, [RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2) and
//! [RFC 6454](https://www.rfc-editor.org/rfc/rfc6454).

use http::{HeaderMap, header};

/// Which web pages may open a WebSocket.
///
/// Browsers send cookies with a WebSocket handshake to whatever host a page names, and neither the same-origin policy nor CORS
/// stands in the way: the server alone can refuse a foreign page. By default a page of the same host may connect, and so may a
/// client that sends no `Origin`, which no browser is. `Origin: null` (sandboxed frames, local files) is foreign.
///
/// # The scheme
/// Behind a proxy that ends TLS a server does not know by which scheme it was called. "The same host" therefore compares host and
/// port alone, where a missing port is the default of the page's own scheme: a page of `http://example.com` passes for
/// `https://example.com`. Name the origin to be exact: [`only`](Self::only)`(["https://example.com"])`. The same helps where a
/// proxy rewrites `Host`.
///
/// ```
/// use donjon::ws_upgrade::OriginPolicy;
///
/// let policy = OriginPolicy::same_host().allow("https://app.example.com").require_origin();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct OriginPolicy {
    pages: Pages,
    absent: Absent,
    allowed: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pages {
    SameHostAndListed,
    Listed,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    Allowed,
    Refused,
}

impl OriginPolicy {
    /// Pages of the host that the request is for; the default.
    pub fn same_host() -> Self {
        Self { pages: Pages::SameHostAndListed, absent: Absent::Allowed, allowed: Vec::new() }
    }

    /// Pages of these origins and no others, compared by scheme, host and port.
    pub fn only<I>(origins: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self { pages: Pages::Listed, absent: Absent::Allowed, allowed: origins.into_iter().map(Into::into).collect() }
    }

    /// Every page of the web, with the cookies of whoever looks at it.
    ///
    /// Safe only where the handshake itself carries a secret that a foreign page cannot know: a token in the subprotocol or the
    /// first message, never a cookie.
    pub fn dangerous_allow_any() -> Self {
        Self { pages: Pages::Any, absent: Absent::Allowed, allowed: Vec::new() }
    }

    /// Also pages of `origin`, written as a browser does: `https://app.example.com`, with the port if it is not the scheme's own.
    ///
    /// What is no origin is an error when the layer is built.
    pub fn allow(mut self, origin: impl Into<String>) -> Self {
        self.allowed.push(origin.into());
        self
    }

    /// Refuses clients that send no `Origin`, that is everything but browsers.
    pub fn require_origin(mut self) -> Self {
        self.absent = Absent::Refused;
        self
    }

    /// The first of the allowed origins that is none.
    pub(super) fn malformed(&self) -> Option<&str> {
        self.allowed.iter().map(String::as_str).find(|origin| Origin::parse(origin.as_bytes()).is_none())
    }

    /// Whether a handshake for `target` with these fields may proceed. More than one `Origin` is never guessed about.
    pub(super) fn permits(&self, headers: &HeaderMap, target: &Authority<'_>) -> bool {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return self.absent == Absent::Allowed && !headers.contains_key(header::ORIGIN);
        };
        match (self.pages, Origin::parse(value.as_bytes())) {
            (Pages::Any, _) => true,
            (_, None) => false,
            (Pages::SameHostAndListed, Some(origin)) => origin.is_page_of(target) || self.lists(&origin),
            (Pages::Listed, Some(origin)) => self.lists(&origin),
        }
    }

    fn lists(&self, origin: &Origin<'_>) -> bool {
        self.allowed.iter().any(|allowed| Origin::parse(allowed.as_bytes()).is_some_and(|allowed| allowed.is(origin)))
    }
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self::same_host()
    }
}

/// `host [":" port]` without a user ([RFC 9110 §4.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-4.2.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        // In an IP literal the colons belong to the address (RFC 3986 §3.2.2).
        let end = match bytes {
            [b'[', ..] => bytes.iter().position(|byte| *byte == b']')? + 1,
            _ => bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len()),
        };
        let (host, rest) = bytes.split_at_checked(end)?;
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Some(std::str::from_utf8(digits).ok()?.parse().ok()?),
            _ => return None,
        };
        (!host.is_empty() && host.iter().all(|byte| is_host_byte(*byte))).then_some(Self { host, port })
    }
}

/// `reg-name` and `IP-literal` of [RFC 3986 §3.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2), of which a comparison
/// needs no more than the characters.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=[]:".contains(&byte)
}

/// A serialized origin, `scheme "://" host [ ":" port ]` ([RFC 6454 §7](https://www.rfc-editor.org/rfc/rfc6454#section-7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a [u8],
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    /// `None` for `null` and everything else that is no single origin.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == b':')?)?;
        let is_scheme_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(is_scheme_byte) {
            return None;
        }
        Some(Self { scheme, authority: Authority::parse(rest.strip_prefix(b"://")?)? })
    }

    fn port(&self) -> Option<u16> {
        self.authority.port.or_else(|| default_port(self.scheme))
    }

    fn is(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.authority.host.eq_ignore_ascii_case(other.authority.host)
            && self.port() == other.port()
    }

    /// Whether a browser that shows this origin would name its server `target`.
    fn is_page_of(&self, target: &Authority<'_>) -> bool {
        let default = default_port(self.scheme);
        default.is_some() && self.authority.host.eq_ignore_ascii_case(target.host) && self.port() == target.port.or(default)
    }
}

fn default_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case(b"https") => Some(443),
        _ if scheme.eq_ignore_ascii_case(b"http") => Some(80),
        _ => None,
    }
}

#[cfg(fuzzing)]
pub(super) mod fuzzing {
    use super::{Authority, Origin, OriginPolicy};
    use http::{HeaderMap, HeaderValue, header};

    /// What parses is made of the bytes it was parsed from, and a page is always a page of its own host.
    pub(in super::super) fn origin(data: &[u8]) {
        if let Some(authority) = Authority::parse(data) {
            assert!(!authority.host.is_empty() && data.starts_with(authority.host));
        }
        if let Some(origin) = Origin::parse(data) {
            assert!(origin.is(&origin));
            if let (Some(_), Ok(value)) = (super::default_port(origin.scheme), HeaderValue::from_bytes(data)) {
                let headers = HeaderMap::from_iter([(header::ORIGIN, value)]);
                assert!(OriginPolicy::same_host().permits(&headers, &origin.authority));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn permits(policy: &OriginPolicy, host: &str, origins: &[&str]) -> bool {
        let headers = origins.iter().map(|origin| (header::ORIGIN, HeaderValue::from_str(origin).unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| _ = map.append(name, value));
        policy.permits(&map, &Authority::parse(host.as_bytes()).unwrap())
    }

    #[test]
    fn pages_of_the_same_host() {
        for (row, host, origin, expected) in [
            ("https", "example.com", "https://example.com", true),
            ("http, for the scheme is not known", "example.com", "http://example.com", true),
            ("another case", "Example.COM", "https://eXample.com", true),
            ("the default port, named by the host", "example.com:443", "https://example.com", true),
            ("the default port, named by the page", "example.com", "https://example.com:443", true),
            ("a port of its own", "localhost:3000", "http://localhost:3000", true),
            ("an address", "[::1]:3000", "http://[::1]:3000", true),
            ("an empty port", "example.com:", "https://example.com", true),
            ("another port", "localhost:3000", "http://localhost:3001", false),
            ("the port of the other scheme", "example.com:80", "https://example.com", false),
            ("another host", "example.com", "https://evil.example", false),
            ("a subdomain", "example.com", "https://www.example.com", false),
            ("the host as a suffix", "example.com", "https://evilexample.com", false),
            ("the host as a prefix", "example.com", "https://example.com.evil.example", false),
            ("the host as a user", "example.com", "https://example.com@evil.example", false),
            ("a trailing dot", "example.com", "https://example.com.", false),
            ("null", "example.com", "null", false),
            ("null, with a host of that name", "null", "null", false),
            ("empty", "example.com", "", false),
            ("a path", "example.com", "https://example.com/", false),
            ("two in one line", "example.com", "https://example.com https://evil.example", false),
            ("a scheme without default port", "example.com", "app://example.com", false),
            ("a port out of range", "example.com", "https://example.com:66000", false),
            ("a signed port", "example.com:80", "http://example.com:+80", false),
            ("no host", "example.com", "https://", false),
        ] {
            assert_eq!(permits(&OriginPolicy::same_host(), host, &[origin]), expected, "{row}");
        }
    }

    #[test]
    fn policies() {
        let listed = OriginPolicy::only(["https://app.example", "capacitor://localhost"]);
        let both = OriginPolicy::same_host().allow("https://app.example:8443");
        let any = OriginPolicy::dangerous_allow_any();
        let strict = OriginPolicy::same_host().require_origin();
        for (row, policy, origins, expected) in [
            ("absent", &both, &[][..], true),
            ("absent where one is required", &strict, &[], false),
            ("two lines", &both, &["https://example.com", "https://example.com"], false),
            ("two lines where any goes", &any, &["https://example.com", "https://evil.example"], false),
            ("listed", &listed, &["https://app.example"], true),
            ("listed in another case", &listed, &["HTTPS://APP.example:443"], true),
            ("listed with another scheme", &listed, &["http://app.example"], false),
            ("a listed scheme of an app", &listed, &["capacitor://localhost"], true),
            ("the same host is not listed", &listed, &["https://example.com"], false),
            ("the same host besides the list", &both, &["https://example.com"], true),
            ("the listed port", &both, &["https://app.example:8443"], true),
            ("not the listed port", &both, &["https://app.example"], false),
            ("null where any goes", &any, &["null"], true),
            ("null where some are listed", &listed, &["null"], false),
        ] {
            assert_eq!(permits(policy, "example.com", origins), expected, "{row}");
        }
    }

    #[test]
    fn what_is_no_origin_is_found_when_the_layer_is_built() {
        for (origin, expected) in [
            ("https://example.com", None),
            ("example.com", Some("example.com")),
            ("https://example.com/", Some("https://example.com/")),
            ("*", Some("*")),
            ("null", Some("null")),
        ] {
            assert_eq!(OriginPolicy::only([origin]).malformed(), expected, "{origin}");
        }
    }

    proptest! {
        #[test]
        fn a_page_is_of_its_own_host_and_of_no_other(
            host in "[a-z0-9]{1,8}(\\.[a-z]{2,5}){1,2}", other in "[a-z0-9]{1,8}(\\.[a-z]{2,5}){1,2}", port in any::<u16>(),
        ) {
            let (host, other) = (format!("{host}:{port}"), format!("{other}:{port}"));
            let origin = format!("https://{host}");
            prop_assert!(permits(&OriginPolicy::same_host(), &host, &[&origin]));
            prop_assert_eq!(permits(&OriginPolicy::same_host(), &other, &[&origin]), host == other);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(authority) = Authority::parse(&bytes) {
                prop_assert!(bytes.starts_with(authority.host));
            }
            let _ = Origin::parse(&bytes);
        }
    }
}
