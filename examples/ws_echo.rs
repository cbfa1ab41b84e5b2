//! Echoes text and binary messages, on bare hyper: `cargo run --example ws_echo --features ws-upgrade -- --listen 127.0.0.1:9001`.
//!
//! `--deflate off|on|lean` compresses messages with clients that can, and `--max-message BYTES` sets the largest message, 16 MiB by
//! default.

use std::{convert::Infallible, error::Error, net::SocketAddr};

use bytes::Bytes;
use donjon::{
    LayerBody,
    ws_upgrade::{Deflate, Limits, Message, WsHandshake, WsSocket, WsUpgradeLayer},
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
    let Options { listen, deflate, max_message } = options()?;
    let mut layer = WsUpgradeLayer::builder().limits(Limits::default().max_message_size(max_message));
    if let Some(deflate) = deflate {
        layer = layer.deflate(deflate);
    }
    let layer = layer.build()?;
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

struct Options {
    listen: SocketAddr,
    deflate: Option<Deflate>,
    max_message: usize,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 9001)), deflate: None, max_message: 16 * 1024 * 1024 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => options.listen = value.parse()?,
            "--max-message" => options.max_message = value.parse()?,
            "--deflate" => {
                options.deflate = match value.as_str() {
                    "off" => None,
                    "on" => Some(Deflate::new()),
                    "lean" => Some(Deflate::lean()),
                    _ => return Err(format!("--deflate is off, on or lean, not {value}").into()),
                }
            }
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}
