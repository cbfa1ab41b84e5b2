//! An echo over TLS, by HTTP/1.1 and HTTP/2: `cargo run --example wss --features ws-upgrade-http2`, then open the printed URL.
//!
//! The certificate is made at the start and trusted by nobody: a browser has to be told to go on. A browser that has loaded the page
//! over HTTP/2 opens the WebSocket over the same connection (RFC 8441). `--listen ADDR` changes the address.

use std::{convert::Infallible, error::Error, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use donjon::{
    LayerBody,
    ws_upgrade::{Deflate, Message, WsHandshake, WsSocket, WsUpgradeLayer},
};
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};
use tower::{ServiceBuilder, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen_address()?).await?;
    let tls = TlsAcceptor::from(Arc::new(tls()?));
    let layer = WsUpgradeLayer::builder().subprotocols(["echo.v2", "echo.v1"]).deflate(Deflate::lean()).build()?;
    let service = TowerToHyperService::new(ServiceBuilder::new().layer(layer).service(service_fn(answer)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    // Hyper announces extended CONNECT only to those who ask it to.
    server.http2().timer(TokioTimer::new()).enable_connect_protocol();

    println!("https://localhost:{}", listener.local_addr()?.port());
    loop {
        let (connection, _) = listener.accept().await?;
        let (tls, service, server) = (tls.clone(), service.clone(), server.clone());
        tokio::spawn(async move {
            let served = async {
                connection.set_nodelay(true)?;
                let connection = tls.accept(connection).await?;
                server.serve_connection_with_upgrades(TokioIo::new(connection), service).await
            };
            if let Err(error) = served.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

/// A key and a certificate for this run alone.
fn tls() -> Result<ServerConfig, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A handshake is accepted, everything else gets the page.
async fn answer(mut request: Request<Incoming>) -> Result<Response<LayerBody<Full<Bytes>>>, Infallible> {
    let version = format!("{:?}", request.version());
    Ok(match WsHandshake::from_request(&mut request) {
        Ok(handshake) => handshake.accept(|socket| echo(socket, version)).into_http_response(),
        Err(_) => {
            let mut page = Response::new(LayerBody::full(PAGE));
            page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            page
        }
    })
}

/// Says by which version of HTTP it was opened, then everything that it hears.
async fn echo(mut socket: WsSocket, version: String) {
    if socket.send(version).await.is_err() {
        return;
    }
    while let Some(received) = socket.recv().await {
        let sent = match received {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            eprintln!("socket: {error}");
        }
    }
}

fn listen_address() -> Result<SocketAddr, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 3443))),
        (Some("--listen"), Some(address)) => Ok(address.parse()?),
        _ => Err("usage: wss [--listen ADDR]".into()),
    }
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Echo</title>
<style>:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif } body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }</style>
<h1>Echo</h1>
<form id="form"><input id="text" aria-label="Message" autofocus> <button>Send</button></form>
<ul id="log" aria-live="polite"></ul>
<script>
  const show = (text) => document.getElementById("log").append(Object.assign(document.createElement("li"), { textContent: text }));
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/echo");
  socket.onmessage = (event) => show(event.data);
  socket.onclose = (event) => show(`closed: ${event.code} ${event.reason}`);
  document.getElementById("form").onsubmit = (event) => {
    event.preventDefault();
    socket.send(document.getElementById("text").value);
    event.target.reset();
  };
</script>
</html>
"#;
