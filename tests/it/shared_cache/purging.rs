//! Taking away what is stored.

use donjon::conditional_cache::shared::{Profile, Purge, Store as _, Tags};
use http::{HeaderMap, Uri};

use super::Site;

const FRESH: (&str, &str) = ("cache-control", "max-age=60, stale-if-error=600");

async fn stored(site: &Site, uri: &str, group: &'static str) {
    site.answers(200, &[FRESH, ("cache-groups", group)], "old");
    assert_eq!(site.sends("GET", uri, &[]).await.content, "old");
    assert_eq!(site.sends("GET", uri, &[]).await.content, "old");
}

fn key(site: &Site, uri: &str) -> donjon::conditional_cache::shared::CacheKey {
    site.layer.key_policy().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), None).unwrap()
}

#[tokio::test]
async fn by_url_by_prefix_and_all_of_it() {
    for (name, uri, purged) in [("its URL", "/a/1", true), ("another", "/a/2", false)] {
        let site = Site::new(Profile::Safe);
        stored(&site, "http://site.example/a/1", "\"g\"").await;
        let purge = Purge::url(&key(&site, &format!("http://site.example{uri}")));
        assert_eq!(site.layer.store().purge(&purge).await.unwrap(), usize::from(purged), "{name}");
    }
    let site = Site::new(Profile::Safe);
    for uri in ["http://site.example/a/1", "http://site.example/a/2", "http://site.example/b", "http://other.example/a/1"] {
        stored(&site, uri, "\"g\"").await;
    }
    let store = site.layer.store();
    assert_eq!(store.purge(&Purge::prefix(&key(&site, "http://site.example/a/"))).await.unwrap(), 2);
    assert_eq!(store.purge(&Purge::everything()).await.unwrap(), 2);
    site.answers(200, &[FRESH], "new");
    assert_eq!(site.sends("GET", "http://site.example/a/1", &[]).await.content, "new");
}

#[tokio::test]
async fn softly_it_is_stale_and_still_there_for_a_failure() {
    let site = Site::new(Profile::Safe);
    stored(&site, "http://site.example/a", "\"g\"").await;
    let purge = Purge::url(&key(&site, "http://site.example/a")).soft();
    assert_eq!(site.layer.store().purge(&purge).await.unwrap(), 1);
    site.fails();
    assert_eq!(site.gets(&[]).await.content, "old");
    site.answers(200, &[FRESH], "new");
    assert_eq!(site.gets(&[]).await.content, "new");
    assert_eq!(site.gets(&[]).await.content, "new");
}

#[tokio::test]
async fn a_write_makes_the_groups_invalid_that_it_names_in_its_origin() {
    let site = Site::new(Profile::Safe);
    for (uri, group) in [
        ("http://site.example/a", "\"articles\", \"front\""),
        ("http://site.example/b", "\"images\""),
        ("http://other.example/a", "\"articles\""),
    ] {
        stored(&site, uri, group).await;
    }
    site.answers(200, &[("cache-group-invalidation", "\"articles\"")], "");
    site.sends("GET", "http://site.example/safe", &[]).await;
    assert_eq!(site.gets(&[]).await.content, "old", "a safe method invalidates nothing");
    site.answers(200, &[("cache-group-invalidation", "\"articles\"")], "");
    site.sends("POST", "http://site.example/write", &[]).await;
    assert_eq!(site.sends("GET", "http://site.example/b", &[]).await.content, "old");
    assert_eq!(site.sends("GET", "http://other.example/a", &[]).await.content, "old");
    site.answers(200, &[FRESH], "new");
    assert_eq!(site.gets(&[]).await.content, "new");
}

#[tokio::test]
async fn a_handler_gives_its_answer_tags() {
    use bytes::Bytes;
    use donjon::conditional_cache::shared::SharedCacheLayer;
    use http::{Request, Response};
    use http_body_util::{Empty, Full};
    use tower::{Layer as _, ServiceExt as _};

    use crate::support::{empty, get, whole};

    let layer = SharedCacheLayer::new();
    let service = layer.layer(tower::service_fn(|_: Request<Empty<Bytes>>| async {
        let mut response = Response::builder().header("cache-control", "max-age=60").body(Full::new(Bytes::from("a"))).unwrap();
        response.extensions_mut().insert(Tags::new(["article 7"]));
        Ok::<_, std::convert::Infallible>(response)
    }));
    whole(service.oneshot(empty(get("http://site.example/a"))).await.unwrap()).await;
    assert_eq!(layer.store().purge(&Purge::tags(Tags::new(["article 8"]))).await.unwrap(), 0);
    assert_eq!(layer.store().purge(&Purge::tags(Tags::new(["article 7"]))).await.unwrap(), 1);
}
