//! `/upstream/...`: a gateway before servers that fail, each with a circuit breaker of its own, by `GET` and by `POST`.
//!
//! | | what the upstream does |
//! |---|---|
//! | `refused` | nobody listens |
//! | `hang-up`, `garbage`, `slow` | it hangs up before it has answered, speaks no HTTP, does not answer in time |
//! | `error`, `busy` | it answers 500; 503 with `Retry-After` |
//! | `cut` | it dies in the middle of its answer |
//! | `flaky` | it hangs up at the first attempt, and answers the second |
//!
//! `Showcase-Upstream` tells what is otherwise seen only from within: how often a request was sent, how often it arrived, and whether requests
//! pass. Of a proxy this is what donjon does; what a whole one has to do besides is in the example `gateway`.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on_service},
};
use donjon::error_mapping::{
    CircuitBreakerLayer, CircuitState, EmptyErrors, ErrorMappingLayer, GatewayRetryPolicy, ProxyStatus, ReplayBody, Role,
    UpstreamError, UpstreamProxyStatus,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneSyncService};

use crate::{
    failures::{GARBAGE, HALF},
    faulty::{Arrivals, ClosedPort, NUMBER, Says, listen},
};

/// How long each attempt may take until its answer begins.
const PATIENCE: Duration = Duration::from_millis(500);
/// As much of an upload is kept, to be sent again.
const REPLAY: usize = 16 * 1024;
/// What of an upstream's answer is for the client. The rest speaks of a connection that the client has no part in.
const PASSED: [HeaderName; 4] = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CACHE_CONTROL, header::RETRY_AFTER];
const REPORT: HeaderName = HeaderName::from_static("showcase-upstream");

const FAULTS: [(&str, Says); 7] = [
    ("hang-up", |_| Some("")),
    ("garbage", |_| Some(GARBAGE)),
    ("slow", |_| None),
    ("error", |_| Some("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")),
    ("busy", |_| Some("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n")),
    ("cut", |_| Some(HALF)),
    ("flaky", |arrival| Some(if arrival == 1 { "" } else { WHOLE })),
];
const WHOLE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: no-store\r\ncontent-length: 22\r\n\r\nAt the second attempt.";

type Upstream = Client<HttpConnector, ReplayBody<Body>>;

/// The routes, and the upstreams behind them.
///
/// # Errors
/// If the loopback interface gives no port.
pub(crate) async fn routes() -> Result<Router, Box<dyn Error>> {
    // No connection is used twice, or a retry could find one that is just being closed.
    let client: Upstream = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let arrivals = Arrivals::default();
    let closed = Arc::new(ClosedPort::reserve()?);
    let mut router = Router::new().route("/upstream/refused", gateway(client.clone(), closed.address, &arrivals, closed)?);
    for (name, says) in FAULTS {
        let address = listen(says, arrivals.clone()).await?;
        router = router.route(&format!("/upstream/{name}"), gateway(client.clone(), address, &arrivals, ())?);
    }
    Ok(router)
}

/// What a request is known by on its way, from the gateway's gate to each of its attempts.
#[derive(Clone)]
struct Journey {
    number: u64,
    sent: Arc<AtomicU32>,
}

/// The gateway before one upstream. `held` is dropped with it.
fn gateway<T>(client: Upstream, address: SocketAddr, arrivals: &Arrivals, held: T) -> Result<MethodRouter, Box<dyn Error>>
where
    T: Clone + Send + Sync + 'static,
{
    // Small enough to be seen at work: two requests that fail with all their attempts open it.
    let circuit = CircuitBreakerLayer::new().open_after(6, 8);
    let name = ProxyStatus::new("showcase")?.upstream(UpstreamProxyStatus::Extend);
    let stack = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new().role(Role::Gateway).proxy_status(name).empty_errors(EmptyErrors::Fill))
        .map_request(|request: Request| request.map(|body| ReplayBody::new(body, REPLAY)))
        // One visitor presses a button now and then, so every request pays for its own two retries. Where many come the default is right.
        .retry(GatewayRetryPolicy::new().budget(200))
        .layer(circuit.clone())
        // A timeout, too, is the fault of an upstream here.
        .map_err(UpstreamError::new)
        .timeout(PATIENCE)
        .service_fn(move |request| ask(client.clone(), address, request));
    let (stack, arrivals) = (BoxCloneSyncService::new(stack), arrivals.clone());
    let gate = service_fn(move |mut request: Request| {
        let (stack, arrivals, circuit, _held) = (stack.clone(), arrivals.clone(), circuit.clone(), held.clone());
        async move {
            let expected = arrivals.expect();
            let journey = Journey { number: expected.number, sent: Arc::default() };
            request.extensions_mut().insert(journey.clone());
            let mut response = stack.oneshot(request).await?.into_response();
            let report = report(&journey, expected.arrived(), circuit.state());
            response.headers_mut().extend(HeaderValue::try_from(report).ok().map(|report| (REPORT, report)));
            Ok::<_, Infallible>(response)
        }
    });
    Ok(on_service(MethodFilter::GET.or(MethodFilter::POST), gate))
}

fn report(journey: &Journey, arrived: u32, circuit: CircuitState) -> String {
    let circuit = match circuit {
        CircuitState::Open => "open",
        CircuitState::HalfOpen => "half-open",
        _ => "closed",
    };
    format!("sent={}, arrived={arrived}, circuit={circuit}", journey.sent.load(Ordering::Relaxed))
}

/// One attempt. Of the client's request only the method and the content go on.
async fn ask(client: Upstream, address: SocketAddr, request: Request<ReplayBody<Body>>) -> Result<Response, BoxError> {
    let mut sent = http::Request::builder().method(request.method()).uri(format!("http://{address}/"));
    if let Some(journey) = request.extensions().get::<Journey>() {
        journey.sent.fetch_add(1, Ordering::Relaxed);
        sent = sent.header(NUMBER, journey.number);
    }
    let (mut head, body) = client.request(sent.body(request.into_body())?).await?.into_parts();
    let received = std::mem::take(&mut head.headers);
    let passed = |name: &HeaderName| Some((name.clone(), received.get(name)?.clone()));
    head.headers = PASSED.iter().filter_map(passed).collect::<HeaderMap>();
    Ok(Response::from_parts(head, Body::new(body)))
}
