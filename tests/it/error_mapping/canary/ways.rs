//! The ways to fail, with the canary wherever a text can be.

use std::io;

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{CircuitBreakerLayer, HandlerError, UpstreamError},
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, Layer as _, ServiceExt as _, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use crate::{
    error_mapping::{
        Asked,
        faults::{Fault, Upstream},
        secrets::{CANARY, Telling, over},
    },
    support::{empty, get},
};

pub(super) type Inner = Response<LayerBody<Full<Bytes>>>;

/// What becomes of a request within.
pub(super) enum Outcome {
    Answers(Inner),
    Fails(BoxError),
    Panics(fn() -> !),
}

/// Upstreams, for the errors that the clients themselves make.
pub(super) struct Upstreams {
    closed: Upstream,
    garbled: Upstream,
    #[cfg(feature = "error-mapping-reqwest")]
    unwell: Upstream,
    short: Upstream,
}

impl Upstreams {
    pub(super) async fn start() -> Self {
        let says = |text: &'static str| Upstream::start(Fault::Says(text.as_bytes()));
        Self {
            closed: Upstream::start(Fault::Refuses).await,
            garbled: says("c4n4ry<script> c4n4ry\r\nc4n4ry: c4n4ry\r\n\r\n").await,
            #[cfg(feature = "error-mapping-reqwest")]
            unwell: says("HTTP/1.1 500 c4n4ry\r\nc4n4ry: c4n4ry\r\ncontent-length: 6\r\n\r\nc4n4ry").await,
            short: says("HTTP/1.1 200 c4n4ry\r\ncontent-length: 60\r\n\r\nc4n4ry").await,
        }
    }
}

fn url(upstream: &Upstream) -> String {
    upstream.uri().replace("http://", "http://c4n4ry:c4n4ry@") + "c4n4ry?c4n4ry=c4n4ry#c4n4ry"
}

async fn by_hyper_util(upstream: &Upstream) -> BoxError {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    match client.request(empty(get(&url(upstream)))).await {
        Ok(response) => response.into_body().collect().await.unwrap_err().into(),
        Err(error) => error.into(),
    }
}

/// Its errors tell their URL.
#[cfg(feature = "error-mapping-reqwest")]
async fn by_reqwest(url: String) -> BoxError {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let failed = match client.get(url).send().await.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response.bytes().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(failed.to_string().contains("c4n4ry"), "or there is nothing to be hidden: {failed}");
    failed.into()
}

fn upstream_failed(kind: io::ErrorKind) -> UpstreamError {
    UpstreamError::new(over(io::Error::new(kind, CANARY)))
}

fn answering(status: StatusCode) -> Inner {
    let mut response = Response::new(LayerBody::empty());
    *response.status_mut() = status;
    for name in ["etag", "content-language", "content-disposition", "content-location"] {
        response.headers_mut().insert(name, HeaderValue::from_static("c4n4ry"));
    }
    response
}

/// Answered in the place of an upstream that said it.
async fn refused_by_an_open_circuit() -> Inner {
    let failing =
        || service_fn(|_: Asked| async { Err::<Response<Full<Bytes>>, BoxError>(upstream_failed(io::ErrorKind::Other).into()) });
    let breaker = CircuitBreakerLayer::new().open_after(1, 1);
    assert!(breaker.layer(failing()).oneshot(empty(get("/c4n4ry"))).await.is_err());
    let (head, body) =
        breaker.layer(failing()).oneshot(empty(get("/c4n4ry"))).await.expect("an answer without asking").into_parts();
    Response::from_parts(head, LayerBody::full(body.collect().await.unwrap().to_bytes()))
}

/// Its name, the status of an origin and of a gateway, and whether a mapping of [`Telling`] meets one.
pub(super) type Way = (&'static str, u16, u16, bool);

pub(super) const WAYS: &[Way] = &[
    ("a text", 500, 500, false),
    ("an error", 500, 500, true),
    ("an error of a disk", 500, 500, true),
    ("a timeout", 503, 504, true),
    ("too much to do", 503, 503, true),
    ("refused", 502, 502, true),
    ("reset", 502, 502, true),
    ("late", 504, 504, true),
    ("late, told by nobody", 504, 504, false),
    ("marked within", 502, 502, true),
    ("a panic", 500, 500, false),
    ("a panic with a String", 500, 500, false),
    ("a panic with something else", 500, 500, false),
    ("in place of an answer", 403, 403, false),
    ("hidden by an outer hand", 404, 404, false),
    ("a handler", 500, 500, true),
    ("a handler's upstream", 502, 502, true),
    ("a handler, hidden by an outer hand", 404, 404, false),
    ("without content", 410, 410, false),
    ("an open circuit", 503, 503, false),
    ("hyper-util, refused", 502, 502, false),
    ("hyper-util, garbage", 502, 502, false),
    // hyper says the same of any peer, and of this one nobody has said that it is an upstream.
    ("hyper-util, a short body", 500, 500, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, refused", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, garbage", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, a status", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, a short body", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, no such scheme", 500, 500, false),
];

/// What becomes of a request in this way.
pub(super) async fn outcome(way: &str, upstreams: &Upstreams) -> Outcome {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, TimedOut};
    Outcome::Fails(match way {
        "a text" => CANARY.into(),
        "an error" => over(Telling(CANARY, None)),
        "an error of a disk" => over(io::Error::other(CANARY)),
        "a timeout" => over(Elapsed::new()),
        "too much to do" => over(Overloaded::new()),
        "refused" => upstream_failed(ConnectionRefused).into(),
        "reset" => upstream_failed(ConnectionReset).into(),
        "late" => upstream_failed(TimedOut).into(),
        "late, told by nobody" => UpstreamError::new(io::Error::new(TimedOut, CANARY)).into(),
        "marked within" => over(upstream_failed(NotFound)),
        "a panic" => return Outcome::Panics(|| panic!("{CANARY}")),
        "a panic with a String" => return Outcome::Panics(|| std::panic::panic_any(String::from(CANARY))),
        "a panic with something else" => return Outcome::Panics(|| std::panic::panic_any(vec![CANARY])),
        "in place of an answer" => {
            let mut response = answering(StatusCode::FORBIDDEN).map(|_: LayerBody<Full<Bytes>>| LayerBody::full(CANARY));
            response.extensions_mut().insert(Problem::new(StatusCode::FORBIDDEN));
            return Outcome::Answers(response);
        }
        "hidden by an outer hand" => {
            let mut response: Inner = Problem::new(StatusCode::FORBIDDEN).with_detail(CANARY).into_http_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Outcome::Answers(response);
        }
        "a handler" => return Outcome::Answers(HandlerError::from(over(io::Error::other(CANARY))).into_http_response()),
        "a handler's upstream" => return Outcome::Answers(HandlerError::from(upstream_failed(NotFound)).into_http_response()),
        "a handler, hidden by an outer hand" => {
            let mut response: Inner = HandlerError::from(over(io::Error::other(CANARY))).into_http_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Outcome::Answers(response);
        }
        "without content" => return Outcome::Answers(answering(StatusCode::GONE)),
        "an open circuit" => return Outcome::Answers(refused_by_an_open_circuit().await),
        "hyper-util, refused" => by_hyper_util(&upstreams.closed).await,
        "hyper-util, garbage" => by_hyper_util(&upstreams.garbled).await,
        "hyper-util, a short body" => by_hyper_util(&upstreams.short).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, refused" => by_reqwest(url(&upstreams.closed)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, garbage" => by_reqwest(url(&upstreams.garbled)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, a status" => by_reqwest(url(&upstreams.unwell)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, a short body" => by_reqwest(url(&upstreams.short)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, no such scheme" => by_reqwest("c4n4ry://c4n4ry/c4n4ry?c4n4ry=c4n4ry".into()).await,
        other => panic!("no such way: {other}"),
    })
}
