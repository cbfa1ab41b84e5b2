//! `Expect: 100-continue` from end to end, RFC 9110 §10.1.1: the client is asked for its content when the upstream has asked for it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

/// How long an upstream that knows nothing of expectations is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the client waits to be asked.
pub(crate) fn is_in(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Holds the content of `request` back until the upstream asks for it. Hyper's server asks our client by itself, at the first look into its body.
pub(crate) fn hold<B>(request: Request<B>) -> Request<Held<B>> {
    let asked = Arc::new(Notify::new());
    let waiting = Arc::clone(&asked);
    let gate = async move { drop(timeout(GRACE, waiting.notified()).await) };
    let mut request = request.map(|body| Held { body, gate: Some(Box::pin(gate)) });
    hyper::ext::on_informational(&mut request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            asked.notify_one();
        }
    });
    request
}

/// A body behind a gate.
pub(crate) struct Held<B> {
    body: B,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.as_mut().poll(cx));
            self.gate = None;
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
