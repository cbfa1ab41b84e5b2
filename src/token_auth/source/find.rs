use http::{HeaderMap, Method, Uri, header};

use super::{
    candidates::{Candidates, FoundAt},
    place::{Place, Presence, TokenSource},
    query, subprotocol,
};
use crate::core::header::trim_ows;

/// What looking for a token came to.
#[derive(Debug, PartialEq)]
pub(in crate::token_auth) enum Found<'a> {
    Nothing,
    Token {
        token: &'a str,
        at: FoundAt,
    },
    /// Something stands where a token should, and cannot be one.
    Malformed,
    Several,
}

/// Looks into every source, so that a second token does not go unseen behind the first.
pub(in crate::token_auth) fn find<'a>(
    method: &Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    sources: &[TokenSource],
) -> Found<'a> {
    let (mut explicit, mut ambient) = (Candidates::default(), Candidates::default());
    for TokenSource { place, presence } in sources {
        let seen = match presence {
            Presence::Explicit => &mut explicit,
            Presence::Ambient => &mut ambient,
        };
        match place {
            Place::Header => from_authorization(headers, "bearer", FoundAt::Header, seen),
            Place::Dpop => from_authorization(headers, "dpop", FoundAt::Dpop, seen),
            Place::Cookie(name) => from_cookies(headers, name, seen),
            Place::Subprotocol if subprotocol::is_opening_handshake(method, headers) => subprotocol::find(headers, seen),
            Place::Subprotocol => {}
            Place::Query(name) => query::find(uri, name, seen),
        }
    }
    match if explicit.count > 0 { explicit } else { ambient } {
        Candidates { count: 0, .. } => Found::Nothing,
        Candidates { count: 1, first: Some((bytes, at)) } => match token68(bytes) {
            Some(token) => Found::Token { token, at },
            None => Found::Malformed,
        },
        _ => Found::Several,
    }
}

/// Two field lines are two tokens, whatever their schemes: who reads the first and who reads the last would not agree.
fn from_authorization<'a>(headers: &'a HeaderMap, wanted: &str, at: FoundAt, seen: &mut Candidates<'a>) {
    let mut lines = headers.get_all(header::AUTHORIZATION).into_iter();
    let Some(line) = lines.next() else { return };
    for _second in lines {
        seen.add(b"", at);
        seen.count += 1;
    }
    let line = line.as_bytes();
    let (scheme, credentials) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
    if scheme.eq_ignore_ascii_case(wanted.as_bytes()) {
        seen.add(trim_ows(credentials), at);
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

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
/// ([RFC 9110 §11.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.2))
fn token68(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().rposition(|byte| *byte != b'=')? + 1;
    // Of every request with a token all bytes are looked at: without a way out in between, sixteen at a time.
    let is_token68 = bytes.iter().take(end).fold(true, |so_far, byte| so_far & is_token68(*byte));
    is_token68.then(|| std::str::from_utf8(bytes).ok())?
}

const fn is_token68(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // "-", ".", "/" and the digits are neighbours.
    let is_digit_or_neighbour = byte.wrapping_sub(b'-') <= b'9' - b'-';
    is_letter | is_digit_or_neighbour | (byte == b'+') | (byte == b'_') | (byte == b'~')
}

#[cfg(test)]
mod tests {
    use super::{super::subprotocol::strip_subprotocol, *};
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn all() -> [TokenSource; 3] {
        [TokenSource::header(), TokenSource::cookie("session"), TokenSource::websocket_subprotocol()]
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[track_caller]
    fn check(name: &str, lines: &[(&'static str, &str)], expected: &Found<'_>) {
        assert_eq!(find(&Method::GET, &Uri::default(), &headers(lines), &all()), *expected, "{name}");
    }

    #[test]
    fn every_byte_is_one_or_not() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token68(byte), expected, "{byte}");
        }
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
            assert_eq!(find(&Method::GET, &Uri::default(), &headers, &all()), expected, "{name}");
            strip_subprotocol(&mut headers);
            let left = headers.get("sec-websocket-protocol").map_or("", |value| value.to_str().unwrap());
            assert_eq!(left, stripped, "{name}");
        }
    }

    #[test]
    fn a_subprotocol_is_only_looked_at_in_an_opening_handshake() {
        let lines = headers(&[("sec-websocket-protocol", "bearer, a.b.c")]);
        assert_eq!(find(&Method::GET, &Uri::default(), &lines, &all()), Found::Nothing);
        assert_eq!(find(&Method::CONNECT, &Uri::default(), &lines, &all()), at(FoundAt::Subprotocol));
    }

    #[test]
    fn what_is_ambient_gives_way() {
        let cookie = TokenSource::cookie("session").ambient();
        let sources = [TokenSource::header(), cookie, TokenSource::websocket_subprotocol()];
        let (bearer, cookie) = (("authorization", "Bearer a.b.c"), ("cookie", "session=d.e.f"));
        let websocket = [("upgrade", "websocket"), ("sec-websocket-protocol", "bearer, a.b.c")];
        for (name, lines, expected) in [
            ("beside a header", vec![bearer, cookie], at(FoundAt::Header)),
            ("beside a subprotocol", vec![websocket[0], websocket[1], cookie], at(FoundAt::Subprotocol)),
            ("alone", vec![("cookie", "session=a.b.c")], at(FoundAt::Cookie)),
            ("beside another scheme", vec![("authorization", "Basic YTpi"), ("cookie", "session=a.b.c")], at(FoundAt::Cookie)),
            ("beside what cannot be a token", vec![("authorization", "Bearer "), cookie], Found::Malformed),
            ("beside two", vec![bearer, bearer, cookie], Found::Several),
            ("twice", vec![("cookie", "session=a; session=b")], Found::Several),
            ("nothing", vec![], Found::Nothing),
        ] {
            assert_eq!(find(&Method::GET, &Uri::default(), &headers(&lines), &sources), expected, "{name}");
        }
    }

    #[test]
    fn query() {
        let sources = [TokenSource::header(), TokenSource::dangerous_query_parameter("access_token")];
        for (name, uri, expected) in [
            ("alone", "/a?access_token=a.b.c", at(FoundAt::Query)),
            ("among others", "https://api.example/a?x=1&access_token=a.b.c&y=2", at(FoundAt::Query)),
            ("no query", "/access_token=a.b.c", Found::Nothing),
            ("another name", "/?xaccess_token=a&access_token2=b&Access_token=c", Found::Nothing),
            ("empty", "/?access_token=", Found::Nothing),
            ("without a value", "/?access_token", Found::Nothing),
            ("encoded", "/?access_token=a%2Eb", Found::Malformed),
            ("twice", "/?access_token=a&access_token=b", Found::Several),
        ] {
            assert_eq!(find(&Method::GET, &uri.parse().unwrap(), &HeaderMap::new(), &sources), expected, "{name}");
        }
        let both = headers(&[("authorization", "Bearer a.b.c")]);
        let uri = "/?access_token=a.b.c".parse().unwrap();
        assert_eq!(find(&Method::GET, &uri, &both, &sources), Found::Several);
        assert_eq!(find(&Method::GET, &uri, &both, &all()), at(FoundAt::Header));
    }

    #[test]
    fn only_the_sources_asked_for_are_looked_at() {
        let lines = headers(&[("authorization", "Bearer a.b.c"), ("cookie", "session=d.e.f")]);
        assert_eq!(find(&Method::GET, &Uri::default(), &lines, &[TokenSource::header()]), at(FoundAt::Header));
        assert_eq!(find(&Method::GET, &Uri::default(), &lines, &[]), Found::Nothing);
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            for name in [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL] {
                let mut headers = HeaderMap::from_iter([(name, value.clone())]);
                if let Found::Token { token, .. } = find(&Method::CONNECT, &Uri::default(), &headers, &all()) {
                    prop_assert!(token68(token.as_bytes()).is_some());
                }
                strip_subprotocol(&mut headers);
            }
        }
    }
}
