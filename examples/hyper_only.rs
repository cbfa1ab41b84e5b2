//! Four of the layers, all but LazyImages, on bare hyper, without a framework: `cargo run --example hyper_only --features full`.
//!
//! Every request needs the token that is printed at the start. `--listen ADDR` says where to listen, 127.0.0.1:3000 if not given.

use std::{env, error::Error, io, time::Duration};

use bytes::Bytes;
use donjon::{
    LayerBody, Principal, Problem,
    conditional_cache::ConditionalCacheLayer,
    error_mapping::ErrorMappingLayer,
    token_auth::{Algorithm, Crypto, Grant, SigningKey, TokenAuthLayer, TokenIssuer, TokenSource},
    ws_upgrade::{Message, WsHandshake, WsSocket, WsUpgradeLayer},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use rand::Rng as _;
use tokio::{net::TcpListener, time::sleep};
use tower::{BoxError, ServiceBuilder, service_fn};

/// The handlers' own body, or a layer's.
type Body = LayerBody<Full<Bytes>>;

async fn app(mut request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED).into_http_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    Ok(match request.uri().path() {
        "/" => text("Hello. There are also /me, /fail and, for a WebSocket, /echo.\n"),
        "/me" => {
            let caller = request.extensions().get::<Principal>().and_then(Principal::subject);
            text(format!("You are {}.\n", caller.unwrap_or("nobody")))
        }
        // Any error may be returned as it is: it is mapped, and its text stays here.
        "/fail" => return Err(io::Error::other("the key to the vault does not fit").into()),
        "/echo" => match WsHandshake::from_request(&mut request) {
            Ok(handshake) => handshake.accept(echo).into_http_response(),
            Err(rejection) => rejection.into_http_response(),
        },
        _ => Problem::new(StatusCode::NOT_FOUND).into_http_response(),
    })
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(LayerBody::full(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn echo(mut socket: WsSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let sent = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &secret)?)
        .issuer("hyper-only")
        .audience("hyper-only")
        .crypto(Crypto::AwsLcRs)
        .build()?;
    let token = issuer.issue(&Grant::new("demo"))?;

    let service = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new())
        .layer(TokenAuthLayer::new(issuer.verifier().build()?).source(TokenSource::websocket_subprotocol()))
        .layer(ConditionalCacheLayer::new())
        .layer(WsUpgradeLayer::new())
        .service(service_fn(app));

    let listener = TcpListener::bind(address()?).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("hyper_only is at {url}. For the next {} minutes:\n", token.lifetime().as_secs() / 60);
    println!("curl -i {url}/me -H 'Authorization: Bearer {}'", token.access_token());

    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without a timer a client that sends its header slowly is never cut off.
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let connections = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors, for one: it passes.
                Err(_) => {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = &mut stopped => break,
        };
        // Served without upgrades, no WebSocket would open.
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move { drop(connection.await) });
    }
    let _ = tokio::time::timeout(Duration::from_secs(5), connections.shutdown()).await;
    Ok(())
}

/// The value of `--listen`.
fn address() -> Result<String, &'static str> {
    let mut arguments = env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok("127.0.0.1:3000".to_owned()),
        (Some("--listen"), Some(address), None) => Ok(address),
        _ => Err("usage: hyper_only [--listen ADDR]"),
    }
}
