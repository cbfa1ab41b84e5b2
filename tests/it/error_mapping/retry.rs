//! Which requests are sent again, and how often.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use donjon::{
    ManualClock, Problem, Retryability,
    error_mapping::{
        Cause, CircuitBreakerLayer, ErrorMappingLayer, GatewayRetryPolicy, ProxyStatus, Replay, ReplayBody, Role, UpstreamError,
    },
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::support::ClosedPort;

type Body = Full<Bytes>;
type Outcome = Result<Response<Body>, BoxError>;

fn request(method: Method) -> http::request::Builder {
    Request::builder().method(method).uri("/")
}

fn answering(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn upstream_failed(kind: io::ErrorKind) -> BoxError {
    UpstreamError::new(io::Error::from(kind)).into()
}

/// A policy that has saved up for whatever comes.
fn rich() -> GatewayRetryPolicy {
    let policy = GatewayRetryPolicy::new().budget(100);
    for _ in 0..100 {
        let _ = tower::retry::Policy::<_, Response<()>, BoxError>::clone_request(&mut policy.clone(), &Request::new(()));
    }
    policy
}

/// How often the upstream is asked, and what comes of it.
async fn attempts(policy: GatewayRetryPolicy, request: Request<Body>, upstream: impl Fn(usize) -> Outcome) -> (usize, Outcome) {
    let asked = AtomicUsize::new(0);
    let service = service_fn(|_: Request<Body>| std::future::ready(upstream(asked.fetch_add(1, Ordering::Relaxed))));
    let outcome = ServiceBuilder::new().retry(policy).service(service).oneshot(request).await;
    (asked.into_inner(), outcome)
}

fn simple(method: Method) -> Request<Body> {
    request(method).body(Body::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever else it says, and whoever asks how.
    #[test]
    fn after_a_500_or_a_4xx_the_upstream_is_never_asked_again(
        method in prop::sample::select(vec!["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "BREW"]),
        status in prop_oneof![Just(500_u16), 400..500_u16, 505..600_u16, Just(501), 200..400_u16],
        key in any::<bool>(),
        retry_after in prop::option::of(0..3_u64),
        told in prop::sample::select(vec![None, Some(Retryability::IdempotentOnly), Some(Retryability::Safe)]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut asking = request(method.parse().unwrap());
        if key {
            asking = asking.header("idempotency-key", "\"1\"");
        }
        let (asked, outcome) = runtime.block_on(attempts(rich().allow_idempotency_key(), asking.body(Body::default()).unwrap(), |_| {
            let mut response = answering(StatusCode::from_u16(status).unwrap());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            if let Some(told) = told {
                response.extensions_mut().insert(told);
            }
            Ok(response)
        }));
        prop_assert_eq!(asked, 1);
        prop_assert_eq!(outcome.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_502_503_and_504_idempotent_methods_are_sent_again() {
    for status in [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT] {
        for (method, expected) in [(Method::GET, 3), (Method::PUT, 3), (Method::DELETE, 3), (Method::POST, 1), (Method::PATCH, 1)]
        {
            let (asked, outcome) = attempts(rich(), simple(method.clone()), |_| Ok(answering(status))).await;
            assert_eq!((asked, outcome.unwrap().status()), (expected, status), "{method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_that_is_good_ends_it() {
    let (asked, outcome) = attempts(rich(), simple(Method::GET), |attempt| match attempt {
        0 => Err(upstream_failed(io::ErrorKind::ConnectionReset)),
        _ => Ok(answering(StatusCode::OK)),
    })
    .await;
    assert_eq!((asked, outcome.unwrap().status()), (2, StatusCode::OK));
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_counts_only_where_it_is_allowed() {
    let keyed = || request(Method::POST).header("idempotency-key", "\"1\"").body(Body::default()).unwrap();
    let reset = |_| Err(upstream_failed(io::ErrorKind::ConnectionReset));
    assert_eq!(attempts(rich(), keyed(), reset).await.0, 1);
    assert_eq!(attempts(rich().allow_idempotency_key(), keyed(), reset).await.0, 3);
    assert_eq!(attempts(rich().allow_idempotency_key(), simple(Method::POST), reset).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_the_upstreams_is_not_sent_again() {
    for kind in [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset, io::ErrorKind::Other] {
        assert_eq!(attempts(rich(), simple(Method::GET), |_| Err(io::Error::from(kind).into())).await.0, 1, "{kind}");
    }
    assert_eq!(attempts(rich(), simple(Method::GET), |_| Err(Problem::new(StatusCode::BAD_GATEWAY).into())).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn no_request_is_sent_again_more_often_than_set() {
    for retries in 0..5_u32 {
        let refused = |_| Err(upstream_failed(io::ErrorKind::ConnectionRefused));
        let (asked, _) = attempts(rich().max_retries(retries), simple(Method::POST), refused).await;
        assert_eq!(asked, 1 + retries as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_upstream_gets_no_more_than_its_budget() {
    for (percent, most) in [(20, 1_200), (0, 1_000), (50, 1_500)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let dead = service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<Response<Body>, _>(upstream_failed(io::ErrorKind::ConnectionRefused)))
        });
        let gateway = ServiceBuilder::new().retry(GatewayRetryPolicy::new().budget(percent)).service(dead);
        for _ in 0..10 {
            let burst = (0..100).map(|_| gateway.clone().oneshot(simple(Method::GET)));
            assert!(futures_util::future::join_all(burst).await.iter().all(Result::is_err));
        }
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked <= most, "{asked} attempts for 1000 requests at {percent} %");
        assert!(asked > most - 10, "the budget is for use: {asked} at {percent} %");
    }
}

/// How long the gateway waited, in milliseconds, and how often it asked.
async fn waited(policy: GatewayRetryPolicy, retry_after: &str) -> (u128, usize) {
    let begun = tokio::time::Instant::now();
    let (asked, _) = attempts(policy, simple(Method::GET), |attempt| {
        let mut response = answering(if attempt == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK });
        response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
        Ok(response)
    })
    .await;
    (begun.elapsed().as_millis(), asked)
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_in_both_its_forms() {
    // Sun, 06 Nov 1994 08:49:37 GMT.
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    for (name, value, least, asked) in [
        ("seconds", "2", 2_000, 2),
        ("a date", "Sun, 06 Nov 1994 08:49:39 GMT", 2_000, 2),
        ("a date that is past", "Sun, 06 Nov 1994 08:49:00 GMT", 0, 2),
        ("too many seconds", "4", 0, 1),
        ("a date too far", "Sun, 06 Nov 1994 08:50:37 GMT", 0, 1),
        ("garbage", "soon", 0, 2),
    ] {
        let policy = rich().clock(clock.clone()).max_wait(Duration::from_secs(3));
        let (waited, attempts) = waited(policy, value).await;
        assert_eq!(attempts, asked, "{name}");
        // Up to 50 ms more, at random, and a millisecond for the timer.
        assert!((least..=least + 51).contains(&waited), "{name}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_in_the_same_process_may_know_better() {
    for (told, expected) in [(Retryability::Never, 1), (Retryability::IdempotentOnly, 1), (Retryability::Safe, 3)] {
        let (asked, _) = attempts(rich(), simple(Method::POST), |_| {
            let mut response = answering(StatusCode::SERVICE_UNAVAILABLE);
            response.extensions_mut().insert(told);
            Ok(response)
        })
        .await;
        assert_eq!(asked, expected, "{told}");
    }
}

const WHOLE: [&[u8]; 2] = [b"\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"content-length: 5\r\n\r\nhello"];

/// Reads each request whole, resets the connection of the first so many, and answers all others.
async fn upstream(resets: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for attempt in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // In chunks at first; when it is sent again its length is known.
            while !WHOLE.iter().any(|whole| request.ends_with(whole)) {
                request.push(stream.read_u8().await.unwrap());
            }
            if attempt < resets {
                stream.set_zero_linger().unwrap();
                continue;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    address
}

/// Over hyper-util's client and real sockets: to these addresses, one after the other. How often was asked, and the final status.
async fn over_sockets(addresses: Vec<SocketAddr>, method: Method) -> (usize, u16) {
    let asked = Arc::new(AtomicUsize::new(0));
    let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Streamed>>();
    let count = Arc::clone(&asked);
    let client = tower::util::MapRequest::new(client, move |mut request: Request<_>| {
        let attempt = count.fetch_add(1, Ordering::Relaxed);
        *request.uri_mut() = format!("http://{}/", addresses[attempt.min(addresses.len() - 1)]).parse().unwrap();
        request
    });
    let gateway = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new().role(Role::Gateway))
        .map_request(|request: Request<Streamed>| request.map(|body| ReplayBody::new(body, 1024)))
        .retry(rich())
        .service(client);
    let request = request(method).body(streamed(&["hel", "lo"])).unwrap();
    let response = gateway.oneshot(request).await.unwrap();
    (asked.load(Ordering::Relaxed), response.status().as_u16())
}

type Streamed = StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<http_body::Frame<Bytes>, io::Error>>>>;

fn streamed(chunks: &[&'static str]) -> Streamed {
    let frames: Vec<_> = chunks.iter().map(|chunk| Ok(http_body::Frame::data(Bytes::from_static(chunk.as_bytes())))).collect();
    StreamBody::new(futures_util::stream::iter(frames))
}

#[tokio::test]
async fn a_refused_post_is_sent_again() {
    let closed = [ClosedPort::reserve(), ClosedPort::reserve()];
    let addresses = vec![closed[0].address, closed[1].address, upstream(0).await];
    assert_eq!(over_sockets(addresses, Method::POST).await, (3, 200));
}

#[tokio::test]
async fn a_post_that_was_reset_after_it_was_sent_is_not() {
    assert_eq!(over_sockets(vec![upstream(1).await], Method::POST).await, (1, 502));
}

#[tokio::test]
async fn a_put_that_was_reset_after_it_was_sent_is_sent_again_whole() {
    assert_eq!(over_sockets(vec![upstream(1).await], Method::PUT).await, (2, 200));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_not_kept_is_not_sent_again() {
    let asked = AtomicUsize::new(0);
    let reads_then_fails = service_fn(|request: Request<ReplayBody<Streamed>>| {
        asked.fetch_add(1, Ordering::Relaxed);
        async {
            request.into_body().collect().await.unwrap();
            Err::<Response<Body>, _>(upstream_failed(io::ErrorKind::ConnectionReset))
        }
    });
    let mut gateway = ServiceBuilder::new().retry(rich()).service(reads_then_fails);
    for (cap, expected) in [(5, 3), (4, 1)] {
        let body = ReplayBody::new(streamed(&["hel", "lo"]), cap);
        assert!(gateway.ready().await.unwrap().call(request(Method::PUT).body(body).unwrap()).await.is_err());
        assert_eq!(asked.swap(0, Ordering::Relaxed), expected, "{cap}");
    }
}

/// What an upstream that is overloaded does: its connection is still reading by then.
#[tokio::test(start_paused = true)]
async fn an_answer_before_the_upload_has_ended_does_not_cost_the_next_attempt_its_beginning() {
    let asked = AtomicUsize::new(0);
    let (told, mut given_up) = tokio::sync::mpsc::unbounded_channel();
    let answers_early = service_fn(|request: Request<ReplayBody<Streamed>>| {
        let (first, told) = (asked.fetch_add(1, Ordering::Relaxed) == 0, told.clone());
        async move {
            if first {
                tokio::spawn(async move { told.send(request.into_body().collect().await.unwrap_err().to_string()) });
                return Ok::<_, BoxError>(answering(StatusCode::SERVICE_UNAVAILABLE));
            }
            Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes())))
        }
    });
    let body = ReplayBody::new(streamed(&["hel", "lo"]), 4);
    let answer =
        ServiceBuilder::new().retry(rich()).service(answers_early).oneshot(request(Method::PUT).body(body).unwrap()).await;
    assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(given_up.recv().await.unwrap(), "the request is sent anew");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_is_the_clients_and_ends_it() {
    let frames = vec![Ok(http_body::Frame::data(Bytes::from_static(b"a"))), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    let broken = ReplayBody::new(StreamBody::new(futures_util::stream::iter(frames)), 1024);
    let asked = AtomicUsize::new(0);
    let forward = service_fn(|request: Request<ReplayBody<Streamed>>| {
        asked.fetch_add(1, Ordering::Relaxed);
        async {
            let error = request.into_body().collect().await.unwrap_err();
            Err::<Response<Body>, BoxError>(UpstreamError::new(error).into())
        }
    });
    assert!(
        ServiceBuilder::new().retry(rich()).service(forward).oneshot(request(Method::PUT).body(broken).unwrap()).await.is_err()
    );
    assert_eq!(asked.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_keeps_all_of_its_head() {
    let seen = std::sync::Mutex::new(Vec::new());
    let forward = service_fn(|request: Request<Empty<Bytes>>| {
        let shown = format!("{:?} {:?}", request, request.extensions().get::<u8>());
        seen.lock().unwrap().push(shown);
        std::future::ready(Err::<Response<Body>, _>(upstream_failed(io::ErrorKind::ConnectionRefused)))
    });
    let request = request(Method::POST).version(http::Version::HTTP_2).header("x-a", "1").header("x-a", "2").extension(7_u8);
    let _ = ServiceBuilder::new().retry(rich()).service(forward).oneshot(request.body(Empty::new()).unwrap()).await;
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen[0].contains("HTTP/2.0") && seen[0].contains("Some(7)") && seen[0].contains("\"2\""), "{}", seen[0]);
    assert!(seen.iter().all(|request| *request == seen[0]));
}

#[test]
fn bodies_in_memory_need_no_wrapping() {
    fn is_replayable<B: Replay>(body: B) -> bool {
        body.is_whole() && body.replay().is_some()
    }
    assert!(is_replayable(Full::new(Bytes::new())) && is_replayable(Empty::<Bytes>::new()));
    assert!(is_replayable(String::new()) && is_replayable(()));
}

/// A gateway with everything, over an upstream that is dead.
#[tokio::test(start_paused = true)]
async fn with_a_circuit_breaker_a_dead_upstream_is_left_alone() {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let dead = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<Response<Body>, _>(upstream_failed(io::ErrorKind::ConnectionRefused)))
    });
    let gateway = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new().role(Role::Gateway).proxy_status(ProxyStatus::new("gw").unwrap()))
        .retry(rich())
        .layer(CircuitBreakerLayer::new().open_after(10, 20).clock(clock.clone()))
        .service(dead);
    let mut last = None;
    for _ in 0..100 {
        last = Some(gateway.clone().oneshot(simple(Method::POST)).await.unwrap());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 10);
    let last = last.unwrap();
    assert_eq!((last.status().as_u16(), last.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    assert_eq!(last.headers()["proxy-status"], "gw; error=destination_unavailable");
    assert_eq!(last.extensions().get(), Some(&Cause::DestinationUnavailable));
    assert_eq!(last.extensions().get(), Some(&Retryability::Safe));
    clock.advance(Duration::from_secs(5));
    gateway.clone().oneshot(simple(Method::POST)).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 11, "one probe");
}
