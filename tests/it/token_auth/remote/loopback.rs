//! The client of our own, against servers on this machine: over TCP and over TLS.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::header::LOCATION,
    response::IntoResponse as _,
    routing::get,
};
use donjon::token_auth::{
    ConfigErrorKind, Fetch as _, HttpsClient, JwtVerifier, RemoteErrorKind, RemoteKeys, SigningKey, TokenIssuer,
};
use http::{Request, StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{ask, at_once, settle, token};
use crate::{
    support::ClosedPort,
    token_auth::{AUDIENCE, clock, crypto, issuing::pem},
};

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn client() -> HttpsClient {
    HttpsClient::builder().dangerous_allow_http().crypto(crypto()).build().unwrap()
}

fn request(url: String) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_whole_answer_of_any_status() {
    let url = serve(Router::new().route("/", get(|| async { (StatusCode::IM_A_TEAPOT, "short and stout") }))).await;
    let response = client().fetch(request(url)).await.unwrap();
    assert_eq!((response.status(), &**response.body()), (StatusCode::IM_A_TEAPOT, &b"short and stout"[..]));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let visited = watch::Sender::new(false);
    let mark = visited.clone();
    let app = Router::new()
        .route("/", get(|| async { (StatusCode::FOUND, [(LOCATION, "/elsewhere")]) }))
        .route("/elsewhere", get(move || async move { mark.send_modify(|visited| *visited = true) }));
    let response = client().fetch(request(serve(app).await)).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    settle().await;
    assert!(!*visited.borrow());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = || async {
        let chunk = Bytes::from(vec![b' '; 64 * 1024]);
        Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()))).into_response()
    };
    let url = serve(Router::new().route("/", get(endless))).await;
    assert_eq!(client().fetch(request(url)).await.unwrap_err().kind(), RemoteErrorKind::Oversized);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let closed = ClosedPort::reserve();
    let url = format!("http://{}", closed.address);
    assert_eq!(client().fetch(request(url)).await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
}

#[tokio::test]
async fn http_must_be_allowed() {
    let url = serve(Router::new()).await;
    let strict = HttpsClient::builder().trust_pem(pem("tls-authority")).crypto(crypto()).build().unwrap();
    assert_eq!(strict.fetch(request(url)).await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
}

#[tokio::test]
async fn a_provider_that_hangs_for_a_while_holds_up_nobody_whose_key_is_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let clock = clock();
    let issuer = TokenIssuer::builder(SigningKey::generate_ed25519().unwrap().with_kid("a")).issuer(&*url).audience(AUDIENCE);
    let issuer = issuer.lifetime(Duration::from_secs(3600)).clock(clock.clone()).crypto(crypto()).build().unwrap();
    let metadata = serde_json::json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string();
    let (open, arrived) = (watch::Sender::new(true), watch::Sender::new(0));
    let (jwks, gate, count) = (issuer.jwks(), open.clone(), arrived.clone());
    let app = Router::new().route("/.well-known/openid-configuration", get(|| async { metadata })).route(
        "/jwks",
        get(move || async move {
            count.send_modify(|count| *count += 1);
            gate.subscribe().wait_for(|open| *open).await.unwrap();
            jwks
        }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });

    let keys = RemoteKeys::discover(&*url).dangerous_allow_http().crypto(crypto()).clock(clock.clone()).build().unwrap();
    let verifier =
        JwtVerifier::builder(keys).audience(AUDIENCE).without_cache().clock(clock.clone()).crypto(crypto()).build().unwrap();
    let token = token(&issuer);
    assert!(ask(&verifier, &token).await.is_ok());

    open.send_replace(false);
    clock.advance(Duration::from_secs(450));
    assert!(at_once(&verifier, &token).is_ok());
    // The second fetch is there, and is not answered: whoever asks now is answered all the same.
    arrived.subscribe().wait_for(|count| *count == 2).await.unwrap();
    for _ in 0..1000 {
        assert!(at_once(&verifier, &token).is_ok());
    }
    assert_eq!(*arrived.borrow(), 2);
    open.send_replace(true);
}

/// Serves over TLS with the certificate of the tests.
async fn serve_tls(app: Router) -> String {
    let certificate = CertificateDer::from_pem_slice(pem("tls-certificate").as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem("tls-private").as_bytes()).unwrap();
    #[cfg(feature = "aws-lc-rs")]
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, app) = (acceptor.clone(), app.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await);
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn over_tls_the_server_must_be_vouched_for() {
    let url = serve_tls(Router::new().route("/", get(|| async { "in private" }))).await;
    let trusting = HttpsClient::builder().trust_pem(pem("tls-authority")).crypto(crypto()).build().unwrap();
    let response = trusting.fetch(request(url.clone())).await.unwrap();
    assert_eq!(response.body(), "in private");
    // Vouched for, but somebody else: `127.0.0.2` is no name of the certificate.
    let elsewhere = url.replace("localhost", "127.0.0.2");
    assert_eq!(trusting.fetch(request(elsewhere)).await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
    // By an authority that the system does not know.
    if let Ok(strict) = HttpsClient::builder().crypto(crypto()).build() {
        assert_eq!(strict.fetch(request(url)).await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
    }
}

#[test]
fn there_must_be_something_to_trust() {
    for (name, text) in [("nothing", String::new()), ("no certificate", pem("tls-private")), ("broken", broken())] {
        let built = HttpsClient::builder().trust_pem(text).crypto(crypto()).build();
        assert_eq!(built.unwrap_err().kind(), ConfigErrorKind::TrustMissing, "{name}");
    }
}

fn broken() -> String {
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()
}
