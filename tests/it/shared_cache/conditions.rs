//! Conditions and ranges of clients, answered from what is stored.

use donjon::conditional_cache::shared::Profile;

use super::{Fields, Site};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const MODIFIED: &str = "Sun, 06 Nov 1994 08:00:00 GMT";

async fn stored(fields: Fields<'_>, content: &'static str) -> Site {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[&[FRESH], fields].concat(), content);
    site.gets(&[]).await;
    site
}

#[tokio::test]
async fn who_has_it_gets_a_304() {
    let site =
        stored(&[("etag", "\"a\""), ("last-modified", MODIFIED), ("content-type", "text/plain"), ("vary", "x")], "hello").await;
    for (name, asked, status) in [
        ("the tag", ("if-none-match", "\"b\", \"a\""), 304),
        ("any", ("if-none-match", "*"), 304),
        ("another tag", ("if-none-match", "\"b\""), 200),
        ("since then", ("if-modified-since", MODIFIED), 304),
        ("since before", ("if-modified-since", "Sun, 06 Nov 1994 07:00:00 GMT"), 200),
        ("still the same", ("if-match", "\"a\""), 200),
        ("no more", ("if-match", "\"b\""), 412),
        ("changed since", ("if-unmodified-since", "Sun, 06 Nov 1994 07:00:00 GMT"), 412),
    ] {
        let got = site.gets(&[asked]).await;
        assert_eq!(got.status, status, "{name}");
        if status == 304 {
            assert_eq!(
                (got.content.as_str(), got.field("content-type"), got.field("content-length")),
                ("", None, None),
                "{name}"
            );
            assert_eq!((got.field("etag"), got.field("vary"), got.field("age")), (Some("\"a\""), Some("x"), Some("0")), "{name}");
        }
        if status != 412 {
            assert!(got.is_hit(), "{name}");
        }
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn without_a_modification_the_date_stands_in() {
    let site = stored(&[], "hello").await;
    assert_eq!(site.gets(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]).await.status, 304);
    assert_eq!(site.gets(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]).await.status, 200);
}

#[tokio::test]
async fn the_clients_condition_is_evaluated_after_the_caches_own() {
    let site = stored(&[("etag", "\"a\"")], "hello").await;
    site.passes(60).answers(304, &[], "").answers(200, &[FRESH, ("etag", "\"b\"")], "new");
    let got = site.gets(&[("if-none-match", "\"mine\", \"a\"")]).await;
    assert_eq!((got.status, site.last_seen().headers["if-none-match"].to_str().unwrap()), (304, "\"a\""));
    site.passes(60);
    let got = site.gets(&[("if-none-match", "\"a\"")]).await;
    assert_eq!((got.status, got.content.as_str()), (200, "new"));
    // What it has is what has come: it need not be sent, but is stored.
    site.passes(60).answers(200, &[FRESH, ("etag", "\"c\"")], "newer");
    assert_eq!(site.gets(&[("if-none-match", "\"c\"")]).await.status, 304);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.gets(&[]).await.content, "newer");
    assert_eq!(site.asked(), 4);
}

#[tokio::test]
async fn what_is_not_stored_is_asked_for_on_the_clients_own_condition() {
    let site = Site::new(Profile::Safe);
    site.answers(304, &[("etag", "\"mine\"")], "");
    let got = site.gets(&[("if-none-match", "\"mine\"")]).await;
    assert_eq!((got.status, got.handling()), (304, "fwd=uri-miss; fwd-status=304; detail=status"));
    assert_eq!(site.last_seen().headers["if-none-match"], "\"mine\"");
}

#[tokio::test]
async fn parts_are_cut_from_what_is_stored() {
    let site = stored(&[("etag", "\"a\""), ("last-modified", MODIFIED), ("content-type", "text/plain")], "0123456789").await;
    for (name, asked, status, content, range) in [
        ("the beginning", &[("range", "bytes=0-1")][..], 206, "01", Some("bytes 0-1/10")),
        ("the end", &[("range", "bytes=-3")], 206, "789", Some("bytes 7-9/10")),
        ("from", &[("range", "bytes=8-")], 206, "89", Some("bytes 8-9/10")),
        ("beyond the end", &[("range", "bytes=10-")], 416, "", Some("bytes */10")),
        ("another unit", &[("range", "lines=1-2")], 200, "0123456789", None),
        ("on the tag", &[("range", "bytes=0-1"), ("if-range", "\"a\"")], 206, "01", Some("bytes 0-1/10")),
        ("on another tag", &[("range", "bytes=0-1"), ("if-range", "\"b\"")], 200, "0123456789", None),
        ("on the date", &[("range", "bytes=0-1"), ("if-range", MODIFIED)], 206, "01", Some("bytes 0-1/10")),
        ("not changed", &[("range", "bytes=0-1"), ("if-none-match", "\"a\"")], 304, "", None),
    ] {
        let got = site.gets(asked).await;
        assert_eq!((got.status, got.field("content-range")), (status, range), "{name}");
        if status != 416 {
            assert_eq!(got.content, content, "{name}");
        }
        if status == 206 {
            assert_eq!(got.field("content-length"), Some(content.len().to_string().as_str()), "{name}");
            assert_eq!((got.field("etag"), got.field("content-type")), (Some("\"a\""), Some("text/plain")), "{name}");
        }
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn several_parts_come_as_one_answer() {
    let site = Site::new(Profile::Safe);
    let content: &'static str = String::leak("0123456789".repeat(200));
    site.answers(200, &[FRESH, ("content-type", "text/plain")], content);
    site.gets(&[]).await;
    let got = site.gets(&[("range", "bytes=0-1,1000-1003")]).await;
    assert_eq!(got.status, 206);
    let boundary = got.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    let part = |range: &str, bytes: &str| {
        format!("--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes {range}/2000\r\n\r\n{bytes}\r\n")
    };
    assert_eq!(got.content, format!("{}{}--{boundary}--\r\n", part("0-1", "01"), part("1000-1003", "0123")));
    assert_eq!(got.field("content-length"), Some(got.content.len().to_string().as_str()));
}

#[tokio::test]
async fn a_head_with_a_range_is_told_of_the_whole() {
    let site = stored(&[], "0123456789").await;
    let got = site.sends("HEAD", "http://site.example/a", &[("range", "bytes=0-1")]).await;
    assert_eq!((got.status, got.field("content-length")), (200, Some("10")));
}

#[tokio::test]
async fn a_part_is_stored_and_used_for_what_lies_within() {
    let site = Site::new(Profile::Safe);
    site.answers(206, &[FRESH, ("content-range", "bytes 4-8/10"), ("etag", "\"a\"")], "45678");
    let first = site.gets(&[("range", "bytes=4-8")]).await;
    assert_eq!((first.status, first.content.as_str()), (206, "45678"));
    for (range, content, content_range) in [("bytes=4-8", "45678", "bytes 4-8/10"), ("bytes=6-7", "67", "bytes 6-7/10")] {
        let got = site.gets(&[("range", range)]).await;
        assert_eq!((got.status, got.content.as_str(), got.field("content-range")), (206, content, Some(content_range)));
        assert!(got.is_hit());
    }
    assert_eq!(site.asked(), 1);
    // What lies outside is fetched, and joined with what is there.
    site.answers(206, &[FRESH, ("content-range", "bytes 0-3/10"), ("etag", "\"a\"")], "0123");
    assert_eq!(site.gets(&[("range", "bytes=0-3")]).await.handling(), "fwd=partial; fwd-status=206; stored; ttl=60");
    assert_eq!(site.gets(&[("range", "bytes=2-6")]).await.content, "23456");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn what_answered_a_range_answers_the_same_range_again() {
    let other = ("range", "bytes=6-");
    for (name, asked, told, content, again, hit) in [
        ("to an end that nobody knows", ("range", "bytes=4-"), "bytes 4-8/*", "45678", &[("range", "bytes=4-")][..], true),
        ("from an end that nobody knows", ("range", "bytes=-5"), "bytes 4-8/*", "45678", &[("range", "bytes=-5")], true),
        ("fewer bytes than it says", ("range", "bytes=-5"), "bytes 4-9/10", "01234", &[("range", "bytes=-5")], true),
        ("another end that nobody knows", ("range", "bytes=4-"), "bytes 4-8/*", "45678", &[other], false),
        ("another range of fewer bytes than it says", ("range", "bytes=-5"), "bytes 4-9/10", "01234", &[other], false),
        ("on its tag", ("range", "bytes=4-"), "bytes 4-8/*", "45678", &[("range", "bytes=4-"), ("if-range", "\"a\"")], true),
        ("on another", ("range", "bytes=4-"), "bytes 4-8/*", "45678", &[("range", "bytes=4-"), ("if-range", "\"b\"")], false),
    ] {
        let site = Site::new(Profile::Safe);
        site.answers(206, &[FRESH, ("etag", "\"a\""), ("content-range", told)], content).answers(200, &[FRESH], "asked");
        site.gets(&[asked]).await;
        let got = site.gets(again).await;
        let expected = if hit { (206, content, Some(told)) } else { (200, "asked", None) };
        assert_eq!((got.status, got.content.as_str(), got.field("content-range")), expected, "{name}");
        assert_eq!(got.is_hit(), hit, "{name}");
        if hit {
            assert_eq!(got.field("content-length"), Some("5"), "{name}");
        }
    }
}

#[tokio::test]
async fn of_parts_that_were_joined_the_latest_answers_its_range_again() {
    let site = Site::new(Profile::Safe);
    let part = |range, content| site.answers(206, &[FRESH, ("etag", "\"a\""), ("content-range", range)], content);
    part("bytes 0-1/*", "01");
    part("bytes 2-3/*", "23");
    site.gets(&[("range", "bytes=0-1")]).await;
    site.gets(&[("range", "bytes=2-")]).await;
    let got = site.gets(&[("range", "bytes=2-")]).await;
    assert_eq!((got.content.as_str(), got.field("content-range"), got.is_hit()), ("23", Some("bytes 2-3/*"), true));
}

#[tokio::test]
async fn what_came_for_another_question_answers_no_range() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, ("etag", "\"a\"")], "0123").passes(0);
    site.gets(&[]).await;
    // Asked on the cache's own condition, and so without a range: nobody knows what this is a part of.
    site.passes(60).answers(206, &[FRESH, ("etag", "\"b\""), ("content-range", "bytes 0-1/*")], "01").answers(200, &[], "asked");
    site.gets(&[("range", "bytes=0-")]).await;
    assert!(!site.last_seen().headers.contains_key("range"));
    assert_eq!(site.gets(&[("range", "bytes=0-")]).await.content, "asked");
}

#[tokio::test]
async fn the_rest_of_a_part_is_fetched_for_who_wants_the_whole() {
    for (name, rest, content) in [
        (
            "the rest comes",
            (206, &[FRESH, ("content-range", "bytes 5-9/10"), ("etag", "\"a\""), ("x-new", "1")][..], "56789"),
            "0123456789",
        ),
        ("it has changed", (200, &[FRESH, ("etag", "\"b\"")][..], "other"), "other"),
    ] {
        let site = Site::new(Profile::Safe);
        site.answers(206, &[FRESH, ("content-range", "bytes 0-4/10"), ("etag", "\"a\"")], "01234");
        site.gets(&[("range", "bytes=0-4")]).await;
        site.answers(rest.0, rest.1, rest.2);
        let whole = site.gets(&[]).await;
        assert_eq!((whole.status, whole.content.as_str(), whole.field("content-range")), (200, content, None), "{name}");
        let asked = site.last_seen().headers;
        assert_eq!((&asked["range"], &asked["if-range"]), (&"bytes=5-".parse().unwrap(), &"\"a\"".parse().unwrap()), "{name}");
        let again = site.gets(&[]).await;
        assert_eq!((again.content.as_str(), again.is_hit()), (content, true), "{name}");
    }
}

#[tokio::test]
async fn a_part_that_does_not_belong_to_the_rest_answers_nobody() {
    let site = Site::new(Profile::Safe);
    site.answers(206, &[FRESH, ("content-range", "bytes 0-4/10"), ("etag", "\"a\"")], "01234");
    site.gets(&[("range", "bytes=0-4")]).await;
    site.answers(206, &[FRESH, ("content-range", "bytes 5-9/10"), ("etag", "\"b\"")], "56789");
    assert_eq!(site.gets(&[]).await.status, 502);
    site.answers(200, &[FRESH, ("etag", "\"b\"")], "whole");
    assert_eq!(site.gets(&[]).await.content, "whole");
    assert!(!site.last_seen().headers.contains_key("range"));
}

#[tokio::test]
async fn parts_without_a_strong_validator_are_never_joined() {
    for tag in [None, Some(("etag", "W/\"a\""))] {
        let site = Site::new(Profile::Eager);
        let fields = |range| [FRESH, ("content-range", range)].into_iter().chain(tag).collect::<Vec<_>>();
        site.answers(206, &fields("bytes 0-4/10"), "01234").answers(206, &fields("bytes 5-9/10"), "56789");
        site.gets(&[("range", "bytes=0-4")]).await;
        site.gets(&[("range", "bytes=5-9")]).await;
        site.answers(200, &[FRESH], "whole");
        assert_eq!(site.gets(&[]).await.content, "whole");
    }
}

#[tokio::test]
async fn who_wants_the_whole_is_never_told_of_a_range() {
    let site = Site::new(Profile::Safe);
    site.answers(206, &[FRESH, ("content-range", "bytes 0-4/10"), ("etag", "\"a\"")], "01234");
    site.gets(&[("range", "bytes=0-4")]).await;
    site.answers(416, &[("content-range", "bytes */3")], "");
    assert_eq!(site.gets(&[]).await.status, 502);
    site.answers(200, &[FRESH], "012");
    assert_eq!(site.gets(&[]).await.content, "012");
}

#[tokio::test]
async fn the_rest_of_what_has_no_known_end_is_not_asked_for() {
    let site = Site::new(Profile::Safe);
    site.answers(206, &[FRESH, ("content-range", "bytes 0-4/*"), ("etag", "\"a\"")], "01234");
    site.gets(&[("range", "bytes=0-4")]).await;
    site.answers(200, &[FRESH, ("etag", "\"a\"")], "01234");
    assert_eq!(site.gets(&[]).await.content, "01234");
    assert!(!site.last_seen().headers.contains_key("range"));
}
