//! `Expect: 100-continue` from end to end, RFC 9110 §10.1.1: the client is asked for its content when the upstream has asked for it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

/// How long an upstream that knows nothing of expectations is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the client waits to be asked.
pub(crate) fn is_in(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Holds a request's content back until the upstream asks for it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    asked: Arc<Notify>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.asked.notify_one();
    }

    pub(crate) fn before<B>(&self, body: B) -> Held<B> {
        let asked = Arc::clone(&self.asked);
        Held { body, gate: Some(Box::pin(async move { drop(timeout(GRACE, asked.notified()).await) })) }
    }
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
