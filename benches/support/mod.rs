//! One way to compare: two services, given the same requests by turns, told in one line.
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
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::Empty;
use tower::{Service, service_fn};

/// The request body of every bench, and the response body where nothing else is said.
pub(crate) type Body = Empty<Bytes>;

/// How many requests are made beforehand. Few enough to stay in the first-level cache.
const BATCH: u64 = 32;

/// What a browser sends with the request of a page.
pub(crate) const BROWSER: [(HeaderName, &str); 9] = [
    (header::HOST, "app.example"),
    (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (header::ACCEPT_LANGUAGE, "en-GB,en;q=0.5"),
    (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
    (header::CONNECTION, "keep-alive"),
    (header::COOKIE, "theme=dark; consent=1"),
    (header::UPGRADE_INSECURE_REQUESTS, "1"),
    (header::DNT, "1"),
];

/// Criterion with so little time that all the benches together stay below two minutes.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .nresamples(2_000)
        .without_plots()
        .configure_from_args()
}

/// The service that does nothing, which every layer's price is measured against.
pub(crate) fn bare<B>()
-> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future = Ready<Result<Response<Body>, Infallible>>> + Clone
{
    service_fn(|_request: Request<B>| ready(Ok(Response::new(Body::new()))))
}

/// Polls `service` ready and calls it; nothing in a bench may have to wait.
#[expect(clippy::panic, reason = "a bench of anything else would mislead")]
pub(crate) fn call<S, B>(service: &mut S, request: Request<B>) -> S::Response
where
    S: Service<Request<B>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))), "the service was not ready at once");
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut cx) else { panic!("the service was not done at once") };
    response
}

/// A request for `/` without fields.
pub(crate) fn request() -> Request<Body> {
    Request::new(Body::new())
}

/// A request for `/` with these fields.
pub(crate) fn request_with<'a>(fields: impl IntoIterator<Item = &'a (HeaderName, &'static str)>) -> Request<Body> {
    let mut request = request();
    for (name, value) in fields {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request
}

/// Measures `ours` against `peer` and prints `layer case ours_ns peer_name peer_ns ratio`, tab-separated; the ratio is ours / peer.
///
/// The requests are made outside of what is measured; that the response is dropped is within. Both services have their turns in the same
/// stretch of time, so what else the machine does falls on both alike. Returns how many nanoseconds `ours` takes more.
pub(crate) fn compare<B, S, P>(
    criterion: &mut Criterion,
    (layer, case): (&str, &str),
    request: impl Fn() -> Request<B>,
    mut ours: S,
    (peer_name, mut peer): (&str, P),
) -> Option<f64>
where
    S: Service<Request<B>>,
    P: Service<Request<B>>,
{
    let samples = RefCell::new(Vec::new());
    for (which, name) in ["donjon", peer_name].into_iter().enumerate() {
        criterion.bench_function(&format!("{layer}/{case}/{name}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let elapsed = by_turns(iterations, &request, &mut ours, &mut peer);
                // Below that the clock's own price is seen: the first steps of warming up, or a test run.
                if iterations >= BATCH / 2 {
                    samples.borrow_mut().push(elapsed.map(|time| time.as_secs_f64() * 1e9 / iterations as f64));
                }
                if which == 0 { elapsed[0] } else { elapsed[1] }
            });
        });
    }
    let samples = samples.into_inner();
    let ours_ns = median(samples.iter().map(|[ours, _]| *ours))?;
    let peer_ns = median(samples.iter().map(|[_, peer]| *peer))?;
    println!("{layer}\t{case}\t{ours_ns:.1}\t{peer_name}\t{peer_ns:.1}\t{:.3}", ours_ns / peer_ns);
    median(samples.iter().map(|[ours, peer]| ours - peer))
}

/// [`compare`]s with the bare service, for a request that the layer has nothing to do for, and also prints `overhead layer case ns`.
pub(crate) fn pass_through<B, S, P>(
    criterion: &mut Criterion,
    names: (&str, &str),
    request: impl Fn() -> Request<B>,
    layered: S,
    bare: P,
) where
    S: Service<Request<B>>,
    P: Service<Request<B>>,
{
    if let Some(more) = compare(criterion, names, request, layered, ("bare", bare)) {
        overhead(names, more);
    }
}

/// Prints `overhead layer case ns`.
pub(crate) fn overhead((layer, case): (&str, &str), ns: f64) {
    println!("overhead\t{layer}\t{case}\t{ns:.1}");
}

fn by_turns<B, S, P>(iterations: u64, request: &impl Fn() -> Request<B>, ours: &mut S, peer: &mut P) -> [Duration; 2]
where
    S: Service<Request<B>>,
    P: Service<Request<B>>,
{
    let mut elapsed = [Duration::ZERO; 2];
    let mut left = iterations;
    let mut ours_first = true;
    while left > 0 {
        let size = left.min(BATCH);
        left -= size;
        let batch = || (0..size).map(|_| request()).collect();
        if ours_first {
            elapsed[0] += time(ours, batch());
        }
        elapsed[1] += time(peer, batch());
        if !ours_first {
            elapsed[0] += time(ours, batch());
        }
        ours_first = !ours_first;
    }
    elapsed
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn time<B, S>(service: &mut S, batch: Vec<Request<B>>) -> Duration
where
    S: Service<Request<B>>,
{
    let start = Instant::now();
    for request in batch {
        black_box(call(service, request));
    }
    start.elapsed()
}

fn median(samples: impl Iterator<Item = f64>) -> Option<f64> {
    let mut samples: Vec<_> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}
