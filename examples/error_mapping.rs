//! An origin on which everything fails that can, and each failure has its one right answer.
//!
//! ```text
//! cargo run --example error_mapping --features error-mapping,axum [-- --listen 127.0.0.1:3000]
//! curl -i http://127.0.0.1:3000/fail/upstream
//! curl -i -H 'Accept: text/html' http://127.0.0.1:3000/fail/panic
//! ```

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, response::Html, routing::get};
use donjon::error_mapping::{ErrorMappingLayer, UpstreamError};
use http::{Request, Response};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind(address()?).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app(Upstreams::start().await?)).await?)
}

fn app(upstreams: Upstreams) -> Router {
    // axum takes services that cannot fail; beneath the layer they may.
    let mapped = ServiceBuilder::new().layer(ErrorMappingLayer::new().retry_after(Duration::from_secs(2)));
    let upstream = upstreams.clone();
    let overload = mapped.clone().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(0));
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/ok", get(|| async { "ok" }))
        .route("/fail/panic", get(panic))
        .route_service("/fail/error", mapped.clone().service_fn(error))
        .route_service("/fail/upstream", mapped.clone().service_fn(move |_| upstream.clone().refuse()))
        .route_service("/fail/timeout", mapped.service_fn(move |_| upstreams.clone().stay_silent()))
        .route_service("/fail/overload", overload.service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(ok()) }))
        // And for the panics of all routes, and for whatever is too slow.
        .layer(ServiceBuilder::new().layer(ErrorMappingLayer::new()).layer(TimeoutLayer::new(Duration::from_secs(10))))
}

#[expect(clippy::panic, reason = "to show what comes of it")]
async fn panic() {
    panic!("nobody outside reads this");
}

/// A disk that fails: an `io::Error` too, but nobody's fault but ours.
async fn error(_: Request<Body>) -> Result<Response<Body>, io::Error> {
    Err(io::Error::from(io::ErrorKind::ConnectionReset))
}

fn ok() -> Response<Body> {
    Response::new(Body::from("ok"))
}

/// The two kinds of upstream that a gateway fears most.
#[derive(Clone)]
struct Upstreams {
    client: Client<HttpConnector, Body>,
    closed: SocketAddr,
    silent: SocketAddr,
}

impl Upstreams {
    async fn start() -> io::Result<Self> {
        let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let silent = listener.local_addr()?;
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        });
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), closed, silent })
    }

    /// An error of the client says by itself that it came from an upstream.
    async fn refuse(self) -> Result<Response<Body>, BoxError> {
        let request = Request::get(format!("http://{}/", self.closed)).body(Body::empty())?;
        Ok(self.client.request(request).await?.map(Body::new))
    }

    /// A timeout does not: here it is marked.
    async fn stay_silent(self) -> Result<Response<Body>, BoxError> {
        let request = Request::get(format!("http://{}/", self.silent)).body(Body::empty())?;
        let mut client = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_millis(500))).service(self.client);
        let response = tower::Service::call(&mut client, request).await;
        Ok(response.map_err(UpstreamError::new)?.map(Body::new))
    }
}

/// `--listen ADDRESS`, or the default.
fn address() -> Result<SocketAddr, BoxError> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 3000))),
        (Some("--listen"), Some(address)) => Ok(address.parse()?),
        _ => Err("usage: error_mapping [--listen ADDRESS:PORT]".into()),
    }
}

const INDEX: &str = "<!DOCTYPE html><html lang=\"en\"><title>donjon: error mapping</title><h1>Everything that can fail</h1><ul>\
<li><a href=\"/ok\">nothing</a><li><a href=\"/fail/panic\">a panic</a><li><a href=\"/fail/error\">an error</a>\
<li><a href=\"/fail/upstream\">an upstream that refuses</a><li><a href=\"/fail/timeout\">an upstream that never answers</a>\
<li><a href=\"/fail/overload\">too much to do</a></ul>";
