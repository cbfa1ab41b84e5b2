//! Who asks, and by which connection.
//!
//! It travels with the content of a request and not in the request's extensions, which would take three allocations: most requests are
//! answered by the cache, and of those nobody ever asks. [`Upstreams`](crate::upstreams::Upstreams) lays it out for who does.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::interim::Interim;

/// The connection of a request.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Who is at its other end.
    pub(crate) peer: SocketAddr,
    /// Where interim responses go, if its protocol can take any.
    pub(crate) interim: Option<Interim>,
}

/// The content of a request, with the connection that it comes by.
#[derive(Debug)]
pub(crate) struct ClientBody {
    pub(crate) content: Incoming,
    pub(crate) connection: Connection,
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.content).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
