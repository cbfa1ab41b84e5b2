//! Opens WebSockets for those who may, and closes them when they no longer may.
//!
//! The layer reads the opening handshake, refuses what is malformed or foreign, and hands the rest to the inner service as a
//! [`WsHandshake`]. The handler accepts it with a function that gets the [`WsSocket`], or answers with anything else. Requests
//! that ask for no WebSocket pass untouched.
//!
//! # Rules
//! 1. A request asks for a WebSocket if it is of HTTP/1.1 and its `Upgrade` lists `websocket`, in any line and case
//!    ([RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8)); it must then be a GET with an `Upgrade` in `Connection`, one
//!    `Host`, and one `Sec-WebSocket-Key` of 16 bytes ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)),
//!    or is answered 405 or 400. Over HTTP/2 it asks by an extended CONNECT for the protocol `websocket`
//!    ([RFC 8441 §5](https://www.rfc-editor.org/rfc/rfc8441#section-5); feature `ws-upgrade-http2`) and needs none of these fields.
//! 2. `Sec-WebSocket-Version` must be 13; else 426, over HTTP/2 400, says so
//!    ([RFC 6455 §4.4](https://www.rfc-editor.org/rfc/rfc6455#section-4.4)).
//! 3. A page of a foreign origin is answered 403 ([RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)); see
//!    [`OriginPolicy`].
//! 4. A subprotocol is agreed on if client and server have one in common
//!    ([RFC 6455 §1.9](https://www.rfc-editor.org/rfc/rfc6455#section-1.9)); an offer that holds no tokens is answered 400, and nothing of
//!    the offer is ever sent back but a name that the server listed.
//! 5. Messages are compressed where a [`Deflate`] is set and the client offers permessage-deflate; the first of its offers that can be
//!    kept is agreed on ([RFC 7692 §5.1](https://www.rfc-editor.org/rfc/rfc7692#section-5.1)), and without one the socket opens all the same. Off
//!    by default.
//! 6. What finds no place under the [`Admission`] is answered 503 or 429, and after a [`Drain`] has started everything is answered 503.
//! 7. Only the response that [`WsHandshake::accept`] becomes opens the socket, and only when it has reached the layer: a refusal,
//!    an error, a timeout in between leaves the connection as it was, and the place free.
//! 8. Whoever ends the socket, the other side is told why by a Close frame
//!    ([RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4)): a fault of the peer by 1002, 1007, 1008 or 1009, a panic of
//!    the handler by 1011, the end of the [`Principal`](crate::Principal)'s validity by 3000, a peer that is too slow by 1013, idling
//!    and age by 1001.
//! 9. A ping goes out every 25 seconds, and a peer of which then nothing is heard for 20 is gone
//!    ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)); see [`Timeouts`].
//!
//! Every refusal is a [`Problem`](crate::Problem) with a [`WsRejection`] beside it in the response's extensions. What happened is counted
//! in [`Counters`].
//!
//! # Example
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, routing::any};
//! use donjon::ws_upgrade::{Message, WsAccept, WsHandshake, WsUpgradeLayer};
//!
//! async fn echo(handshake: WsHandshake) -> WsAccept {
//!     handshake.accept(|mut socket| async move {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if let Message::Text(_) | Message::Binary(_) = message
//!                 && socket.send(message).await.is_err()
//!             {
//!                 return;
//!             }
//!         }
//!     })
//! }
//!
//! let app: Router = Router::new().route("/echo", any(echo)).layer(WsUpgradeLayer::new());
//! ```
//!
//! # Customised, on hyper alone
//! The connection must be served with upgrades: `http1::Builder::serve_connection(...).with_upgrades()`, or for HTTP/2 with
//! `http2::Builder::enable_connect_protocol()`. axum does both by itself; its routes must be `any`, since a CONNECT is no GET.
//! [`WsService`] stands beneath where every handshake is accepted alike.
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//! use donjon::LayerBody;
//! use donjon::ws_upgrade::{
//!     Admission, CloseCode, CloseFrame, Drain, Limits, OriginPolicy, Rate, Timeouts, WsHandshake, WsUpgradeLayer,
//! };
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use hyper::body::Incoming;
//! use hyper_util::service::TowerToHyperService;
//! use tower::{ServiceBuilder, service_fn};
//!
//! type Body = LayerBody<Empty<bytes::Bytes>>;
//!
//! async fn greet(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
//!     Ok(match WsHandshake::from_request(&mut request) {
//!         Err(rejection) => rejection.into_http_response(),
//!         Ok(handshake) => handshake
//!             .accept(|socket| socket.close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "come back tomorrow")))
//!             .into_http_response(),
//!     })
//! }
//!
//! let drain = Drain::new();
//! let layer = WsUpgradeLayer::builder()
//!     .origins(OriginPolicy::only(["https://app.example.com"]).require_origin())
//!     .subprotocols(["greeting.v1"])
//!     .limits(Limits::default().max_message_size(16 * 1024).message_rate(Rate::per_second(10).burst(50)))
//!     .timeouts(Timeouts::default().idle(Duration::from_secs(600)))
//!     .admission(Admission::unlimited().max_sockets(10_000).max_per_user(5))
//!     .drain(&drain)
//!     .build()?;
//! let service = TowerToHyperService::new(ServiceBuilder::new().layer(layer).service(service_fn(greet)));
//! # Ok::<_, donjon::ws_upgrade::ConfigError>(())
//! ```
//!
//! # Security
//! - Cross-site hijacking is refused before the upgrade. What "the same host" can and cannot mean behind a proxy is said at
//!   [`OriginPolicy`]. A client that is no browser writes into `Origin` what it likes: the check protects users of browsers, it
//!   authenticates nobody.
//! - What one peer can make the server hold is bounded by [`Limits`]: by the declared length, before anything is reserved for it. What
//!   one can make it do is bounded too: pings and pongs have a rate, fragments must be worth their heads, messages and bytes have a
//!   rate where you set one. A peer that reads nothing is dropped by the write timeout or the [`SlowConsumer`] policy.
//! - Compression tells by the size of a message what is in it: a secret and text of an attacker's choosing must not be compressed
//!   together (CRIME, BREACH). It costs some 300 KiB for every connection that keeps its context, and next to nothing with
//!   [`Deflate::lean`]. A message is inflated no further than it may be large.
//! - A socket that carries a token's rights ends with them: at the expiry that the principal names, at once when it is revoked,
//!   even if the handler never looks. What still waited for it is not sent. [`WsHandle::renew`] takes a newer token of the same
//!   subject and nobody else's.
//! - Browsers cannot set headers on a WebSocket. A token in the URL ends up in logs; one in the subprotocol offer (list its marker
//!   `bearer` among the subprotocols, or the browser hangs up), or a cookie with the origin check, does not. The layer logs neither URL nor offer.
//! - A peer that sends its head slowly is the server's to time out: `http1::Builder::header_read_timeout`.
//! - A socket needs a tokio runtime with timers.
//!
//! # Ordering
//! Innermost, on the routes that have sockets. `TokenAuth` around it refuses before the upgrade; where it stands beneath, its
//! principal is taken from the response. `ErrorMapping` around it renders the refusals. What stands between the layer and the
//! handler sees a 101 without fields and must let it pass.
//!
//! # Feature
//! `ws-upgrade`; with `axum` also the extractor. `ws-upgrade-http2` for extended CONNECT, `ws-upgrade-json` for [`TypedSocket`]s of JSON,
//! `ws-upgrade-testing` for a client in memory. With `tracing` a socket's tasks stay in the span of its handshake.

mod accept;
mod admission;
mod budget;
mod close;
mod config;
mod connection;
mod counters;
mod deflate;
mod drain;
mod ending;
mod error;
mod future;
mod handle;
mod handshake;
#[cfg(feature = "ws-upgrade-json")]
mod json;
mod layer;
mod limits;
mod link;
mod message;
mod origin;
mod rejection;
mod rooms;
mod schedule;
mod service;
mod session;
mod socket;
mod subprotocol;
mod terminal;
#[cfg(feature = "ws-upgrade-testing")]
pub mod testing;
mod timeouts;
mod transport;
mod typed;
mod utf8;
mod wakers;
mod wire;

#[cfg(feature = "ws-upgrade-json")]
pub use self::json::{Json, JsonError};
pub use self::{
    accept::{WsAccept, WsHandshake},
    admission::Admission,
    budget::Rate,
    close::{CloseCode, CloseFrame, IntoCloseFrame},
    counters::Counters,
    deflate::Deflate,
    drain::Drain,
    error::{ConfigError, ConfigErrorKind, WsError, WsErrorKind},
    future::ResponseFuture,
    handle::WsHandle,
    layer::{WsUpgradeBuilder, WsUpgradeLayer},
    limits::Limits,
    link::SlowConsumer,
    message::Message,
    origin::OriginPolicy,
    rejection::{WsRejection, WsRejectionKind},
    rooms::{Bus, Delivery, InProcess, Inbox, Membership, Rooms},
    service::WsUpgrade,
    socket::WsSocket,
    subprotocol::SubprotocolPreference,
    terminal::WsService,
    timeouts::Timeouts,
    typed::{MessageCodec, TypedError, TypedSocket},
    utf8::Utf8Bytes,
};

/// The parsers of foreign bytes, for the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs, clippy::unwrap_used, reason = "a finding is a panic")]
pub mod fuzzing {
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

    use super::{
        handshake::{Decision, Head, decide},
        subprotocol::{SubprotocolPreference, Subprotocols},
    };

    /// `name: value` lines, as many as can be read.
    fn headers(data: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in data.split(|byte| *byte == b'\n').take(64) {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
                headers.append(name, value);
            }
        }
        headers
    }

    pub fn handshake(data: &[u8]) {
        let (protocol, lines) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or_default());
        let (headers, uri) = (headers(lines), Uri::from_static("/"));
        for (method, version) in [(Method::GET, Version::HTTP_11), (Method::CONNECT, Version::HTTP_2)] {
            let protocol = std::str::from_utf8(protocol).ok();
            let head = Head { method: &method, version, uri: &uri, headers: &headers, protocol };
            if let Decision::Accepted(opening) = decide(head) {
                assert!(opening.answer().is_some());
            }
        }
    }

    /// Frames, and before them the sizes of the pieces in which they come.
    pub fn frames(data: &[u8]) {
        use super::{deflate::Deflate, transport::harness};

        let Some((sizes, wire)) = data.split_first_chunk::<4>() else { return };
        let sizes = sizes.map(usize::from);
        assert_eq!(harness::plain(wire, &sizes).0, harness::plain(wire, &[usize::MAX]).0);
        for deflate in [Deflate::new(), Deflate::lean()] {
            let whole = harness::inflating(wire, &[usize::MAX], deflate).0;
            assert_eq!(harness::inflating(wire, &sizes, deflate).0, whole);
        }
    }

    /// What is agreed on can be said.
    pub fn extensions(data: &[u8]) {
        use super::deflate::{Deflate, Extension};

        let headers = headers(&[b"sec-websocket-extensions:", data].concat());
        if let Some(negotiated) = Extension::new(Deflate::new()).negotiate(&headers) {
            assert!(negotiated.header_value().unwrap().as_bytes().starts_with(b"permessage-deflate"));
        }
    }

    pub fn origin(data: &[u8]) {
        super::origin::fuzzing::origin(data);
    }

    pub fn subprotocol(data: &[u8]) {
        let headers = headers(&[b"sec-websocket-protocol:", data].concat());
        for preference in [SubprotocolPreference::Server, SubprotocolPreference::Client] {
            let spoken = Subprotocols::new(vec!["chat".to_owned()], preference).unwrap();
            if let Ok(Some(name)) = spoken.choose(&headers) {
                assert_eq!(name, "chat");
            }
        }
    }
}
