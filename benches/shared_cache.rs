//! What `SharedCache` costs: a request that is none of its concern, a hit, a 304 from what is stored, a miss; and what a store takes while sixteen
//! times as much goes through it.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod support;

use std::{
    convert::Infallible,
    fs,
    future::{Ready, ready},
};

use bytes::Bytes;
use criterion::Criterion;
use donjon::conditional_cache::shared::{MemoryStore, SharedCacheLayer};
use http::{
    HeaderValue, Method, Request, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use support::{BROWSER, Body, call, compare, criterion, pass_through, request_with};

fn main() {
    let mut criterion = criterion();
    nothing_to_do(&mut criterion);
    hit(&mut criterion);
    miss(&mut criterion);
    criterion.final_summary();
    memory();
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// 1 KiB that may be stored, whatever cookies the request had.
fn content()
-> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible, Future = Ready<Answer>> + Clone + Send + 'static
{
    let content = Bytes::from(vec![b'x'; 1 << 10]);
    service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Full::new(content.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        headers.insert(ETAG, HeaderValue::from_static("\"v1\""));
        ready(Ok::<_, Infallible>(response))
    })
}

fn browser() -> Request<Body> {
    request_with(&BROWSER)
}

fn nothing_to_do(criterion: &mut Criterion) {
    let post = || {
        let mut request = browser();
        *request.method_mut() = Method::OPTIONS;
        request
    };
    pass_through(criterion, ("shared_cache", "OPTIONS"), post, SharedCacheLayer::new().layer(content()), content());
}

/// Reads a response to its end, so that it is stored.
fn fill<S, B>(service: &S, request: Request<Body>) -> Bytes
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes() })
}

fn hit(criterion: &mut Criterion) {
    let mut layered = SharedCacheLayer::new().layer(content());
    fill(&layered, browser());
    assert!(call(&mut layered, browser()).headers().contains_key("age"));
    compare(criterion, ("shared_cache", "hit-1KiB"), browser, layered.clone(), ("bare", content()));
    let conditional = || {
        let mut request = browser();
        request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("\"v1\""));
        request
    };
    assert_eq!(call(&mut layered, conditional()).status(), 304);
    compare(criterion, ("shared_cache", "hit-304"), conditional, layered, ("bare", content()));
}

/// A new URL with every request; what comes of it is dropped, not stored.
fn miss(criterion: &mut Criterion) {
    let number = std::cell::Cell::new(0_u64);
    let request = || {
        let mut request = browser();
        number.set(number.get() + 1);
        *request.uri_mut() = format!("/{}", number.get()).parse().unwrap();
        request
    };
    compare(criterion, ("shared_cache", "miss-1KiB"), request, SharedCacheLayer::new().layer(content()), ("bare", content()));
}

/// 1 GiB in objects of 1 to 256 KiB through 64 MiB, on four threads. Prints `memory shared_cache 1GiB-through-64MiB before_MiB most_MiB`.
fn memory() {
    const MIB: u64 = 1 << 20;
    let store = MemoryStore::new(64 * MIB);
    let Some((before, _)) = resident() else { return };
    let inner = service_fn(|request: Request<Body>| {
        let size: usize = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
        let body = Full::new(Bytes::from(vec![b'x'; size]));
        ready(Ok::<_, Infallible>(Response::builder().header(CACHE_CONTROL, "max-age=3600").body(body).unwrap()))
    });
    let service = SharedCacheLayer::with_store(store.clone()).layer(inner);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let service = service.clone();
            scope.spawn(move || {
                let (mut sent, mut number) = (0, thread);
                while sent < 256 * MIB {
                    // Sizes that have no pattern, and are the same in every run.
                    number = u64::wrapping_mul(number, 6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let size = (1 << 10) << (number >> 61);
                    let size = size + (number >> 33) % size;
                    let uri = format!("/{thread}/{sent}/{size}");
                    let request = Request::builder().uri(uri).body(Body::new()).unwrap();
                    assert_eq!(fill(&service, request).len() as u64, size);
                    sent += size;
                }
            });
        }
    });
    let Some((_, most)) = resident() else { return };
    println!("memory\tshared_cache\t1GiB-through-64MiB\t{:.1}\t{:.1}", before as f64 / 1024.0, most as f64 / 1024.0);
    println!("{:?}", store.stats());
}

/// The memory that this process has now and the most that it had, in KiB; only Linux tells.
fn resident() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    Some((of("VmRSS:")?, of("VmHWM:")?))
}
