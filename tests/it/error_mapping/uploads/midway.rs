//! Uploads that fail once the response is on its way: then all that is left of them is what hyper says of that response.

use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower::Layer as _;

use super::*;

const NEVER: Duration = Duration::from_secs(60);

/// Has read the head of a request, answers it at once, reads what follows, and has no end.
async fn hasty() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n").await.unwrap();
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    });
    format!("http://{address}/")
}

#[cfg(feature = "error-mapping-http2")]
async fn hasty_http2() -> String {
    use futures_util::StreamExt as _;

    http2(|| {
        let begun = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"begun")))]);
        let endless = begun.chain(futures_util::stream::pending());
        std::future::ready(Response::new(BoxBody::new(StreamBody::new(endless))))
    })
    .await
}

async fn hasty_for(sender: Sender) -> String {
    match sender {
        #[cfg(feature = "error-mapping-http2")]
        Sender::HyperUtilOverHttp2 => hasty_http2().await,
        _ => hasty().await,
    }
}

/// An upload that fails when it is told to.
async fn delayed(upload: Upload) -> (oneshot::Sender<()>, Body) {
    use futures_util::StreamExt as _;

    let (fail, told) = oneshot::channel();
    let body = http_body_util::BodyStream::new(body(upload).await);
    let told = futures_util::stream::once(async move {
        let _ = told.await;
        body
    });
    (fail, BoxBody::new(StreamBody::new(told.flatten())))
}

/// How a response ends whose request fails midway, and what becomes of a circuit that one failure opens.
async fn told_midway(sender: Sender, upload: Upload) -> (Cause, CircuitState) {
    let uri = hasty_for(sender).await;
    let (fail, body) = delayed(upload).await;
    let circuit = CircuitBreakerLayer::new().open_after(1, 1);
    let sending = service_fn(move |request: Request<Body>| send(sender, uri.clone(), request.into_body()));
    let service = gateway().layer(circuit.layer(sending));
    let response = service.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = std::pin::pin!(response.into_body());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    fail.send(()).unwrap();
    let cut = tokio::time::timeout(NEVER, body.collect()).await.expect("it ends").expect_err("never a clean end");
    (cut.cause(), circuit.state())
}

#[tokio::test]
async fn an_upload_that_fails_midway_is_not_an_upstreams_fault_either() {
    for sender in ALL.iter().copied() {
        for upload in [Upload::Broken, Upload::TooLong, Upload::TooSlow] {
            let told = told_midway(sender, upload).await;
            assert_eq!(told, (Cause::RequestIncomplete, CircuitState::Closed), "{sender:?} {upload:?}");
        }
    }
}

/// And where the response is read before it is answered, the client has sent no whole request.
#[tokio::test]
async fn nor_is_it_where_the_response_is_said_to_be_an_upstreams() {
    for sender in ALL.iter().copied() {
        let (fail, upload) = delayed(Upload::Broken).await;
        let response = send(sender, hasty_for(sender).await, upload).await.unwrap();
        fail.send(()).unwrap();
        let error = tokio::time::timeout(NEVER, response.into_body().collect()).await.expect("it ends").unwrap_err();
        let answer = answer(&gateway(), failing(donjon::error_mapping::UpstreamError::new(error)), empty(get("/"))).await;
        assert_eq!((answer.status.as_u16(), answer.cause), (400, Some(Cause::RequestIncomplete)), "{sender:?}");
    }
}

/// A client of bare sockets, a gateway, an upstream.
#[tokio::test]
async fn a_client_whose_upload_breaks_midway_opens_no_circuit() {
    for (name, rest, ends) in [("garbage", &b"zz\r\n"[..], false), ("half a chunk, and no more", b"4\r\nha", true)] {
        let upstream = hasty().await;
        let circuit = CircuitBreakerLayer::new().open_after(1, 1);
        let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
        let sending = service_fn(move |mut request: Request<Incoming>| {
            *request.uri_mut() = upstream.parse().unwrap();
            client.request(request)
        });
        let service = TowerToHyperService::new(gateway().layer(circuit.layer(sending)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
        });
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"begun\r\n") {
            received.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(rest).await.unwrap();
        if ends {
            stream.shutdown().await.unwrap();
        }
        let end = tokio::time::timeout(NEVER, stream.read_to_end(&mut received)).await.expect("it ends");
        assert!(end.is_err() || received.ends_with(b"begun\r\n"), "{name}: never a clean end");
        tokio::time::timeout(NEVER, served).await.expect("it ends").unwrap();
        assert_eq!(circuit.state(), CircuitState::Closed, "{name}");
    }
}

/// A client could fill the log with what is said of it louder.
#[cfg(feature = "tracing")]
#[tokio::test]
async fn what_a_client_has_broken_is_told_for_debugging() {
    use crate::error_mapping::secrets::logged::log_of;

    let log = log_of(async { assert_eq!(told_midway(Sender::HyperUtil, Upload::Broken).await.1, CircuitState::Closed) }).await;
    let told = log.lines().filter(|line| line.contains("the body of a response failed")).collect::<Vec<_>>();
    assert!(matches!(told[..], [line] if line.contains("DEBUG") && line.contains("request_incomplete")), "{log}");
}
