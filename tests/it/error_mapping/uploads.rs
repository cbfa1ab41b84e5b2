//! Uploads that fail on their way through: the client's fault or a limit's, and never the upstream's.

mod midway;

use std::time::Duration;

use bytes::Bytes;
use donjon::error_mapping::{Cause, CircuitBreakerLayer, CircuitState, GatewayRetryPolicy, Role};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody, combinators::BoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::timeout::TimeoutBody;

use super::{
    answer, failing,
    faults::{Fault, Upstream, gateway, hyper_error},
};
use crate::support::{empty, get};

/// What is wrong with the upload.
#[derive(Clone, Copy, Debug)]
enum Upload {
    Broken,
    TooLong,
    TooSlow,
}

type Body = BoxBody<Bytes, BoxError>;

async fn body(upload: Upload) -> Body {
    match upload {
        Upload::Broken => {
            let error: BoxError = hyper_error().await.into();
            StreamBody::new(futures_util::stream::iter([Err::<Frame<Bytes>, _>(error)])).boxed()
        }
        Upload::TooLong => {
            let chunks = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"1234")))]);
            Limited::new(StreamBody::new(chunks), 3).boxed()
        }
        Upload::TooSlow => {
            let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
            TimeoutBody::new(Duration::ZERO, silent).boxed()
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Sender {
    HyperUtil,
    #[cfg(feature = "error-mapping-reqwest")]
    Reqwest,
    #[cfg(feature = "error-mapping-http2")]
    HyperUtilOverHttp2,
}

const OVER_HTTP_1: &[Sender] = &[
    Sender::HyperUtil,
    #[cfg(feature = "error-mapping-reqwest")]
    Sender::Reqwest,
];

/// Sends it.
async fn send(sender: Sender, uri: String, body: Body) -> Result<Response<Body>, BoxError> {
    let response = match sender {
        Sender::HyperUtil => {
            let client = Client::builder(TokioExecutor::new()).build_http();
            client.request(Request::post(uri).body(body).unwrap()).await?.map(|body| body.map_err(BoxError::from).boxed())
        }
        #[cfg(feature = "error-mapping-reqwest")]
        Sender::Reqwest => {
            let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            let response = client.post(uri).body(reqwest::Body::wrap(body)).send().await?;
            Response::<reqwest::Body>::from(response).map(|body| body.map_err(BoxError::from).boxed())
        }
        #[cfg(feature = "error-mapping-http2")]
        Sender::HyperUtilOverHttp2 => {
            let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
            client.request(Request::post(uri).body(body).unwrap()).await?.map(|body| body.map_err(BoxError::from).boxed())
        }
    };
    Ok(response)
}

/// Those whose errors say whose upload it was.
const ALL: &[Sender] = &[
    Sender::HyperUtil,
    #[cfg(feature = "error-mapping-reqwest")]
    Sender::Reqwest,
    #[cfg(feature = "error-mapping-http2")]
    Sender::HyperUtilOverHttp2,
];

/// What a client says of such an upload.
async fn error(sender: Sender, upload: Upload) -> BoxError {
    let body = body(upload).await;
    let upstream = Upstream::start(Fault::NeverAnswers).await;
    let uri = match sender {
        #[cfg(feature = "error-mapping-http2")]
        Sender::HyperUtilOverHttp2 => http2(std::future::pending).await,
        _ => upstream.uri(),
    };
    send(sender, uri, body).await.unwrap_err()
}

/// Speaks HTTP/2, to one who asks.
#[cfg(feature = "error-mapping-http2")]
async fn http2<F>(answer: impl Fn() -> F + Clone + Send + 'static) -> String
where
    F: Future<Output = Response<Body>> + Send,
{
    use hyper_util::{rt::TokioIo, service::TowerToHyperService};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answering = service_fn(move |request: Request<hyper::body::Incoming>| {
            let answer = answer.clone();
            async move {
                let response = answer().await;
                // What is not read to its end is refused.
                tokio::spawn(request.into_body().collect());
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(answering)).await
    });
    format!("http://{address}/")
}

async fn told(sender: Sender, upload: Upload, role: Role) -> (u16, Cause) {
    let answer = answer(&gateway().role(role), failing(error(sender, upload).await), empty(get("/"))).await;
    (answer.status.as_u16(), answer.cause.unwrap())
}

/// An upload is the client's, if this server hands on what its client sends; of an origin nobody knows what it sends on.
#[tokio::test]
async fn an_upload_that_fails_is_not_an_upstreams_fault() {
    for sender in OVER_HTTP_1 {
        for (upload, origin, gateway) in [
            (Upload::Broken, (500, Cause::Internal), (400, Cause::RequestIncomplete)),
            (Upload::TooLong, (413, Cause::ContentTooLarge), (413, Cause::ContentTooLarge)),
            (Upload::TooSlow, (408, Cause::RequestTimedOut), (408, Cause::RequestTimedOut)),
        ] {
            assert_eq!(told(*sender, upload, Role::Gateway).await, gateway, "{sender:?} {upload:?}");
            assert_eq!(told(*sender, upload, Role::Origin).await, origin, "{sender:?} {upload:?}");
        }
    }
}

/// hyper's client keeps the reason to itself, but says that it was the client's own.
#[cfg(feature = "error-mapping-http2")]
#[tokio::test]
async fn over_http_2_all_that_is_known_is_that_the_upload_failed() {
    for upload in [Upload::Broken, Upload::TooLong, Upload::TooSlow] {
        let told_of = |role| told(Sender::HyperUtilOverHttp2, upload, role);
        assert_eq!(told_of(Role::Gateway).await, (400, Cause::RequestIncomplete), "{upload:?}");
        assert_eq!(told_of(Role::Origin).await, (500, Cause::Internal), "{upload:?}");
    }
}

/// Nor is the circuit opened by it, or the request sent again.
#[tokio::test]
async fn an_upload_that_fails_counts_for_nothing() {
    for sender in ALL.iter().copied() {
        for upload in [Upload::Broken, Upload::TooLong, Upload::TooSlow] {
            let circuit = CircuitBreakerLayer::new().open_after(1, 1);
            let asked = std::sync::atomic::AtomicUsize::new(0);
            let sending = service_fn(|_: Request<Empty<Bytes>>| {
                asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                async { Err::<Response<Full<Bytes>>, _>(error(sender, upload).await) }
            });
            let policy = GatewayRetryPolicy::new().budget(100);
            let put = Request::put("/").body(Empty::new()).unwrap();
            let failed = ServiceBuilder::new().retry(policy).layer(circuit.clone()).service(sending).oneshot(put).await;
            assert!(failed.is_err() && circuit.state() == CircuitState::Closed, "{sender:?} {upload:?}");
            assert_eq!(asked.into_inner(), 1, "{sender:?} {upload:?}");
        }
    }
}
