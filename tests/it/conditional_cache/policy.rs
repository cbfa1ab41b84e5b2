//! What is written into `Cache-Control`, `Expires` and `Vary`.

use std::time::{Duration, UNIX_EPOCH};

use donjon::{
    ManualClock, Principal, Problem,
    conditional_cache::{CacheControl, CacheDirectives, CachePolicy, CacheRule, ConditionalCacheLayer},
};
use http::{Response, StatusCode, header};
use http_body_util::Full;

use super::{Fields, answer, field, get, request, response};

fn layer() -> ConditionalCacheLayer {
    let minute = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
    let policy = CachePolicy::builder()
        .rule(CacheRule::new(CacheControl::versioned()).path("/assets/**"))
        .rule(CacheRule::new(CacheDirectives::new(minute).with_expires(Duration::from_secs(60))).path("/prices"))
        .build()
        .expect("the rules are sound");
    ConditionalCacheLayer::new().policy(policy).clock(ManualClock::at(UNIX_EPOCH + Duration::from_secs(784_111_777)))
}

fn written(path: &str, asked: Fields<'_>, status: u16, fields: Fields<'_>) -> [Option<String>; 3] {
    let answer = answer(&layer(), request("GET", path, asked), response(status, fields, Full::from("x")));
    ["cache-control", "expires", "vary"].map(|name| field(&answer, name).map(str::to_owned))
}

#[test]
fn rules_are_written_and_the_clock_is_asked() {
    for (name, path, asked, status, fields, expected) in [
        ("an asset", "/assets/a.js", &[][..], 200, &[][..], [Some("public, max-age=31536000, immutable"), None, None]),
        ("a missing asset", "/assets/a.js", &[], 404, &[], [Some("no-store"), None, None]),
        ("a date too", "/prices", &[], 200, &[], [Some("public, max-age=60"), Some("Sun, 06 Nov 1994 08:50:37 GMT"), None]),
        ("nothing to say", "/other", &[], 200, &[], [None, None, None]),
        ("HTML", "/other", &[], 200, &[("content-type", "text/html")], [Some("no-cache"), None, None]),
        ("the handler's own", "/prices", &[], 200, &[("cache-control", "no-store")], [Some("no-store"), None, None]),
        (
            "with credentials",
            "/prices",
            &[("authorization", "Bearer x"), ("cookie", "a=b")],
            200,
            &[],
            [Some("private, max-age=60"), Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some("authorization")],
        ),
        (
            "with credentials, no rule",
            "/other",
            &[("authorization", "Bearer x")],
            200,
            &[],
            [Some("private, no-cache"), None, None],
        ),
        ("a cookie alone is no person", "/prices", &[("cookie", "a=b")], 200, &[("expires", "0")], [None, Some("0"), None]),
    ] {
        assert_eq!(written(path, asked, status, fields), expected.map(|value| value.map(str::to_owned)), "{name}");
    }
}

#[test]
fn a_private_answer_that_may_be_reused_varies_by_what_told_its_reader_apart() {
    let asked = &[("authorization", "Bearer x"), ("cookie", "a=b")];
    let answer = answer(&layer(), request("GET", "/assets/a", asked), response(200, &[("vary", "accept")], Full::from("x")));
    let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["accept", "authorization", "cookie"]);
    let expires = "Sun, 06 Nov 2094 08:49:37 GMT";
    let by_date = [Some("private".to_owned()), Some(expires.to_owned()), Some("authorization".to_owned())];
    assert_eq!(written("/", &asked[..1], 200, &[("expires", expires)]), by_date, "reusable by the handler's own date");
}

#[test]
fn a_principal_makes_an_answer_private_from_either_side() {
    let principal = Principal::builder().subject("alice").build();
    let mut outer = request("GET", "/assets/a", &[("cookie", "session=1")]);
    outer.extensions_mut().insert(principal.clone());
    let by_request = answer(&layer(), outer, response(200, &[], Full::from("x")));
    let mut inner = response(200, &[], Full::from("x"));
    inner.extensions_mut().insert(principal);
    let by_response = answer(&layer(), request("GET", "/assets/a", &[("cookie", "session=1")]), inner);
    for answer in [by_request, by_response] {
        assert_eq!(field(&answer, "cache-control"), Some("private, max-age=31536000, immutable"));
        assert_eq!(field(&answer, "vary"), Some("cookie"));
    }
}

#[test]
fn an_answer_that_sets_a_cookie_is_never_made_public() {
    let answer = answer(&layer(), request("GET", "/assets/a", &[]), response(200, &[("set-cookie", "id=7")], Full::from("x")));
    assert_eq!(field(&answer, "cache-control"), Some("private, max-age=31536000, immutable"));
    assert_eq!(field(&answer, "set-cookie"), Some("id=7"));
}

#[test]
fn a_detour_does_not_reach_a_rule() {
    for path in ["/assets/..%2faccount", "/assets/../account", "/assets/%2e%2e/account", "/assets/x;/account"] {
        assert_eq!(written(path, &[], 200, &[])[0], None, "{path}");
    }
}

#[test]
fn the_handlers_word_for_one_response_is_taken_as_it_is() {
    let mut inner = response(200, &[], Full::from("x"));
    inner.extensions_mut().insert(CacheDirectives::new(CacheControl::new().with_public().with_s_maxage(Duration::from_secs(9))));
    let answer = answer(&layer(), request("GET", "/prices", &[("authorization", "Bearer x")]), inner);
    assert_eq!(field(&answer, "cache-control"), Some("public, s-maxage=9"));
}

#[test]
fn a_304_tells_the_policy_again() {
    let answer = answer(
        &layer(),
        request("GET", "/prices", &[("if-none-match", "\"a\"")]),
        response(200, &[("etag", "\"a\"")], Full::from("x")),
    );
    assert_eq!(answer.status(), 304);
    assert_eq!(field(&answer, "cache-control"), Some("public, max-age=60"));
    assert_eq!(field(&answer, "expires"), Some("Sun, 06 Nov 1994 08:50:37 GMT"));
}

#[test]
fn what_must_not_be_stored_gets_no_tag_even_by_rule() {
    let rule = CacheRule::new(CacheControl::new().with_no_store());
    let layer = ConditionalCacheLayer::new().policy(CachePolicy::builder().rule(rule).build().unwrap());
    let answer = answer(&layer, request("GET", "/", &[]), response(200, &[], Full::from("x")));
    assert_eq!((field(&answer, "cache-control"), field(&answer, "etag")), (Some("no-store"), None));
}

#[test]
fn a_problem_stays_as_it_is() {
    let problem: Response<_> = Problem::new(StatusCode::FORBIDDEN).into_http_response::<Full<bytes::Bytes>>();
    let before = problem.headers().clone();
    let answer = answer(&layer(), request("GET", "/assets/a", &[("if-none-match", "*")]), problem);
    assert_eq!((answer.status(), answer.headers()), (StatusCode::FORBIDDEN, &before));
}

#[test]
fn other_methods_and_interim_answers_are_left_alone() {
    for (method, status) in [("POST", 200), ("PUT", 404), ("CONNECT", 200), ("OPTIONS", 200), ("GET", 101)] {
        let asked = &[("authorization", "Bearer x"), ("if-match", "\"x\""), ("if-none-match", "*")];
        let answer = answer(&layer(), request(method, "/assets/a", asked), response(status, &[], Full::from("x")));
        assert_eq!((answer.status().as_u16(), answer.headers().len()), (status, 0), "{method}");
    }
}

#[test]
fn the_default_policy_is_careful() {
    assert_eq!(field(&get("/", &[], 500, &[], "x"), "cache-control"), Some("no-store"));
    assert_eq!(field(&get("/", &[], 200, &[("content-type", "text/html")], "x"), "cache-control"), Some("no-cache"));
    assert_eq!(field(&get("/", &[], 200, &[("content-type", "image/png")], "x"), "cache-control"), None);
}

#[test]
fn targeted_fields_and_vary_come_by_rule() {
    let networks = CacheControl::new().with_public().with_max_age(Duration::from_secs(600));
    let directives = CacheDirectives::new(CacheControl::new().with_no_cache()).with_cdn(networks).with_vary([header::ACCEPT]);
    let layer = ConditionalCacheLayer::new().policy(CachePolicy::builder().rule(CacheRule::new(directives)).build().unwrap());
    let told = |asked, fields| {
        let answer = answer(&layer, request("GET", "/", asked), response(200, fields, Full::from("x")));
        ["cache-control", "cdn-cache-control", "vary"].map(|name| field(&answer, name).unwrap_or("-").to_owned())
    };
    for (name, asked, fields, expected) in [
        ("for all", &[][..], &[][..], ["no-cache", "public, max-age=600", "accept"]),
        ("for one reader", &[("authorization", "Bearer x")], &[], ["private, no-cache", "private, max-age=600", "accept"]),
        ("that sets a cookie", &[], &[("set-cookie", "a=b")], ["private, no-cache", "private, max-age=600", "accept"]),
        ("the handler's own", &[], &[("cdn-cache-control", "no-store")], ["no-cache", "no-store", "accept"]),
        ("the handler's Cache-Control", &[], &[("cache-control", "no-store")], ["no-store", "-", "-"]),
        ("known already", &[], &[("vary", "Accept")], ["no-cache", "public, max-age=600", "Accept"]),
        ("on a 304 too", &[("if-none-match", "*")], &[("etag", "\"a\"")], ["no-cache", "public, max-age=600", "accept"]),
    ] {
        assert_eq!(told(asked, fields), expected, "{name}");
    }
}
