//! `GET /api/fail/{panic,error,upstream,timeout,overload}`: five real failures, none of them made up.
//!
//! Each is a plain tower service that fails as such services do, by its error or by a panic. `ErrorMapping` stands directly around it,
//! because axum wants a service whose error is `Infallible`; that is the only adapter there is.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get_service},
};
use bytes::Bytes;
use donjon::error_mapping::{ErrorMappingLayer, UpstreamError};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::{TcpListener, TcpSocket};
use tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

/// How long the silent upstream is given.
const PATIENCE: Duration = Duration::from_secs(1);

type Upstream = Client<HttpConnector, Empty<Bytes>>;

/// The routes, and the two upstreams behind them.
///
/// # Errors
/// If the loopback interface gives no port.
pub(crate) async fn routes() -> io::Result<Router> {
    let closed = Arc::new(ClosedPort::reserve()?);
    let silent = silent_peer().await?;
    let client: Upstream = Client::builder(TokioExecutor::new()).build_http();

    let ask_closed = {
        let client = client.clone();
        service_fn(move |_: Request| {
            // Held as long as the service is, so that nobody else can come to listen there.
            let (client, closed) = (client.clone(), Arc::clone(&closed));
            async move { ask(client, closed.address).await }
        })
    };
    let ask_silent = service_fn(move |_: Request| {
        let client = ServiceBuilder::new().timeout(PATIENCE).service(client.clone());
        async move { ask(client, silent).await }
    });
    // A limit of nobody: always full, as a service is whose every place is taken.
    let full = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(0)
        .service_fn(|_: Request| async { Ok::<_, Infallible>(Response::default()) });

    Ok(Router::new()
        .route("/api/fail/panic", failing(service_fn(panic)))
        .route("/api/fail/error", failing(service_fn(error)))
        .route("/api/fail/upstream", failing(ask_closed))
        .route("/api/fail/timeout", failing(ask_silent))
        .route("/api/fail/overload", failing(full)))
}

/// Lets a service that fails stand in an axum router.
fn failing<S>(service: S) -> MethodRouter
where
    S: Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static,
{
    get_service(ErrorMappingLayer::new().layer(service).map_response(IntoResponse::into_response))
}

#[expect(clippy::panic, reason = "that is what this route shows")]
async fn panic(_: Request) -> Result<Response, Infallible> {
    panic!("the vault behind ledger 7 is empty")
}

async fn error(_: Request) -> Result<Response, io::Error> {
    Err(io::Error::other("ledger 7: the key to the vault does not fit"))
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
    Ok(response.map(Body::new))
}

/// A loopback port that is taken and closed: bound, so that no other program gets it, and never listening.
struct ClosedPort {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl ClosedPort {
    fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: socket.local_addr()?, _bound: socket })
    }
}

/// A loopback peer that accepts, reads, and never answers.
async fn silent_peer() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((mut stream, _)) => {
                    tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
                }
                // Out of file descriptors, for one: it passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(address)
}
