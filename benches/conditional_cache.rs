//! What `ConditionalCache` costs: a request and a response that it leaves alone, a generated entity tag, and a 304.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod support;

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use criterion::Criterion;
use donjon::conditional_cache::ConditionalCacheLayer;
use http::{
    HeaderValue, Method, Request, Response,
    header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};
use http_body_util::Full;
use tower::{Layer as _, Service, service_fn};

use support::{BROWSER, Body, bare, call, compare, criterion, overhead, pass_through, request, request_with};

fn main() {
    let mut criterion = criterion();
    nothing_to_do(&mut criterion);
    generated(&mut criterion);
    not_modified(&mut criterion);
    criterion.final_summary();
}

fn nothing_to_do(criterion: &mut Criterion) {
    let post = || {
        let mut request = request_with(&BROWSER);
        *request.method_mut() = Method::POST;
        request
    };
    pass_through(criterion, ("conditional_cache", "POST"), post, ConditionalCacheLayer::new().layer(bare()), bare());

    let own = || {
        service_fn(|_: Request<Body>| {
            let mut response = Response::new(Body::new());
            response.headers_mut().insert(ETAG, HeaderValue::from_static("\"v1\""));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
            ready(Ok::<_, Infallible>(response))
        })
    };
    let layered = || ConditionalCacheLayer::new().layer(own());
    pass_through(criterion, ("conditional_cache", "GET-own-fields"), request, layered(), own());
    pass_through(criterion, ("conditional_cache", "GET-own-fields-browser"), || request_with(&BROWSER), layered(), own());
}

/// A body of so many bytes, all alike.
fn content(size: usize) -> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone {
    let content = Bytes::from(vec![b'x'; size]);
    service_fn(move |_: Request<Body>| ready(Ok(Response::new(Full::new(content.clone())))))
}

fn generated(criterion: &mut Criterion) {
    let mut of_size = |name, size| {
        let layered = ConditionalCacheLayer::new().layer(content(size));
        compare(criterion, ("conditional_cache", name), request, layered, ("bare", content(size)))
    };
    let (one, many) = (of_size("200-tagged-1KiB", 1 << 10), of_size("200-tagged-64KiB", 64 << 10));
    if let (Some(one), Some(many)) = (one, many) {
        overhead(("conditional_cache", "tag-each-KiB"), (many - one) / 63.0);
    }
}

fn not_modified(criterion: &mut Criterion) {
    let mut layered = ConditionalCacheLayer::new().layer(content(1 << 10));
    let tag = call(&mut layered, request()).headers().get(ETAG).unwrap().clone();
    let conditional = || {
        let mut request = request();
        request.headers_mut().insert(IF_NONE_MATCH, tag.clone());
        request
    };
    assert_eq!(call(&mut layered, conditional()).status(), 304);
    compare(criterion, ("conditional_cache", "304-tagged-1KiB"), conditional, layered, ("bare", content(1 << 10)));
}
