//! What the tests share.
#![allow(dead_code, reason = "which part is used depends on the enabled features")]

#[cfg(feature = "ws-upgrade")]
pub(crate) mod pipe;

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty};
use tokio::net::TcpSocket;

/// A request without a body, to be refined by its builder.
pub(crate) fn get(uri: &str) -> http::request::Builder {
    Request::get(uri)
}

/// Finishes a builder with an empty body.
#[track_caller]
pub(crate) fn empty(builder: http::request::Builder) -> Request<Empty<Bytes>> {
    builder.body(Empty::new()).expect("the request of a test is valid")
}

/// Splits a response into its head and its whole body.
pub(crate) async fn whole<B>(response: Response<B>) -> (http::response::Parts, Bytes)
where
    B: Body<Error: std::fmt::Debug>,
{
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("the body of a test comes whole").to_bytes();
    (parts, bytes)
}

/// A loopback port that is taken and closed: bound, so that nobody else gets it, and never listening.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), _bound: socket }
    }
}

/// Counts the heap allocations that `work` makes on this thread.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(work()));
    (counted.count_total, result.expect("the work ran"))
}

/// All orders of these layers, each from the inside out.
pub(crate) fn orders<T: Clone>(layers: &[T]) -> Vec<Vec<T>> {
    let orders = layers.iter().fold(vec![vec![]], |orders: Vec<Vec<T>>, layer| {
        let inserted = |order: &[T], at: usize| [&order[..at], std::slice::from_ref(layer), &order[at..]].concat();
        orders.iter().flat_map(|order| (0..=order.len()).map(move |at| inserted(order, at))).collect()
    });
    assert_eq!(orders.len(), (1..=layers.len()).product::<usize>());
    orders
}

/// Resolves a future that must be ready at its first poll.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = Result<T, Infallible>>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(Ok(value)) => value,
        std::task::Poll::Pending => panic!("the future was not ready at once"),
    }
}
