//! The engine beside another one: `http-cache-semantics`, as a shared cache.
//!
//! Where the two differ, the difference is in the list below with the reason for it, and holds in exactly these cases.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use donjon::conditional_cache::shared::Profile;
use http::{Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};

use super::{Fields, Site};

/// When both caches begin to count.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// Whether the other engine answers a second request after some seconds with what the first one got.
fn theirs(asked: Fields<'_>, status: u16, fields: Fields<'_>, seconds: u64, again: Fields<'_>) -> bool {
    let request = |fields: Fields<'_>| {
        let builder = Request::get("http://site.example/a");
        fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
    };
    let response = fields.iter().fold(Response::builder().status(status), |builder, (name, value)| builder.header(*name, *value));
    let options = CacheOptions { shared: true, ..CacheOptions::default() };
    let policy = CachePolicy::new_options(&request(asked), &response.body(()).unwrap(), start(), options);
    let later = start() + Duration::from_secs(seconds);
    policy.is_storable() && matches!(policy.before_request(&request(again), later), BeforeRequest::Fresh(_))
}

async fn ours(asked: Fields<'_>, status: u16, fields: Fields<'_>, seconds: u64, again: Fields<'_>) -> bool {
    let site = Site::new(Profile::Rfc9111);
    site.answers(status, fields, "one").answers(304, &[], "");
    site.gets(asked).await;
    site.passes(seconds).gets(again).await.is_hit()
}

/// A request, its answer, and a later request.
const STATUSES: [u16; 6] = [200, 204, 301, 302, 403, 503];
const CONTROLS: [&[(&str, &str)]; 22] = [
    &[],
    &[("cache-control", "max-age=60")],
    &[("cache-control", "max-age=60, s-maxage=10")],
    &[("cache-control", "max-age=0, s-maxage=60")],
    &[("cache-control", "public")],
    &[("cache-control", "public, max-age=60")],
    &[("cache-control", "private, max-age=60")],
    &[("cache-control", "no-store, max-age=60")],
    &[("cache-control", "no-cache, max-age=60")],
    &[("cache-control", "max-age=60, must-revalidate")],
    &[("cache-control", "max-age=60, proxy-revalidate")],
    &[("cache-control", "max-age=60"), ("expires", "Sun, 06 Nov 1994 08:00:00 GMT")],
    &[("cache-control", "max-age=0"), ("expires", "Sun, 06 Nov 1994 09:00:00 GMT")],
    &[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")],
    &[("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
    &[("expires", "0")],
    &[("cache-control", "max-age=60"), ("age", "30")],
    &[("cache-control", "max-age=60"), ("age", "90")],
    &[("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
    &[("cache-control", "max-age=60"), ("vary", "accept")],
    &[("cache-control", "max-age=60"), ("vary", "*")],
    &[("cache-control", "max-age=60"), ("date", "Sun, 06 Nov 1994 08:49:00 GMT")],
];
const ASKED: [&[(&str, &str)]; 3] = [&[], &[("authorization", "Bearer x")], &[("accept", "a/b")]];
const AGAIN: [&[(&str, &str)]; 5] = [
    &[],
    &[("accept", "a/b")],
    &[("cache-control", "max-age=5")],
    &[("cache-control", "min-fresh=50")],
    &[("cache-control", "no-cache")],
];
const LATER: [u64; 4] = [0, 20, 45, 70];

/// Why the two differ, where they may: the standard's word for ours.
fn known(status: u16, fields: Fields<'_>) -> Option<&'static str> {
    let says = |name: &str| fields.iter().find(|(field, _)| *field == name).map_or("", |(_, value)| *value);
    let control = says("cache-control");
    let explicit = control.contains("max-age") || !says("expires").is_empty();
    if explicit && ![200, 203, 204, 300, 301, 404, 405, 410, 414, 501].contains(&status) {
        return Some("RFC 9111 §3: what says how long it is fresh may be stored whatever its status is");
    }
    if control.contains("proxy-revalidate") {
        return Some("RFC 9111 §5.2.2.8: it forbids use once it is stale, and it is not stale at once");
    }
    if says("date") == "Sun, 06 Nov 1994 08:49:00 GMT" {
        return Some("RFC 9111 §4.2.3: `apparent_age` counts, so a Date in the past makes it older");
    }
    None
}

#[tokio::test]
async fn both_engines_use_the_same_responses_again() {
    let (mut compared, mut differing, mut unknown) = (0, BTreeSet::new(), Vec::new());
    for status in STATUSES {
        for fields in CONTROLS {
            for asked in ASKED {
                for again in AGAIN {
                    for seconds in LATER {
                        let (ours, theirs) =
                            (ours(asked, status, fields, seconds, again).await, theirs(asked, status, fields, seconds, again));
                        compared += 1;
                        match (ours == theirs, known(status, fields)) {
                            (true, _) => {}
                            (false, Some(reason)) => {
                                differing.insert(reason);
                            }
                            (false, None) => {
                                unknown.push(format!("{status} {fields:?} asked {asked:?} +{seconds} {again:?}: ours {ours}"))
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(compared, 6 * 22 * 3 * 5 * 4);
    assert!(
        unknown.is_empty(),
        "{} of {compared} differ without a reason:\n{}",
        unknown.len(),
        unknown[..unknown.len().min(60)].join("\n")
    );
    assert_eq!(differing.len(), 3, "the list of differences is out of date: {differing:?}");
}
