//! A client for the tests of an app: a whole handshake and a whole socket, in memory.

use std::{error::Error as StdError, fmt, future::poll_fn, pin::Pin};

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::DuplexStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Error as CodecError};
use tower_service::Service;

use super::{close::CloseFrame, message::Message};

/// The client's end of a socket whose server is a service in the same test.
///
/// The service is served by hyper over a pipe in memory, so handshake, layers and frames are the real ones, and with tokio's paused
/// time a heartbeat or an expiry is tested without waiting. Pings are answered while the test waits for something.
///
/// ```
/// use donjon::ws_upgrade::{Message, WsService, WsSocket, WsUpgradeLayer, testing::TestSocket};
/// use tower::Layer;
///
/// async fn shout(mut socket: WsSocket) {
///     while let Some(Ok(Message::Text(text))) = socket.recv().await {
///         let _ = socket.send(text.to_uppercase()).await;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = WsUpgradeLayer::new().layer(WsService::new(shout));
/// let request = http::Request::get("/shout").body(()).unwrap();
/// let mut socket = TestSocket::connect(app.clone(), request).await.unwrap();
/// socket.send("hello").await;
/// assert_eq!(socket.recv().await, Some("HELLO".into()));
///
/// let foreign = http::Request::get("/shout").header("origin", "https://evil.example").body(()).unwrap();
/// assert_eq!(TestSocket::connect(app, foreign).await.unwrap_err().status(), 403);
/// # }
/// ```
pub struct TestSocket {
    stream: WebSocketStream<DuplexStream>,
    response: Response<()>,
}

impl TestSocket {
    /// Opens a socket by this request, to which what a handshake needs is added where it is missing.
    ///
    /// # Errors
    /// With the response, if it is not 101.
    ///
    /// # Panics
    /// If the service closes the connection without any response: in a test that is a failure.
    #[expect(clippy::panic, reason = "for tests")]
    pub async fn connect<S, B, T>(service: S, request: Request<T>) -> Result<Self, Response<Bytes>>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Box<dyn StdError + Send + Sync>>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
    {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let served =
            http1::Builder::new().serve_connection(TokioIo::new(server), TowerToHyperService::new(service)).with_upgrades();
        tokio::spawn(served);
        match client_async(handshake(request), client).await {
            Ok((stream, response)) => Ok(Self { stream, response: response.map(|_| ()) }),
            Err(CodecError::Http(response)) => Err(response.map(|body| body.unwrap_or_default().into())),
            Err(error) => panic!("no response: {error}"),
        }
    }

    /// The head of the response that opened the socket.
    #[must_use]
    pub fn response(&self) -> &Response<()> {
        &self.response
    }

    /// Sends a message. What cannot be sent because the server has gone is discarded: [`recv`](Self::recv) tells.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let message = message.into().into_codec();
        if poll_fn(|cx| Pin::new(&mut self.stream).poll_ready(cx)).await.is_ok() {
            let _ = Pin::new(&mut self.stream).start_send(message);
            let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await;
        }
    }

    /// The next text or binary message; `None` when the server has closed, which [`closed`](Self::closed) tells more about.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            match self.next().await? {
                message @ (Message::Text(_) | Message::Binary(_)) => return Some(message),
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    /// Waits for the Close frame and discards what comes before it; `None` if the connection ends without one.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            if let Message::Close(frame) = self.next().await? {
                // Read on, so that the answer is sent.
                let _ = self.next().await;
                return frame;
            }
        }
    }

    async fn next(&mut self) -> Option<Message> {
        let received = poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await?;
        Message::received(received.ok()?)
    }
}

fn handshake<T>(request: Request<T>) -> Request<()> {
    let mut request = request.map(|_| ());
    let headers = request.headers_mut();
    let fields: [(HeaderName, &'static str); 5] = [
        (header::HOST, "localhost"),
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in fields {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // The client beneath wants a whole URI, of which it sends the path.
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if let Ok(uri) = format!("ws://localhost{target}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

impl fmt::Debug for TestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSocket").finish_non_exhaustive()
    }
}
