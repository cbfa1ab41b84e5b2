//! `/api/fail/...`: real failures, none of them made up.
//!
//! | `GET` | what fails |
//! |---|---|
//! | `panic`, `error` | a service of our own; as `body-panic` in the middle of its answer |
//! | `upstream`, `garbage`, `timeout` | a server that this one asks: nobody listens, no HTTP is spoken, nothing is said |
//! | `cut` | the same in the middle of its answer, when the status is long sent |
//! | `overload` | a service that has no room; as `POST grpc` for a client of gRPC |
//! | `empty` | a service that answers 404 and no more |
//!
//! `POST too-large` takes 64 bytes.
//!
//! Each is a plain tower service that fails as such services do, by its error or by a panic. `ErrorMapping` stands directly around it,
//! because axum wants a service whose error is `Infallible`; that is the only adapter there is.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on_service},
};
use bytes::Bytes;
use donjon::error_mapping::{EmptyErrors, ErrorMappingLayer, UpstreamError};
use futures_util::{StreamExt as _, stream};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::faulty::{Arrivals, ClosedPort, listen};

/// How long the silent upstream is given.
const PATIENCE: Duration = Duration::from_secs(1);

type Upstream = Client<HttpConnector, Empty<Bytes>>;

/// What an upstream says that is no HTTP server.
pub(crate) const GARBAGE: &str = "SSH-2.0-vault\r\n\r\n";
/// What one says that dies in the middle. What may be stored would be held back until its entity tag is made.
pub(crate) const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: no-store\r\ncontent-length: 90\r\n\r\nThe first half of an answer, and then ";
/// Between two pieces of an answer.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an upload may be, in bytes.
const UPLOAD: usize = 64;

/// The routes, and the upstreams behind them.
///
/// # Errors
/// If the loopback interface gives no port.
pub(crate) async fn routes() -> io::Result<Router> {
    let closed = Arc::new(ClosedPort::reserve()?);
    let uncounted = Arrivals::default;
    let silent = listen(|_| None, uncounted()).await?;
    let garbled = listen(|_| Some(GARBAGE), uncounted()).await?;
    let dying = listen(|_| Some(HALF), uncounted()).await?;
    let client: Upstream = Client::builder(TokioExecutor::new()).build_http();

    let ask_closed = {
        let client = client.clone();
        service_fn(move |_: Request| {
            // Held as long as the service is, so that nobody else can come to listen there.
            let (client, closed) = (client.clone(), Arc::clone(&closed));
            async move { ask(client, closed.address).await }
        })
    };
    let ask_peer = |address| {
        let client = client.clone();
        service_fn(move |_: Request| {
            let client = ServiceBuilder::new().timeout(PATIENCE).service(client.clone());
            async move { ask(client, address).await }
        })
    };
    // A limit of nobody: always full, as a service is whose every place is taken.
    let full = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(0)
        .service_fn(|_: Request| async { Ok::<_, Infallible>(Response::default()) });

    Ok(Router::new()
        .route("/api/fail/panic", failing(MethodFilter::GET, service_fn(panic)))
        .route("/api/fail/body-panic", failing(MethodFilter::GET, service_fn(body_panic)))
        .route("/api/fail/error", failing(MethodFilter::GET, service_fn(error)))
        .route("/api/fail/upstream", failing(MethodFilter::GET, ask_closed))
        .route("/api/fail/garbage", failing(MethodFilter::GET, ask_peer(garbled)))
        .route("/api/fail/timeout", failing(MethodFilter::GET, ask_peer(silent)))
        .route("/api/fail/cut", failing(MethodFilter::GET, ask_peer(dying)))
        .route("/api/fail/overload", failing(MethodFilter::GET, full.clone()))
        .route("/api/fail/grpc", failing(MethodFilter::POST, full))
        .route("/api/fail/too-large", failing(MethodFilter::POST, service_fn(upload)))
        .route("/api/fail/empty", failing(MethodFilter::GET, service_fn(empty))))
}

/// Lets a service that fails stand in an axum router.
fn failing<S>(method: MethodFilter, service: S) -> MethodRouter
where
    S: Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static,
{
    let mapping = ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill);
    on_service(method, mapping.layer(service).map_response(IntoResponse::into_response))
}

#[expect(clippy::panic, reason = "that is what this route shows")]
async fn panic(_: Request) -> Result<Response, Infallible> {
    panic!("the vault behind ledger 7 is empty")
}

/// Falls over when its status is long sent.
#[expect(clippy::panic, reason = "that is what this route shows")]
async fn body_panic(_: Request) -> Result<Response, Infallible> {
    let half = stream::once(async { Ok::<_, Infallible>("The first half of an answer, and then ") });
    let pieces = half.chain(stream::once(async {
        // What comes at once with the panic would not be sent.
        tokio::time::sleep(PAUSE).await;
        panic!("ledger 7 has no second half")
    }));
    // What may be stored would be held back until its entity tag is made.
    Ok(([(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(pieces)).into_response())
}

async fn error(_: Request) -> Result<Response, io::Error> {
    Err(io::Error::other("ledger 7: the key to the vault does not fit"))
}

/// Reads what it is sent, as far as it may.
async fn upload(request: Request) -> Result<Response, BoxError> {
    let content = Limited::new(request.into_body(), UPLOAD).collect().await?.to_bytes();
    Ok(format!("{} bytes, thank you", content.len()).into_response())
}

/// An answer as many a service gives it.
async fn empty(_: Request) -> Result<Response, Infallible> {
    Ok(StatusCode::NOT_FOUND.into_response())
}

/// Asks the upstream at `address` and passes its answer on.
async fn ask<S, B>(client: S, address: SocketAddr) -> Result<Response, BoxError>
where
    S: Service<http::Request<Empty<Bytes>>, Response = http::Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let request = http::Request::get(format!("http://{address}/")).body(Empty::new())?;
    // The marker says that whatever went wrong, a timeout too, is the fault of an upstream and not ours: 502 or 504, not 500.
    let response = client.oneshot(request).await.map_err(UpstreamError::new)?;
    Ok(response.map(|body| Body::new(body.map_err(UpstreamError::new))))
}
