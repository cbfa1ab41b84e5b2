//! Errors, panics and timeouts turned into responses: what that costs when nothing fails, and when something does.

use std::{
    future::{Ready, ready},
    io,
    time::Duration,
};

use axum::{BoxError, error_handling::HandleErrorLayer};
use bytes::Bytes;
use donjon::error_mapping::{ErrorMapping, ErrorMappingLayer};
use donjon_peers::{Answer, Contender, bare, compare};
use http::{HeaderValue, Request, Response, StatusCode, header::ACCEPT};
use http_body_util::Empty;
use problem_details::ProblemDetails;
use tower::{Layer as _, ServiceBuilder, service_fn, timeout::TimeoutLayer};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer as HttpTimeoutLayer};

type Body = Empty<Bytes>;

/// Never reached.
const LIMIT: Duration = Duration::from_secs(30);
/// What the most common browsers send today; and what others do, which has to be read in full.
const ACCEPTS: [(&str, &str); 2] = [
    (
        "success-browser",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
    ),
    ("success-other-accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"),
];

fn main() {
    // A panic is measured too; what the standard library prints of it is not.
    std::panic::set_hook(Box::new(|_| {}));
    success();
    for (name, accept) in ACCEPTS {
        success_with_accept(name, accept);
    }
    success_with_a_timeout();
    error();
    panic();
}

/// What an axum application puts together for itself: panics outside, errors inside.
macro_rules! both {
    () => {
        ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(handle_error())
    };
}

fn handle_error<E>() -> HandleErrorLayer<impl Fn(E) -> Ready<(StatusCode, &'static str)> + Clone, ()> {
    HandleErrorLayer::new(|_: E| ready((StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")))
}

fn donjon<S>(inner: S) -> ErrorMapping<S> {
    ErrorMappingLayer::new().layer(inner)
}

fn request() -> Request<Body> {
    Request::new(Body::new())
}

fn success() {
    let peers = [
        Contender::new("bare", request, bare()),
        Contender::new("CatchPanic", request, CatchPanicLayer::new().layer(bare())),
        Contender::new("HandleError", request, handle_error().layer(bare())),
        Contender::new("CatchPanic+HandleError", request, both!().service(bare())),
        Contender::new("CatchPanic+HandleError+Timeout", request, both!().layer(TimeoutLayer::new(LIMIT)).service(bare())),
    ];
    compare(("error_mapping", "success"), StatusCode::OK, Contender::new("donjon", request, donjon(bare())), peers);
}

fn success_with_accept(name: &str, accept: &'static str) {
    let request = || {
        let mut request = request();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        request
    };
    let peers = [
        Contender::new("bare", request, bare()),
        Contender::new("CatchPanic", request, CatchPanicLayer::new().layer(bare())),
        Contender::new("CatchPanic+HandleError", request, both!().service(bare())),
        Contender::new("CatchPanic+HandleError+Timeout", request, both!().layer(TimeoutLayer::new(LIMIT)).service(bare())),
    ];
    compare(("error_mapping", name), StatusCode::OK, Contender::new("donjon", request, donjon(bare())), peers);
}

fn success_with_a_timeout() {
    let timeout = || TimeoutLayer::new(LIMIT);
    let http_timeout = || HttpTimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT);
    let peers = [
        Contender::new("Timeout", request, timeout().layer(bare())),
        Contender::new(
            "HandleError+Timeout",
            request,
            ServiceBuilder::new().layer(handle_error()).layer(timeout()).service(bare()),
        ),
        Contender::new("CatchPanic+HandleError+Timeout", request, both!().layer(timeout()).service(bare())),
        Contender::new("tower-http-Timeout", request, http_timeout().layer(bare())),
        Contender::new(
            "CatchPanic+tower-http-Timeout",
            request,
            ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(http_timeout()).service(bare()),
        ),
    ];
    let donjon = Contender::new("donjon", request, donjon(timeout().layer(bare())));
    compare(("error_mapping", "success+Timeout"), StatusCode::OK, donjon, peers);
}

/// donjon answers with a classified problem document. The peers answer with the status and a fixed text; and, for the price of the document, with
/// one whose status is fixed.
fn error() {
    let failing = || service_fn(|_: Request<Body>| ready(Err::<Response<Body>, _>(BoxError::from(io::Error::other("disk")))));
    let document = |_: BoxError| ready(ProblemDetails::from_status_code(StatusCode::INTERNAL_SERVER_ERROR));
    let documented = ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(HandleErrorLayer::<_, ()>::new(document));
    let peers = [
        Contender::new("HandleError", request, handle_error().layer(failing())),
        Contender::new("CatchPanic+HandleError", request, both!().service(failing())),
        Contender::new("CatchPanic+HandleError+Timeout", request, both!().layer(TimeoutLayer::new(LIMIT)).service(failing())),
        Contender::new(
            "CatchPanic+problem_details+Timeout",
            request,
            documented.layer(TimeoutLayer::new(LIMIT)).service(failing()),
        ),
    ];
    let ours = Contender::new("donjon", request, donjon(failing()));
    compare(("error_mapping", "error"), StatusCode::INTERNAL_SERVER_ERROR, ours, peers);
}

fn panic() {
    let panicking = || service_fn(|_: Request<Body>| -> Answer { panic!("a panic that is measured") });
    let peers = [Contender::new("CatchPanic", request, CatchPanicLayer::new().layer(panicking()))];
    let ours = Contender::new("donjon", request, donjon(panicking()));
    compare(("error_mapping", "panic"), StatusCode::INTERNAL_SERVER_ERROR, ours, peers);
}
