//! Writes, and what they do to what is stored.

use donjon::conditional_cache::shared::{Profile, Tags};

use super::{Fields, Site, request};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const HERE: (&str, &str) = ("content-location", "/a");

#[tokio::test]
async fn the_answer_to_a_post_that_is_what_its_target_holds_answers_a_get() {
    for (name, fields, kept) in [
        ("both said", &[FRESH, HERE][..], true),
        ("absolute", &[FRESH, ("content-location", "http://site.example/a")], true),
        ("of another target", &[FRESH, ("content-location", "/b")], false),
        ("nothing said of freshness", &[HERE, ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")], false),
        ("nothing said of what it is", &[FRESH], false),
        ("not to be stored", &[("cache-control", "no-store, max-age=60"), HERE], false),
        ("by what it was selected is not known", &[FRESH, HERE, ("vary", "accept")], false),
    ] {
        let site = Site::new(Profile::Rfc9111);
        site.answers(200, fields, "posted").answers(200, &[FRESH], "asked");
        assert_eq!(site.sends("POST", "http://site.example/a", &[]).await.content, "posted");
        let got = site.gets(&[]).await;
        assert_eq!((got.content == "posted", got.is_hit()), (kept, kept), "{name}");
    }
}

#[tokio::test]
async fn the_answer_to_a_post_with_credentials_is_its_clients() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, HERE], "mine").answers(200, &[FRESH], "ours");
    site.sends("POST", "http://site.example/a", &[("authorization", "Bearer x")]).await;
    assert_eq!(site.gets(&[]).await.content, "ours");
}

#[tokio::test]
async fn the_answer_to_a_post_that_wants_nothing_stored_is_not() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, HERE], "mine").answers(200, &[FRESH], "ours");
    site.sends("POST", "http://site.example/a", &[("cache-control", "no-store")]).await;
    assert_eq!(site.gets(&[]).await.content, "ours");
}

#[tokio::test]
async fn an_answer_to_a_post_that_was_overtaken_by_another_write_is_not_stored() {
    use bytes::Bytes;
    use donjon::conditional_cache::shared::SharedCacheLayer;
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Empty, Full};
    use tower::{Layer as _, ServiceExt as _, service_fn};
    for (name, overtaken_by, kept) in
        [("nobody", None, true), ("a PUT", Some("/a"), false), ("a PUT elsewhere", Some("/b"), true)]
    {
        let service = SharedCacheLayer::new().layer(service_fn(|request: Request<Empty<Bytes>>| async move {
            let answer =
                Response::builder().header("cache-control", "max-age=60").header("content-location", request.uri().path());
            Ok::<_, std::convert::Infallible>(answer.body(Full::new(Bytes::from(request.method().to_string()))).unwrap())
        }));
        let asks = |method: &str, uri: &str| {
            service
                .clone()
                .oneshot(Request::builder().method(method).uri(uri).header("host", "site.example").body(Empty::new()).unwrap())
        };
        let posted = asks("POST", "/a").await.unwrap();
        // Its content is still on its way.
        if let Some(uri) = overtaken_by {
            asks("PUT", uri).await.unwrap();
        }
        posted.into_body().collect().await.unwrap();
        let got = asks("GET", "/a").await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(got == "POST", kept, "{name}");
    }
}

#[tokio::test]
async fn groups_are_forgotten_together() {
    let site = Site::new(Profile::Safe);
    site.answers(200, &[FRESH, ("cache-groups", "\"articles\", \"front\"")], "one");
    site.answers(200, &[FRESH, ("cache-groups", "\"other\"")], "two");
    site.sends("GET", "http://site.example/a", &[]).await;
    site.sends("GET", "http://site.example/b", &[]).await;
    site.answers(200, &[("cache-group-invalidation", "\"articles\"")], "").answers(200, &[FRESH], "new");
    site.sends("POST", "http://site.example/c", &[]).await;
    assert!(site.sends("GET", "http://site.example/b", &[]).await.is_hit());
    assert_eq!(site.sends("GET", "http://site.example/a", &[]).await.content, "new");
}

#[tokio::test]
async fn what_is_purged_softly_is_asked_about_and_may_stand_in() {
    use donjon::conditional_cache::shared::{Purge, Store as _};
    let site = Site::new(Profile::Safe);
    site.answers(200, &[("cache-control", "max-age=600, stale-if-error=600"), ("etag", "\"a\"")], "hello");
    site.gets(&[]).await;
    let asked = request("GET", "http://site.example/a", &[]);
    let key = site.layer.key_policy().key(asked.uri(), asked.headers(), None).unwrap();
    assert_eq!(site.layer.store().purge(&Purge::url(&key).soft()).await.unwrap(), 1);
    site.fails();
    assert_eq!(site.gets(&[]).await.content, "hello");
    site.answers(304, &[], "");
    assert_eq!(site.gets(&[]).await.handling(), "fwd=stale; fwd-status=304; stored; ttl=600");
    assert!(site.gets(&[]).await.is_hit());
    assert_eq!(site.layer.store().purge(&Purge::tags(Tags::new(["none"]))).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_concern_of_a_cache_is_passed_by() {
    let site = Site::new(Profile::Eager);
    let passes: Fields<'_> = &[("upgrade", "websocket"), ("connection", "upgrade")];
    site.answers(101, &[FRESH], "").answers(200, &[FRESH], "one").answers(200, &[FRESH], "two");
    let switched = site.ask(request("GET", "http://site.example/a", passes)).await.unwrap();
    assert_eq!(
        (switched.status().as_u16(), &switched.headers()["cache-status"]),
        (101, &"donjon; fwd=bypass; detail=upgrade".parse().unwrap())
    );
    assert_eq!(site.sends("TRACE", "http://site.example/a", &[]).await.handling(), "fwd=method; detail=method");
    assert_eq!(site.gets(&[]).await.content, "two");
}
