//! Real errors, one row each, in both roles.

use std::{convert::Infallible, fmt, future::pending, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use donjon::{
    Problem, Retryability,
    error_mapping::{Cause, ErrorMappingLayer, Role, UpstreamError},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody, combinators::BoxBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::{
    BoxError, Service, ServiceExt as _, balance::p2c::Balance, buffer::Buffer, limit::ConcurrencyLimit, load_shed::LoadShed,
    service_fn, timeout::Timeout,
};
use tower_http::timeout::TimeoutBody;

use super::{answer, failing};
use crate::support::{ClosedPort, empty, get};

fn upload(body: impl http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static) -> BoxBody<Bytes, BoxError> {
    body.map_err(Into::into).boxed()
}

/// What hyper-util's client says when it sends this to there.
async fn client_error(uri: String, body: BoxBody<Bytes, BoxError>) -> BoxError {
    let client = Client::builder(TokioExecutor::new()).build_http();
    client.request(Request::post(uri).body(body).unwrap()).await.unwrap_err().into()
}

fn nothing() -> BoxBody<Bytes, BoxError> {
    upload(Empty::new())
}

/// A peer that reads the head of a request, answers with these bytes and hangs up.
async fn peer_that_says(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer).await;
    });
    address
}

/// A client whose name resolution fails like this.
async fn resolver_error(kind: io::ErrorKind) -> BoxError {
    let resolver = service_fn(move |_| std::future::ready(Err::<std::vec::IntoIter<SocketAddr>, _>(io::Error::from(kind))));
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new_with_resolver(resolver));
    client.request(Request::get("http://nowhere.invalid/").body(nothing()).unwrap()).await.unwrap_err().into()
}

async fn error_of<S>(mut service: S) -> BoxError
where
    S: Service<(), Response = (), Error: Into<BoxError>>,
{
    match service.ready().await {
        Ok(ready) => ready.call(()).await.unwrap_err().into(),
        Err(error) => error.into(),
    }
}

async fn elapsed() -> BoxError {
    error_of(Timeout::new(service_fn(|()| pending::<Result<(), Infallible>>()), Duration::ZERO)).await
}

async fn overloaded() -> BoxError {
    let mut limited = ConcurrencyLimit::new(service_fn(|()| pending::<Result<(), Infallible>>()), 1);
    let _held = limited.ready().await.unwrap().call(());
    error_of(LoadShed::new(limited.clone())).await
}

async fn buffer_closed() -> BoxError {
    let (buffer, worker) = Buffer::<(), _>::pair(service_fn(|()| pending::<Result<(), BoxError>>()), 1);
    drop(worker);
    error_of(buffer).await
}

/// The error of a buffer over a service that never becomes ready again.
async fn buffered(error: BoxError) -> BoxError {
    let (mock, mut handle) = tower_test::mock::pair::<(), ()>();
    handle.send_error(error);
    error_of(Buffer::<(), _>::new(mock, 1)).await
}

async fn too_long() -> BoxError {
    Limited::new(Full::new(Bytes::from_static(b"1234")), 3).collect().await.unwrap_err()
}

/// A body of which nothing comes.
async fn slow_body() -> BoxError {
    let silent = StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, BoxError>>());
    TimeoutBody::new(Duration::ZERO, silent).collect().await.unwrap_err()
}

/// A balancer whose discovery fails.
async fn undiscovered() -> BoxError {
    type Change = tower::discover::Change<usize, tower::load::Constant<Endpoint, usize>>;
    type Endpoint = tower::util::BoxService<(), (), BoxError>;
    let discovery = futures_util::stream::iter([Err::<Change, BoxError>("canary".into())]);
    error_of(Balance::<_, ()>::new(discovery)).await
}

fn refused() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionRefused).into()
}

/// A name, an error, its cause, and for an origin and a gateway the status and whether to try again.
pub(super) struct Row(
    pub(super) &'static str,
    pub(super) BoxError,
    pub(super) Cause,
    pub(super) [u16; 2],
    pub(super) [Retryability; 2],
);

const NEVER: [Retryability; 2] = [Retryability::Never; 2];
const IDEMPOTENT_ONLY: [Retryability; 2] = [Retryability::IdempotentOnly; 2];
const SAFE: [Retryability; 2] = [Retryability::Safe; 2];
/// What a gateway did not forward was not done; what an origin did before is not known.
const UNREACHED: [Retryability; 2] = [Retryability::IdempotentOnly, Retryability::Safe];

fn marked(error: BoxError) -> BoxError {
    UpstreamError::new(error).into()
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = client_rows().await;
    rows.extend([
        Row("a text", "canary".into(), Cause::Internal, [500, 500], NEVER),
        Row("an unmarked refusal, as of a database", refused(), Cause::Internal, [500, 500], NEVER),
        Row("a marked refusal", marked(refused()), Cause::ConnectionRefused, [502, 502], UNREACHED),
        Row("axum's error around it", axum::Error::new(too_long().await).into(), Cause::ContentTooLarge, [413, 413], NEVER),
        Row("a slow upload", slow_body().await, Cause::RequestTimedOut, [408, 408], IDEMPOTENT_ONLY),
        Row(
            "a slow upload, as axum says",
            axum::Error::new(slow_body().await).into(),
            Cause::RequestTimedOut,
            [408, 408],
            IDEMPOTENT_ONLY,
        ),
        Row("an upstream's slow body", marked(slow_body().await), Cause::ResponseTimedOut, [504, 504], IDEMPOTENT_ONLY),
        Row("a balancer that finds nobody", undiscovered().await, Cause::DestinationUnavailable, [503, 503], UNREACHED),
        Row("a limited body", too_long().await, Cause::ContentTooLarge, [413, 413], NEVER),
        Row("an upstream's body, too long", marked(too_long().await), Cause::UpstreamFailed, [502, 502], IDEMPOTENT_ONLY),
        Row("a timeout", elapsed().await, Cause::TimedOut, [503, 504], IDEMPOTENT_ONLY),
        Row("a timeout, marked", marked(elapsed().await), Cause::ResponseTimedOut, [504, 504], IDEMPOTENT_ONLY),
        Row("load shed", overloaded().await, Cause::Overloaded, [503, 503], SAFE),
        Row("a buffered load shed", buffered(overloaded().await).await, Cause::Overloaded, [503, 503], SAFE),
        Row("an upstream's load shed", marked(overloaded().await), Cause::UpstreamFailed, [502, 502], IDEMPOTENT_ONLY),
        Row("an upstream's closed buffer", marked(buffer_closed().await), Cause::UpstreamFailed, [502, 502], IDEMPOTENT_ONLY),
        Row("a closed buffer", buffer_closed().await, Cause::Unavailable, [503, 503], IDEMPOTENT_ONLY),
        Row("a buffered error", buffered("canary".into()).await, Cause::Internal, [500, 500], NEVER),
        Row("a buffered refusal", buffered(marked(refused())).await, Cause::ConnectionRefused, [502, 502], UNREACHED),
    ]);
    rows
}

/// What hyper-util's client says, which nobody has to mark.
async fn client_rows() -> Vec<Row> {
    let closed = ClosedPort::reserve();
    let there = |address: SocketAddr| format!("http://{address}/");
    let broken_upload = || {
        upload(StreamBody::new(futures_util::stream::iter([Err::<http_body::Frame<Bytes>, _>(io::Error::from(
            io::ErrorKind::ConnectionReset,
        ))])))
    };
    let long_upload = upload(Limited::new(
        StreamBody::new(futures_util::stream::iter([Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(b"1234")))])),
        3,
    ));
    vec![
        Row(
            "client, refused",
            client_error(there(closed.address), nothing()).await,
            Cause::ConnectionRefused,
            [502, 502],
            UNREACHED,
        ),
        Row("client, no such name", resolver_error(io::ErrorKind::NotFound).await, Cause::DnsError, [502, 502], UNREACHED),
        Row(
            "client, no name server",
            resolver_error(io::ErrorKind::ConnectionRefused).await,
            Cause::DnsError,
            [502, 502],
            UNREACHED,
        ),
        Row("client, late name server", resolver_error(io::ErrorKind::TimedOut).await, Cause::DnsTimedOut, [504, 504], UNREACHED),
        Row(
            "client, closed before the head",
            client_error(there(peer_that_says(b"").await), nothing()).await,
            Cause::ResponseIncomplete,
            [502, 502],
            IDEMPOTENT_ONLY,
        ),
        Row(
            "client, garbage",
            client_error(there(peer_that_says(b"SMTP ready\r\n\r\n").await), nothing()).await,
            Cause::ProtocolError,
            [502, 502],
            IDEMPOTENT_ONLY,
        ),
        Row(
            "client, a request of ours that is none",
            client_error("/".into(), nothing()).await,
            Cause::Internal,
            [500, 500],
            NEVER,
        ),
        Row(
            "client, an upload that broke",
            client_error(there(peer_that_says(b"").await), broken_upload()).await,
            Cause::Internal,
            [500, 500],
            NEVER,
        ),
        Row(
            "client, an upload that is too long",
            client_error(there(peer_that_says(b"").await), long_upload).await,
            Cause::ContentTooLarge,
            [413, 413],
            NEVER,
        ),
    ]
}

#[tokio::test]
async fn every_error_has_one_answer_in_each_role() {
    for (at, role) in [Role::Origin, Role::Gateway].into_iter().enumerate() {
        let layer = ErrorMappingLayer::new().role(role).retry_after(Duration::from_secs(7));
        for Row(name, error, cause, statuses, retries) in rows().await {
            let retry = retries[at];
            let shown = format!("{name}, {role:?}: {error:?}");
            let answer = answer(&layer, failing(error), empty(get("/"))).await;
            assert_eq!(answer.cause, Some(cause), "{shown}");
            assert_eq!(answer.status, statuses[at], "{shown}");
            assert_eq!(answer.retryability, Some(retry), "{shown}");
            assert_eq!(answer.header("retry-after"), (statuses[at] == 503).then_some("7"), "{shown}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown}");
            let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(document["status"], statuses[at], "{shown}");
            let phrase = if statuses[at] == 413 { "Content Too Large" } else { answer.status.canonical_reason().unwrap() };
            assert_eq!(document["title"], phrase, "{shown}");
            assert_eq!(document["retry"], retry.as_str(), "{shown}");
        }
    }
}

#[tokio::test]
async fn the_text_tells_whether_to_try_again() {
    let layer = ErrorMappingLayer::new();
    let text = |error: BoxError| async { answer(&layer, failing(error), empty(get("/"))).await.problem.unwrap().to_string() };
    assert!(text("x".into()).await.contains("Do not send the same data again."));
    assert!(text(UpstreamError::new("x").into()).await.contains("Trying again may work, if repeating the request does no harm."));
    let unreached = text(UpstreamError::new(refused()).into()).await;
    assert!(unreached.ends_with("Trying again may work, if repeating the request does no harm."), "{unreached}");
    assert!(!unreached.contains("nothing was carried out"), "{unreached}");
    let gateway = ErrorMappingLayer::new().role(Role::Gateway);
    let unforwarded =
        answer(&gateway, failing(UpstreamError::new(refused())), empty(get("/"))).await.problem.unwrap().to_string();
    assert!(unforwarded.ends_with("so nothing was carried out. Trying again may work."), "{unforwarded}");
}

#[tokio::test]
async fn an_own_mapping_comes_first_wherever_its_error_is() {
    let layer = ErrorMappingLayer::new()
        .map::<io::Error>(|error| Problem::new(StatusCode::CONFLICT).with_detail(format!("{:?}", error.kind())))
        .map::<io::Error>(|_| Problem::new(StatusCode::GONE));
    let answer = answer(&layer, failing(UpstreamError::new(refused())), empty(get("/"))).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.problem.unwrap().detail(), Some("ConnectionRefused"));
    assert_eq!(answer.cause, None);
}

#[tokio::test]
async fn a_problem_may_be_the_error() {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY).with_retry_after(Duration::MAX);
    let answer = answer(&ErrorMappingLayer::new(), failing(problem.clone()), empty(get("/"))).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("retry-after"), Some("18446744073709551615"));
    assert_eq!(answer.problem, Some(problem));
}

#[tokio::test]
async fn a_problem_that_calls_itself_a_success_is_a_500() {
    for status in [StatusCode::CONTINUE, StatusCode::OK, StatusCode::NOT_MODIFIED] {
        let answer = answer(&ErrorMappingLayer::new(), failing(Problem::new(status)), empty(get("/"))).await;
        assert_eq!(answer.status, 500, "{status}");
    }
}

#[tokio::test]
async fn an_error_that_cannot_be_is_no_trouble() {
    let inner = service_fn(|_: super::Asked| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))) });
    let answer = answer(&ErrorMappingLayer::new(), inner, empty(get("/"))).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "ok"));
    assert_eq!((answer.cause, answer.problem, answer.retryability), (None, None, None));
}

#[tokio::test]
async fn a_fallback_answers_what_nobody_knows_and_nothing_else() {
    let layer = ErrorMappingLayer::new().map::<io::Error>(|_| Problem::new(StatusCode::CONFLICT)).fallback(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR).with_type("urn:x:bug").with_member("known", error.is::<fmt::Error>())
    });
    let status_and_type = async |error: BoxError| {
        let problem = answer(&layer, failing(error), empty(get("/"))).await.problem.unwrap();
        (problem.status().as_u16(), problem.type_uri().to_owned())
    };
    assert_eq!(status_and_type(fmt::Error.into()).await, (500, "urn:x:bug".into()));
    assert_eq!(status_and_type("text".into()).await, (500, "urn:x:bug".into()));
    assert_eq!(status_and_type(refused()).await, (409, "about:blank".into()));
    assert_eq!(status_and_type(overloaded().await).await, (503, "about:blank".into()));
    assert_eq!(status_and_type(UpstreamError::new("text").into()).await, (502, "about:blank".into()));
    let panicking = service_fn(|_: super::Asked| async { panic!("canary") as Result<Response<Full<Bytes>>, BoxError> });
    assert_eq!(answer(&layer, panicking, empty(get("/"))).await.cause, Some(Cause::Panic));
}

/// A limit that a handler meets half way is none before its beginning.
#[tokio::test]
async fn a_limit_within_a_handler_of_an_origin_is_not_called_safe() {
    for (role, cause, advice) in
        [(Role::Origin, Cause::Unavailable, Retryability::IdempotentOnly), (Role::Gateway, Cause::Overloaded, Retryability::Safe)]
    {
        let handlers = axum::Error::new(overloaded().await);
        let answer = answer(&ErrorMappingLayer::new().role(role), failing(handlers), empty(get("/"))).await;
        assert_eq!((answer.status.as_u16(), answer.cause, answer.retryability), (503, Some(cause), Some(advice)), "{role:?}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{role:?}");
    }
}
