//! An origin on which everything fails that can, and each failure has its one right answer.
//!
//! ```text
//! cargo run --example error_mapping --features error-mapping,axum,tracing [-- --listen 127.0.0.1:3000] [--show-causes]
//! curl -i http://127.0.0.1:3000/fail/upstream
//! curl -i -H 'Accept: text/html' http://127.0.0.1:3000/fail/panic
//! curl -i http://127.0.0.1:3000/fail/body     # ends with exit code 18: the message is cut, and so it is by a panic: /fail/body-panic
//! curl -i http://127.0.0.1:3000/nowhere       # an empty 404 of the router, with a text
//! curl http://127.0.0.1:3000/counts
//! ```
//!
//! With `--show-causes` the answers tell a client on this machine what the log tells.

use std::{fmt::Write as _, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    response::Html,
    routing::{any, get},
};
use donjon::{
    Problem,
    error_mapping::{
        Correlated, Correlation, EmptyErrors, ErrorCounts, ErrorMappingLayer, HandlerError, ToProblem, UpstreamError,
    },
};
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::{TcpListener, TcpSocket};
use tower::{BoxError, ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let options = Options::read()?;
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let listener = TcpListener::bind(options.listen).await?;
    println!("http://{}", listener.local_addr()?);
    let app = app(Upstreams::start().await?, options.show_causes).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}

fn app(upstreams: Upstreams, show_causes: bool) -> Router {
    let counts = ErrorCounts::new();
    let mut layer = ErrorMappingLayer::new()
        .retry_after(Duration::from_secs(2))
        .correlation(Correlation::new().correlated(Correlated::Every))
        .count_in(&counts)
        .empty_errors(EmptyErrors::Fill)
        .map_own::<OrderError>();
    if show_causes {
        layer = layer.dangerous_expose_causes(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
    }
    // axum takes services that cannot fail; beneath the layer they may.
    let full = ServiceBuilder::new().layer(layer.clone()).layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(0));
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/ok", get(|| async { "ok" }))
        .route("/counts", get(move || std::future::ready(shown(&counts))))
        .route("/fail/panic", get(|| async { panic::<()>() }))
        .route("/fail/error", any(error))
        .route("/fail/order", any(order))
        .route("/fail/body", get(|| cut(|| Err(io::Error::from(io::ErrorKind::UnexpectedEof)))))
        .route("/fail/body-panic", get(|| cut(panic)))
        .route("/fail/upstream", any(Upstreams::refuse))
        .route("/fail/timeout", any(Upstreams::stay_silent))
        .route_service("/fail/overload", full.service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(ok()) }))
        .with_state(upstreams)
        // And for the panics of all routes, for what no route knows, and for whatever is too slow.
        .layer(ServiceBuilder::new().layer(layer).layer(TimeoutLayer::new(Duration::from_secs(10))))
}

#[expect(clippy::panic, reason = "to show what comes of it")]
fn panic<T>() -> T {
    panic!("nobody outside reads this");
}

/// A message that breaks off: its head was sent, so that all that is left is to let the client see that it is not whole.
async fn cut(end: fn() -> io::Result<&'static str>) -> Body {
    Body::from_stream(stream::once(async { Ok("the beginning of something\n") }).chain(stream::once(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        end()
    })))
}

/// An error of this app's own, whose text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("the account {account} has {credit} left")]
struct OrderError {
    account: u64,
    credit: u32,
}

/// And what the client is told of it.
impl ToProblem for OrderError {
    fn to_problem(&self) -> Problem {
        Problem::new(StatusCode::PAYMENT_REQUIRED)
            .with_type("https://shop.example/problems/out-of-credit")
            .with_title("You do not have enough credit.")
            .with_member("credit", self.credit)
    }
}

async fn order() -> Result<Body, HandlerError> {
    Err(OrderError { account: 12, credit: 30 })?
}

/// The counts, a line for each kind of error.
fn shown(counts: &ErrorCounts) -> String {
    let mut out = String::new();
    for kind in counts.read() {
        let _ = writeln!(out, "{} {} {:?} {}", kind.type_uri, kind.status, kind.cause, kind.count);
    }
    out
}

/// A disk that fails: an `io::Error` too, but nobody's fault but ours.
async fn error() -> Result<Body, HandlerError> {
    Err(io::Error::from(io::ErrorKind::ConnectionReset))?
}

fn ok() -> Response<Body> {
    Response::new(Body::from("ok"))
}

/// The two kinds of upstream that a gateway fears most.
#[derive(Clone)]
struct Upstreams {
    client: Client<HttpConnector, Body>,
    /// Bound, so that no other program gets the port, and never listening.
    closed: Arc<TcpSocket>,
    silent: SocketAddr,
}

impl Upstreams {
    async fn start() -> io::Result<Self> {
        let closed = TcpSocket::new_v4()?;
        closed.bind(([127, 0, 0, 1], 0).into())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let silent = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move { tokio::io::copy(&mut connection, &mut tokio::io::sink()).await });
            }
        });
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), closed: Arc::new(closed), silent })
    }

    /// An error of the client says by itself that it came from an upstream.
    async fn refuse(State(upstreams): State<Self>) -> Result<Response<Body>, HandlerError> {
        let request = Request::get(format!("http://{}/", upstreams.closed.local_addr()?)).body(Body::empty())?;
        Ok(upstreams.client.request(request).await?.map(Body::new))
    }

    /// A timeout does not: here it is marked.
    async fn stay_silent(State(upstreams): State<Self>) -> Result<Response<Body>, HandlerError> {
        let request = Request::get(format!("http://{}/", upstreams.silent)).body(Body::empty())?;
        let mut client = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_millis(500))).service(upstreams.client);
        let response = tower::Service::call(&mut client, request).await;
        Ok(response.map_err(UpstreamError::new)?.map(Body::new))
    }
}

struct Options {
    listen: SocketAddr,
    show_causes: bool,
}

impl Options {
    fn read() -> Result<Self, BoxError> {
        let mut options = Self { listen: SocketAddr::from(([127, 0, 0, 1], 3000)), show_causes: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), arguments.len()) {
                ("--show-causes", _) => options.show_causes = true,
                ("--listen", 1..) => options.listen = arguments.next().unwrap_or_default().parse()?,
                _ => return Err("usage: error_mapping [--listen ADDRESS:PORT] [--show-causes]".into()),
            }
        }
        Ok(options)
    }
}

const INDEX: &str = "<!DOCTYPE html><html lang=\"en\"><title>donjon: error mapping</title><h1>Everything that can fail</h1><ul>\
<li><a href=\"/ok\">nothing</a><li><a href=\"/fail/panic\">a panic</a><li><a href=\"/fail/error\">an error</a>\
<li><a href=\"/fail/upstream\">an upstream that refuses</a><li><a href=\"/fail/timeout\">an upstream that never answers</a>\
<li><a href=\"/fail/overload\">too much to do</a><li><a href=\"/fail/order\">an order without credit</a>\
<li><a href=\"/fail/body\">a message that breaks off</a><li><a href=\"/fail/body-panic\">one that a panic cuts</a><li><a href=\"/nowhere\">no such page</a></ul>\
<p><a href=\"/counts\">How often each was</a></p>";
