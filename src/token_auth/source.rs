//! Where a request carries its token.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::core::header::{contains_token, elements, is_token, trim_ows};

/// A place to look for the token.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, TokenAuthLayer, TokenSource};
///
/// fn layer(verifier: JwtVerifier) -> TokenAuthLayer<JwtVerifier> {
///     TokenAuthLayer::new(verifier).source(TokenSource::cookie("session")).source(TokenSource::websocket_subprotocol())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Cookie(Box<str>),
    Subprotocol,
}

impl TokenSource {
    pub(super) const HEADER: Self = Self(Place::Header);

    /// `Authorization: Bearer <token>` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), the scheme in any case.
    ///
    /// Credentials of another scheme are no token: they are left to whom they concern.
    #[must_use]
    pub fn header() -> Self {
        Self::HEADER
    }

    /// The cookie of that name ([RFC 6265 §4.2](https://www.rfc-editor.org/rfc/rfc6265#section-4.2)); its value may be quoted, and if it is
    /// empty there is no token.
    ///
    /// A browser sends cookies with requests that other sites cause: set it `HttpOnly; Secure; SameSite=Lax` at least, and protect
    /// against cross-site request forgery whatever changes state.
    #[must_use]
    pub fn cookie(name: impl Into<Box<str>>) -> Self {
        Self(Place::Cookie(name.into()))
    }

    /// `Sec-WebSocket-Protocol`, the one field that a browser lets a page fill in: `new WebSocket(url, ["bearer", token])`.
    ///
    /// The token is the element after an element `bearer`, or the rest of an element `bearer.<token>`. It is taken out of the request before
    /// the service sees it; the marker `bearer` stays, for the service to select, since a browser closes a connection for which none of the
    /// subprotocols that it offered was selected. With `bearer.<token>` offer a second subprotocol for that.
    ///
    /// Looked at in an opening handshake only: `Upgrade: websocket`
    /// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)) or `CONNECT`
    /// ([RFC 8441 §4](https://www.rfc-editor.org/rfc/rfc8441#section-4)).
    #[must_use]
    pub fn websocket_subprotocol() -> Self {
        Self(Place::Subprotocol)
    }
}

/// What looking for a token came to.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    Nothing,
    Token {
        token: &'a str,
        at: FoundAt,
    },
    /// Something stands where a token should, and cannot be one.
    Malformed,
    Several,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundAt {
    Header,
    Cookie,
    Subprotocol,
}

/// Looks into every source, so that a second token does not go unseen behind the first.
pub(super) fn find<'a>(method: &Method, headers: &'a HeaderMap, sources: &[TokenSource]) -> Found<'a> {
    let mut seen = Candidates::default();
    for TokenSource(place) in sources {
        match place {
            Place::Header => from_authorization(headers, &mut seen),
            Place::Cookie(name) => from_cookies(headers, name, &mut seen),
            Place::Subprotocol if is_opening_handshake(method, headers) => from_subprotocols(headers, &mut seen),
            Place::Subprotocol => {}
        }
    }
    match seen {
        Candidates { count: 0, .. } => Found::Nothing,
        Candidates { count: 1, first: Some((bytes, at)) } => match token68(bytes) {
            Some(token) => Found::Token { token, at },
            None => Found::Malformed,
        },
        _ => Found::Several,
    }
}

#[derive(Default)]
struct Candidates<'a> {
    count: usize,
    first: Option<(&'a [u8], FoundAt)>,
}

impl<'a> Candidates<'a> {
    fn add(&mut self, bytes: &'a [u8], at: FoundAt) {
        self.count += 1;
        self.first.get_or_insert((bytes, at));
    }
}

/// Two field lines are two tokens, whatever their schemes: who reads the first and who reads the last would not agree.
fn from_authorization<'a>(headers: &'a HeaderMap, seen: &mut Candidates<'a>) {
    let mut lines = headers.get_all(header::AUTHORIZATION).into_iter();
    let Some(line) = lines.next() else { return };
    for _second in lines {
        seen.add(b"", FoundAt::Header);
        seen.count += 1;
    }
    let line = line.as_bytes();
    let (scheme, credentials) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        seen.add(trim_ows(credentials), FoundAt::Header);
    }
}

fn from_cookies<'a>(headers: &'a HeaderMap, name: &str, seen: &mut Candidates<'a>) {
    for value in cookies(headers, name) {
        seen.add(value, FoundAt::Cookie);
    }
}

/// The values of the cookies of that name over all lines, unquoted, empty ones left out.
fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(header::COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let value = trim_ows(pair).strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let value = if let [b'"', inner @ .., b'"'] = value { inner } else { value };
        (!value.is_empty()).then_some(value)
    })
}

/// A `CONNECT` with subprotocols is an extended one: a plain one opens a tunnel, which has none.
fn is_opening_handshake(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::CONNECT || contains_token(headers, &header::UPGRADE, "websocket")
}

const MARKER: &[u8] = b"bearer";

fn from_subprotocols<'a>(headers: &'a HeaderMap, seen: &mut Candidates<'a>) {
    for element in marked(elements(headers, &header::SEC_WEBSOCKET_PROTOCOL)) {
        if let Some(token) = element.token {
            seen.add(token, FoundAt::Subprotocol);
        }
    }
}

struct Element<'a> {
    whole: &'a [u8],
    /// The token that it is, or carries.
    token: Option<&'a [u8]>,
}

/// Tells the elements that carry tokens from those that name subprotocols.
fn marked<'a>(elements: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Element<'a>> {
    let mut after_marker = false;
    elements.map(move |whole| {
        let carried = whole.strip_prefix(MARKER).and_then(|rest| rest.strip_prefix(b"."));
        let token = if std::mem::take(&mut after_marker) { Some(whole) } else { carried };
        after_marker = token.is_none() && whole == MARKER;
        Element { whole, token }
    })
}

/// Takes the token out of the subprotocols that the service will see. What is no subprotocol goes, too.
pub(super) fn strip_subprotocol(headers: &mut HeaderMap) {
    let name = HeaderName::from_static("sec-websocket-protocol");
    let mut rest = Vec::new();
    for element in marked(elements(headers, &name)) {
        if element.token.is_none() && is_token(element.whole) {
            if !rest.is_empty() {
                rest.extend_from_slice(b", ");
            }
            rest.extend_from_slice(element.whole);
        }
    }
    headers.remove(&name);
    if !rest.is_empty()
        && let Ok(rest) = HeaderValue::from_bytes(&rest)
    {
        // There is room: a field was taken out just now.
        let _ = headers.try_insert(name, rest);
    }
}

/// Keeps what carries the token out of the Debug of whoever prints the headers.
pub(super) fn mark_sensitive(headers: &mut HeaderMap, at: FoundAt) {
    let name = match at {
        FoundAt::Header => header::AUTHORIZATION,
        FoundAt::Cookie => header::COOKIE,
        FoundAt::Subprotocol => return,
    };
    // Not `entry`, which panics on a map that is full.
    if let Ok(header::Entry::Occupied(mut lines)) = headers.try_entry(name) {
        lines.iter_mut().for_each(|line| line.set_sensitive(true));
    }
}

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
/// ([RFC 9110 §11.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.2))
fn token68(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().rposition(|byte| *byte != b'=')? + 1;
    let is_token68 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    bytes.iter().take(end).all(is_token68).then(|| std::str::from_utf8(bytes).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> [TokenSource; 3] {
        [TokenSource::header(), TokenSource::cookie("session"), TokenSource::websocket_subprotocol()]
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[track_caller]
    fn check(name: &str, lines: &[(&'static str, &str)], expected: &Found<'_>) {
        assert_eq!(find(&Method::GET, &headers(lines), &all()), *expected, "{name}");
    }

    const fn at(at: FoundAt) -> Found<'static> {
        Found::Token { token: "a.b.c", at }
    }

    #[test]
    fn authorization() {
        for (name, line, expected) in [
            ("plain", "Bearer a.b.c", at(FoundAt::Header)),
            ("scheme in any case", "bEARER a.b.c", at(FoundAt::Header)),
            ("several spaces", "Bearer   a.b.c  ", at(FoundAt::Header)),
            ("another scheme", "Basic YTpi", Found::Nothing),
            ("a scheme that starts alike", "BearerX a.b.c", Found::Nothing),
            ("empty", "", Found::Nothing),
            ("scheme alone", "Bearer", Found::Malformed),
            ("scheme and space", "Bearer ", Found::Malformed),
            ("two words", "Bearer a b", Found::Malformed),
            ("two in one line", "Bearer a.b.c, Bearer d.e.f", Found::Malformed),
            ("quoted", "Bearer \"a.b.c\"", Found::Malformed),
            ("not ASCII", "Bearer ä", Found::Malformed),
            ("padding within", "Bearer a=b", Found::Malformed),
            ("padding alone", "Bearer ==", Found::Malformed),
        ] {
            check(name, &[("authorization", line)], &expected);
        }
        check("two lines", &[("authorization", "Bearer a"), ("authorization", "Bearer a")], &Found::Several);
        check(
            "two lines, one of another scheme",
            &[("authorization", "Basic a"), ("authorization", "Bearer a")],
            &Found::Several,
        );
    }

    #[test]
    fn cookie() {
        for (name, line, expected) in [
            ("alone", "session=a.b.c", at(FoundAt::Cookie)),
            ("among others", "x=1; session=a.b.c; y=2", at(FoundAt::Cookie)),
            ("without spaces", "x=1;session=a.b.c;", at(FoundAt::Cookie)),
            ("quoted", "session=\"a.b.c\"", at(FoundAt::Cookie)),
            ("empty", "session=", Found::Nothing),
            ("empty quotes", "session=\"\"", Found::Nothing),
            ("without a value", "session", Found::Nothing),
            ("another name", "xsession=a; session2=b", Found::Nothing),
            ("name by case", "Session=a.b.c", Found::Nothing),
            ("twice", "session=a.b.c; session=a.b.c", Found::Several),
            ("one quote", "session=\"a.b.c", Found::Malformed),
        ] {
            check(name, &[("cookie", line)], &expected);
        }
        check("second line", &[("cookie", "x=1"), ("cookie", "session=a.b.c")], &at(FoundAt::Cookie));
        check("twice over two lines", &[("cookie", "session=a"), ("cookie", "session=b")], &Found::Several);
        check("cookie and header", &[("cookie", "session=a.b.c"), ("authorization", "Bearer a.b.c")], &Found::Several);
        check("cookie and Basic", &[("cookie", "session=a.b.c"), ("authorization", "Basic eA==")], &at(FoundAt::Cookie));
    }

    #[test]
    fn subprotocol() {
        for (name, line, expected, stripped) in [
            ("pair", "bearer, a.b.c", at(FoundAt::Subprotocol), "bearer"),
            ("pair among others", "chat, bearer,a.b.c , v2", at(FoundAt::Subprotocol), "chat, bearer, v2"),
            ("in one", "chat, bearer.a.b.c", at(FoundAt::Subprotocol), "chat"),
            ("in one alone", "bearer.a.b.c", at(FoundAt::Subprotocol), ""),
            ("none", "chat, v2", Found::Nothing, "chat, v2"),
            ("marker alone", "chat, bearer", Found::Nothing, "chat, bearer"),
            ("marker by case", "Bearer, a.b.c", Found::Nothing, "Bearer, a.b.c"),
            ("two", "bearer, a.b.c, bearer, d.e.f", Found::Several, "bearer, bearer"),
            ("both forms", "bearer, a.b.c, bearer.d.e.f", Found::Several, "bearer"),
            ("empty in one", "bearer.", Found::Malformed, ""),
            (
                "a marker is the token of a marker",
                "bearer, bearer",
                Found::Token { token: "bearer", at: FoundAt::Subprotocol },
                "bearer",
            ),
        ] {
            let mut headers = headers(&[("upgrade", "WebSocket"), ("sec-websocket-protocol", line)]);
            assert_eq!(find(&Method::GET, &headers, &all()), expected, "{name}");
            strip_subprotocol(&mut headers);
            let left = headers.get("sec-websocket-protocol").map_or("", |value| value.to_str().unwrap());
            assert_eq!(left, stripped, "{name}");
        }
    }

    #[test]
    fn a_subprotocol_is_only_looked_at_in_an_opening_handshake() {
        let lines = headers(&[("sec-websocket-protocol", "bearer, a.b.c")]);
        assert_eq!(find(&Method::GET, &lines, &all()), Found::Nothing);
        assert_eq!(find(&Method::CONNECT, &lines, &all()), at(FoundAt::Subprotocol));
    }

    #[test]
    fn only_the_sources_asked_for_are_looked_at() {
        let lines = headers(&[("authorization", "Bearer a.b.c"), ("cookie", "session=d.e.f")]);
        assert_eq!(find(&Method::GET, &lines, &[TokenSource::header()]), at(FoundAt::Header));
        assert_eq!(find(&Method::GET, &lines, &[]), Found::Nothing);
    }

    proptest! {
        #[test]
        fn no_stripped_header_carries_a_token(line in "(bearer|chat|bearer[.]|[a-z.]{1,4}|[ ,=\"]){0,12}") {
            let mut headers = headers(&[("upgrade", "websocket"), ("sec-websocket-protocol", &line)]);
            let mut carried = Vec::new();
            for element in marked(elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL)) {
                carried.extend(element.token.map(<[u8]>::to_vec));
            }
            let before = elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).count();
            strip_subprotocol(&mut headers);
            let after = elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).count();
            prop_assert!(after + carried.len() <= before);
            prop_assert!(!elements(&headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|element| element.starts_with(b"bearer.")));
        }

        #[test]
        fn any_bytes_are_searched_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            for name in [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL] {
                let mut headers = HeaderMap::from_iter([(name, value.clone())]);
                if let Found::Token { token, .. } = find(&Method::CONNECT, &headers, &all()) {
                    prop_assert!(token68(token.as_bytes()).is_some());
                }
                strip_subprotocol(&mut headers);
            }
        }
    }
}
