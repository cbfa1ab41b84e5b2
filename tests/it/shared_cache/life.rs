//! The life of a stored response: stored, used, validated, freshened, forgotten.

use donjon::conditional_cache::shared::Profile;

use super::{Fields, Site};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn a_fresh_response_is_used_again_with_its_age() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, ("content-type", "text/plain")], "hello");
    let miss = site.gets(&[]).await;
    assert_eq!(
        (miss.status, miss.content.as_str(), miss.handling()),
        (200, "hello", "fwd=uri-miss; fwd-status=200; stored; ttl=60")
    );
    site.passes(7);
    let hit = site.gets(&[]).await;
    assert_eq!((hit.status, hit.content.as_str(), hit.handling()), (200, "hello", "hit; ttl=53"));
    assert_eq!((hit.field("age"), hit.field("content-type")), (Some("7"), Some("text/plain")));
    assert_eq!(hit.field("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn a_stale_response_is_asked_about_and_starts_anew() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, ("etag", "\"a\""), ("x-kept", "1"), ("x-new", "1")], "hello");
    site.gets(&[]).await;
    site.passes(60).answers(304, &[("etag", "\"a\""), ("cache-control", "max-age=10"), ("x-new", "2")], "");
    let confirmed = site.gets(&[]).await;
    assert_eq!((confirmed.status, confirmed.content.as_str()), (200, "hello"));
    assert_eq!((confirmed.field("x-kept"), confirmed.field("x-new")), (Some("1"), Some("2")));
    assert_eq!(confirmed.handling(), "fwd=stale; fwd-status=304; stored; ttl=10");
    assert_eq!(site.last_seen().headers["if-none-match"], "\"a\"");
    site.passes(9);
    let hit = site.gets(&[]).await;
    assert_eq!((hit.handling(), hit.field("x-new"), hit.field("age")), ("hit; ttl=1", Some("2"), Some("9")));
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_stale_response_that_has_changed_is_replaced() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, ("etag", "\"a\"")], "old").answers(200, &[FRESH, ("etag", "\"b\"")], "new");
    site.gets(&[]).await;
    site.passes(60);
    assert_eq!(site.gets(&[]).await.content, "new");
    assert_eq!(site.gets(&[]).await.content, "new");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_write_makes_what_it_changes_invalid() {
    let site = Site::new(Profile::Safe);
    for (method, status, fields, invalid) in [
        ("POST", 200, &[][..], true),
        ("DELETE", 204, &[][..], true),
        ("M-SEARCH", 200, &[][..], true),
        ("PUT", 500, &[][..], false),
        ("PUT", 412, &[][..], false),
        ("OPTIONS", 200, &[][..], false),
    ] {
        site.answers(200, &[FRESH], "hello").answers(status, fields, "").answers(200, &[FRESH], "again");
        site.gets(&[]).await;
        site.sends(method, "http://site.example/a", &[]).await;
        let again = site.gets(&[]).await;
        assert_eq!(again.is_hit(), !invalid, "{method} {status}");
        // Both of the script's answers are used up, and nothing is stored.
        if !invalid {
            site.passes(60);
            site.gets(&[]).await;
        }
        site.passes(60);
    }
}

#[tokio::test]
async fn what_a_write_names_becomes_invalid_within_its_origin() {
    let site = Site::new(Profile::Safe);
    for (location, invalid) in [("/a", true), ("a", true), ("http://site.example/a", true), ("http://other.example/a", false)] {
        site.answers(200, &[FRESH], "hello").answers(201, &[("location", location)], "");
        site.gets(&[]).await;
        site.sends("POST", "http://site.example/b", &[]).await;
        site.answers(200, &[FRESH], "again");
        let again = site.gets(&[]).await;
        assert_eq!(again.is_hit(), !invalid, "{location}");
        site.passes(60);
        if !invalid {
            site.gets(&[]).await;
            site.passes(60);
        }
    }
}

#[tokio::test]
async fn a_head_is_answered_by_what_a_get_stored() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH], "hello");
    site.gets(&[]).await;
    let head = site.sends("HEAD", "http://site.example/a", &[]).await;
    assert_eq!((head.status, head.content.as_str(), head.field("content-length")), (200, "", Some("5")));
    assert!(head.is_hit());
}

#[tokio::test]
async fn the_answer_to_a_head_freshens_what_is_stored() {
    for (name, fields, fresh) in [
        ("the same tag", &[("etag", "\"a\""), ("cache-control", "max-age=600")][..], true),
        ("no tag", &[("cache-control", "max-age=600")][..], true),
        ("another tag", &[("etag", "\"b\""), ("cache-control", "max-age=600")][..], false),
        ("another length", &[("content-length", "6"), ("cache-control", "max-age=600")][..], false),
    ] {
        let site = Site::new(Profile::Safe);
        site.answers(200, &[FRESH, ("etag", "\"a\"")], "hello");
        site.gets(&[]).await;
        site.passes(60).answers(200, fields, "").answers(200, &[], "again");
        site.sends("HEAD", "http://site.example/a", &[]).await;
        assert_eq!(site.gets(&[]).await.is_hit(), fresh, "{name}");
    }
}

/// An empty line of its own is no place that is held for the cache.
#[tokio::test]
async fn the_origins_cache_status_comes_first_in_whatever_lines() {
    let site = Site::new(Profile::Safe);
    let fields = |more: Fields<'static>| {
        let told = ["", "origin; hit", ""].map(|line| ("cache-status", line));
        [&[("cache-control", "max-age=60"), ("etag", "\"a\"")], &told[..], more].concat()
    };
    site.answers(200, &fields(&[]), "hello");
    site.answers(304, &fields(&[]), "");
    site.answers(200, &fields(&[("content-location", "/a")]), "hello");
    for (name, method, passes, handling) in [
        ("live", "GET", 0, "donjon; fwd=uri-miss; fwd-status=200; stored; ttl=60"),
        ("stored", "GET", 0, "donjon; hit; ttl=60"),
        ("confirmed", "GET", 61, "donjon; fwd=stale; fwd-status=304; stored; ttl=60"),
        ("stored, when confirmed", "GET", 0, "donjon; hit; ttl=60"),
        ("of a write", "POST", 0, "donjon; fwd=method; fwd-status=200"),
        ("stored, of a write", "GET", 0, "donjon; hit; ttl=60"),
    ] {
        let got = site.passes(passes).sends(method, "http://site.example/a", &[]).await;
        let lines: Vec<_> = got.headers.get_all("cache-status").iter().collect();
        assert_eq!(lines, ["origin; hit", handling], "{name}");
        assert_eq!(got.content, "hello", "{name}");
    }
}
