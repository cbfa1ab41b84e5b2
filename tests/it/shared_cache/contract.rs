//! The tower contract: readiness, frameworks, allocations; and what a hit leaves of the connection.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use donjon::{
    ManualClock, Principal,
    conditional_cache::shared::{CacheStatus, MemoryStore, SharedCacheLayer},
};
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneSyncService};

use super::request;
use crate::support::{allocations, now, whole};

type Asked = Request<Empty<Bytes>>;
type Answered = Response<Full<Bytes>>;

fn hello() -> Answered {
    Response::builder().header("cache-control", "max-age=60").header("content-type", "text/plain").body("hello".into()).unwrap()
}

#[tokio::test]
async fn stands_in_an_axum_router_and_shares_what_is_stored_between_its_routes() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let handler = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(([("cache-control", "max-age=60")], "hello"))
    };
    let layer = SharedCacheLayer::new();
    let app = axum::Router::new().route("/", axum::routing::get(handler)).layer(layer.clone());
    for _ in 0..3 {
        let asked = Request::get("/").body(axum::body::Body::empty()).unwrap();
        let (parts, body) = whole(app.clone().oneshot(asked).await.unwrap()).await;
        assert_eq!((parts.status.as_u16(), body.as_ref()), (200, b"hello".as_ref()));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let counters = layer.counters();
    assert_eq!((counters.hits, counters.misses, counters.stored), (2, 1, 1));
}

#[tokio::test]
async fn can_be_boxed_cloned_and_shared() {
    let service = SharedCacheLayer::new().layer(service_fn(|_: Asked| async { Ok::<_, Infallible>(hello()) }));
    let service = BoxCloneSyncService::new(service);
    for _ in 0..2 {
        let (_, body) = whole(service.clone().oneshot(request("GET", "/", &[])).await.unwrap()).await;
        assert_eq!(body, "hello");
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_called() {
    let limited = ServiceBuilder::new().concurrency_limit(1).service_fn(|_: Asked| async { Ok::<_, Infallible>(hello()) });
    let mut service = SharedCacheLayer::new().layer(limited);
    for number in 0..1_000 {
        let asked = request("GET", &format!("/{}", number % 100), &[]);
        let answer = service.ready().await.unwrap().call(asked).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    let (mut mock, mut inner) = tower_test::mock::spawn_layer::<Asked, Answered, _>(SharedCacheLayer::new());
    inner.allow(0);
    assert!(mock.poll_ready().is_pending());
    inner.allow(1);
    assert!(mock.poll_ready().is_ready());
    let answer = tokio::spawn(mock.call(request("GET", "/", &[])));
    inner.next_request().await.expect("the request arrives").1.send_response(hello());
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
}

#[test]
fn layer_service_and_future_may_cross_threads() {
    fn crosses<T: Send + Sync + Clone + std::fmt::Debug>(value: T) -> T {
        value
    }
    fn sends<T: Send>(_: T) {}
    let layer = crosses(SharedCacheLayer::new());
    let service = service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(hello())));
    sends(layer.layer(service).call(request("GET", "/", &[])));
}

#[test]
fn what_is_no_concern_of_a_cache_costs_no_allocation() {
    for (method, status) in [("OPTIONS", 200), ("TRACE", 200), ("CONNECT", 200), ("POST", 400), ("PUT", 503)] {
        let mut inner = Some(Response::builder().status(status).body(Empty::<Bytes>::new()).unwrap());
        let bare = service_fn(move |_: Asked| std::future::ready(Ok::<_, Infallible>(inner.take().unwrap())));
        let mut service = SharedCacheLayer::new().layer(bare);
        let asked = request(method, "http://site.example/a", &[("authorization", "Bearer x"), ("cookie", "a=b")]);
        let (count, answer) = allocations(|| now(service.call(asked)));
        assert_eq!((count, answer.status().as_u16()), (0, status), "{method}");
    }
}

#[tokio::test]
async fn a_hit_costs_three_allocations_and_its_body_none() {
    for (setting, told) in
        [(CacheStatus::Off, None), (CacheStatus::On, Some("donjon; hit")), (CacheStatus::Detailed, Some("donjon; hit; ttl=60"))]
    {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let layer = SharedCacheLayer::new().cache_status(setting).clock(clock.clone());
        let service = layer.layer(service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(hello()))));
        let asked = || request("GET", "http://site.example/a?b=c", &[("accept", "*/*"), ("user-agent", "test")]);
        // What is told with the seconds is remembered once it was told twice.
        for _ in 0..3 {
            whole(service.clone().oneshot(asked()).await.unwrap()).await;
        }
        let (mut service, question) = (service.clone(), asked());
        let (count, answer) = allocations(|| now(service.call(question)));
        assert_eq!((count, &answer.headers()[header::AGE]), (3, &"0".parse().unwrap()), "{setting:?}");
        assert_eq!(answer.headers().get("cache-status").map(|value| value.to_str().unwrap()), told);
        let (count, body) = allocations(|| now(async { Ok(answer.into_body().frame().await) }));
        assert_eq!((count, body.unwrap().unwrap().into_data().unwrap()), (0, Bytes::from("hello")));
        // A second later something else is told.
        clock.advance(Duration::from_secs(1));
        let answer = service.call(asked()).await.unwrap();
        let later = told.map(|told| told.replace("60", "59"));
        assert_eq!(answer.headers()[header::AGE], "1");
        assert_eq!(answer.headers().get("cache-status").map(|value| value.to_str().unwrap().to_owned()), later);
    }
}

#[tokio::test]
async fn a_layer_that_tells_nothing_leaves_what_others_tell() {
    let told = ["", "origin; hit", ""];
    let inner = service_fn(move |_: Asked| {
        let mut response = hello();
        response.headers_mut().extend(told.map(|line| (HeaderName::from_static("cache-status"), HeaderValue::from_static(line))));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let service = SharedCacheLayer::new().layer(inner);
    for method in ["GET", "POST", "OPTIONS"] {
        let answer = service.clone().oneshot(request(method, "http://site.example/a", &[])).await.unwrap();
        assert_eq!(answer.headers().get_all("cache-status").iter().collect::<Vec<_>>(), told, "{method}");
    }
}

/// The place that one layer holds in what it stores is not sent by another.
#[tokio::test]
async fn layers_of_one_store_may_tell_more_or_less() {
    let store = MemoryStore::default();
    let layer = |setting| SharedCacheLayer::with_store(store.clone()).cache_status(setting);
    let inner = service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(hello())));
    let (telling, silent) = (layer(CacheStatus::On).layer(inner), layer(CacheStatus::Off).layer(inner));
    let asked = || request("GET", "http://site.example/a", &[]);
    whole(telling.clone().oneshot(asked()).await.unwrap()).await;
    let answer = silent.oneshot(asked()).await.unwrap();
    assert!(answer.headers().contains_key(header::AGE) && !answer.headers().contains_key("cache-status"));
    let answer = telling.oneshot(asked()).await.unwrap();
    assert_eq!(answer.headers().get_all("cache-status").iter().collect::<Vec<_>>(), ["donjon; hit"]);
}

/// The content of a request is no part of a key; were it left on the connection, it would be read as the next request.
#[tokio::test]
async fn the_content_of_a_get_is_never_read_as_the_next_request() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let service = SharedCacheLayer::new().layer(service_fn(move |request: Request<hyper::body::Incoming>| {
        told.lock().unwrap().push(request.uri().to_string());
        async { Ok::<_, Infallible>(hello()) }
    }));
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), TowerToHyperService::new(service)),
    );
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let fat = format!("GET /a HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len());
    let thin = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    client.write_all(format!("{thin}{fat}{last}").as_bytes()).await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    serving.await.unwrap().unwrap();
    // The one with content is asked of the inner service; the others come from it once.
    assert_eq!(*seen.lock().unwrap(), ["/a", "/a"]);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
}

#[tokio::test]
async fn a_principal_that_is_told_of_further_in_counts_as_well() {
    let service = service_fn(|_: Asked| async {
        let mut response = hello();
        response.extensions_mut().insert(Principal::builder().subject("alice").build());
        Ok::<_, Infallible>(response)
    });
    let layer = SharedCacheLayer::new();
    let service = layer.layer(service);
    for _ in 0..2 {
        whole(service.clone().oneshot(request("GET", "/", &[])).await.unwrap()).await;
    }
    assert_eq!((layer.counters().hits, layer.counters().refused), (0, 2));
}
