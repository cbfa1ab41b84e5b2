//! Stores that have to be waited for, and stores that are down.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use donjon::conditional_cache::shared::{
    CacheKey, Kept, MemoryStore, Purge, SharedCacheLayer, Store, StoredHead, Variant, Variants,
};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::request;
use crate::support::whole;

/// A store over a network: nothing of it can be told without waiting, and heads are read back as plain fields.
#[derive(Clone, Debug)]
struct Remote(MemoryStore);

impl Store for Remote {
    type Error = Infallible;

    async fn get(&self, key: &CacheKey) -> Result<Variants, Infallible> {
        tokio::task::yield_now().await;
        let variants = self.0.get(key).await?;
        let read_back = |variant: &Variant| {
            let head = variant.head();
            let mut plain = StoredHead::new(head.status, head.request_time, head.response_time);
            plain.headers = head.headers.clone();
            plain.selecting = head.selecting.clone();
            if let Some((range, content_range)) = head.range_answer() {
                plain = plain.with_range_answer(range.clone(), content_range.clone());
            }
            variant.clone().with_head(plain)
        };
        Ok(variants.as_slice().iter().map(read_back).collect())
    }

    async fn put(&self, key: &CacheKey, variant: Variant) -> Result<Kept, Infallible> {
        tokio::task::yield_now().await;
        self.0.put(key, variant).await
    }

    async fn touch(&self, key: &CacheKey, head: StoredHead, epoch: u64) -> Result<(), Infallible> {
        tokio::task::yield_now().await;
        self.0.touch(key, head, epoch).await
    }

    async fn purge(&self, purge: &Purge) -> Result<usize, Infallible> {
        tokio::task::yield_now().await;
        self.0.purge(purge).await
    }
}

/// A store that is down.
#[derive(Clone, Debug)]
struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gone")
    }
}

impl std::error::Error for Gone {}

impl Store for Gone {
    type Error = Self;

    async fn get(&self, _: &CacheKey) -> Result<Variants, Self> {
        Err(Self)
    }

    async fn put(&self, _: &CacheKey, _: Variant) -> Result<Kept, Self> {
        Err(Self)
    }

    async fn touch(&self, _: &CacheKey, _: StoredHead, _: u64) -> Result<(), Self> {
        Err(Self)
    }

    async fn purge(&self, _: &Purge) -> Result<usize, Self> {
        Err(Self)
    }
}

async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::builder().header("cache-control", "max-age=60").header("etag", "\"a\"").body("hello".into()).unwrap())
}

async fn answers<St: Store>(layer: &SharedCacheLayer<St>, method: &str) {
    let answer = layer.layer(service_fn(hello)).oneshot(request(method, "http://site.example/a", &[])).await.unwrap();
    assert_eq!(whole(answer).await.1, "hello");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_store_that_is_waited_for_answers_all_the_same() {
    let layer = SharedCacheLayer::with_store(Remote(MemoryStore::new(1024 * 1024)));
    answers(&layer, "GET").await;
    answers(&layer, "GET").await;
    assert_eq!((layer.counters().hits, layer.counters().misses), (1, 1));
    // A write is not answered before what it changes is forgotten.
    answers(&layer, "POST").await;
    answers(&layer, "GET").await;
    assert_eq!((layer.counters().hits, layer.counters().misses), (1, 2));
}

/// Where the complete length is unknown, only the origin can tell which bytes a range selects, and it has said so.
#[tokio::test]
async fn a_store_that_is_waited_for_knows_which_range_a_part_has_answered() {
    let layer = SharedCacheLayer::with_store(Remote(MemoryStore::new(1024 * 1024)));
    let service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| async {
        let response =
            Response::builder().status(206).header("cache-control", "max-age=60").header("content-range", "bytes 4-8/*");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::from("45678")).unwrap())
    }));
    for hits in 0..2 {
        let asked = request("GET", "http://site.example/a", &[("range", "bytes=4-")]);
        let (head, content) = whole(service.clone().oneshot(asked).await.unwrap()).await;
        assert_eq!((head.status.as_u16(), &content[..]), (206, &b"45678"[..]));
        assert_eq!(head.headers["content-range"], "bytes 4-8/*");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!((layer.counters().hits, layer.counters().misses), (hits, 1));
    }
}

#[tokio::test]
async fn who_comes_after_a_write_does_not_join_what_began_before_it_though_the_store_counts_no_purges() {
    let gets = Arc::new(AtomicUsize::new(0));
    let (counted, gate) = (Arc::clone(&gets), Arc::new(Semaphore::new(0)));
    let held = Arc::clone(&gate);
    let inner = service_fn(move |request: Request<Empty<Bytes>>| {
        let (counted, held) = (Arc::clone(&counted), Arc::clone(&held));
        async move {
            if request.method() == "GET" {
                counted.fetch_add(1, SeqCst);
                held.acquire().await.unwrap().forget();
            }
            hello(request).await
        }
    });
    let service = SharedCacheLayer::with_store(Remote(MemoryStore::new(1024 * 1024))).layer(inner);
    let asks = |method| {
        let answer = service.clone().oneshot(request(method, "http://site.example/a", &[]));
        tokio::spawn(async move { whole(answer.await.unwrap()).await.1 })
    };
    let mut asked = Vec::new();
    for (method, calls) in [("GET", 1), ("GET", 1), ("POST", 1), ("GET", 2), ("GET", 2)] {
        asked.push(asks(method));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gets.load(SeqCst), calls, "{method}");
    }
    gate.add_permits(2);
    for answer in asked {
        assert_eq!(answer.await.unwrap(), "hello");
    }
    assert_eq!(gets.load(SeqCst), 2);
}

#[tokio::test]
async fn a_store_that_is_down_is_passed_by() {
    let layer = SharedCacheLayer::with_store(Gone);
    for method in ["GET", "GET", "POST"] {
        answers(&layer, method).await;
    }
    let counters = layer.counters();
    assert_eq!((counters.hits, counters.misses, counters.stored), (0, 2, 0));
    // Each GET was to be looked up and then stored; the write, to be forgotten.
    assert_eq!(counters.store_errors, 5);
}
