//! Many requests for the same at once.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use donjon::{
    ManualClock,
    conditional_cache::shared::{SharedCache, SharedCacheBody, SharedCacheLayer, Store as _, StoredBody, StoredHead, Variant},
};
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Empty, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tower::{Layer as _, ServiceExt as _, util::BoxCloneService};

use super::Fields;
use crate::support::{empty, get, whole};

type Failure = &'static str;
type Content = UnsyncBoxBody<Bytes, Failure>;
type Answer = Result<Response<SharedCacheBody<Content>>, Failure>;
type Sender = mpsc::UnboundedSender<Result<Frame<Bytes>, Failure>>;

/// An inner service that answers when it is let, with content that a test feeds.
#[derive(Clone)]
pub(super) struct Slow {
    service: SharedCache<BoxCloneService<Request<Empty<Bytes>>, Response<Content>, Failure>>,
    calls: Arc<AtomicUsize>,
    heads: Arc<Semaphore>,
    bodies: Arc<std::sync::Mutex<Vec<Sender>>>,
}

impl Slow {
    pub(super) fn new(layer: SharedCacheLayer, fields: Fields<'static>) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Semaphore::new(0));
        let bodies = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (counted, let_through, fed) = (calls.clone(), heads.clone(), bodies.clone());
        let inner = tower::service_fn(move |request: Request<Empty<Bytes>>| {
            let call = counted.fetch_add(1, SeqCst);
            let (let_through, fed) = (let_through.clone(), fed.clone());
            async move {
                let path = request.uri().path();
                let among_the_first = |what| path.strip_prefix(what).is_some_and(|number| call < number.parse().unwrap());
                if among_the_first("/hangs/") {
                    std::future::pending::<()>().await;
                }
                let_through.acquire().await.unwrap().forget();
                if path == "/fails" || among_the_first("/stumbles/") {
                    return Err("the inner service failed");
                }
                let (sender, mut receiver) = mpsc::unbounded_channel();
                fed.lock().unwrap().push(sender);
                let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
                let mut response = Response::new(body.boxed_unsync());
                response.headers_mut().insert("x-call", call.into());
                for (name, value) in fields {
                    response.headers_mut().append(*name, value.parse().unwrap());
                }
                Ok(response)
            }
        });
        Self { service: layer.layer(BoxCloneService::new(inner)), calls, heads, bodies }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    pub(super) fn lets_through(&self, heads: usize) {
        self.heads.add_permits(heads);
    }

    /// The content of a call, in the order of their heads.
    #[track_caller]
    pub(super) fn body(&self, number: usize) -> Sender {
        self.bodies.lock().unwrap()[number].clone()
    }

    /// Feeds every body that has begun, and ends it.
    pub(super) fn ends_all(&self, content: &'static str) {
        for body in self.bodies.lock().unwrap().drain(..) {
            let _ = body.send(Ok(Frame::data(Bytes::from_static(content.as_bytes()))));
        }
    }

    pub(super) fn asks(&self, request: Request<Empty<Bytes>>) -> JoinHandle<Answer> {
        tokio::spawn(self.service.clone().oneshot(request))
    }

    pub(super) fn gets(&self) -> JoinHandle<Answer> {
        self.asks(empty(get("http://site.example/a")))
    }

    fn all_get(&self, number: usize) -> Vec<JoinHandle<Answer>> {
        (0..number).map(|_| self.gets()).collect()
    }
}

/// Lets all tasks go as far as they get.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Failure> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

pub(super) async fn content(answer: JoinHandle<Answer>) -> (http::response::Parts, Bytes) {
    whole(answer.await.unwrap().unwrap()).await
}

pub(super) const FRESH: Fields<'static> = &[("cache-control", "max-age=60")];

async fn one_call_for(number: usize) {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let answers = slow.all_get(number);
    settle().await;
    slow.lets_through(number);
    settle().await;
    slow.ends_all("a");
    for answer in answers {
        assert_eq!(content(answer).await.1, "a");
    }
    assert_eq!(slow.calls(), 1);
    assert_eq!(content(slow.gets()).await.1, "a");
    assert_eq!(slow.calls(), 1, "and it is stored");
}

#[tokio::test]
async fn fifty_at_once_are_one_call() {
    one_call_for(50).await;
}

#[tokio::test]
async fn a_thousand_at_once_are_one_call() {
    one_call_for(1000).await;
}

#[tokio::test]
async fn a_leader_whose_client_goes_has_exactly_one_successor() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut answers = slow.all_get(50);
    settle().await;
    assert_eq!(slow.calls(), 1);
    answers.remove(0).abort();
    settle().await;
    assert_eq!(slow.calls(), 2);
    slow.lets_through(50);
    settle().await;
    slow.ends_all("a");
    for answer in answers {
        assert_eq!(content(answer).await.1, "a");
    }
    assert_eq!(slow.calls(), 2);
}

#[tokio::test]
async fn whoever_goes_the_others_are_answered() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut answers = slow.all_get(20);
    settle().await;
    // Those who lead, and those who were only to lead next.
    for _ in 0..5 {
        answers.remove(0).abort();
        answers.remove(0).abort();
        settle().await;
    }
    assert_eq!(slow.calls(), 6);
    slow.lets_through(50);
    settle().await;
    slow.ends_all("a");
    for answer in answers {
        assert_eq!(content(answer).await.1, "a");
    }
    assert_eq!(slow.calls(), 6);
}

#[tokio::test]
async fn what_is_one_callers_reaches_that_caller_alone() {
    for (name, fields) in [
        ("private", &[("cache-control", "private, max-age=60")][..]),
        ("no-store", &[("cache-control", "no-store")]),
        ("a cookie", &[("cache-control", "max-age=60"), ("set-cookie", "session=1")]),
        ("Vary: *", &[("cache-control", "max-age=60"), ("vary", "*")]),
        ("nothing said", &[]),
    ] {
        let slow = Slow::new(SharedCacheLayer::new(), fields);
        let answers = slow.all_get(10);
        settle().await;
        assert_eq!(slow.calls(), 1, "{name}");
        slow.lets_through(1);
        settle().await;
        assert_eq!(slow.calls(), 10, "{name}: nobody waits for another any more");
        slow.lets_through(9);
        settle().await;
        slow.ends_all("a");
        let mut calls = Vec::new();
        for answer in answers {
            calls.push(content(answer).await.0.headers["x-call"].clone());
        }
        calls.sort();
        calls.dedup();
        assert_eq!(calls.len(), 10, "{name}: each has an answer of its own");
    }
}

#[tokio::test]
async fn what_was_not_to_be_shared_is_not_waited_for_again() {
    let slow = Slow::new(SharedCacheLayer::new(), &[("cache-control", "no-store")]);
    slow.lets_through(1);
    let first = slow.gets();
    settle().await;
    slow.ends_all("a");
    content(first).await;
    let _answers = slow.all_get(10);
    settle().await;
    assert_eq!(slow.calls(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hangs_is_given_up_for_one_other() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut answers: Vec<_> = (0..50).map(|_| slow.asks(empty(get("http://site.example/hangs/1")))).collect();
    settle().await;
    tokio::time::advance(Duration::from_secs(9)).await;
    settle().await;
    assert_eq!(slow.calls(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    settle().await;
    assert_eq!(slow.calls(), 2);
    slow.lets_through(1);
    settle().await;
    slow.ends_all("hello");
    answers.remove(0).abort();
    for answer in answers {
        assert_eq!(content(answer).await.1, "hello");
    }
    assert_eq!(slow.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_where_all_hang() {
    let slow = Slow::new(SharedCacheLayer::new().patience(Duration::from_secs(3)), FRESH);
    let answers: Vec<_> = (0..5).map(|_| slow.asks(empty(get("http://site.example/hangs/2")))).collect();
    slow.lets_through(3);
    for (seconds, calls) in [(0, 1), (4, 2), (4, 5)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        settle().await;
        assert_eq!(slow.calls(), calls);
    }
    slow.ends_all("hello");
    for (number, answer) in answers.into_iter().enumerate() {
        if number < 2 {
            answer.abort();
        } else {
            assert_eq!(content(answer).await.1, "hello");
        }
    }
}

#[tokio::test]
async fn a_call_that_fails_has_one_successor() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut answers: Vec<_> = (0..50).map(|_| slow.asks(empty(get("http://site.example/stumbles/1")))).collect();
    settle().await;
    slow.lets_through(1);
    settle().await;
    assert_eq!(slow.calls(), 2);
    slow.lets_through(1);
    settle().await;
    slow.ends_all("hello");
    assert!(answers.remove(0).await.unwrap().is_err());
    for answer in answers {
        assert_eq!(content(answer).await.1, "hello");
    }
    assert_eq!(slow.calls(), 2);
}

#[tokio::test]
async fn who_wants_nothing_stored_keeps_nobody_waiting() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut request = empty(get("http://site.example/a"));
    request.headers_mut().insert("cache-control", "no-store".parse().unwrap());
    let own = slow.asks(request);
    settle().await;
    let others = slow.all_get(10);
    settle().await;
    assert_eq!(slow.calls(), 2);
    own.abort();
    slow.lets_through(2);
    settle().await;
    slow.ends_all("hello");
    for answer in others {
        assert_eq!(content(answer).await.1, "hello");
    }
    assert_eq!(slow.calls(), 2);
}

#[tokio::test]
async fn of_what_is_stored_in_part_the_rest_is_asked_for_once() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let layer = SharedCacheLayer::new().clock(ManualClock::at(now));
    let slow = Slow::new(layer.clone(), &[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    let request = empty(get("http://site.example/a"));
    let key = layer.key_policy().key(request.uri(), request.headers(), None).unwrap();
    let mut head = StoredHead::new(StatusCode::OK, now, now);
    head.headers.insert("cache-control", "max-age=60".parse().unwrap());
    head.headers.insert("etag", "\"a\"".parse().unwrap());
    let beginning = StoredBody::part(0, Bytes::from("01"), Some(5)).unwrap();
    layer.store().put(&key, Variant::new(head, beginning)).await.unwrap();
    let answers = slow.all_get(50);
    settle().await;
    assert_eq!(slow.calls(), 1);
    slow.lets_through(1);
    settle().await;
    slow.ends_all("01234");
    for answer in answers {
        assert_eq!(content(answer).await.1, "01234");
    }
    assert_eq!(slow.calls(), 1);
}

#[tokio::test]
async fn an_error_reaches_all_and_hangs_nobody() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let answers: Vec<_> = (0..10).map(|_| slow.asks(empty(get("http://site.example/fails")))).collect();
    settle().await;
    slow.lets_through(10);
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap_err(), "the inner service failed");
    }
}

#[tokio::test]
async fn of_each_variant_there_is_one_call() {
    let slow = Slow::new(SharedCacheLayer::new(), &[("cache-control", "max-age=60"), ("vary", "accept-language")]);
    let asks = |language: &str| slow.asks(empty(get("http://site.example/a").header("accept-language", language)));
    let answers: Vec<_> = (0..30).map(|number| asks(["de", "en", "fr"][number % 3])).collect();
    settle().await;
    assert_eq!(slow.calls(), 1);
    slow.lets_through(1);
    settle().await;
    assert_eq!(slow.calls(), 3, "one for each of those whom the first did not suit");
    slow.lets_through(2);
    settle().await;
    slow.ends_all("a");
    let mut calls = Vec::new();
    for answer in answers {
        calls.push(content(answer).await.0.headers["x-call"].to_str().unwrap().to_owned());
    }
    assert_eq!(calls[..3], ["0", "1", "2"]);
    assert!(calls.chunks(3).all(|three| three == &calls[..3]));
    assert_eq!(slow.calls(), 3);
}

#[tokio::test]
async fn the_content_streams_to_all_who_wait() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let answers = slow.all_get(3);
    settle().await;
    slow.lets_through(1);
    settle().await;
    let body = slow.body(0);
    body.send(data("a")).unwrap();
    let mut bodies = Vec::new();
    for answer in answers {
        let mut body = answer.await.unwrap().unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        bodies.push(body);
    }
    // Who comes in the middle begins at the beginning.
    let late = slow.gets().await.unwrap().unwrap();
    bodies.push(late.into_body());
    body.send(data("b")).unwrap();
    drop(body);
    slow.ends_all("");
    let ends = futures_util::future::join_all(bodies.into_iter().map(|body| body.collect())).await;
    let ends: Vec<_> = ends.into_iter().map(|end| end.unwrap().to_bytes()).collect();
    assert_eq!(ends, ["b", "b", "b", "ab"]);
    assert_eq!(slow.calls(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_keeps_no_other_waiting() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    let mut answers = slow.all_get(3);
    settle().await;
    slow.lets_through(1);
    settle().await;
    // The one who led has its head, and reads no byte.
    let still = answers.remove(0).await.unwrap().unwrap();
    slow.ends_all("a");
    for answer in answers {
        let (_, content) = tokio::time::timeout(Duration::from_secs(60), content(answer)).await.expect("a follower hangs");
        assert_eq!(content, "a");
    }
    assert_eq!(content(slow.gets()).await.1, "a");
    assert_eq!(slow.calls(), 1, "it is stored, though the leader has not read it");
    assert_eq!(still.into_body().collect().await.unwrap().to_bytes(), "a");
}

#[tokio::test]
async fn a_body_that_is_not_whole_is_never_stored_nor_taken_for_whole() {
    for (name, fields, last) in [
        ("an error", FRESH, Some(Err("gone"))),
        ("fewer bytes than promised", &[("cache-control", "max-age=60"), ("content-length", "3")][..], None),
    ] {
        let slow = Slow::new(SharedCacheLayer::new(), fields);
        let answers = slow.all_get(3);
        settle().await;
        slow.lets_through(5);
        settle().await;
        let body = slow.body(0);
        slow.bodies.lock().unwrap().clear();
        body.send(data("a")).unwrap();
        if let Some(last) = last {
            body.send(last).unwrap();
        }
        drop(body);
        for answer in answers {
            let body = answer.await.unwrap().unwrap().into_body();
            assert!(body.collect().await.is_err(), "{name}");
        }
        let _again = slow.gets();
        settle().await;
        assert_eq!(slow.calls(), 2, "{name}");
    }
}

#[tokio::test]
async fn what_a_client_began_to_load_is_stored_though_it_went() {
    let slow = Slow::new(SharedCacheLayer::new(), &[("cache-control", "max-age=60"), ("content-length", "2")]);
    slow.lets_through(1);
    let answer = slow.gets().await.unwrap().unwrap();
    let body = slow.body(0);
    body.send(data("a")).unwrap();
    drop(answer);
    body.send(data("b")).unwrap();
    settle().await;
    assert_eq!(content(slow.gets()).await.1, "ab");
    assert_eq!(slow.calls(), 1);
}

#[tokio::test]
async fn nobody_loads_what_has_no_end_for_a_client_that_went() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    slow.lets_through(1);
    let answer = slow.gets().await.unwrap().unwrap();
    let body = slow.body(0);
    body.send(data("a")).unwrap();
    drop(answer);
    settle().await;
    assert!(body.is_closed());
}

#[tokio::test]
async fn what_is_too_large_is_passed_through_and_not_waited_for_again() {
    let slow = Slow::new(SharedCacheLayer::new().largest(10), FRESH);
    slow.lets_through(3);
    let answer = slow.gets();
    settle().await;
    let body = slow.body(0);
    for _ in 0..10 {
        body.send(data("0123456789")).unwrap();
    }
    drop(body);
    slow.bodies.lock().unwrap().clear();
    assert_eq!(content(answer).await.1.len(), 100);
    let _answers = slow.all_get(2);
    settle().await;
    assert_eq!(slow.calls(), 3);
}

/// One chunk of 64 KiB after the other, never more than the cap held: what a client has read is let go.
#[test]
fn a_large_body_takes_no_more_memory_than_may_be_stored() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    const CHUNK: usize = 64 * 1024;
    const LARGEST: u64 = 1024 * 1024;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let inner = tower::service_fn(|_: Request<Empty<Bytes>>| async {
                let chunks =
                    futures_util::stream::iter(0..256).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; CHUNK]))));
                Ok::<_, Infallible>(
                    Response::builder().header("cache-control", "max-age=60").body(StreamBody::new(chunks)).unwrap(),
                )
            });
            let service = SharedCacheLayer::new().largest(LARGEST).layer(inner);
            let response = service.oneshot(empty(get("http://site.example/a"))).await.unwrap();
            let mut body = response.into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.unwrap().into_data().unwrap().len();
            }
            assert_eq!(length, 256 * CHUNK);
        });
    });
    assert!(counted.bytes_max < LARGEST + 4 * CHUNK as u64, "{counted:?}");
}

/// On several threads, with clients that go at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_hangs() {
    for round in 0..20 {
        let slow = Slow::new(SharedCacheLayer::new(), &[("cache-control", "max-age=60"), ("content-length", "1")]);
        slow.lets_through(1000);
        let answers = slow.all_get(200);
        let feeding = slow.clone();
        let feeder = tokio::spawn(async move {
            loop {
                feeding.ends_all("a");
                tokio::task::yield_now().await;
            }
        });
        for (number, answer) in answers.into_iter().enumerate() {
            if number % 3 == round % 3 {
                answer.abort();
                continue;
            }
            let (_, content) = tokio::time::timeout(Duration::from_secs(60), content(answer)).await.expect("a client hangs");
            assert_eq!(content, "a");
        }
        feeder.abort();
    }
}

#[tokio::test]
async fn the_size_is_told_before_the_content_is_there() {
    let slow = Slow::new(SharedCacheLayer::new(), FRESH);
    slow.lets_through(1);
    let answer = slow.gets();
    settle().await;
    slow.ends_all("abc");
    content(answer).await;
    let hit = slow.gets().await.unwrap().unwrap();
    assert_eq!(hit.body().size_hint().exact(), Some(3));
}
