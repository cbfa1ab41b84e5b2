//! Tags, 304 and 412 as they leave the layer.

use donjon::{
    Problem,
    conditional_cache::{ConditionalCacheLayer, EntityTag, EntityTags},
};
use http_body::Body as _;
use http_body_util::{Empty, Full};

use super::{Fields, answer, field, get, request, response};
use crate::support::whole;

#[tokio::test]
async fn content_gets_the_tag_of_its_bytes() {
    let answer = get("/", &[], 200, &[], "hello");
    assert_eq!(field(&answer, "etag"), Some(EntityTag::of("hello").to_string().as_str()));
    assert_eq!(whole(answer).await.1, "hello");
}

#[tokio::test]
async fn a_known_tag_is_answered_by_a_bare_304() {
    let tag = EntityTag::of("hello").to_string();
    let answer = get("/", &[("if-none-match", &tag)], 200, &[], "hello");
    assert_eq!(answer.status(), 304);
    assert_eq!(field(&answer, "etag"), Some(tag.as_str()));
    assert!(answer.body().is_end_stream());
    assert_eq!(answer.body().size_hint().exact(), None, "a length would be that of the 200");
    assert!(whole(answer).await.1.is_empty());
}

#[test]
fn a_304_keeps_what_it_must_and_drops_what_describes_the_content() {
    let fields: Fields<'_> = &[
        ("cache-control", "max-age=1"),
        ("content-location", "/x"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("expires", "Sun, 06 Nov 1994 08:49:38 GMT"),
        ("vary", "accept"),
        ("set-cookie", "a=b"),
        ("access-control-allow-origin", "*"),
        ("content-security-policy", "default-src 'self'"),
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("content-language", "en"),
        ("content-encoding", "gzip"),
        ("content-digest", "sha-256=:AA==:"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    let answer = get("/", &[("if-none-match", "*")], 200, fields, "hello");
    assert_eq!(answer.status(), 304);
    let mut names: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "access-control-allow-origin",
            "cache-control",
            "content-location",
            "content-security-policy",
            "date",
            "etag",
            "expires",
            "set-cookie",
            "vary"
        ]
    );
}

#[test]
fn a_304_without_a_tag_keeps_its_date() {
    let layer = ConditionalCacheLayer::new().entity_tags(EntityTags::Off);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let inner = response(200, &[("last-modified", date)], Full::from("x"));
    let answer = answer(&layer, request("GET", "/", &[("if-modified-since", date)]), inner);
    assert_eq!((answer.status().as_u16(), field(&answer, "last-modified")), (304, Some(date)));
}

#[test]
fn the_handlers_own_validators_win() {
    let own = &[("etag", "\"mine\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let answer = get("/", &[("if-none-match", &EntityTag::of("hello").to_string())], 200, own, "hello");
    assert_eq!(answer.status(), 200);
    assert_eq!(field(&answer, "etag"), Some("\"mine\""));
    assert_eq!(field(&answer, "last-modified"), Some(own[1].1));
    assert_eq!(get("/", &[("if-none-match", "W/\"mine\"")], 200, own, "hello").status(), 304);
}

#[test]
fn what_gets_no_tag() {
    for (name, status, fields, content) in [
        ("no-store", 200, &[("cache-control", "no-store")][..], "x"),
        ("no-transform", 200, &[("cache-control", "no-transform")], "x"),
        ("an event stream", 200, &[("content-type", "text/event-stream")], "x"),
        ("a part", 206, &[("content-range", "bytes 0-0/9")], "x"),
        ("an error", 404, &[], "x"),
        ("no content", 200, &[], ""),
    ] {
        let answer = get("/", &[("if-none-match", "\"a\"")], status, fields, content);
        assert_eq!((answer.status().as_u16(), field(&answer, "etag")), (status, None), "{name}");
    }
}

#[tokio::test]
async fn a_failed_precondition_of_a_read_is_a_problem() {
    let fields = &[
        ("content-type", "text/html"),
        ("content-encoding", "gzip"),
        ("set-cookie", "a=b"),
        ("etag", "\"a\""),
        ("cdn-cache-control", "max-age=600"),
    ];
    let answer = get("/", &[("if-match", "\"b\"")], 200, fields, "secret");
    assert_eq!(answer.status(), 412);
    assert_eq!(answer.extensions().get::<Problem>().map(Problem::status), Some(http::StatusCode::PRECONDITION_FAILED));
    assert_eq!(field(&answer, "content-type"), Some("application/problem+json"));
    assert_eq!(field(&answer, "cache-control"), Some("no-store"));
    assert_eq!(field(&answer, "set-cookie"), Some("a=b"));
    for gone in ["content-encoding", "etag", "cdn-cache-control"] {
        assert_eq!(field(&answer, gone), None, "{gone} tells of a representation that is not sent");
    }
    let content = whole(answer).await.1;
    assert!(content.starts_with(b"{") && !String::from_utf8_lossy(&content).contains("secret"));
}

#[test]
fn a_handlers_own_answer_to_a_precondition_stays() {
    for status in [304, 412] {
        let answer = get("/", &[("if-none-match", "*"), ("if-match", "\"x\"")], status, &[("etag", "\"a\"")], "");
        assert_eq!((answer.status().as_u16(), field(&answer, "etag")), (status, Some("\"a\"")));
    }
}

#[tokio::test]
async fn a_part_of_the_handlers_own_is_sent_only_if_the_conditions_hold() {
    let own = &[("content-range", "bytes 0-3/9"), ("etag", "\"a\"")][..];
    for (name, asked, fields, status) in [
        ("of the representation that the client has", ("if-match", "\"a\""), own, 206),
        ("of another", ("if-match", "\"b\""), own, 412),
        ("of who knows which", ("if-match", "\"a\""), &own[..1], 412),
        ("that the client has whole", ("if-none-match", "\"a\""), own, 304),
        ("that it has not", ("if-none-match", "\"b\""), own, 206),
    ] {
        let answer = get("/", &[("range", "bytes=0-3"), asked], 206, fields, "part");
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("content-range")), (status, status == 206), "{name}");
        let content = whole(answer).await.1;
        assert_eq!(content == "part", status == 206, "{name}");
    }
}

#[test]
fn head_is_answered_by_the_handlers_validators() {
    let layer = ConditionalCacheLayer::new();
    let head = |asked, fields| answer(&layer, request("HEAD", "/", asked), response(200, fields, Empty::new()));
    assert_eq!(field(&head(&[], &[("content-length", "5")]), "etag"), None);
    assert_eq!(field(&head(&[], &[("content-length", "5")]), "content-length"), Some("5"));
    let known = head(&[("if-none-match", "\"a\"")], &[("content-length", "5"), ("etag", "\"a\"")]);
    assert_eq!((known.status().as_u16(), field(&known, "content-length")), (304, None));
}

#[test]
fn a_client_that_accepts_codings_gets_a_weak_tag_until_one_is_applied() {
    let asked: Fields<'_> = &[("accept-encoding", "gzip, br")];
    let weak = get("/", asked, 200, &[], "hello");
    assert_eq!(field(&weak, "etag"), Some(format!("W/{}", EntityTag::of("hello")).as_str()));
    let coded = get("/", asked, 200, &[("content-encoding", "gzip")], "hello");
    assert_eq!(field(&coded, "etag"), Some(EntityTag::of("hello").to_string().as_str()));
    let refused = get("/", &[("accept-encoding", "gzip;q=0")], 200, &[], "hello");
    assert_eq!(field(&refused, "etag"), Some(EntityTag::of("hello").to_string().as_str()));
}
