//! The opening handshake: from the request to the 101.
//!
//! No socket is needed for that: hyper's `OnUpgrade` of a request that no connection stands behind is a promise that fails at once. The task
//! which both sides spawn to wait for it runs, and is in the figures.

use std::{convert::Infallible, future::ready};

use axum::extract::{FromRequestParts as _, ws::WebSocketUpgrade};
use bytes::Bytes;
use donjon::{
    LayerBody,
    ws_upgrade::{WsHandshake, WsUpgradeLayer},
};
use donjon_peers::{Contender, compare};
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use tower::{Layer as _, Service, service_fn};

type Body = Empty<Bytes>;

const FIELDS: [(header::HeaderName, &str); 5] = [
    (header::HOST, "app.example"),
    (header::CONNECTION, "Upgrade"),
    (header::UPGRADE, "websocket"),
    (header::SEC_WEBSOCKET_VERSION, "13"),
    (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn main() {
    case("handshake", &[], &[]);
    // As a browser sends it, with the origin that axum does not look at, and with a subprotocol to choose.
    let browser = [(header::ORIGIN, "http://app.example"), (header::SEC_WEBSOCKET_PROTOCOL, "chat.v1, chat.v2")];
    case("handshake-browser", &browser, &["chat.v2", "chat.v1"]);
}

fn case(name: &str, more: &[(header::HeaderName, &'static str)], subprotocols: &'static [&'static str]) {
    let request = || request(more);
    let peers = [Contender::new("axum-ws", request, axum_ws(subprotocols))];
    let ours = Contender::new("donjon", request, donjon(subprotocols));
    compare(("ws_upgrade", name), StatusCode::SWITCHING_PROTOCOLS, ours, peers);
}

fn request(more: &[(header::HeaderName, &'static str)]) -> Request<Body> {
    let mut request = Request::new(Body::new());
    for (name, value) in FIELDS.iter().chain(more) {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    let on_upgrade = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(on_upgrade);
    request
}

fn donjon(
    subprotocols: &'static [&'static str],
) -> impl Service<Request<Body>, Response = Response<impl Sized + use<>>, Error = Infallible> + use<> {
    let layer = WsUpgradeLayer::builder().subprotocols(subprotocols.iter().copied()).build().unwrap();
    layer.layer(service_fn(|mut request: Request<Body>| {
        let handshake = WsHandshake::from_request(&mut request).expect("the layer has left the handshake");
        let response: Response<LayerBody<Body>> = handshake.accept(|_socket| async {}).into_http_response();
        ready(Ok::<_, Infallible>(response))
    }))
}

/// Called as axum would call it, without a router around it.
fn axum_ws(
    subprotocols: &'static [&'static str],
) -> impl Service<Request<Body>, Response = axum::response::Response, Error = Infallible> {
    service_fn(move |request: Request<Body>| async move {
        let (mut parts, _) = request.into_parts();
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.expect("the handshake is good");
        Ok(upgrade.protocols(subprotocols.iter().copied()).on_upgrade(|_socket| async {}))
    })
}
