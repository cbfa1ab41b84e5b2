//! Stale responses: who may have them, and when.

use donjon::conditional_cache::shared::{Profile, RequestDirectives};

use super::{Down, Fields, Site, request};

async fn stale(profile: Profile, control: &'static str) -> Site {
    let site = Site::new(profile);
    site.answers(200, &[("cache-control", control), ("etag", "\"a\"")], "old");
    site.gets(&[]).await;
    site.passes(70);
    site
}

/// Lets what runs in the background run.
async fn background() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn while_it_is_fetched_anew_the_old_one_is_used() {
    let site = stale(Profile::Safe, "max-age=60, stale-while-revalidate=30").await;
    site.answers(200, &[("cache-control", "max-age=60")], "new");
    let first = site.gets(&[("if-none-match", "\"b\""), ("range", "bytes=0-1")]).await;
    assert_eq!((first.content.as_str(), first.handling()), ("ol", "hit; ttl=-10; detail=stale-while-revalidate"));
    background().await;
    let asked = site.last_seen();
    assert_eq!((asked.headers.get("if-none-match").unwrap().to_str().unwrap(), asked.headers.get("range")), ("\"a\"", None));
    let second = site.gets(&[]).await;
    assert_eq!((second.content.as_str(), second.is_hit(), site.asked()), ("new", true, 2));
}

#[tokio::test]
async fn one_fetch_behind_the_backs_of_many() {
    let site = stale(Profile::Safe, "max-age=60, stale-while-revalidate=30").await;
    site.answers(304, &[], "");
    for _ in 0..20 {
        assert_eq!(site.gets(&[]).await.content, "old");
    }
    background().await;
    assert_eq!(site.gets(&[]).await.handling(), "hit; ttl=60");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_head_in_the_grace_fetches_the_whole_anew() {
    let site = stale(Profile::Safe, "max-age=60, stale-while-revalidate=30").await;
    site.answers(200, &[("cache-control", "max-age=60")], "new");
    assert!(site.sends("HEAD", "http://site.example/a", &[]).await.is_hit());
    background().await;
    assert_eq!(site.last_seen().method, "GET");
    assert_eq!(site.gets(&[]).await.content, "new");
}

#[tokio::test]
async fn outside_the_grace_the_origin_is_asked_first() {
    for control in [
        "max-age=60, stale-while-revalidate=10",
        "max-age=60, stale-while-revalidate=600, must-revalidate",
        "max-age=60, stale-while-revalidate=600, proxy-revalidate",
        "s-maxage=60, stale-while-revalidate=600",
        "max-age=60, stale-while-revalidate=600, no-cache",
    ] {
        let site = stale(Profile::Eager, control).await;
        site.answers(304, &[], "");
        assert_eq!(site.gets(&[]).await.handling().split("; ").next(), Some("fwd=stale"), "{control}");
        assert_eq!(site.asked(), 2, "{control}");
    }
}

#[tokio::test]
async fn when_the_inner_service_fails_a_stale_response_stands_in_where_it_may() {
    use Profile::{Eager, Rfc9111, Safe};
    for (name, profile, control, stands_in) in [
        ("permitted", Safe, "max-age=60, stale-if-error=30", true),
        ("no longer permitted", Safe, "max-age=60, stale-if-error=10", false),
        ("not permitted", Safe, "max-age=60", false),
        ("not permitted, by the letter", Rfc9111, "max-age=60", false),
        ("not forbidden", Eager, "max-age=60", true),
        ("forbidden by must-revalidate", Eager, "max-age=60, stale-if-error=600, must-revalidate", false),
        ("forbidden by proxy-revalidate", Eager, "max-age=60, stale-if-error=600, proxy-revalidate", false),
        ("forbidden by s-maxage", Eager, "s-maxage=60, stale-if-error=600", false),
        ("forbidden by no-cache", Eager, "max-age=60, stale-if-error=600, no-cache", false),
    ] {
        for failure in [None, Some(500), Some(502), Some(503), Some(504)] {
            let site = stale(profile, control).await;
            match failure {
                None => site.fails(),
                Some(status) => site.answers(status, &[], "failed"),
            };
            let got = site.ask(request("GET", "http://site.example/a", &[])).await;
            match (stands_in, failure) {
                (true, _) => {
                    let got = got.unwrap();
                    assert_eq!(
                        (got.status().as_u16(), &got.headers()["age"]),
                        (200, &"70".parse().unwrap()),
                        "{name} {failure:?}"
                    );
                    let told = failure.map_or(String::new(), |status| format!(" fwd-status={status};"));
                    assert_eq!(
                        got.headers()["cache-status"],
                        format!("donjon; fwd=stale;{told} ttl=-10; detail=stale-if-error"),
                        "{name} {failure:?}"
                    );
                }
                (false, None) => assert_eq!(got.err(), Some(Down), "{name}"),
                (false, Some(status)) => assert_eq!(got.unwrap().status(), status, "{name}"),
            }
        }
    }
}

#[tokio::test]
async fn the_profile_leaves_the_setting_for_requests_alone_that_was_made_before_it() {
    for (name, setting, asked) in [("ignored", RequestDirectives::Ignored, 1), ("honoured", RequestDirectives::Honoured, 2)] {
        for profile in [Profile::Safe, Profile::Rfc9111, Profile::Eager] {
            let site = Site::with(|layer| layer.request_directives(setting).profile(profile));
            site.answers(200, &[("cache-control", "max-age=60")], "one").answers(200, &[("cache-control", "max-age=60")], "two");
            site.gets(&[]).await;
            site.gets(&[("cache-control", "no-cache")]).await;
            assert_eq!(site.asked(), asked, "{name} {profile:?}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_is_no_failure_of_the_service_is_passed_on() {
    let site = stale(Profile::Eager, "max-age=60, stale-if-error=600").await;
    site.answers(501, &[], "no").answers(404, &[], "gone");
    assert_eq!(site.gets(&[]).await.status, 501);
    assert_eq!(site.gets(&[]).await.status, 404);
}

#[tokio::test]
async fn fresh_responses_go_on_when_the_inner_service_is_gone() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[("cache-control", "max-age=60")], "hello");
    site.gets(&[]).await;
    site.fails();
    assert!(site.gets(&[]).await.is_hit());
    assert_eq!(site.ask(request("GET", "http://site.example/b", &[])).await.err(), Some(Down));
}

#[tokio::test]
async fn what_a_request_says_counts_where_it_is_to_count() {
    const YOUNG: u64 = 30;
    for (name, asked, at, honoured) in [
        ("no-cache", ("cache-control", "no-cache"), YOUNG, false),
        ("Pragma", ("pragma", "no-cache"), YOUNG, false),
        ("young enough", ("cache-control", "max-age=30"), YOUNG, true),
        ("too old", ("cache-control", "max-age=29"), YOUNG, false),
        ("fresh for long enough", ("cache-control", "min-fresh=30"), YOUNG, true),
        ("not for long enough", ("cache-control", "min-fresh=31"), YOUNG, false),
        ("no-store", ("cache-control", "no-store"), YOUNG, false),
        ("any staleness", ("cache-control", "max-stale"), 1_000, true),
        ("some staleness", ("cache-control", "max-stale=5"), 70, false),
    ] {
        for profile in [Profile::Safe, Profile::Rfc9111, Profile::Eager] {
            let site = Site::new(profile);
            site.answers(200, &[("cache-control", "max-age=60")], "old").answers(200, &[], "new");
            site.gets(&[]).await;
            site.passes(at);
            let expected = if profile == Profile::Safe { at < 60 } else { honoured };
            assert_eq!(site.gets(&[asked]).await.is_hit(), expected, "{name} {profile:?}");
        }
    }
}

#[tokio::test]
async fn a_setting_overrules_the_profile() {
    let site = Site::with(|layer| layer.profile(Profile::Safe).request_directives(RequestDirectives::Honoured));
    site.answers(200, &[("cache-control", "max-age=60")], "old").answers(200, &[], "new");
    site.gets(&[]).await;
    assert!(!site.gets(&[("cache-control", "no-cache")]).await.is_hit());
}

#[tokio::test]
async fn who_wants_only_what_is_stored_is_told_if_nothing_is() {
    const ONLY: Fields<'_> = &[("cache-control", "only-if-cached")];
    for profile in [Profile::Safe, Profile::Rfc9111, Profile::Eager] {
        let site = Site::new(profile);
        let nothing = site.gets(ONLY).await;
        assert_eq!((nothing.status, nothing.handling(), site.asked()), (504, "detail=only-if-cached", 0));
        site.answers(200, &[("cache-control", "max-age=60")], "hello");
        site.gets(&[]).await;
        assert_eq!(site.gets(ONLY).await.content, "hello");
        site.passes(60);
        assert_eq!(site.gets(ONLY).await.status, 504);
    }
}

#[tokio::test]
async fn a_response_of_a_request_with_no_store_is_not_stored() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[("cache-control", "max-age=60")], "mine").answers(200, &[("cache-control", "max-age=60")], "ours");
    let got = site.gets(&[("cache-control", "no-store")]).await;
    assert_eq!(got.handling(), "fwd=uri-miss; fwd-status=200; detail=request-no-store");
    assert_eq!(site.gets(&[]).await.content, "ours");
}
