//! An upstream that is down is left alone.

use std::{
    convert::Infallible,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use donjon::{
    ManualClock, Problem, Retryability,
    error_mapping::{
        Cause, CircuitBreakerLayer, CircuitState, ErrorMappingLayer, GatewayRetryPolicy, ProxyStatus, Role, UpstreamError,
        UpstreamProxyStatus,
    },
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{BoxError, Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn, timeout::error::Elapsed};
use tower_test::mock;

use super::Asked;
use crate::support::{allocations, empty, get, now};

type Outcome = Result<Response<Full<Bytes>>, BoxError>;

fn clock() -> ManualClock {
    ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000))
}

/// What becomes of the circuit when this came once; one failure opens it.
async fn state_after(outcome: impl Fn() -> Outcome) -> CircuitState {
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let _ = layer.layer(service_fn(|_: Asked| std::future::ready(outcome()))).oneshot(empty(get("/"))).await;
    layer.state()
}

fn status(status: u16) -> Outcome {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

#[tokio::test]
async fn what_counts_against_an_upstream() {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset};
    for (name, outcome, expected) in [
        (
            "refused",
            (|| Err(UpstreamError::new(io::Error::from(ConnectionRefused)).into())) as fn() -> Outcome,
            CircuitState::Open,
        ),
        ("reset", || Err(UpstreamError::new(io::Error::from(ConnectionReset)).into()), CircuitState::Open),
        ("a timeout around it", || Err(Elapsed::new().into()), CircuitState::Open),
        ("bad gateway", || status(502), CircuitState::Open),
        ("unavailable", || status(503), CircuitState::Open),
        ("gateway timeout", || status(504), CircuitState::Open),
        ("a disk of our own", || Err(io::Error::from(ConnectionReset).into()), CircuitState::Closed),
        ("our own limit", || Err(tower::load_shed::error::Overloaded::new().into()), CircuitState::Closed),
        ("a refusal", || Err(Problem::new(StatusCode::FORBIDDEN).into()), CircuitState::Closed),
        ("its bug", || status(500), CircuitState::Closed),
        ("its refusal", || status(429), CircuitState::Closed),
        ("its answer", || status(200), CircuitState::Closed),
    ] {
        assert_eq!(state_after(outcome).await, expected, "{name}");
    }
}

#[tokio::test]
async fn an_open_circuit_answers_at_once_and_sends_nothing() {
    let clock = clock();
    let layer = CircuitBreakerLayer::new().open_after(2, 2).open_for(Duration::from_secs(8)).clock(clock.clone());
    let asked = AtomicUsize::new(0);
    let mut service = layer.layer(service_fn(|_: Asked| {
        asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(status(503))
    }));
    for _ in 0..2 {
        service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
    }
    clock.advance(Duration::from_millis(2_500));
    let response = service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "6", "rounded up");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.extensions().get(), Some(&Cause::DestinationUnavailable));
    assert_eq!(response.extensions().get(), Some(&Retryability::Safe));
    assert!(response.into_body().collect().await.unwrap().to_bytes().starts_with(b"{\"type\":"));
    clock.advance(Duration::from_secs(6));
    assert_eq!(layer.state(), CircuitState::HalfOpen);
    service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), layer.state()), (3, CircuitState::Open));
}

#[tokio::test]
async fn a_gateway_tells_that_nothing_was_received() {
    let gateway = ErrorMappingLayer::new().role(Role::Gateway);
    let told = ProxyStatus::new("edge").unwrap().upstream(UpstreamProxyStatus::Extend);
    let breaker = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let mut service = gateway.proxy_status(told).layer(breaker.layer(service_fn(|_: Asked| std::future::ready(status(503)))));
    for expected in ["edge; received-status=503", "edge; error=destination_unavailable"] {
        let response = service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get_all("proxy-status").iter().collect::<Vec<_>>(), [expected]);
    }
}

/// The first attempt opens the circuit, and the second is refused: what the client is told has to hold for both.
#[tokio::test(start_paused = true)]
async fn a_refused_retry_does_not_deny_the_attempt_before_it() {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset};
    for (kind, retryability) in [(ConnectionReset, Retryability::IdempotentOnly), (ConnectionRefused, Retryability::Safe)] {
        let circuit = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
        let asked = AtomicUsize::new(0);
        let gateway = ServiceBuilder::new()
            .layer(ErrorMappingLayer::new().role(Role::Gateway))
            .retry(GatewayRetryPolicy::new().budget(200))
            .layer(circuit)
            .service_fn(|_: Asked| {
                asked.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Err::<Response<Full<Bytes>>, _>(UpstreamError::new(io::Error::from(kind))))
            });
        let response = gateway.oneshot(empty(Request::put("/"))).await.unwrap();
        assert_eq!((response.status().as_u16(), asked.load(Ordering::Relaxed)), (503, 1), "{kind}");
        assert_eq!(response.headers()["retry-after"], "5", "{kind}");
        assert_eq!(response.extensions().get(), Some(&Cause::DestinationUnavailable), "{kind}");
        assert_eq!(response.extensions().get(), Some(&retryability), "{kind}");
        let problem = response.extensions().get::<Problem>().unwrap();
        assert_eq!(problem.retryability(), retryability, "{kind}");
        let denied = problem.detail().unwrap().contains("nothing was carried out");
        assert_eq!(denied, retryability == Retryability::Safe, "{kind}");
    }
}

#[tokio::test]
async fn services_of_one_layer_share_a_circuit_and_those_of_another_do_not() {
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let _ = layer.layer(service_fn(|_: Asked| std::future::ready(status(504)))).oneshot(empty(get("/"))).await;
    let ok = || service_fn(|_: Asked| std::future::ready(status(200)));
    assert_eq!(layer.clone().layer(ok()).oneshot(empty(get("/"))).await.unwrap().status(), 503);
    assert_eq!(CircuitBreakerLayer::new().layer(ok()).oneshot(empty(get("/"))).await.unwrap().status(), 200);
    assert_eq!(layer.open_for(Duration::ZERO).state(), CircuitState::Closed, "a setting makes another");
}

#[tokio::test]
async fn a_request_that_is_given_up_says_nothing_and_keeps_no_place() {
    let clock = clock();
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock.clone());
    let _ = layer.layer(service_fn(|_: Asked| std::future::ready(status(504)))).oneshot(empty(get("/"))).await;
    clock.advance(Duration::from_secs(5));
    let mut silent = layer.layer(service_fn(|_: Asked| std::future::pending::<Outcome>()));
    let probe = silent.ready().await.unwrap().call(empty(get("/")));
    let ok = || layer.layer(service_fn(|_: Asked| std::future::ready(status(200)))).oneshot(empty(get("/")));
    assert_eq!(ok().await.unwrap().status(), 503, "one probe at a time");
    drop(probe);
    assert_eq!(ok().await.unwrap().status(), 200);
    assert_eq!(layer.state(), CircuitState::Closed);
}

#[tokio::test]
async fn readiness_is_that_of_the_service_within_and_its_failure_counts() {
    let (inner, mut handle) = mock::pair::<Asked, Response<Full<Bytes>>>();
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let mut service = mock::Spawn::new(layer.layer(inner));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    handle.send_error(UpstreamError::new("gone"));
    assert!(matches!(service.poll_ready(), Poll::Ready(Err(_))));
    assert_eq!(layer.state(), CircuitState::Open);
}

type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

fn upstreams(kind: io::ErrorKind) -> BoxError {
    UpstreamError::new(io::Error::from(kind)).into()
}

/// A head, and a body of these frames.
fn streaming(frames: Frames) -> Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>>>> {
    Response::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn data() -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(b"half")))
}

#[tokio::test]
async fn a_body_that_breaks_off_counts_against_the_upstream() {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    for (name, frames, read, expected) in [
        ("whole", (|| vec![data(), data()]) as fn() -> Frames, 3, CircuitState::Closed),
        ("trailers", || vec![data(), Ok(Frame::trailers(HeaderMap::new()))], 3, CircuitState::Closed),
        ("cut", || vec![data(), Err(upstreams(UnexpectedEof))], 2, CircuitState::Open),
        ("cut at once", || vec![Err(upstreams(ConnectionReset))], 1, CircuitState::Open),
        ("left by the client before the cut", || vec![data(), Err(upstreams(ConnectionReset))], 1, CircuitState::Closed),
        ("never read", || vec![Err(upstreams(ConnectionReset))], 0, CircuitState::Closed),
        ("a timeout around it", || vec![data(), Err(Elapsed::new().into())], 2, CircuitState::Open),
        ("a failure of this server's", || vec![data(), Err("disk".into())], 2, CircuitState::Closed),
        ("a disk of this server's", || vec![Err(io::Error::from(ConnectionReset).into())], 1, CircuitState::Closed),
        (
            "cut, and asked again",
            || vec![Err(upstreams(ConnectionReset)), Err(upstreams(ConnectionReset))],
            2,
            CircuitState::Open,
        ),
    ] {
        let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
        let answering = service_fn(|_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(frames()))));
        let mut body = std::pin::pin!(layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body());
        assert_eq!(layer.state(), CircuitState::Closed, "{name}: at the head");
        for _ in 0..read {
            let _ = body.frame().await;
        }
        assert_eq!(layer.state(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_probe_whose_body_breaks_off_opens_the_circuit_again_and_one_without_an_end_holds_nobody_up() {
    let clock = clock();
    let layer = CircuitBreakerLayer::new().open_after(1, 10).clock(clock.clone());
    let ask = |frames: fn() -> Frames| {
        layer
            .layer(service_fn(move |_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(frames())))))
            .oneshot(empty(get("/")))
    };
    let cut = || vec![data(), Err(upstreams(io::ErrorKind::UnexpectedEof))];
    ask(cut).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(layer.state(), CircuitState::Open);
    clock.advance(Duration::from_secs(5));
    let mut probe = Box::pin(ask(cut).await.unwrap().into_body());
    probe.frame().await.unwrap().unwrap();
    assert_eq!(ask(|| vec![data()]).await.unwrap().status(), 200, "while the probe's body goes on");
    probe.frame().await.unwrap().unwrap_err();
    assert_eq!(layer.state(), CircuitState::Open);
    assert_eq!(ask(|| vec![data()]).await.unwrap().status(), 503);
}

#[tokio::test]
async fn frames_trailers_hints_and_errors_of_a_body_pass() {
    let layer = CircuitBreakerLayer::new();
    let body = Full::new(Bytes::from_static(b"hello"))
        .with_trailers(std::future::ready(Some(Ok(HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))])))));
    let mut body = Some(body);
    let answering =
        service_fn(move |_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(body.take().expect("called once")))));
    let whole = layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["etag"], "x");
    assert_eq!(whole.to_bytes(), "hello");
    let answering =
        service_fn(|_: Asked| std::future::ready(status(200).map(|response| response.map(|_| Full::<Bytes>::from("hello")))));
    let response = layer.layer(answering).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (Some(5), false));
    let cut = service_fn(|_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(vec![Err("mine".into())]))));
    let response = layer.layer(cut).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap_err().to_string(), "mine");
}

#[tokio::test]
async fn what_was_said_in_this_process_is_not_held_against_the_upstream() {
    fn said<T: Clone + Send + Sync + 'static>(status: u16, what: T) -> Outcome {
        self::status(status).map(|mut response| {
            response.extensions_mut().insert(what);
            response
        })
    }
    let problem = || said(503, Problem::new(StatusCode::SERVICE_UNAVAILABLE));
    for (name, outcome, expected) in [
        ("a limit", problem as fn() -> Outcome, CircuitState::Closed),
        ("another circuit", || said(503, Cause::DestinationUnavailable), CircuitState::Closed),
        ("a timeout of the client", || said(408, Cause::RequestTimedOut), CircuitState::Closed),
        ("a failure that was answered", || said(502, Cause::ConnectionRefused), CircuitState::Open),
        ("advice beside an answer", || said(503, Retryability::Never), CircuitState::Open),
    ] {
        assert_eq!(state_after(outcome).await, expected, "{name}");
    }
    let outer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let inner = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let _ = inner.layer(service_fn(|_: Asked| std::future::ready(status(504)))).oneshot(empty(get("/"))).await;
    let stacked = outer.layer(inner.layer(service_fn(|_: Asked| std::future::ready(status(200)))));
    assert_eq!(stacked.oneshot(empty(get("/"))).await.unwrap().status(), 503);
    assert_eq!(outer.state(), CircuitState::Closed);
}

/// Not even what is kept to take a success back.
#[test]
fn a_body_that_comes_whole_costs_no_allocation() {
    let inner =
        service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))));
    let mut service = CircuitBreakerLayer::new().layer(inner);
    let request = empty(get("/"));
    let (count, length) = allocations(|| {
        let mut body = std::pin::pin!(now(service.call(request)).into_body());
        let frame = now(async { Ok(body.frame().await) });
        assert!(now(async { Ok(body.frame().await) }).is_none());
        frame.unwrap().unwrap().into_data().unwrap().len()
    });
    assert_eq!((count, length), (0, 5));
}
