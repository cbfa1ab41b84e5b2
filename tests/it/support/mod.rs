//! What the tests share.
#![allow(dead_code, reason = "which part is used depends on the enabled features")]

#[cfg(feature = "ws-upgrade")]
pub(crate) mod pipe;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty};

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

/// Counts the heap allocations that `work` makes on this thread.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(work()));
    (counted.count_total, result.expect("the work ran"))
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
