//! A response that breaks off after its head was sent, as curl sees it, and the log.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    process::Command,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use donjon::error_mapping::{Cause, ErrorMappingLayer, Role};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use tower_http::timeout::TimeoutBody;

/// What comes after the first chunk.
#[derive(Clone, Copy, Debug)]
enum End {
    Panic,
    Error,
    Clean,
}

struct Breaking {
    polls: u8,
    end: End,
    length: Option<u64>,
}

impl Body for Breaking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polls += 1;
        match (self.polls, self.end) {
            (1, _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun"))))),
            // Time for the server to send what it has.
            (2, _) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, End::Panic) => panic!("canary in a body"),
            (_, End::Error) => Poll::Ready(Some(Err("canary in an error".into()))),
            (_, End::Clean) => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// A server of one thread, which a panic that got out of a connection's task would not end, but which one in its loop would.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inner = service_fn(|request: Request<Incoming>| async move {
        let end = match request.uri().path() {
            "/panic" | "/panic-of-known-length" => End::Panic,
            "/error" | "/error-of-known-length" => End::Error,
            _ => End::Clean,
        };
        let length = request.uri().path().ends_with("-of-known-length").then_some(10);
        Ok::<_, Infallible>(Response::new(Breaking { polls: 0, end, length }))
    });
    let service = ErrorMappingLayer::new().layer(inner);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // In the accepting task itself: it would not survive a panic.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone())).await;
        }
    });
    address
}

/// curl's exit code, and what it wrote.
async fn curl(address: SocketAddr, path: &str) -> (i32, String) {
    let url = format!("http://{address}{path}");
    let asked = tokio::task::spawn_blocking(move || {
        Command::new("curl").args(["-q", "--noproxy", "*", "--silent", "--max-time", "10", &url]).output()
    });
    let output = asked.await.unwrap().expect("these tests need curl");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn curl_sees_a_partial_file_and_the_server_goes_on() {
    let address = server().await;
    for path in ["/panic", "/error", "/panic-of-known-length", "/error-of-known-length"] {
        assert_eq!(curl(address, path).await, (18, "begun".into()), "{path}");
        assert_eq!(curl(address, "/clean").await, (0, "begun".into()), "after {path}");
    }
}

/// Without the layer a service's error reaches hyper, which answers nothing: 52. With it there is an answer.
#[tokio::test]
async fn curl_never_sees_an_empty_reply() {
    for (mapped, expected) in [(false, 52), (true, 0)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let failing =
                service_fn(|_: Request<Incoming>| async { Err::<Response<Breaking>, _>(std::io::Error::other("canary")) });
            let http = http1::Builder::new();
            let _ = match mapped {
                false => http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(failing)).await,
                true => {
                    let service = TowerToHyperService::new(ErrorMappingLayer::new().layer(failing));
                    http.serve_connection(TokioIo::new(stream), service).await
                }
            };
        });
        let (code, content) = curl(address, "/").await;
        assert_eq!((code, content.contains("\"status\":500")), (expected, mapped));
    }
}

/// The types are the same for every body. Of a response neither says anything of the client.
#[tokio::test]
async fn a_response_that_passes_a_bound_is_not_the_clients_fault() {
    type Content = UnsyncBoxBody<Bytes, BoxError>;
    fn slow() -> Content {
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
        TimeoutBody::new(Duration::ZERO, silent).boxed_unsync()
    }
    fn long() -> Content {
        Limited::new(Full::from("1234"), 3).boxed_unsync()
    }
    for (name, body, origin, gateway) in [
        ("slow", slow as fn() -> Content, Cause::TimedOut, Cause::ResponseTimedOut),
        ("long", long, Cause::Internal, Cause::UpstreamFailed),
    ] {
        for (role, cause) in [(Role::Origin, origin), (Role::Gateway, gateway)] {
            let inner = service_fn(|_: Request<Empty<Bytes>>| async { Ok::<_, Infallible>(Response::new(body())) });
            let service = ErrorMappingLayer::new().role(role).layer(inner);
            let response = service.oneshot(Request::new(Empty::new())).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap_err().cause(), cause, "{name} {role:?}");
        }
    }
}

#[cfg(feature = "tracing")]
mod logged {
    use super::*;
    use crate::{
        error_mapping::secrets::logged::log_of,
        support::{empty, get},
    };

    /// Of a stack of layers only one tells it, and nothing else does.
    #[tokio::test]
    async fn a_cut_is_told_once() {
        for (end, told) in [(End::Panic, 1), (End::Error, 1), (End::Clean, 0)] {
            let log = log_of(async move {
                let inner = service_fn(move |_: crate::error_mapping::Asked| async move {
                    Ok::<_, Infallible>(Response::new(Breaking { polls: 0, end, length: None }))
                });
                let layer = ErrorMappingLayer::new();
                let response = layer.layer(layer.layer(inner)).oneshot(empty(get("/"))).await.unwrap();
                assert_eq!(response.into_body().collect().await.is_err(), told == 1, "{end:?}");
            })
            .await;
            assert_eq!(log.matches("ERROR").count(), told, "{end:?}: {log}");
        }
    }
}
