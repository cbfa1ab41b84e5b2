//! Which responses are touched, and what becomes of their heads.

use bytes::Bytes;
use donjon::lazy_images::LazyImagesLayer;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{Empty, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

use super::answering;
use crate::support::{empty, get, now, whole};

const HTML: &str = "<img src=a width=9 height=9><img src=b width=9 height=9>";
const SENT: &str =
    "<img loading=lazy decoding=async src=a width=9 height=9><img loading=lazy decoding=async src=b width=9 height=9>";

/// What speaks of the bytes as they were made.
const OF_THE_BYTES: [(&str, &str); 6] = [
    ("content-length", "56"),
    ("accept-ranges", "bytes"),
    ("content-md5", "Q2hlY2sgSW50ZWdyaXR5IQ=="),
    ("content-digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
    ("repr-digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
    ("digest", "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
];

fn layer() -> LazyImagesLayer {
    LazyImagesLayer::new().eager(0)
}

fn response(status: u16, fields: &[(&'static str, &'static str)]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(HTML.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

fn html(fields: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&[("content-type", "text/html; charset=utf-8")], fields].concat()
}

/// Sends a request through the layer to a service that answers with a `status` and `fields`.
async fn answer(request: Request<Empty<Bytes>>, status: u16, fields: &[(&'static str, &'static str)]) -> (HeaderMap, Bytes) {
    let response = layer().layer(answering(response(status, fields))).oneshot(request).await.unwrap();
    assert_eq!(response.status(), status);
    let (parts, body) = whole(response).await;
    (parts.headers, body)
}

fn untouched(headers: &HeaderMap, fields: &[(&'static str, &'static str)]) {
    assert_eq!(headers.len(), fields.len(), "{headers:?}");
    for (name, value) in fields {
        assert_eq!(headers[*name], *value, "{name}");
    }
}

#[tokio::test]
async fn get_drops_what_speaks_of_other_bytes() {
    let fields = html(&[&OF_THE_BYTES[..], &[("last-modified", "Sun, 22 Nov 2026 08:00:00 GMT"), ("x-own", "1")]].concat());
    let (headers, body) = answer(empty(get("/")), 200, &fields).await;
    assert_eq!(body, SENT);
    untouched(&headers, &html(&[("last-modified", "Sun, 22 Nov 2026 08:00:00 GMT"), ("x-own", "1")]));
}

#[tokio::test]
async fn head_is_the_head_of_get() {
    let fields = html(&[&OF_THE_BYTES[..], &[("etag", "\"abc\"")]].concat());
    let (of_get, _) = answer(empty(get("/")), 200, &fields).await;
    let head = Response::builder().status(200);
    let head = fields.iter().fold(head, |head, (name, value)| head.header(*name, *value)).body(Empty::<Bytes>::new()).unwrap();
    let request = empty(Request::head("/"));
    let response = layer().layer(answering(head)).oneshot(request).await.unwrap();
    let (parts, body) = whole(response).await;
    assert_eq!(parts.headers, of_get);
    assert!(body.is_empty());
}

#[tokio::test]
async fn partial_content_206_passes_byte_for_byte() {
    let fields = html(&[&OF_THE_BYTES[..], &[("content-range", "bytes 0-55/100"), ("etag", "\"abc\"")]].concat());
    let (headers, body) = answer(empty(get("/")), 206, &fields).await;
    assert_eq!(body, HTML);
    untouched(&headers, &fields);
}

#[tokio::test]
async fn gzip_passes_byte_for_byte() {
    let fields = html(&[&OF_THE_BYTES[..], &[("content-encoding", "gzip"), ("etag", "\"abc\"")]].concat());
    let (headers, body) = answer(empty(get("/")), 200, &fields).await;
    assert_eq!(body, HTML);
    untouched(&headers, &fields);
}

#[tokio::test]
async fn no_transform_passes_byte_for_byte() {
    let fields = html(&[&OF_THE_BYTES[..], &[("cache-control", "max-age=60, no-transform"), ("etag", "\"abc\"")]].concat());
    let (headers, body) = answer(empty(get("/")), 200, &fields).await;
    assert_eq!(body, HTML);
    untouched(&headers, &fields);
}

#[tokio::test]
async fn what_else_passes_byte_for_byte() {
    for (name, status, fields) in [
        ("not HTML", 200, vec![("content-type", "image/svg+xml"), ("content-length", "56"), ("etag", "\"abc\"")]),
        ("no type", 200, vec![("content-length", "56")]),
        ("UTF-16", 200, vec![("content-type", "text/html; charset=utf-16le"), ("etag", "\"abc\"")]),
        ("ISO-2022-JP", 200, vec![("content-type", "text/html; charset=iso-2022-jp"), ("etag", "\"abc\"")]),
        ("no content", 204, html(&[("etag", "\"abc\"")])),
        ("switching protocols", 101, html(&[("upgrade", "websocket")])),
    ] {
        let (headers, body) = answer(empty(get("/")), status, &fields).await;
        assert_eq!(body, HTML, "{name}");
        untouched(&headers, &fields);
    }
}

#[tokio::test]
async fn the_tunnel_of_a_connect_passes() {
    let request = empty(Request::connect("example.org:443"));
    let (_, body) = answer(request, 200, &html(&[])).await;
    assert_eq!(body, HTML);
}

#[tokio::test]
async fn error_pages_are_pages() {
    let (_, body) = answer(empty(get("/")), 404, &html(&[])).await;
    assert_eq!(body, SENT);
}

#[tokio::test]
async fn a_strong_tag_gains_a_suffix_and_a_weak_one_stays() {
    let (headers, _) = answer(empty(get("/")), 200, &html(&[("etag", "\"abc\"")])).await;
    let tag = headers[header::ETAG].to_str().unwrap();
    assert!(tag.starts_with("\"abc-lazy") && tag.len() == "\"abc-lazy00000000\"".len(), "{tag}");
    let (headers, _) = answer(empty(get("/")), 200, &html(&[("etag", "W/\"abc\"")])).await;
    assert_eq!(headers[header::ETAG], "W/\"abc\"");
}

#[tokio::test]
async fn other_settings_make_other_tags() {
    let tag = async |layer: LazyImagesLayer| {
        let service = layer.layer(answering(response(200, &html(&[("etag", "\"abc\"")]))));
        whole(service.oneshot(empty(get("/"))).await.unwrap()).await.0.headers[header::ETAG].clone()
    };
    assert_eq!(tag(LazyImagesLayer::new()).await, tag(LazyImagesLayer::new()).await);
    assert_ne!(tag(LazyImagesLayer::new()).await, tag(LazyImagesLayer::new().eager(4)).await);
}

/// A service that knows its page by the tag `"abc"`, strong or weak, as an app or a cache would.
fn revalidating(
    tag: &'static str,
) -> impl tower::Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = std::convert::Infallible> + Clone {
    service_fn(move |request: Request<Empty<Bytes>>| async move {
        let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|list| {
            let opaque = tag.trim_start_matches("W/");
            list.to_str().unwrap().split(", ").any(|one| one.trim_start_matches("W/") == opaque)
        });
        let mut answer = match known {
            true => Response::builder().status(304).header(header::ETAG, tag).body(Full::default()).unwrap(),
            false => response(200, &html(&[("etag", tag)])),
        };
        for name in [header::IF_MATCH, header::IF_RANGE] {
            if let Some(value) = request.headers().get(&name) {
                answer.headers_mut().insert(format!("x-{name}").parse::<http::HeaderName>().unwrap(), value.clone());
            }
        }
        Ok(answer)
    })
}

async fn conditional(
    tag: &'static str,
    name: header::HeaderName,
    value: &str,
) -> Response<donjon::lazy_images::ResponseBody<Full<Bytes>>> {
    let request = empty(get("/").header(name, value));
    layer().layer(revalidating(tag)).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn not_modified_304_confirms_the_page_as_it_was_sent() {
    let first = conditional("\"abc\"", header::IF_NONE_MATCH, "\"none\"").await;
    assert_eq!(first.status(), 200);
    let sent = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    for (name, list) in [
        ("alone", sent.clone()),
        ("in a list", format!("\"x\", {sent}")),
        ("weakened by a compressing cache", format!("W/{sent}")),
    ] {
        let again = conditional("\"abc\"", header::IF_NONE_MATCH, &list).await;
        assert_eq!(again.status(), 304, "{name}");
        assert_eq!(again.headers()[header::ETAG], sent, "{name}");
        assert!(whole(again).await.1.is_empty(), "{name}");
    }
    let weak = conditional("W/\"abc\"", header::IF_NONE_MATCH, "W/\"abc\"").await;
    assert_eq!((weak.status(), &weak.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &"W/\"abc\"".parse().unwrap()));
}

#[tokio::test]
async fn not_modified_304_of_something_else_stays() {
    // A page from before the layer, or an image: the tag is the service's own.
    let bare = conditional("\"abc\"", header::IF_NONE_MATCH, "\"abc\"").await;
    assert_eq!((bare.status(), &bare.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &"\"abc\"".parse().unwrap()));
    // The tag of a page made with other settings is no longer the page's.
    let other = conditional("\"abc\"", header::IF_NONE_MATCH, "\"abc-lazy00000000\"").await;
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn not_modified_304_that_says_it_is_a_page_is_edited_like_one() {
    let fields = html(&[&OF_THE_BYTES[..], &[("etag", "\"abc\"")]].concat());
    let (headers, _) = answer(empty(get("/")), 304, &fields).await;
    assert!(headers[header::ETAG].to_str().unwrap().starts_with("\"abc-lazy"));
    assert_eq!(headers.len(), 2);
    let (headers, _) =
        answer(empty(get("/")), 304, &[("content-type", "image/png"), ("etag", "\"abc\""), ("content-length", "56")]).await;
    assert_eq!(headers[header::ETAG], "\"abc\"");
    assert_eq!(headers[header::CONTENT_LENGTH], "56");
}

#[tokio::test]
async fn if_match_is_undone_and_if_range_is_not() {
    let first = conditional("\"abc\"", header::IF_NONE_MATCH, "\"none\"").await;
    let sent = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let put = conditional("\"abc\"", header::IF_MATCH, &sent).await;
    assert_eq!(put.headers()["x-if-match"], "\"abc\"");
    // Else a part of the page as it was made would be put behind a part of the page as it was sent.
    let range = conditional("\"abc\"", header::IF_RANGE, &sent).await;
    assert_eq!(range.headers()["x-if-range"], sent.as_str());
}

#[tokio::test]
async fn two_of_them_do_what_one_does() {
    let service = layer().layer(LazyImagesLayer::new().eager(1).layer(revalidating("\"abc\"")));
    let response = service.clone().oneshot(empty(get("/"))).await.unwrap();
    let (parts, body) = whole(response).await;
    let sent = &parts.headers[header::ETAG];
    assert_eq!(sent.len(), "\"abc-lazy00000000\"".len());
    assert_eq!(String::from_utf8_lossy(&body).matches("loading=lazy").count(), 1);
    let again = service.oneshot(empty(get("/").header(header::IF_NONE_MATCH, sent))).await.unwrap();
    assert_eq!((again.status(), &again.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, sent));
}

#[tokio::test]
async fn compression_stands_around_it() {
    let html = "<p>Towers. <img src=a width=9 height=9>".repeat(50);
    let service = CompressionLayer::new().layer(layer().layer(answering(super::page(html))));
    let response = service.oneshot(empty(get("/").header(header::ACCEPT_ENCODING, "gzip"))).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    let (parts, _) = whole(response).await;
    assert!(!parts.headers.contains_key(header::CONTENT_LENGTH));
}

#[tokio::test]
async fn compression_within_leaves_nothing_to_do() {
    let html = "<p>Towers. <img src=a width=9 height=9>".repeat(50);
    let inner = CompressionLayer::new().layer(answering(super::page(html)));
    let request = || empty(get("/").header(header::ACCEPT_ENCODING, "gzip"));
    let (_, plain) = whole(inner.clone().oneshot(request()).await.unwrap()).await;
    let (parts, through) = whole(layer().layer(inner).oneshot(request()).await.unwrap()).await;
    assert_eq!(parts.headers[header::CONTENT_ENCODING], "gzip");
    assert_eq!(through, plain);
}

/// A request whose parts are views of one buffer, as hyper reads them: to clone them is to count.
fn as_from_hyper(path: &'static str, name: header::HeaderName, value: &'static str) -> Request<Empty<Bytes>> {
    let shared = |text: &str| {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        drop(bytes.clone());
        bytes
    };
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_maybe_shared(shared(path)).unwrap();
    request.headers_mut().insert(name, http::HeaderValue::from_maybe_shared(shared(value)).unwrap());
    request
}

#[test]
fn what_is_not_html_costs_no_allocation() {
    let all = layer().dimensions(|_: &str| None).asset_urls(|_: &str| None::<String>).skip(".x").unwrap();
    for (name, layer, request) in [
        ("plain", layer(), empty(get("/a.png").header(header::HOST, "example.org"))),
        ("conditional", layer(), empty(get("/a.png").header(header::IF_NONE_MATCH, "\"abc\""))),
        ("everything set", all, as_from_hyper("/a.png", header::HOST, "example.org")),
    ] {
        let image = Response::builder().header(header::CONTENT_TYPE, "image/png").header(header::ETAG, "\"abc\"");
        let mut image = Some(image.body(Full::new(Bytes::from_static(b"png"))).unwrap());
        let mut service = layer.layer(service_fn(move |_: Request<Empty<Bytes>>| {
            std::future::ready(Ok::<_, std::convert::Infallible>(image.take().unwrap()))
        }));
        let (allocations, response) = crate::support::allocations(|| now(tower::Service::call(&mut service, request)));
        assert_eq!((allocations, &response.headers()[header::ETAG]), (0, &"\"abc\"".parse().unwrap()), "{name}");
    }
}
