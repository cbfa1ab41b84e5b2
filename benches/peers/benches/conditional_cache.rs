//! Validators generated for a buffered body, and the conditional request that they save the body of.

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, FromVersionLayer};
use donjon_peers::{Contender, compare};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ETAG, IF_NONE_MATCH},
    request::Parts,
};
use rustango::etag::{EtagLayer, EtagRouterExt as _};
use tower::{Service, ServiceExt as _};
use tower_http::services::ServeDir;

const SIZES: [(usize, &str); 2] = [(1 << 10, "1KiB"), (1 << 16, "64KiB")];

fn main() {
    for (size, name) in SIZES {
        let request = || Request::new(Body::empty());
        let peers = [("rustango", rustango(size)), ("bare", app(size))].map(|(name, app)| Contender::new(name, request, app));
        let ours = Contender::new("donjon", request, donjon(size));
        compare(("conditional_cache", &format!("200-{name}")), StatusCode::OK, ours, peers);

        // Each is asked with the validator that it gave out itself.
        let (ours, peer) = (conditional("donjon", donjon(size)), conditional("rustango", rustango(size)));
        compare(("conditional_cache", &format!("304-{name}")), StatusCode::NOT_MODIFIED, ours, [peer]);
    }
    let request = || {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::POST;
        request
    };
    let peers = [("rustango", rustango(1 << 10)), ("bare", app(1 << 10))].map(|(name, app)| Contender::new(name, request, app));
    let ours = Contender::new("donjon", request, donjon(1 << 10));
    compare(("conditional_cache", "POST"), StatusCode::OK, ours, peers);
    versions();
}

/// 304 without a look at the content: a file by its time and size, against a version that is known and against the handler's own tag.
fn versions() {
    let folder = std::env::temp_dir().join(format!("donjon-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), content(1 << 16)).unwrap();
    let known = || {
        let layer = FromVersionLayer::new(|_: &Parts| std::future::ready(Some(7_u64)));
        conditional("donjon", app(1 << 16).layer(layer))
    };
    compare(
        ("conditional_cache", "304-version"),
        StatusCode::NOT_MODIFIED,
        known(),
        [conditional("ServeDir", ServeDir::new(&folder))],
    );

    let bytes = Bytes::from(content(1 << 16));
    let own = Router::new().route("/", get(move || std::future::ready(([(ETAG, "\"7\"")], bytes.clone()))));
    let own = conditional("donjon", own.layer(ConditionalCacheLayer::new()));
    compare(
        ("conditional_cache", "304-own-tag"),
        StatusCode::NOT_MODIFIED,
        own,
        [conditional("ServeDir", ServeDir::new(&folder))],
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

fn conditional<S, B>(name: &'static str, app: S) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible> + Clone + 'static,
{
    let tag = entity_tag(app.clone());
    let request = move || {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(IF_NONE_MATCH, tag.clone());
        request
    };
    Contender::new(name, request, app)
}

/// The tag that the application gives to its one resource.
fn entity_tag<S, B>(app: S) -> HeaderValue
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(app.oneshot(Request::new(Body::empty()))).unwrap();
    response.headers().get(ETAG).expect("a validator was given out").clone()
}

/// One route with a body in memory, the same for everybody.
fn app(size: usize) -> Router {
    let content = Bytes::from(content(size));
    let answer = move || std::future::ready(content.clone());
    Router::new().route("/", get(answer.clone()).post(answer))
}

fn donjon(size: usize) -> Router {
    app(size).layer(ConditionalCacheLayer::new())
}

/// Hashes with 64-bit FNV-1a, donjon with SHA-256.
fn rustango(size: usize) -> Router {
    app(size).etag(EtagLayer::new())
}

fn content(size: usize) -> String {
    "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(size).collect()
}
