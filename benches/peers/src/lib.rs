//! Measures one request through donjon and through its peers, by turns, in one process.
//!
//! Each contender is a tower service over the same inner service. Requests are made beforehand, in batches, so that only the service and
//! the dropping of its response are in the figures.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Future as _, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::runtime::{Builder, Runtime};
use tower::{Service, service_fn};

/// How many requests are made beforehand.
const BATCH: u64 = 32;
/// How often every contender has its turn. Odd, so that the median is a measured value.
const ROUNDS: usize = 161;
/// How long one turn takes.
const TURN: Duration = Duration::from_millis(1);

/// The answer of the service that does nothing.
pub type Answer = Ready<Result<Response<Empty<Bytes>>, Infallible>>;

/// The service that does nothing.
pub fn bare<B>() -> impl Service<Request<B>, Response = Response<Empty<Bytes>>, Error = Infallible, Future = Answer> + Clone + Send
{
    service_fn(|_: Request<B>| ready(Ok(Response::new(Empty::new()))))
}

/// A service that takes part in a comparison.
pub struct Contender<'a> {
    name: &'static str,
    entry: Box<dyn Entry + 'a>,
}

impl<'a> Contender<'a> {
    /// Names a service and the request that it is measured with. The name has no tab in it.
    pub fn new<S, B, R>(name: &'static str, request: impl Fn() -> Request<B> + 'a, service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>, Error: Debug> + 'a,
    {
        Self { name, entry: Box::new(Measured { request, service }) }
    }
}

/// Measures `donjon`, which comes first, against everybody else, and prints
///
/// - for each of the others `layer case ours_ns peer_name peer_ns ratio`, where the ratio is ours / peer,
/// - for each contender `alloc layer case name count`: the heap allocations of one request,
///
/// tab-separated. Every contender has to answer with `status`: a refusal is cheap, and is not what is compared.
pub fn compare<'a>(
    (layer, case): (&str, &str),
    status: StatusCode,
    donjon: Contender<'a>,
    peers: impl IntoIterator<Item = Contender<'a>>,
) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime of one thread can be had");
    let mut all: Vec<_> = [donjon].into_iter().chain(peers).collect();
    let mut turns = Vec::new();
    for Contender { name, entry } in &mut all {
        assert_eq!(entry.status(&runtime), status, "{layer} {case}: the answer of {name}");
        turns.push(calibrate(|requests| entry.time(&runtime, requests)));
    }
    let mut samples = vec![Vec::with_capacity(ROUNDS); all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            // Nobody always comes after the same neighbour.
            let at = (round + turn) % all.len();
            let elapsed = all[at].entry.time(&runtime, turns[at]);
            samples[at].push(elapsed.as_secs_f64() * 1e9 / turns[at] as f64);
        }
    }
    let medians: Vec<f64> = samples.into_iter().map(median).collect();
    for (Contender { name, .. }, peer) in all.iter().zip(&medians).skip(1) {
        println!("{layer}\t{case}\t{:.1}\t{name}\t{peer:.1}\t{:.3}", medians[0], medians[0] / peer);
    }
    for Contender { name, entry } in &mut all {
        println!("alloc\t{layer}\t{case}\t{name}\t{}", entry.allocations(&runtime));
    }
}

/// How many requests fill one turn.
fn calibrate(mut time: impl FnMut(u64) -> Duration) -> u64 {
    let mut requests = BATCH;
    loop {
        let elapsed = time(requests);
        if elapsed >= TURN / 4 {
            let fitting = TURN.as_secs_f64() / elapsed.as_secs_f64() * requests as f64;
            return (fitting as u64).next_multiple_of(BATCH);
        }
        requests *= 2;
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

trait Entry {
    fn status(&mut self, runtime: &Runtime) -> StatusCode;
    fn time(&mut self, runtime: &Runtime, requests: u64) -> Duration;
    fn allocations(&mut self, runtime: &Runtime) -> u64;
}

struct Measured<F, S> {
    request: F,
    service: S,
}

impl<F, S, B, R> Entry for Measured<F, S>
where
    F: Fn() -> Request<B>,
    S: Service<Request<B>, Response = Response<R>, Error: Debug>,
{
    fn status(&mut self, runtime: &Runtime) -> StatusCode {
        let _entered = runtime.enter();
        answer(&mut self.service, (self.request)(), runtime).status()
    }

    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn time(&mut self, runtime: &Runtime, requests: u64) -> Duration {
        let mut elapsed = Duration::ZERO;
        for _ in 0..requests.div_ceil(BATCH) {
            let batch: Vec<_> = (0..BATCH).map(|_| (self.request)()).collect();
            let entered = runtime.enter();
            let start = Instant::now();
            for request in batch {
                black_box(answer(&mut self.service, request, runtime));
            }
            drop(entered);
            // What a service has spawned is part of its price. A look at the runtime for nothing would be nobody's, and takes a microsecond.
            if runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(tokio::task::yield_now());
            }
            elapsed += start.elapsed();
        }
        elapsed
    }

    fn allocations(&mut self, runtime: &Runtime) -> u64 {
        let mut least = u64::MAX;
        // The least of a few: a table that grows now and then is not the price of a request.
        for _ in 0..8 {
            let request = (self.request)();
            let _entered = runtime.enter();
            let counted = allocation_counter::measure(|| drop(answer(&mut self.service, request, runtime)));
            least = least.min(counted.count_total);
        }
        least
    }
}

/// Polls, and enters the runtime only for those that have to wait: what it takes to be awaited there is no part of a service's price.
fn answer<S, B>(service: &mut S, request: Request<B>, runtime: &Runtime) -> S::Response
where
    S: Service<Request<B>, Error: Debug>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) else { panic!("a contender is ready") };
    let mut answered = pin!(service.call(request));
    let answer = match answered.as_mut().poll(&mut cx) {
        Poll::Ready(answer) => answer,
        Poll::Pending => runtime.block_on(answered),
    };
    answer.expect("a contender answers")
}
