//! What leaves a real server, over HTTP/1.1 and HTTP/2: lengths, ends and what is torn.

use std::convert::Infallible;

use axum::{Router, routing};
use bytes::Bytes;
use donjon::conditional_cache::ConditionalCacheLayer;
use http::{Method, Request, Response, response::Parts};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{Service, ServiceBuilder};

use super::{Fields, request};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The head, and the content if it came whole.
type Received = (Parts, Result<Bytes, hyper::Error>);

/// Asks one server on one connection, one request after the other.
async fn ask<S, B>(service: S, protocol: Protocol, requests: &[(&str, Fields<'_>)]) -> Vec<Received>
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let (client, server) = tokio::io::duplex(64 * 1024);
    let server = async move {
        let builder = auto::Builder::new(TokioExecutor::new());
        // A connection that a torn answer ends is the client's to notice.
        let _ = builder.serve_connection(TokioIo::new(server), TowerToHyperService::new(service)).await;
    };
    tokio::spawn(server);
    let io = TokioIo::new(client);
    let mut received = Vec::new();
    macro_rules! send {
        ($handshake:expr) => {{
            let (mut sender, connection) = $handshake.await.unwrap();
            tokio::spawn(connection);
            for (method, fields) in requests {
                let mut request = request(method, "http://test/", fields);
                if protocol == Protocol::Http1 {
                    request.headers_mut().insert("host", "test".parse().unwrap());
                }
                sender.ready().await.unwrap();
                let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
                received.push((parts, body.collect().await.map(|content| content.to_bytes())));
            }
        }};
    }
    match protocol {
        Protocol::Http1 => send!(hyper::client::conn::http1::handshake(io)),
        Protocol::Http2 => send!(hyper::client::conn::http2::handshake(TokioExecutor::new(), io)),
    }
    received
}

fn length(received: &Received) -> Option<&str> {
    received.0.headers.get("content-length").map(|value| value.to_str().unwrap())
}

fn in_axum() -> Router {
    let hello = async || ([("etag", "\"a\"")], "hello");
    Router::new().route("/", routing::get(hello)).layer(ConditionalCacheLayer::new())
}

/// A service that answers HEAD itself, without a length.
async fn hello(request: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let content = if *request.method() == Method::HEAD { "" } else { "hello" };
    Ok(Response::builder().header("etag", "\"a\"").header("cache-control", "no-cache").body(Full::from(content)).unwrap())
}

/// What the tables ask: unconditional, known, and not as supposed; by GET and by HEAD.
const ASKED: [(&str, Fields<'_>); 6] = [
    ("GET", &[]),
    ("HEAD", &[]),
    ("GET", &[("if-none-match", "\"a\"")]),
    ("HEAD", &[("if-none-match", "\"a\"")]),
    ("GET", &[("if-match", "\"b\"")]),
    ("HEAD", &[("if-match", "\"b\"")]),
];

#[track_caller]
fn no_length_is_told_but_that_of_a_get(name: &str, received: &[Received], head: Option<&str>) {
    let [get, head_only, known, head_known, refused, head_refused] = received else { panic!("six answers") };
    assert_eq!((get.0.status.as_u16(), length(get)), (200, Some("5")), "{name}");
    assert_eq!((head_only.0.status.as_u16(), length(head_only)), (200, head), "{name}");
    for answer in [known, head_known] {
        assert_eq!((answer.0.status.as_u16(), length(answer)), (304, None), "{name}");
        assert_eq!(answer.0.headers["etag"], "\"a\"", "{name}");
    }
    assert_eq!(refused.0.status, 412, "{name}");
    assert_eq!((head_refused.0.status.as_u16(), length(head_refused)), (412, length(refused)), "{name}");
    for (answer, empty) in
        [(get, false), (head_only, true), (known, true), (head_known, true), (refused, false), (head_refused, true)]
    {
        assert_eq!(answer.1.as_ref().unwrap().is_empty(), empty, "{name}: {:?}", answer.0);
    }
}

#[tokio::test]
async fn a_304_and_an_answer_to_head_tell_no_length_but_that_of_a_get() {
    for protocol in PROTOCOLS {
        let by_axum = ask(in_axum(), protocol, &ASKED).await;
        no_length_is_told_but_that_of_a_get(&format!("axum, {protocol:?}"), &by_axum, Some("5"));
        let by_hyper = ServiceBuilder::new().layer(ConditionalCacheLayer::new()).service_fn(hello);
        let by_hyper = ask(by_hyper, protocol, &ASKED).await;
        no_length_is_told_but_that_of_a_get(&format!("hyper, {protocol:?}"), &by_hyper, None);
    }
}

#[tokio::test]
async fn a_304_of_the_handlers_own_tells_no_length_either() {
    let router = Router::new()
        .route("/", routing::get(async || (http::StatusCode::NOT_MODIFIED, [("etag", "\"a\"")])))
        .layer(ConditionalCacheLayer::new());
    for protocol in PROTOCOLS {
        for answer in ask(router.clone(), protocol, &[("GET", &[]), ("HEAD", &[])]).await {
            assert_eq!((answer.0.status.as_u16(), length(&answer)), (304, None), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn under_a_compressing_layer_a_304_stays_without_content() {
    let router = in_axum().layer(tower_http::compression::CompressionLayer::new());
    for protocol in PROTOCOLS {
        for coding in ["identity", "gzip"] {
            let fields = &[("if-none-match", "\"a\""), ("accept-encoding", coding)];
            let answers = ask(router.clone(), protocol, &[("GET", fields)]).await;
            assert_eq!(answers[0].0.status, 304);
            assert_eq!(answers[0].0.headers.get("content-encoding"), None, "{protocol:?} {coding}");
            assert!(answers[0].1.as_ref().unwrap().is_empty(), "{protocol:?} {coding}");
        }
    }
}

#[tokio::test]
async fn parts_arrive_whole() {
    for protocol in PROTOCOLS {
        let one: Fields<'_> = &[("range", "bytes=1-3")];
        let none: Fields<'_> = &[("range", "bytes=5-")];
        let answers = ask(in_axum(), protocol, &[("GET", one), ("GET", none), ("GET", &[])]).await;
        assert_eq!((answers[0].0.status.as_u16(), length(&answers[0])), (206, Some("3")), "{protocol:?}");
        assert_eq!(answers[0].1.as_ref().unwrap(), "ell", "{protocol:?}");
        assert_eq!((answers[1].0.status.as_u16(), &answers[1].0.headers["content-range"]), (416, &"bytes */5".parse().unwrap()));
        assert_eq!(answers[2].1.as_ref().unwrap(), "hello", "{protocol:?}: the connection is in order");
    }
}

#[tokio::test]
async fn a_part_that_is_torn_is_seen_to_be() {
    let torn = async |_: Request<hyper::body::Incoming>| {
        let frames = futures_util::stream::unfold(0, async |sent| {
            // Not at once: what is torn before the head was written leaves none.
            tokio::task::yield_now().await;
            (sent < 5).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"h"))), sent + 1))
        });
        Ok(Response::builder()
            .header("content-length", "10")
            .header("etag", "\"a\"")
            .body(StreamBody::new(Box::pin(frames)))
            .unwrap())
    };
    let service = ServiceBuilder::new().layer(ConditionalCacheLayer::new()).service_fn(torn);
    for protocol in PROTOCOLS {
        let answers = ask(service.clone(), protocol, &[("GET", &[("range", "bytes=2-7")])]).await;
        assert_eq!((answers[0].0.status.as_u16(), length(&answers[0])), (206, Some("6")), "{protocol:?}");
        assert!(answers[0].1.is_err(), "{protocol:?}: half of a part was taken for all of it");
    }
}

#[tokio::test]
async fn under_a_compressing_layer_parts_stay_parts_of_what_they_are() {
    let content = "a text that is long enough to be worth compressing, ".repeat(20);
    let router = Router::new()
        .route("/", routing::get(async move || ([("etag", "\"a\"")], content)))
        .layer(ConditionalCacheLayer::new())
        .layer(tower_http::compression::CompressionLayer::new());
    for protocol in PROTOCOLS {
        for (range, coding) in [("bytes=0-1", None), ("bytes=0-1,500-501", Some("identity"))] {
            let answers = ask(router.clone(), protocol, &[("GET", &[("range", range), ("accept-encoding", "gzip")])]).await;
            assert_eq!(answers[0].0.status, 206);
            let told = answers[0].0.headers.get("content-encoding").map(|value| value.to_str().unwrap());
            assert_eq!(told, coding, "{protocol:?} {range}");
            let content = answers[0].1.as_ref().unwrap();
            assert_eq!(length(&answers[0]), Some(content.len().to_string().as_str()), "{protocol:?} {range}");
            assert!(content.windows(2).any(|two| two == b"a "), "{protocol:?} {range}: it is the plain text");
        }
    }
}
