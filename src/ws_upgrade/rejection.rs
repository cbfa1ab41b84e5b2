use std::fmt;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};

use crate::core::{LayerBody, Problem, trace::event};

/// Why a request did not become a WebSocket.
///
/// The layer leaves it in the extensions of every response with which it refuses, beside the [`Problem`] that the client sees; as
/// an error of a handler's extractor it says that the handler needs a handshake and the request had none.
///
/// ```
/// use donjon::ws_upgrade::{WsHandshake, WsRejectionKind};
///
/// let mut plain = http::Request::get("/chat").body(()).unwrap();
/// let rejection = WsHandshake::from_request(&mut plain).unwrap_err();
/// assert_eq!(rejection.kind(), WsRejectionKind::NoHandshake);
/// assert_eq!(rejection.status(), 426);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsRejection {
    kind: WsRejectionKind,
    protocol: Protocol,
}

/// What the connection speaks: HTTP/2 has no upgrades, so it cannot be told that one is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// The reasons of a [`WsRejection`], each with the status that it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WsRejectionKind {
    /// The method is not GET, or over HTTP/2 not CONNECT: 405 with `Allow`
    /// ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).
    Method,
    /// `Connection` does not list `upgrade`: 400 ([RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8)).
    Connection,
    /// `Host`, or over HTTP/2 `:authority`, is missing, repeated or malformed: 400
    /// ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
    Host,
    /// `Sec-WebSocket-Version` is not exactly 13: 426 with the version that is spoken
    /// ([RFC 6455 §4.4](https://www.rfc-editor.org/rfc/rfc6455#section-4.4)). Over HTTP/2 400 with it: a 426 must have an `Upgrade`
    /// field ([RFC 9110 §15.5.22](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.22)), which HTTP/2 must not
    /// ([RFC 9113 §8.2.2](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2)).
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated or not 16 bytes in base64: 400.
    Key,
    /// The page is of a foreign origin: 403 ([RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
    Origin,
    /// `Sec-WebSocket-Protocol` holds something that is no token: 400.
    Subprotocol,
    /// The user, or whoever else is counted, has as many sockets as [`Admission`](super::Admission) allows: 429.
    TooMany,
    /// All sockets that [`Admission`](super::Admission) allows are open: 503.
    Full,
    /// The server goes down ([`Drain`](super::Drain)): 503.
    Draining,
    /// The server beneath does not hand over its connections: 501. A fault of the server's set-up, reported as an error event.
    NoUpgrade,
    /// The handler expects a handshake and the request is none, or no layer validated it: 426, over HTTP/2 400. If the request does ask for a
    /// WebSocket, there is no [`WsUpgradeLayer`](super::WsUpgradeLayer) around the route, and that is reported as an error event.
    NoHandshake,
}

impl WsRejectionKind {
    /// The rejection on a connection of this version.
    pub(crate) fn over(self, version: Version) -> WsRejection {
        let protocol = if version == Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 };
        WsRejection { kind: self, protocol }
    }
}

impl WsRejection {
    /// The reason.
    #[must_use]
    pub fn kind(&self) -> WsRejectionKind {
        self.kind
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            WsRejectionKind::Connection | WsRejectionKind::Host | WsRejectionKind::Key | WsRejectionKind::Subprotocol => {
                StatusCode::BAD_REQUEST
            }
            WsRejectionKind::Version | WsRejectionKind::NoHandshake if self.protocol == Protocol::Http2 => {
                StatusCode::BAD_REQUEST
            }
            WsRejectionKind::Origin => StatusCode::FORBIDDEN,
            WsRejectionKind::Method => StatusCode::METHOD_NOT_ALLOWED,
            WsRejectionKind::Version | WsRejectionKind::NoHandshake => StatusCode::UPGRADE_REQUIRED,
            WsRejectionKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            WsRejectionKind::Full | WsRejectionKind::Draining => StatusCode::SERVICE_UNAVAILABLE,
            WsRejectionKind::NoUpgrade => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// What the client is told; nothing of it comes from the request.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem::new(self.status()).with_detail(self.detail())
    }

    /// The response: the problem, the headers that its status demands, and this rejection in the extensions.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        let mut response = self.problem().into_http_response();
        self.add_headers(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }

    fn add_headers(self, headers: &mut HeaderMap) {
        match (self.kind, self.protocol) {
            (WsRejectionKind::Method, protocol) => {
                let method = if protocol == Protocol::Http2 { "CONNECT" } else { "GET" };
                headers.insert(header::ALLOW, HeaderValue::from_static(method));
            }
            (WsRejectionKind::Version | WsRejectionKind::NoHandshake, protocol) => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                if protocol == Protocol::Http1 {
                    // RFC 9110 §15.5.22: a 426 "MUST send an Upgrade header field", which §7.8 has listed in Connection.
                    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                }
            }
            _ => {}
        }
    }

    fn detail(self) -> &'static str {
        match self.kind {
            WsRejectionKind::Method => "A WebSocket is opened by GET, or over HTTP/2 by extended CONNECT.",
            WsRejectionKind::Connection => "The Connection header of a WebSocket handshake must list \"upgrade\".",
            WsRejectionKind::Host => "The request must name exactly one valid host.",
            WsRejectionKind::Version => "This server speaks version 13 of the WebSocket protocol.",
            WsRejectionKind::Key => "The handshake must have exactly one Sec-WebSocket-Key of 16 bytes in base64.",
            WsRejectionKind::Origin => "Pages of this origin may not open a WebSocket here.",
            WsRejectionKind::Subprotocol => "Every element of Sec-WebSocket-Protocol must be a token.",
            WsRejectionKind::TooMany => "Too many WebSockets are open already.",
            WsRejectionKind::Full => "This server cannot take another WebSocket now.",
            WsRejectionKind::Draining => "This server is going down.",
            WsRejectionKind::NoUpgrade => "This server cannot open a WebSocket on this connection.",
            WsRejectionKind::NoHandshake => "A WebSocket handshake is expected here.",
        }
    }

    /// Tells the operator; what a client does wrong quietly, what the server does wrong loudly.
    pub(super) fn report(self) {
        match self.kind {
            WsRejectionKind::NoUpgrade => event!(
                ERROR,
                "websocket handshake on a connection that cannot be upgraded: serve it with upgrades, inside a tokio runtime"
            ),
            WsRejectionKind::Origin | WsRejectionKind::TooMany | WsRejectionKind::Full => {
                event!(WARN, "websocket handshake refused", reason = self)
            }
            _ => event!(DEBUG, "websocket handshake refused", reason = self),
        }
    }
}

/// On a connection of HTTP/1.1.
impl From<WsRejectionKind> for WsRejection {
    fn from(kind: WsRejectionKind) -> Self {
        kind.over(Version::HTTP_11)
    }
}

impl From<WsRejection> for Problem {
    fn from(rejection: WsRejection) -> Self {
        rejection.problem()
    }
}

impl fmt::Display for WsRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            WsRejectionKind::Method => "method opens no websocket",
            WsRejectionKind::Connection => "connection does not list upgrade",
            WsRejectionKind::Host => "host is missing or malformed",
            WsRejectionKind::Version => "version is not 13",
            WsRejectionKind::Key => "key is missing or malformed",
            WsRejectionKind::Origin => "origin is foreign",
            WsRejectionKind::Subprotocol => "subprotocol offer is malformed",
            WsRejectionKind::TooMany => "too many sockets of this caller",
            WsRejectionKind::Full => "too many sockets",
            WsRejectionKind::Draining => "server is going down",
            WsRejectionKind::NoUpgrade => "connection cannot be upgraded",
            WsRejectionKind::NoHandshake => "request is not a websocket handshake",
        })
    }
}

impl std::error::Error for WsRejection {}
