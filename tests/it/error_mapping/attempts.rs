//! What the client is told after several attempts holds for all of them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use donjon::{
    Problem, Retryability,
    error_mapping::{
        Cause, CircuitBreakerLayer, Correlated, Correlation, EmptyErrors, ErrorMappingLayer, GatewayRetryPolicy, ProxyStatus,
        Role, UpstreamError, UpstreamProxyStatus,
    },
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{client::conn::http1 as client, server::conn::http1 as server};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{
    BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _, load_shed::error::Overloaded, service_fn,
    util::BoxCloneSyncService,
};

use super::{
    Answer, Asked,
    causes::{Row, rows},
    read,
};
use crate::support::{allocations, empty, get, now};

type Outcome = Result<Response<Full<Bytes>>, BoxError>;
type Attempt = fn() -> Outcome;

const RESET: Attempt = || Err(UpstreamError::new(io::Error::from(io::ErrorKind::ConnectionReset)).into());
const REFUSED: Attempt = || Err(UpstreamError::new(io::Error::from(io::ErrorKind::ConnectionRefused)).into());
const OVERLOADED: Attempt = || Err(Overloaded::new().into());
const UNAVAILABLE: Attempt = || Ok(bare(StatusCode::SERVICE_UNAVAILABLE));

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn gateway() -> ErrorMappingLayer {
    ErrorMappingLayer::new().role(Role::Gateway).proxy_status(ProxyStatus::new("gw").unwrap())
}

/// With enough to its credit for two retries of one request.
fn policy() -> GatewayRetryPolicy {
    GatewayRetryPolicy::new().budget(200)
}

/// One attempt comes out like this, the next like that, and those after the last as the last.
fn upstream<B>(
    attempts: &'static [Attempt],
) -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send> + Clone {
    let asked = Arc::new(AtomicUsize::new(0));
    service_fn(move |_: Request<B>| {
        let attempt = asked.fetch_add(1, Ordering::Relaxed).min(attempts.len() - 1);
        std::future::ready(attempts[attempt]())
    })
}

fn put() -> Asked {
    empty(Request::put("/"))
}

/// The answer to a request whose attempts come out like this.
async fn told(request: Asked, attempts: &'static [Attempt]) -> Answer {
    read(gateway().layer(ServiceBuilder::new().retry(policy()).service(upstream(attempts))).oneshot(request).await.unwrap()).await
}

/// In every place that says something of it.
#[track_caller]
fn assert_advice(answer: &Answer, expected: Retryability, name: &str) {
    assert_eq!(answer.retryability, Some(expected), "{name}");
    assert_eq!(answer.problem.as_ref().map(Problem::retryability), Some(expected), "{name}");
    assert!(answer.body.contains(&format!("\"retry\":\"{expected}\"")), "{name}: {}", answer.body);
    let denied = answer.body.contains("nothing was carried out") || answer.body.contains("did not begin");
    assert_eq!(denied, expected == Retryability::Safe, "{name}: {}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn reset_and_then_refused_a_put_may_have_been_carried_out() {
    for attempts in [&[RESET, REFUSED][..], &[RESET, REFUSED, REFUSED], &[REFUSED, RESET, REFUSED], &[UNAVAILABLE, REFUSED]] {
        let answer = told(put(), attempts).await;
        assert_advice(&answer, Retryability::IdempotentOnly, "put");
        assert!(answer.body.contains("may have been carried out"), "{}", answer.body);
        assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::ConnectionRefused)));
        assert_eq!(answer.header("proxy-status"), Some("gw; error=connection_refused"), "that of the last attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn reset_and_then_refused_a_post_with_a_key_may_have_been_carried_out() {
    let post = || Request::post("/").header("idempotency-key", "\"1\"");
    let service = |policy| gateway().layer(ServiceBuilder::new().retry(policy).service(upstream(&[RESET, REFUSED])));
    let answer = read(service(policy().allow_idempotency_key()).oneshot(empty(post())).await.unwrap()).await;
    assert_eq!(answer.cause, Some(Cause::ConnectionRefused));
    assert_advice(&answer, Retryability::IdempotentOnly, "with the key");
    let answer = read(service(policy()).oneshot(empty(post())).await.unwrap()).await;
    assert_eq!(answer.cause, Some(Cause::ConnectionTerminated), "the only attempt");
}

/// A safe method asks for nothing to be carried out, so that nothing was.
#[tokio::test(start_paused = true)]
async fn reset_and_then_refused_nothing_of_a_get_was_carried_out() {
    assert_advice(&told(empty(get("/")), &[RESET, REFUSED]).await, Retryability::Safe, "get");
}

#[tokio::test(start_paused = true)]
async fn refused_and_refused_again_nothing_was_carried_out() {
    for method in [Method::GET, Method::PUT, Method::POST] {
        let answer = told(empty(Request::builder().method(method.clone())), &[REFUSED]).await;
        assert_advice(&answer, Retryability::Safe, method.as_str());
    }
    assert_advice(&told(put(), &[OVERLOADED, REFUSED]).await, Retryability::Safe, "no room, and then refused");
}

/// Every error that there is, as that of a later attempt: what a gateway would call safe by itself is not.
#[tokio::test]
async fn whatever_the_last_attempt_failed_with_its_status_stays_and_nothing_is_safe() {
    let mut were_safe = 0;
    for Row(name, error, cause, [_, status], [_, alone]) in rows().await {
        let errors = Mutex::new(VecDeque::from([RESET().unwrap_err(), error]));
        let failing =
            service_fn(|_: Asked| std::future::ready(Outcome::Err(errors.lock().unwrap().pop_front().expect("two attempts"))));
        let service =
            gateway().layer(ServiceBuilder::new().retry(policy().max_retries(1).first_wait(Duration::ZERO)).service(failing));
        let answer = read(service.oneshot(put()).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.cause), (status, Some(cause)), "{name}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{name}");
        let advice = if alone == Retryability::Safe { Retryability::IdempotentOnly } else { alone };
        assert_advice(&answer, advice, name);
        were_safe += usize::from(alone == Retryability::Safe);
    }
    assert!(were_safe > 5);
}

#[derive(Debug, thiserror::Error)]
#[error("throttled")]
struct Throttled;

#[tokio::test(start_paused = true)]
async fn what_somebody_has_written_is_theirs_but_for_the_advice() {
    const THROTTLED: Attempt = || Err(Throttled.into());
    for (attempts, expected) in
        [(&[RESET, THROTTLED][..], Retryability::IdempotentOnly), (&[REFUSED, THROTTLED], Retryability::Safe)]
    {
        let layer = gateway().map::<Throttled>(|_| {
            Problem::new(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(7)).with_detail("One a minute.")
        });
        let service = layer.layer(ServiceBuilder::new().retry(policy()).service(upstream(attempts)));
        let answer = read(service.oneshot(put()).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after"), answer.retryability), (429, Some("7"), Some(expected)));
        let problem = answer.problem.unwrap();
        assert_eq!((problem.detail(), problem.retryability()), (Some("One a minute."), expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_calls_itself_safe_to_repeat_does_not_deny_the_attempt_before_it() {
    const ADVICE_ALONE: Attempt = || {
        let mut response = bare(StatusCode::SERVICE_UNAVAILABLE);
        response.extensions_mut().insert(Retryability::Safe);
        Ok(response)
    };
    const PROBLEM: Attempt =
        || Ok(Problem::new(StatusCode::SERVICE_UNAVAILABLE).into_http_response::<()>().map(|_| Full::default()));
    const TOO_MANY: Attempt = || Ok(bare(StatusCode::TOO_MANY_REQUESTS));
    for (name, attempt) in [("advice alone", ADVICE_ALONE), ("a problem", PROBLEM), ("a status alone", TOO_MANY)] {
        for (first, expected) in [(RESET, Retryability::IdempotentOnly), (REFUSED, Retryability::Safe)] {
            let attempts: &'static [Attempt] = Box::leak(Box::new([first, attempt]));
            for filling in [EmptyErrors::Pass, EmptyErrors::Fill] {
                let retrying = ServiceBuilder::new().retry(policy()).service(upstream(attempts));
                let response = gateway().empty_errors(filling).layer(retrying).oneshot(put()).await.unwrap();
                let answer = read(response).await;
                let told = answer.retryability;
                let passes = filling == EmptyErrors::Pass && name == "a status alone";
                assert_eq!(told, Some(expected).filter(|_| !passes), "{name} {filling:?}");
                if let Some(problem) = &answer.problem {
                    assert_eq!(problem.retryability(), expected, "{name} {filling:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gateways_above_and_beneath_the_retries_come_to_one_answer() {
    let request = || empty(Request::put("/"));
    let plain = || ErrorMappingLayer::new().role(Role::Gateway);
    for (attempts, expected) in [
        (&[RESET, REFUSED][..], Retryability::IdempotentOnly),
        (&[RESET, OVERLOADED], Retryability::IdempotentOnly),
        (&[REFUSED], Retryability::Safe),
        (&[OVERLOADED], Retryability::Safe),
    ] {
        let inner = || upstream::<Empty<Bytes>>(attempts);
        let each = ServiceBuilder::new().layer(gateway()).retry(policy()).layer(plain()).service(inner());
        assert_advice(&read(each.oneshot(request()).await.unwrap()).await, expected, "one around each attempt");
        let both = ServiceBuilder::new().layer(gateway()).layer(plain()).retry(policy()).service(inner());
        assert_advice(&read(both.oneshot(request()).await.unwrap()).await, expected, "both around all");
        let all = ServiceBuilder::new().layer(gateway()).layer(plain()).retry(policy()).layer(plain()).service(inner());
        assert_advice(&read(all.oneshot(request()).await.unwrap()).await, expected, "three");
        let alone = ServiceBuilder::new().retry(policy()).layer(plain()).service(inner());
        assert_advice(&read(alone.oneshot(request()).await.unwrap()).await, expected, "none above");
    }
    // What an origin says of one attempt is no word of those before it.
    for (attempts, expected) in [(&[RESET, OVERLOADED][..], Retryability::IdempotentOnly), (&[OVERLOADED], Retryability::Safe)] {
        let origin =
            ServiceBuilder::new().layer(gateway()).retry(policy()).layer(ErrorMappingLayer::new()).service(upstream(attempts));
        assert_advice(&read(origin.oneshot(request()).await.unwrap()).await, expected, "an origin beneath");
    }
}

/// Each of these makes the terms of a request anew on the way.
#[tokio::test(start_paused = true)]
async fn whatever_else_is_set() {
    const TOLD_OF: Attempt = || {
        let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE).into_http_response::<()>().map(|_| Full::default());
        response.headers_mut().insert("proxy-status", HeaderValue::from_static("far; error=connection_refused"));
        Ok(response)
    };
    let extending = || ProxyStatus::new("gw").unwrap().upstream(UpstreamProxyStatus::Extend);
    let hears = || gateway().proxy_status(extending());
    for (name, layer) in [
        ("names on failures", gateway().correlation(Correlation::new())),
        ("names on all", gateway().correlation(Correlation::new().correlated(Correlated::Every))),
        ("what other proxies said", hears()),
        ("all at once", hears().correlation(Correlation::new().correlated(Correlated::Every))),
        ("a peer that nobody can tell", gateway().correlation(Correlation::new()).dangerous_expose_causes(|_| panic!("no peer"))),
    ] {
        for (attempts, expected) in [
            (&[RESET, REFUSED][..], Retryability::IdempotentOnly),
            (&[RESET, TOLD_OF], Retryability::IdempotentOnly),
            (&[REFUSED], Retryability::Safe),
            (&[TOLD_OF], Retryability::Safe),
        ] {
            for brought in [false, true] {
                let request = Request::put("/");
                let request = if brought { request.header("x-request-id", "abc") } else { request };
                let retrying = ServiceBuilder::new().retry(policy()).service(upstream(attempts));
                let answer = read(layer.layer(retrying).oneshot(empty(request)).await.unwrap()).await;
                assert_eq!(answer.retryability, Some(expected), "{name}");
                assert_eq!(answer.problem.map(|problem| problem.retryability()), Some(expected), "{name}");
            }
        }
    }
}

/// Two budgets, two loops: the outer one gives up what the inner one has repeated.
#[tokio::test(start_paused = true)]
async fn retries_within_retries_speak_for_all() {
    let inner = ServiceBuilder::new().retry(policy().max_retries(1)).service(upstream(&[RESET, REFUSED, REFUSED, REFUSED]));
    let service = gateway().layer(ServiceBuilder::new().retry(policy().max_retries(1)).service(inner));
    assert_advice(&read(service.oneshot(put()).await.unwrap()).await, Retryability::IdempotentOnly, "nested");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_knows_it_without_a_gateway_above() {
    for (attempts, expected) in [(&[RESET][..], Retryability::IdempotentOnly), (&[REFUSED], Retryability::Safe)] {
        let circuit = CircuitBreakerLayer::new().open_after(1, 1);
        let service = ServiceBuilder::new().retry(policy()).layer(circuit).service(upstream(attempts));
        let response = service.oneshot(put()).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&Cause::DestinationUnavailable));
        assert_eq!(response.extensions().get(), Some(&expected));
        let content = response.into_body().collect().await.unwrap().to_bytes();
        let denied = String::from_utf8_lossy(&content).contains("nothing was carried out");
        assert_eq!(denied, expected == Retryability::Safe);
    }
}

#[tokio::test(start_paused = true)]
async fn the_word_crosses_tasks() {
    for (attempts, expected) in [(&[RESET, REFUSED][..], Retryability::IdempotentOnly), (&[REFUSED], Retryability::Safe)] {
        let retrying = BoxCloneSyncService::new(ServiceBuilder::new().retry(policy()).service(upstream(attempts)));
        let elsewhere = service_fn(move |request: Asked| {
            let task = tokio::spawn(retrying.clone().oneshot(request));
            async move { task.await.unwrap() }
        });
        let service = ServiceBuilder::new().layer(gateway()).buffer(1).service(elsewhere);
        assert_advice(&read(service.oneshot(put()).await.unwrap()).await, expected, "elsewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn the_word_of_one_request_never_reaches_another() {
    const ATTEMPTS: &[Attempt] = &[RESET, REFUSED, REFUSED];
    let mut service = gateway().layer(ServiceBuilder::new().retry(policy().max_retries(1)).service(upstream(ATTEMPTS)));
    let mut clone = service.clone();
    assert_advice(&read(service.ready().await.unwrap().call(put()).await.unwrap()).await, Retryability::IdempotentOnly, "first");
    assert_advice(&read(service.ready().await.unwrap().call(put()).await.unwrap()).await, Retryability::Safe, "the same service");
    assert_advice(&read(clone.ready().await.unwrap().call(put()).await.unwrap()).await, Retryability::Safe, "a clone");

    // Two at once: of one the first attempt is reset, of the other every attempt is refused.
    let by_method = service_fn(|request: Asked| {
        let attempt = request.headers().contains_key("x-reset").then(|| request.extensions().get::<Arc<AtomicUsize>>().cloned());
        let first = attempt.flatten().is_some_and(|asked| asked.fetch_add(1, Ordering::Relaxed) == 0);
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if first { RESET() } else { REFUSED() }
        }
    });
    let service = gateway().layer(ServiceBuilder::new().retry(policy()).service(by_method));
    let reset = Request::put("/").header("x-reset", "1").extension(Arc::new(AtomicUsize::new(0)));
    let (reset, refused) = tokio::join!(service.clone().oneshot(empty(reset)), service.clone().oneshot(put()));
    assert_advice(&read(reset.unwrap()).await, Retryability::IdempotentOnly, "the one");
    assert_advice(&read(refused.unwrap()).await, Retryability::Safe, "beside it");
}

#[tokio::test]
async fn nor_the_next_one_of_its_connection() {
    const ATTEMPTS: &[Attempt] = &[RESET, REFUSED, REFUSED];
    let service = ServiceBuilder::new()
        .layer(gateway())
        .map_request(|request: Request<hyper::body::Incoming>| request.map(|_| Empty::<Bytes>::new()))
        .retry(policy().max_retries(1))
        .service(upstream(ATTEMPTS));
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(far), TowerToHyperService::new(service)));
    let (mut sender, connection) = client::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    for expected in [Retryability::IdempotentOnly, Retryability::Safe, Retryability::Safe] {
        sender.ready().await.unwrap();
        let response = sender.send_request(empty(Request::put("/").header(header::HOST, "a"))).await.unwrap();
        assert_eq!(response.status(), 502);
        let content = response.into_body().collect().await.unwrap().to_bytes();
        let content = String::from_utf8_lossy(&content);
        assert!(content.contains(&format!("\"retry\":\"{expected}\"")), "{content}");
    }
}

/// How many allocations a request costs that succeeds, and what is in its extensions within.
fn cost(layer: &ErrorMappingLayer, request: http::request::Builder) -> u64 {
    let mut service =
        layer.layer(service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))));
    let request = empty(request);
    allocations(|| now(service.call(request))).0
}

#[test]
fn an_origin_pays_nothing_for_it_and_a_gateway_a_word() {
    let origin = ErrorMappingLayer::new().retry_after(Duration::from_secs(2));
    let put = || Request::put("/");
    assert_eq!([cost(&ErrorMappingLayer::new(), put()), cost(&origin, put())], [0, 0]);
    assert_eq!([cost(&gateway(), get("/")), cost(&gateway(), Request::head("/"))], [0, 0], "a safe method");
    // The word, its place in the extensions, who keeps it, and the two of the first thing that is there at all.
    assert_eq!([cost(&gateway(), put()), cost(&gateway(), put().extension(1_u8))], [5, 3]);
}

#[tokio::test]
async fn an_origin_leaves_the_extensions_alone() {
    for (layer, is_empty) in [(ErrorMappingLayer::new().retry_after(Duration::from_secs(2)), true), (gateway(), false)] {
        let looking = service_fn(move |request: Asked| async move {
            assert_eq!(request.extensions().is_empty(), is_empty);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        assert_eq!(layer.layer(looking).oneshot(put()).await.unwrap().status(), 200);
    }
}
