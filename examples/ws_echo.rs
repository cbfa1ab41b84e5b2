//! Echoes text and binary messages, on bare hyper: `cargo run --example ws_echo --features ws-upgrade -- --listen 127.0.0.1:9001`.
//!
//! `--max-message BYTES` sets the largest message, 16 MiB by default.

use std::{convert::Infallible, error::Error, net::SocketAddr};

use bytes::Bytes;
use donjon::{
    LayerBody,
    ws_upgrade::{Limits, Message, WsHandshake, WsSocket, WsUpgradeLayer},
};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (listen, max_message) = options()?;
    // Large messages come faster through a larger buffer.
    let limits = Limits::default().max_message_size(max_message).read_buffer_size(32 * 1024);
    let layer = WsUpgradeLayer::builder().limits(limits).build()?;
    let service = TowerToHyperService::new(ServiceBuilder::new().layer(layer).service(service_fn(answer)));

    let listener = TcpListener::bind(listen).await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(connection), service.clone())
            .with_upgrades();
        tokio::spawn(async move {
            if let Err(error) = served.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<LayerBody<Empty<Bytes>>>, Infallible> {
    Ok(match WsHandshake::from_request(&mut request) {
        Ok(handshake) => handshake.accept(echo).into_http_response(),
        Err(rejection) => rejection.into_http_response(),
    })
}

async fn echo(mut socket: WsSocket) {
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

fn options() -> Result<(SocketAddr, usize), Box<dyn Error>> {
    let (mut listen, mut max_message) = (SocketAddr::from(([127, 0, 0, 1], 9001)), 16 * 1024 * 1024);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => listen = value.parse()?,
            "--max-message" => max_message = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok((listen, max_message))
}
