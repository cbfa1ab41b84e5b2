//! What the npm package `fresh` 2.0.0, which decides a 304 in Express, says of a request and the response to it. Where RFC 9110 says
//! otherwise the row tells why.

use donjon::conditional_cache::{ConditionalCacheLayer, EntityTags};
use http_body_util::Full;

use super::{Fields, answer, request, response};

const EARLIER: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const LATER: &str = "Sat, 01 Jan 2000 00:00:02 GMT";

/// Whether what the client has is as good as what it would get.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Fresh,
    Stale,
    /// `fresh` says one thing, RFC 9110 the other, for this reason.
    FreshButNot(&'static str),
    StaleButIs(&'static str),
}

use Says::{Fresh, FreshButNot, Stale, StaleButIs};

const NO_TAG: &str = "§8.8.3: what has no quotes is no entity tag, and matches nothing";
const NO_DATE: &str = "§13.1.3: a field that is no HTTP-date is ignored";
const RELOAD: &str = "§13.2.2 knows no exception, and RFC 9111 §5.2.1.4 asks caches to validate, which this is";

const ROWS: [(&str, Fields<'_>, Fields<'_>, Says); 31] = [
    ("no condition", &[], &[], Stale),
    ("no condition, validators", &[], &[("etag", "\"a\""), ("last-modified", EARLIER)], Stale),
    ("the tag", &[("if-none-match", "\"a\"")], &[("etag", "\"a\"")], Fresh),
    ("another tag", &[("if-none-match", "\"a\"")], &[("etag", "\"b\"")], Stale),
    ("no current tag", &[("if-none-match", "\"a\"")], &[], Stale),
    ("weak, weak", &[("if-none-match", "W/\"a\"")], &[("etag", "W/\"a\"")], Fresh),
    ("weak, strong", &[("if-none-match", "W/\"a\"")], &[("etag", "\"a\"")], Fresh),
    ("strong, weak", &[("if-none-match", "\"a\"")], &[("etag", "W/\"a\"")], Fresh),
    ("a star", &[("if-none-match", "*")], &[("etag", "\"a\"")], Fresh),
    ("a star and no current tag", &[("if-none-match", "*")], &[], Fresh),
    ("first of a list", &[("if-none-match", "\"a\", \"b\"")], &[("etag", "\"a\"")], Fresh),
    ("last of a list", &[("if-none-match", "\"b\",\"c\"  ,  \"a\"")], &[("etag", "\"a\"")], Fresh),
    ("none of a list", &[("if-none-match", "\"b\", \"c\"")], &[("etag", "\"a\"")], Stale),
    ("an empty element", &[("if-none-match", "\"b\",,\"a\"")], &[("etag", "\"a\"")], Fresh),
    ("part of a tag", &[("if-none-match", "\"a\"")], &[("etag", "\"ab\"")], Stale),
    ("without quotes", &[("if-none-match", "a")], &[("etag", "a")], FreshButNot(NO_TAG)),
    ("without quotes, another", &[("if-none-match", "a")], &[("etag", "b")], Stale),
    ("a comma in the tag", &[("if-none-match", "\"a,b\"")], &[("etag", "\"a,b\"")], StaleButIs("§8.8.3: a comma is an etagc")),
    ("a date as a tag", &[("if-none-match", EARLIER)], &[("last-modified", EARLIER)], Stale),
    ("modified since", &[("if-modified-since", EARLIER)], &[("last-modified", LATER)], Stale),
    ("not modified since", &[("if-modified-since", LATER)], &[("last-modified", EARLIER)], Fresh),
    ("not modified since the very second", &[("if-modified-since", EARLIER)], &[("last-modified", EARLIER)], Fresh),
    ("no date current", &[("if-modified-since", LATER)], &[], Stale),
    ("no date asked", &[("if-modified-since", "a")], &[("last-modified", EARLIER)], Stale),
    ("no date answered", &[("if-modified-since", LATER)], &[("last-modified", "a")], Stale),
    ("an ISO date", &[("if-modified-since", "2000-01-01T00:00:02Z")], &[("last-modified", EARLIER)], FreshButNot(NO_DATE)),
    (
        "tag and date",
        &[("if-none-match", "\"a\""), ("if-modified-since", LATER)],
        &[("etag", "\"a\""), ("last-modified", EARLIER)],
        Fresh,
    ),
    (
        "only the tag",
        &[("if-none-match", "\"a\""), ("if-modified-since", EARLIER)],
        &[("etag", "\"a\""), ("last-modified", LATER)],
        Fresh,
    ),
    (
        "only the date",
        &[("if-none-match", "\"a\""), ("if-modified-since", LATER)],
        &[("etag", "\"b\""), ("last-modified", EARLIER)],
        Stale,
    ),
    (
        "neither",
        &[("if-none-match", "\"a\""), ("if-modified-since", EARLIER)],
        &[("etag", "\"b\""), ("last-modified", LATER)],
        Stale,
    ),
    ("a reload", &[("if-none-match", "\"a\""), ("cache-control", "no-cache")], &[("etag", "\"a\"")], StaleButIs(RELOAD)),
];

#[test]
fn a_304_where_fresh_says_fresh_but_for_what_the_standard_says() {
    let layer = ConditionalCacheLayer::new().entity_tags(EntityTags::Off);
    for (name, asked, fields, says) in ROWS {
        let answer = answer(&layer, request("GET", "/", asked), response(200, fields, Full::<bytes::Bytes>::from("x")));
        let (expected, why) = match says {
            Fresh => (304, ""),
            Stale => (200, ""),
            FreshButNot(why) => (200, why),
            StaleButIs(why) => (304, why),
        };
        assert_eq!(answer.status(), expected, "{name} {why}");
    }
}
