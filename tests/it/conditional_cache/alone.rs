//! The two halves of the layer, each alone.

use std::{convert::Infallible, future::ready, time::Duration};

use bytes::Bytes;
use donjon::conditional_cache::{
    CacheControl, CacheDirectives, CachePolicy, CachePolicyLayer, CacheRule, ConditionalCacheLayer, EntityTag, EntityTags,
    PreconditionLayer,
};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service as _, ServiceBuilder, service_fn};

use super::{Fields, field, headers, request, response};
use crate::support::{allocations, now};

type Asked = Request<Empty<Bytes>>;

fn policy() -> CachePolicy {
    let rule = CacheRule::new(CacheControl::versioned()).path("/assets/**");
    CachePolicy::builder().rule(rule).build().unwrap()
}

fn handler(
    fields: Fields<'_>,
) -> impl tower::Service<Asked, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone {
    let fields = headers(fields);
    service_fn(move |_: Asked| {
        let mut response = response(200, &[], Full::from("hello"));
        *response.headers_mut() = fields.clone();
        ready(Ok(response))
    })
}

#[test]
fn preconditions_write_nothing_of_caching() {
    let html: Fields<'_> = &[("content-type", "text/html")];
    let mut service = PreconditionLayer::new().layer(handler(html));
    let first = now(service.call(request("GET", "/", &[("authorization", "Bearer x")])));
    let tag = EntityTag::of("hello").to_string();
    assert_eq!((field(&first, "etag"), field(&first, "cache-control"), field(&first, "vary")), (Some(tag.as_str()), None, None));
    assert_eq!(now(service.call(request("GET", "/", &[("if-none-match", &tag)]))).status(), 304);
    assert_eq!(now(service.call(request("GET", "/", &[("if-match", "\"x\"")]))).status(), 412);
}

#[test]
fn preconditions_have_the_same_settings() {
    let asked = || request("GET", "/", &[]);
    let weak = now(PreconditionLayer::new().entity_tags(EntityTags::Weak).layer(handler(&[])).call(asked()));
    assert_eq!(field(&weak, "etag"), Some(format!("W/{}", EntityTag::of("hello")).as_str()));
    let small = now(PreconditionLayer::new().max_buffered(4).layer(handler(&[])).call(asked()));
    assert_eq!(field(&small, "etag"), None);
}

#[test]
fn a_policy_neither_tags_nor_evaluates() {
    let mut service = CachePolicyLayer::new().policy(policy()).layer(handler(&[("etag", "\"a\"")]));
    let answer = now(service.call(request("GET", "/assets/a", &[("if-none-match", "*")])));
    assert_eq!((answer.status().as_u16(), field(&answer, "cache-control")), (200, Some("public, max-age=31536000, immutable")));
    let mut service = CachePolicyLayer::new().layer(handler(&[("content-type", "text/html")]));
    let answer = now(service.call(request("GET", "/", &[])));
    assert_eq!((field(&answer, "cache-control"), field(&answer, "etag")), (Some("no-cache"), None));
    let answer = now(service.call(request("POST", "/", &[])));
    assert_eq!(field(&answer, "cache-control"), None);
}

#[test]
fn a_policy_asks_nothing_of_the_body() {
    struct Opaque;
    let handler = service_fn(|_: Asked| ready(Ok::<_, Infallible>(Response::new(Opaque))));
    let answer: Response<Opaque> =
        now(CachePolicyLayer::new().policy(policy()).layer(handler).call(request("GET", "/assets/a", &[])));
    assert!(answer.headers().contains_key("cache-control"));
}

/// One in the other, both ways around, is the whole.
#[test]
fn together_they_are_the_whole_layer() {
    let content: Fields<'_> = &[("content-type", "text/html")];
    let tag = EntityTag::of("hello").to_string();
    let cases: [(&str, Fields<'_>); 5] = [
        ("/", &[]),
        ("/assets/a", &[("cookie", "a=b")]),
        ("/assets/a", &[("authorization", "Bearer x"), ("cookie", "a=b"), ("accept-encoding", "gzip")]),
        ("/assets/a", &[("if-none-match", &tag)]),
        ("/", &[("if-match", "\"x\"")]),
    ];
    for (path, asked) in cases {
        let whole = ConditionalCacheLayer::new().policy(policy());
        let halves = || (CachePolicyLayer::new().policy(policy()), PreconditionLayer::new());
        let expected = now(whole.layer(handler(content)).call(request("GET", path, asked)));
        let (outer, inner) = halves();
        let one =
            now(ServiceBuilder::new().layer(inner).layer(outer).service(handler(content)).call(request("GET", path, asked)));
        let (outer, inner) = halves();
        let other =
            now(ServiceBuilder::new().layer(outer).layer(inner).service(handler(content)).call(request("GET", path, asked)));
        for answer in [one, other] {
            assert_eq!((answer.status(), answer.headers()), (expected.status(), expected.headers()), "{path} {asked:?}");
        }
    }
}

#[test]
fn without_work_neither_allocates() {
    let own: Fields<'_> = &[("cache-control", "max-age=1"), ("etag", "\"a\"")];
    let asked = || request("GET", "/", &[("accept-encoding", "gzip, br"), ("cookie", "a=b")]);
    let mut inner = Some(response(200, own, Full::<Bytes>::from("x")));
    let mut service = PreconditionLayer::new().layer(service_fn(|_: Asked| ready(Ok::<_, Infallible>(inner.take().unwrap()))));
    let request = asked();
    assert_eq!(allocations(|| now(service.call(request))).0, 0);
    for own in [own, &[("content-type", "image/png")]] {
        let mut inner = Some(response(200, own, Full::<Bytes>::from("x")));
        let handler = service_fn(|_: Asked| ready(Ok::<_, Infallible>(inner.take().unwrap())));
        let mut service = CachePolicyLayer::new().policy(policy()).layer(handler);
        let request = asked();
        assert_eq!(allocations(|| now(service.call(request))).0, 0);
    }
}

#[test]
fn directives_of_one_response_reach_every_field() {
    let mut inner = response(200, &[("vary", "accept")], Full::<Bytes>::from("x"));
    let minute = CacheControl::new().with_max_age(Duration::from_secs(60));
    let directives = CacheDirectives::new(minute.clone())
        .with_vary([http::header::ACCEPT, http::header::ACCEPT_LANGUAGE])
        .with_cdn(minute.with_public())
        .with_targeted(http::HeaderName::from_static("example-cache-control"), CacheControl::new().with_no_store())
        .with_targeted(http::HeaderName::from_static("x-other"), CacheControl::new().with_no_store());
    inner.extensions_mut().insert(directives);
    let mut inner = Some(inner);
    let mut service = CachePolicyLayer::new().layer(service_fn(|_: Asked| ready(Ok::<_, Infallible>(inner.take().unwrap()))));
    let answer = now(service.call(request("GET", "/", &[])));
    let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["accept", "accept-language"]);
    assert_eq!(field(&answer, "cdn-cache-control"), Some("public, max-age=60"));
    assert_eq!(field(&answer, "example-cache-control"), Some("no-store"));
    assert_eq!(field(&answer, "x-other"), None, "no cache would listen to it");
}
