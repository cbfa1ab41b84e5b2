//! One way to compare: two pieces of work, measured alternately by criterion, told in one line.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::{
    cell::RefCell,
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::Criterion;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Service, ServiceExt as _, service_fn};

/// The request and response body of every bench.
pub type Body = Empty<Bytes>;

/// The service that does nothing, which every layer's price is measured against.
pub fn bare<B>() -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future = Ready<Result<Response<Body>, Infallible>>> + Clone {
    service_fn(|_request: Request<B>| ready(Ok(Response::new(Body::new()))))
}

/// Polls `service` ready and calls it; nothing in a bench may have to wait.
pub fn call<S, B>(service: &mut S, request: Request<B>) -> S::Response
where
    S: Service<Request<B>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut cx) else { panic!("the service was not done at once") };
    response
}

/// A request for `/` without fields.
pub fn request() -> Request<Body> {
    Request::new(Body::new())
}

/// Measures `ours` and `peer` and prints `layer case ours_ns peer_name peer_ns ratio`, tab-separated; the ratio is ours / peer.
pub fn compare<R, T>(
    criterion: &mut Criterion,
    (layer, case): (&str, &str),
    ours: impl FnMut() -> R,
    (peer_name, peer): (&str, impl FnMut() -> T),
) {
    let ours_ns = measure(criterion, &format!("{layer}/{case}/donjon"), ours);
    let peer_ns = measure(criterion, &format!("{layer}/{case}/{peer_name}"), peer);
    println!("{layer}\t{case}\t{ours_ns:.1}\t{peer_name}\t{peer_ns:.1}\t{:.3}", ours_ns / peer_ns);
}

/// The median time of one call in nanoseconds; 0 where criterion was told to skip it.
fn measure<R>(criterion: &mut Criterion, name: &str, mut work: impl FnMut() -> R) -> f64 {
    let samples = RefCell::new(Vec::new());
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let elapsed = time(iterations, &mut work);
            samples.borrow_mut().push(elapsed.as_secs_f64() * 1e9 / iterations as f64);
            elapsed
        });
    });
    let mut samples = samples.into_inner();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn time<R>(iterations: u64, work: &mut impl FnMut() -> R) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        black_box(work());
    }
    start.elapsed()
}
