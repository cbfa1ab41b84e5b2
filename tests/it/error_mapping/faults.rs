//! Upstreams that fail in every way, over raw sockets, asked by the clients that people use: one named test for each cell.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use donjon::{
    Retryability,
    error_mapping::{BodyError, Cause, CircuitBreakerLayer, CircuitState, ErrorMappingLayer, ProxyStatus, Role, UpstreamError},
};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Answer, Asked, answer, failing};
use crate::support::{empty, get};

/// What is wrong with the upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Refuses,
    HasNoAddress,
    IsNotReached,
    ResetsWhenAccepting,
    ClosesBeforeTheHead,
    ResetsAfterTheRequest,
    NeverAnswers,
    /// Says this and closes.
    Says(&'static [u8]),
    SendsALongHead,
    ResetsInTheBody,
}

pub(super) const SHORT: Fault = Fault::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
const BAD_CHUNK: Fault = Fault::Says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n");

/// Long enough for a loopback, short enough to be waited for.
const PATIENCE: Duration = Duration::from_millis(400);

/// No cell takes so long that ends at all.
const ENDED: Duration = Duration::from_secs(60);

/// One upstream, good for one request.
pub(super) struct Upstream {
    fault: Fault,
    address: SocketAddr,
    head_was_read: Arc<Notify>,
    /// What keeps the queue of a listener full.
    _waiting: Vec<TcpStream>,
    _listener: Option<TcpListener>,
}

impl Upstream {
    pub(super) async fn start(fault: Fault) -> Self {
        let head_was_read = Arc::new(Notify::new());
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut waiting, mut kept) = (Vec::new(), None);
        match fault {
            Fault::Refuses | Fault::HasNoAddress => drop(listener),
            Fault::IsNotReached => {
                while let Ok(connected) = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
                    waiting.push(connected.unwrap());
                }
                kept = Some(listener);
            }
            _ => {
                let head_was_read = Arc::clone(&head_was_read);
                // A client may try an idempotent request again by itself.
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let _ = misbehave(stream, fault, &head_was_read).await;
                    }
                });
            }
        }
        Self { fault, address, head_was_read, _waiting: waiting, _listener: kept }
    }

    pub(super) fn uri(&self) -> String {
        match self.fault {
            Fault::HasNoAddress => "http://nowhere.invalid/".into(),
            _ => format!("http://{}/", self.address),
        }
    }
}

async fn misbehave(mut stream: TcpStream, fault: Fault, head_was_read: &Notify) -> io::Result<()> {
    if fault != Fault::ResetsWhenAccepting {
        read_head(&mut stream).await?;
    }
    match fault {
        Fault::Says(answer) => stream.write_all(answer).await,
        Fault::SendsALongHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            for field in 0..600 {
                stream.write_all(format!("x-{field}: {}\r\n", "a".repeat(1_000)).as_bytes()).await?;
            }
            stream.write_all(b"\r\n").await
        }
        Fault::ResetsWhenAccepting | Fault::ResetsAfterTheRequest => stream.set_zero_linger(),
        Fault::ResetsInTheBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await?;
            // A reset takes with it what was not read yet.
            head_was_read.notified().await;
            stream.set_zero_linger()
        }
        Fault::NeverAnswers => stream.read_to_end(&mut Vec::new()).await.map(drop),
        _ => Ok(()),
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(())
}

type Body = UnsyncBoxBody<Bytes, BoxError>;
type Forwarded = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

fn by_hyper_util(upstream: &Upstream) -> Forwarded {
    let request = empty(get(&upstream.uri()));
    if upstream.fault == Fault::HasNoAddress {
        let resolver = service_fn(|_| async { Err::<std::vec::IntoIter<SocketAddr>, _>(io::Error::other("no such name")) });
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new_with_resolver(resolver));
        return Box::pin(async move { Ok(client.request(request).await?.map(|body| body.map_err(Into::into).boxed_unsync())) });
    }
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(PATIENCE));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let impatient = upstream.fault == Fault::NeverAnswers;
    Box::pin(async move {
        let response = if impatient {
            // Whose timeout it is, a timeout does not say.
            ServiceBuilder::new().timeout(PATIENCE).service(client).oneshot(request).await.map_err(UpstreamError::new)?
        } else {
            client.request(request).await?
        };
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    })
}

#[cfg(feature = "error-mapping-reqwest")]
fn by_reqwest(upstream: &Upstream) -> Forwarded {
    struct Nowhere;
    impl reqwest::dns::Resolve for Nowhere {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(async { Err("no such name".into()) })
        }
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Nowhere)
        .connect_timeout(PATIENCE);
    let client = if upstream.fault == Fault::NeverAnswers { client.read_timeout(PATIENCE) } else { client };
    let request = client.build().unwrap().get(upstream.uri());
    Box::pin(async move {
        let response = http::Response::<reqwest::Body>::from(request.send().await?);
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    })
}

pub(super) fn gateway() -> ErrorMappingLayer {
    ErrorMappingLayer::new().role(Role::Gateway).proxy_status(ProxyStatus::new("gw").unwrap())
}

/// Through a gateway that reads the whole response before it answers.
async fn buffered(client: fn(&Upstream) -> Forwarded, fault: Fault) -> Answer {
    let upstream = Upstream::start(fault).await;
    let forward = service_fn(|_: Asked| {
        let (response, head_was_read) = (client(&upstream), Arc::clone(&upstream.head_was_read));
        async move {
            let (parts, body) = response.await?.into_parts();
            head_was_read.notify_one();
            // hyper says the same of any peer: of a body that has left its client's hands it has to be said whose it was.
            let body = body.collect().await.map_err(UpstreamError::new)?.to_bytes();
            Ok::<_, BoxError>(Response::from_parts(parts, Full::new(body)))
        }
    });
    tokio::time::timeout(ENDED, answer(&gateway(), forward, empty(get("/")))).await.expect("it ends")
}

/// Through a gateway that hands on what it gets: the status is sent by then, and what is left to say is said of the body, and to the circuit.
async fn streamed(client: fn(&Upstream) -> Forwarded, fault: Fault) -> (u16, BodyError) {
    let upstream = Upstream::start(fault).await;
    let forward = service_fn(|_: Asked| client(&upstream));
    let circuit = CircuitBreakerLayer::new().open_after(1, 1);
    let response = gateway().layer(circuit.layer(forward)).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!(circuit.state(), CircuitState::Closed, "at the head");
    upstream.head_was_read.notify_one();
    let (parts, body) = response.into_parts();
    let collected = tokio::time::timeout(ENDED, body.collect()).await.expect("it ends");
    assert_eq!(circuit.state(), CircuitState::Open, "at the cut");
    (parts.status.as_u16(), collected.expect_err("never a clean end"))
}

#[track_caller]
fn assert_cell(answer: &Answer, (status, cause, token): (u16, Cause, &str)) {
    assert_eq!((answer.status.as_u16(), answer.cause), (status, Some(cause)), "{answer:?}");
    assert_eq!(answer.header("proxy-status"), Some(format!("gw; error={token}").as_str()));
    let unsent = [Cause::ConnectionRefused, Cause::DnsError, Cause::ConnectionTimedOut].contains(&cause);
    let retryability = if unsent { Retryability::Safe } else { Retryability::IdempotentOnly };
    assert_eq!(answer.retryability, Some(retryability));
}

/// `name: what is wrong => what is answered;`, for each client.
macro_rules! cells {
    ($($name:ident: $fault:expr => $status:literal, $cause:ident, $token:literal;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn hyper_util() {
                assert_cell(&buffered(by_hyper_util, $fault).await, ($status, Cause::$cause, $token));
            }

            #[cfg(feature = "error-mapping-reqwest")]
            #[tokio::test]
            async fn reqwest() {
                assert_cell(&buffered(by_reqwest, $fault).await, ($status, Cause::$cause, $token));
            }
        }
    )*};
}

cells! {
    connection_refused: Fault::Refuses => 502, ConnectionRefused, "connection_refused";
    no_such_name: Fault::HasNoAddress => 502, DnsError, "dns_error";
    connection_timeout: Fault::IsNotReached => 504, ConnectionTimedOut, "connection_timeout";
    closed_before_the_head: Fault::ClosesBeforeTheHead => 502, ResponseIncomplete, "http_response_incomplete";
    reset_after_the_request: Fault::ResetsAfterTheRequest => 502, ConnectionTerminated, "connection_terminated";
    no_answer_in_time: Fault::NeverAnswers => 504, ResponseTimedOut, "http_response_timeout";
    garbage: Fault::Says(b"220 mail.example ESMTP\r\n\r\n") => 502, ProtocolError, "http_protocol_error";
    status_099: Fault::Says(b"HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n") => 502, ProtocolError, "http_protocol_error";
    duplicate_content_length: Fault::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")
        => 502, ProtocolError, "http_protocol_error";
    http_2_preface: Fault::Says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") => 502, ProtocolError, "http_protocol_error";
    header_of_600_kilobytes: Fault::SendsALongHead => 502, HeaderSectionTooLarge, "http_response_header_section_size";
    short_body: SHORT => 502, ResponseIncomplete, "http_response_incomplete";
    reset_in_the_body: Fault::ResetsInTheBody => 502, ConnectionTerminated, "connection_terminated";
    bad_chunk: BAD_CHUNK => 502, TransferCoding, "http_response_transfer_coding";
}

/// Whether the reset or the request comes first is for the kernel to say; to the upstream it is the same.
async fn reset_at_accept(client: fn(&Upstream) -> Forwarded) {
    let answer = buffered(client, Fault::ResetsWhenAccepting).await;
    let told = answer.header("proxy-status");
    assert_eq!((answer.status.as_u16(), told), (502, Some("gw; error=connection_terminated")), "{answer:?}");
    let unbegun = answer.cause == Some(Cause::Unprocessed);
    assert!(unbegun || answer.cause == Some(Cause::ConnectionTerminated), "{answer:?}");
    assert_eq!(answer.retryability, Some(if unbegun { Retryability::Safe } else { Retryability::IdempotentOnly }));
}

#[tokio::test]
async fn reset_at_accept_by_hyper_util() {
    reset_at_accept(by_hyper_util).await;
}

#[cfg(feature = "error-mapping-reqwest")]
#[tokio::test]
async fn reset_at_accept_by_reqwest() {
    reset_at_accept(by_reqwest).await;
}

/// A name with a label of more than 63 octets has no address ([RFC 1035 §2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)): the
/// system's own resolver says so without asking anybody.
fn unspeakable() -> String {
    format!("http://{}.invalid/", "a".repeat(64))
}

fn assert_no_such_name(answer: &Answer) {
    assert_cell(answer, (502, Cause::DnsError, "dns_error"));
}

#[tokio::test]
async fn no_such_name_by_hyper_utils_own_resolver() {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let forward = service_fn(|_: Asked| client.request(empty(get(&unspeakable()))));
    assert_no_such_name(&answer(&gateway(), forward, empty(get("/"))).await);
}

#[cfg(feature = "error-mapping-reqwest")]
#[tokio::test]
async fn no_such_name_by_reqwests_own_resolver() {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let forward = service_fn(|_: Asked| {
        let sent = client.get(unspeakable()).send();
        async move { Ok::<_, reqwest::Error>(http::Response::<reqwest::Body>::from(sent.await?)) }
    });
    assert_no_such_name(&answer(&gateway(), forward, empty(get("/"))).await);
}

macro_rules! cut_bodies {
    ($($name:ident: $fault:expr => $cause:ident;)*) => {
        mod handed_on {
            use super::*;
            $(mod $name {
                use super::*;

                #[tokio::test]
                async fn hyper_util() {
                    let (status, error) = streamed(by_hyper_util, $fault).await;
                    assert_eq!((status, error.cause()), (200, Cause::$cause), "{error:?}");
                }

                #[cfg(feature = "error-mapping-reqwest")]
                #[tokio::test]
                async fn reqwest() {
                    let (status, error) = streamed(by_reqwest, $fault).await;
                    assert_eq!((status, error.cause()), (200, Cause::$cause), "{error:?}");
                }
            })*
        }
    };
}

cut_bodies! {
    short_body: SHORT => ResponseIncomplete;
    reset_in_the_body: Fault::ResetsInTheBody => ConnectionTerminated;
    bad_chunk: BAD_CHUNK => TransferCoding;
}

/// The very errors of an upstream, from a disk or a database: in neither role are they another's fault.
#[tokio::test]
async fn errors_of_a_disk_and_of_a_database_are_500() {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidInput, NotFound,
        PermissionDenied, StorageFull, TimedOut, UnexpectedEof,
    };
    for kind in [
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        InvalidInput,
        NotFound,
        PermissionDenied,
        StorageFull,
        TimedOut,
        UnexpectedEof,
    ] {
        for (role, told) in [(Role::Origin, None), (Role::Gateway, Some("gw; error=proxy_internal_error"))] {
            let answer = answer(&gateway().role(role), failing(io::Error::from(kind)), empty(get("/"))).await;
            assert_eq!((answer.status.as_u16(), answer.cause), (500, Some(Cause::Internal)), "{kind:?} {role:?}");
            assert_eq!(answer.retryability, Some(Retryability::Never), "{kind:?} {role:?}");
            assert_eq!(answer.header("proxy-status"), told, "{kind:?} {role:?}");
        }
    }
}

/// hyper's own error of a body that was cut.
pub(super) async fn hyper_error() -> hyper::Error {
    let upstream = Upstream::start(SHORT).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.request(empty(get(&upstream.uri()))).await.unwrap();
    response.into_body().collect().await.unwrap_err()
}

/// Nor does hyper's error say of itself whose connection it was: a handler may have read its own client's upload, or have asked anybody.
#[tokio::test]
async fn an_error_of_hyper_that_nobody_has_marked_is_500() {
    for role in [Role::Origin, Role::Gateway] {
        let answer = answer(&gateway().role(role), failing(hyper_error().await), empty(get("/"))).await;
        assert_eq!((answer.status.as_u16(), answer.cause), (500, Some(Cause::Internal)), "{role:?}");
        assert_eq!(answer.retryability, Some(Retryability::Never), "{role:?}");
    }
    let error: BoxError = hyper_error().await.into();
    let mut body = Some(StreamBody::new(futures_util::stream::iter([Err::<Frame<Bytes>, _>(error)])));
    let origin = service_fn(move |_: Asked| std::future::ready(Ok::<_, BoxError>(Response::new(body.take().unwrap()))));
    let response = gateway().role(Role::Origin).layer(origin).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap_err().cause(), Cause::Internal, "in an origin's body");
}
