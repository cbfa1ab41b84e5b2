//! What HTTP/2 and TLS let an upstream say that HTTP/1.1 over TCP cannot.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use donjon::{
    Retryability,
    error_mapping::{Cause, GatewayRetryPolicy, ReplayBody},
};
use http::{Method, Request, Uri};
use http_body_util::{Empty, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Answer, answer, failing, faults::gateway};
use crate::support::{empty, get};

/// A frame of HTTP/2 ([RFC 9113 §4.1](https://www.rfc-editor.org/rfc/rfc9113#section-4.1)).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn reset(reason: u32) -> Vec<u8> {
    frame(3, 0, 1, &reason.to_be_bytes())
}

/// A `GOAWAY` that names the last stream that was processed.
fn goaway(last: u32, reason: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// `:status: 200`, from HPACK's static table.
fn head() -> Vec<u8> {
    frame(1, 4, 1, &[0x88])
}

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

/// Speaks HTTP/2 until a request has come, says this and closes.
async fn speaking(says: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = speak(stream, &says).await;
        }
    });
    address
}

async fn speak(mut stream: TcpStream, says: &[u8]) -> io::Result<()> {
    stream.write_all(&frame(4, 0, 0, &[])).await?;
    stream.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await?;
        match head[3] {
            1 => break,
            4 if head[4] == 0 => stream.write_all(&frame(4, 1, 0, &[])).await?,
            _ => {}
        }
    }
    stream.write_all(says).await?;
    stream.shutdown().await?;
    // Closing with something unread would be a reset.
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

async fn over_http2(says: Vec<u8>) -> Answer {
    let uri = format!("http://{}/", speaking(says).await);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    match client.request(empty(get(&uri))).await {
        Err(error) => answer(&gateway(), failing(error), empty(get("/"))).await,
        Ok(response) => {
            // As a gateway does that reads the whole response before it answers.
            let error = http_body_util::BodyExt::collect(response.into_body()).await.unwrap_err();
            answer(&gateway(), failing(donjon::error_mapping::UpstreamError::new(error)), empty(get("/"))).await
        }
    }
}

#[track_caller]
fn assert_told(name: &str, answer: &Answer, cause: Cause, retryability: Retryability, error: &str) {
    assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(cause)), "{name}: {answer:?}");
    assert_eq!(answer.retryability, Some(retryability), "{name}");
    assert_eq!(answer.header("proxy-status"), Some(format!("gw; error={error}").as_str()), "{name}");
}

#[tokio::test]
async fn what_http2_says_was_not_processed_may_be_sent_again() {
    use Retryability::{IdempotentOnly, Safe};
    for (name, says, cause, retryability, error) in [
        ("refused stream", reset(REFUSED_STREAM), Cause::Unprocessed, Safe, "connection_terminated"),
        ("left out by a goaway", goaway(0, 0), Cause::Unprocessed, Safe, "connection_terminated"),
        ("left out by an angry goaway", goaway(0, INTERNAL_ERROR), Cause::Unprocessed, Safe, "connection_terminated"),
        ("reset", reset(INTERNAL_ERROR), Cause::ResponseIncomplete, IdempotentOnly, "http_response_incomplete"),
        ("no frame", frame(0, 0, 0, b"x"), Cause::ProtocolError, IdempotentOnly, "http_protocol_error"),
        (
            "refused after its head",
            [head(), reset(REFUSED_STREAM)].concat(),
            Cause::ResponseIncomplete,
            IdempotentOnly,
            "http_response_incomplete",
        ),
    ] {
        assert_told(name, &over_http2(says).await, cause, retryability, error);
    }
}

#[tokio::test]
async fn a_stream_that_a_goaway_lets_in_is_not_unprocessed() {
    for reason in [0, INTERNAL_ERROR] {
        let answer = over_http2(goaway(1, reason)).await;
        assert_eq!((answer.status.as_u16(), answer.retryability), (502, Some(Retryability::IdempotentOnly)), "{answer:?}");
    }
}

/// To the client of a stream a reason says how far this server came with it: `REFUSED_STREAM` that it did nothing.
#[tokio::test]
async fn what_an_upstream_says_of_its_stream_is_not_said_of_ours() {
    use hyper_util::service::TowerToHyperService;

    const HTTP_1_1_REQUIRED: u32 = 13;
    for reason in [REFUSED_STREAM, HTTP_1_1_REQUIRED] {
        let says = [head(), frame(0, 0, 1, b"abc"), reset(reason)].concat();
        let uri = format!("http://{}/", speaking(says).await);
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
        let forward = service_fn(move |_: Request<hyper::body::Incoming>| client.request(empty(get(&uri))));
        let service = TowerToHyperService::new(gateway().layer(forward));
        let (near, far) = tokio::io::duplex(4096);
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(http.serve_connection(TokioIo::new(far), service));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let post = Request::post("http://a/").body(Full::<Bytes>::from("x")).unwrap();
        // The reset may be there before the head is read.
        let whole = async { http_body_util::BodyExt::collect(sender.send_request(post).await?.into_body()).await };
        let cut = whole.await.unwrap_err();
        let told = std::error::Error::source(&cut).and_then(|source| source.downcast_ref::<h2::Error>()).unwrap();
        assert_eq!(told.reason(), Some(h2::Reason::INTERNAL_ERROR), "{reason}");
    }
}

/// How often a POST is sent to an upstream that answers so.
async fn posts(says: Vec<u8>) -> usize {
    let uri: Uri = format!("http://{}/", speaking(says).await).parse().unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<ReplayBody<Full<Bytes>>>();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let counting = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        client.request(request)
    });
    let policy = GatewayRetryPolicy::new().budget(100);
    let request = Request::builder().method(Method::POST).uri(uri).body(ReplayBody::new(Full::from("x"), 64)).unwrap();
    let _ = ServiceBuilder::new().retry(policy).service(counting).oneshot(request).await;
    asked.into_inner()
}

#[tokio::test]
async fn a_post_is_sent_again_only_if_its_stream_was_refused() {
    assert_eq!(posts(reset(REFUSED_STREAM)).await, 2);
    assert_eq!(posts(goaway(0, 0)).await, 2);
    assert_eq!(posts(goaway(1, 0)).await, 1);
    assert_eq!(posts(reset(INTERNAL_ERROR)).await, 1);
}

/// Over a connector that fails as those over rustls do.
async fn over_tls(error: rustls::Error) -> Answer {
    let error = std::sync::Arc::new(error);
    let connector = service_fn(move |_: Uri| {
        let error = io::Error::new(io::ErrorKind::InvalidData, (*error).clone());
        std::future::ready(Err::<TokioIo<TcpStream>, BoxError>(error.into()))
    });
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let error = client.request(empty(get("http://a/"))).await.unwrap_err();
    answer(&gateway(), failing(error), empty(get("/"))).await
}

#[tokio::test]
async fn a_tls_handshake_that_fails_says_how() {
    use rustls::{AlertDescription, CertificateError, Error, PeerMisbehaved};
    for (name, error, cause) in [
        ("expired", Error::InvalidCertificate(CertificateError::Expired), Cause::TlsCertificate),
        ("an alert", Error::AlertReceived(AlertDescription::HandshakeFailure), Cause::TlsAlert),
        ("no TLS", Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), Cause::TlsFailed),
        ("nonsense", Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived), Cause::TlsFailed),
    ] {
        assert_told(name, &over_tls(error).await, cause, Retryability::Safe, cause.as_str());
    }
}

/// Over hyper-rustls and real handshakes.
#[cfg(all(feature = "token-auth-remote", feature = "aws-lc-rs"))]
mod handshakes {
    use std::sync::Arc;

    use hyper_rustls::HttpsConnectorBuilder;
    use rustls::{
        ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        version::{TLS12, TLS13},
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../../keys/test-only-tls-certificate.pem");
    const KEY: &[u8] = include_bytes!("../../keys/test-only-tls-private.pem");
    const AUTHORITY: &[u8] = include_bytes!("../../keys/test-only-tls-authority.pem");

    /// An upstream that speaks no TLS but this.
    async fn tls_upstream(version: &'static SupportedProtocolVersion) -> SocketAddr {
        let config =
            ServerConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[version]).unwrap();
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(KEY).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        address
    }

    /// What a client says of it that speaks TLS 1.2 and trusts these.
    async fn ask(address: SocketAddr, trusted: &[u8]) -> Answer {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(trusted).map(Result::unwrap));
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&TLS12]).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
        let error = client.request(empty(get(&format!("https://localhost:{}/", address.port())))).await.unwrap_err();
        answer(&gateway(), failing(error), empty(get("/"))).await
    }

    #[tokio::test]
    async fn a_certificate_of_a_stranger() {
        let answer = ask(tls_upstream(&TLS12).await, b"").await;
        assert_told("stranger", &answer, Cause::TlsCertificate, Retryability::Safe, "tls_certificate_error");
    }

    #[tokio::test]
    async fn an_upstream_that_sends_an_alert() {
        let answer = ask(tls_upstream(&TLS13).await, AUTHORITY).await;
        assert_told("another version", &answer, Cause::TlsAlert, Retryability::Safe, "tls_alert_received");
    }

    #[tokio::test]
    async fn an_upstream_without_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        });
        assert_told("plain", &ask(address, AUTHORITY).await, Cause::TlsFailed, Retryability::Safe, "tls_protocol_error");
    }
}
