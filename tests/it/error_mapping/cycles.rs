//! Errors whose sources have no end, where a library would look for it: on a thread that may be lost, since what goes wrong here never comes back.

use std::{
    convert::Infallible,
    error::Error,
    fmt, io,
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use donjon::error_mapping::{Cause, CircuitBreakerLayer, GatewayRetryPolicy, Role, UpstreamError};
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Asked, answer, failing, faults::gateway};
use crate::support::{empty, get};

#[derive(Debug)]
struct Cycle;

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("again")
    }
}

impl Error for Cycle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

/// What comes of `work` within a time in which anything comes back.
fn in_time<T: Send + 'static, F: Future<Output = T>>(work: impl FnOnce() -> F + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = sender.send(runtime.block_on(work()));
    });
    receiver.recv_timeout(Duration::from_secs(30)).expect("it comes back")
}

/// A connection that says this and then fails for ever.
struct Failing {
    says: &'static [u8],
    asked: bool,
}

impl AsyncRead for Failing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.says.is_empty() {
            return Poll::Ready(Err(io::Error::other(Cycle)));
        }
        buffer.put_slice(self.says);
        self.says = &[];
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Connection for Failing {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

const NOTHING: &[u8] = b"";
const HALF: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";

/// What hyper-util's client says over such a connection.
async fn ask(says: &'static [u8]) -> Result<Response<Incoming>, legacy::Error> {
    let connector =
        service_fn(move |_: Uri| std::future::ready(Ok::<_, Infallible>(TokioIo::new(Failing { says, asked: false }))));
    Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector).request(empty(get("http://a/"))).await
}

/// Whether hyper's own error is there, with the cycle beneath it: what is to be shown.
fn leads_through_hyper(error: &(dyn Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(error), |error| (*error).source()).take(20);
    errors.any(|error| error.is::<hyper::Error>()) && errors.any(|error| error.is::<Cycle>())
}

#[test]
fn before_the_head_by_hyper_util() {
    let answer = in_time(|| async {
        let error = ask(NOTHING).await.unwrap_err();
        assert!(leads_through_hyper(&error), "{error:?}");
        answer(&gateway(), failing(error), empty(get("/"))).await
    });
    assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::UpstreamFailed)));
}

#[test]
fn in_the_body_by_hyper_util() {
    let cause = in_time(|| async {
        let service = gateway().layer(service_fn(|_: Asked| ask(HALF)));
        let response = service.oneshot(empty(get("/"))).await.unwrap();
        response.into_body().collect().await.unwrap_err().cause()
    });
    assert_eq!(cause, Cause::UpstreamFailed);
}

/// What is not told apart is not looked into, either: neither by who asks again nor by who leaves an upstream alone.
#[test]
fn beneath_a_retry_and_a_circuit_breaker() {
    let failed = in_time(|| async {
        let service = ServiceBuilder::new()
            .retry(GatewayRetryPolicy::new())
            .layer(CircuitBreakerLayer::new())
            .service(service_fn(|_: Request<Empty<Bytes>>| ask(NOTHING)));
        service.oneshot(Request::post("/").body(Empty::new()).unwrap()).await.is_err()
    });
    assert!(failed);
}

#[test]
fn beneath_a_body_that_was_read_whole() {
    let answer = in_time(|| async {
        let error = ask(HALF).await.unwrap().into_body().collect().await.unwrap_err();
        assert!(leads_through_hyper(&error), "{error:?}");
        answer(&gateway(), failing(UpstreamError::new(error)), empty(get("/"))).await
    });
    assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::UpstreamFailed)));
}

#[cfg(feature = "error-mapping-reqwest")]
mod by_reqwest {
    use super::*;

    /// Its connector fails before there is a connection.
    #[test]
    fn before_the_head() {
        let answer = in_time(|| async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connector_layer(tower::util::MapErrLayer::new(|_: BoxError| -> BoxError { Cycle.into() }))
                .build()
                .unwrap();
            let error = client.get("http://127.0.0.1:1/").send().await.unwrap_err();
            answer(&gateway(), failing(error), empty(get("/"))).await
        });
        assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::ConnectionFailed)));
    }

    #[test]
    fn in_the_body() {
        let answer = in_time(|| async {
            let response = reqwest::Response::from(ask(HALF).await.unwrap().map(reqwest::Body::wrap));
            let error = response.bytes().await.unwrap_err();
            assert!(leads_through_hyper(&error), "{error:?}");
            answer(&gateway(), failing(error), empty(get("/"))).await
        });
        assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::UpstreamFailed)));
    }

    #[test]
    fn in_a_body_that_is_handed_on() {
        let cause = in_time(|| async {
            let forward = service_fn(|_: Asked| async {
                let response = reqwest::Response::from(ask(HALF).await?.map(reqwest::Body::wrap));
                Ok::<_, BoxError>(Response::<reqwest::Body>::from(response))
            });
            let response = gateway().layer(forward).oneshot(empty(get("/"))).await.unwrap();
            response.into_body().collect().await.unwrap_err().cause()
        });
        assert_eq!(cause, Cause::UpstreamFailed);
    }
}

/// hyper's server looks for a reason in every error of a body.
#[test]
fn in_a_body_that_is_sent_over_http_2() {
    for role in [Role::Origin, Role::Gateway] {
        let cut = in_time(move || async move {
            let broken = service_fn(|_: Request<Incoming>| async {
                let frames = futures_util::stream::iter([Err::<Frame<Bytes>, BoxError>(Cycle.into())]);
                Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
            });
            let service = TowerToHyperService::new(gateway().role(role).layer(broken));
            let (client, server) = tokio::io::duplex(4096);
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http.serve_connection(TokioIo::new(server), service));
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
            tokio::spawn(connection);
            let response = sender.send_request(empty(get("http://a/"))).await?;
            response.into_body().collect().await.map(drop)
        });
        assert!(cut.is_err(), "{role:?}");
    }
}
