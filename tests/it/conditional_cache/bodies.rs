//! What happens to bodies: held back, let go, or never touched.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, StreamBody};
use proptest::prelude::*;
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{answer, field, request, response};
use crate::support::whole;

/// One step of a body.
#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Fails,
    /// Not ready once, then woken.
    Waits,
    /// Never ready again.
    Stalls,
}

/// A body that follows a script. It may not be polled after its end or its error.
struct Script {
    steps: std::vec::IntoIter<Step>,
    size: Option<u64>,
    ended: bool,
}

impl Script {
    fn new(size: Option<u64>, steps: Vec<Step>) -> Self {
        Self { steps: steps.into_iter(), size, ended: false }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        assert!(!self.ended, "polled after the end");
        match self.steps.next() {
            Some(Step::Data(data)) => {
                self.size = self.size.map(|size| size.saturating_sub(data.len() as u64));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fails) => {
                self.ended = true;
                Poll::Ready(Some(Err(io::Error::other("torn"))))
            }
            Some(Step::Waits) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Stalls) => {
                self.steps = vec![Step::Stalls].into_iter();
                Poll::Pending
            }
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

fn trailers() -> HeaderMap {
    super::headers(&[("x-end", "1")])
}

/// The answer to a body that may have to be awaited.
async fn awaited(layer: &ConditionalCacheLayer, body: Script) -> http::Response<donjon::conditional_cache::ResponseBody<Script>> {
    let mut inner = Some(response(200, &[], body));
    let handler = service_fn(move |_: http::Request<http_body_util::Empty<Bytes>>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(inner.take().expect("called once")))
    });
    layer.layer(handler).oneshot(request("GET", "/", &[])).await.expect("infallible")
}

#[tokio::test]
async fn a_single_frame_is_not_copied() {
    let content = Bytes::from(vec![7; 1000]);
    let answer = answer(&ConditionalCacheLayer::new(), request("GET", "/", &[]), response(200, &[], Full::new(content.clone())));
    assert!(answer.headers().contains_key("etag"));
    assert_eq!(answer.body().size_hint().exact(), Some(1000));
    let (_, bytes) = whole(answer).await;
    assert_eq!(bytes.as_ptr(), content.as_ptr());
}

#[tokio::test]
async fn trailers_come_after_what_was_held() {
    for size in [Some(2), None] {
        let body = Script::new(size, vec![data("a"), data("b"), Step::Trailers(trailers())]);
        let answer = awaited(&ConditionalCacheLayer::new(), body).await;
        assert_eq!(field(&answer, "etag"), Some(EntityTag::of("ab").to_string().as_str()));
        let hint = answer.body().size_hint();
        assert_eq!((hint.lower(), hint.exact()), (2, size), "trailers need a body of unknown size in HTTP/1.1");
        assert!(!answer.body().is_end_stream());
        let collected = answer.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers()));
        assert_eq!(collected.to_bytes(), "ab");
    }
}

#[tokio::test]
async fn an_error_comes_after_the_bytes_before_it() {
    for size in [Some(9), None] {
        let answer = awaited(&ConditionalCacheLayer::new(), Script::new(size, vec![data("a"), data("b"), Step::Fails])).await;
        assert_eq!((answer.status().as_u16(), field(&answer, "etag")), (200, None));
        let mut body = answer.into_body();
        assert_eq!(body.size_hint().exact(), size, "torn content must not look whole");
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "torn");
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }
}

#[tokio::test]
async fn content_short_of_its_size_gets_no_tag_and_never_looks_whole() {
    for end in [vec![], vec![Step::Trailers(trailers())]] {
        let steps = [vec![data("a"), data("b")], end].concat();
        let answer = awaited(&ConditionalCacheLayer::new(), Script::new(Some(9), steps)).await;
        assert_eq!((answer.status().as_u16(), field(&answer, "etag")), (200, None));
        assert_eq!(answer.body().size_hint().exact(), Some(9), "the server has to see that something is missing");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ab");
    }
}

#[tokio::test]
async fn a_stream_that_waits_is_let_go_with_what_it_gave() {
    let body = Script::new(None, vec![data("first "), data("frames "), Step::Waits, data("later"), Step::Trailers(trailers())]);
    // `answer` insists on the very first poll.
    let answer = answer(&ConditionalCacheLayer::new(), request("GET", "/", &[]), response(200, &[], body));
    assert_eq!(field(&answer, "etag"), None);
    assert_eq!((answer.body().size_hint().lower(), answer.body().size_hint().upper()), (13, None));
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers()));
    assert_eq!(collected.to_bytes(), "first frames later");
}

#[tokio::test]
async fn an_event_stream_is_never_touched() {
    let body = Script::new(None, vec![data("data: 1\n\n"), Step::Stalls]);
    let inner = response(200, &[("content-type", "text/event-stream")], body);
    let mut answer = answer(&ConditionalCacheLayer::new(), request("GET", "/", &[]), inner);
    assert_eq!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
}

/// A second and a half of events, each to be seen when it is sent; the size is not known, and neither is the type told.
#[tokio::test(start_paused = true)]
async fn a_stream_is_seen_as_it_comes() {
    for fields in [&[("content-type", "text/event-stream")][..], &[("content-type", "application/json")]] {
        let events = futures_util::stream::unfold(0_u8, async |count| {
            if count > 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            (count < 4).then(|| (Ok::<_, io::Error>(Frame::data(Bytes::from(vec![count; 9]))), count + 1))
        });
        let start = Instant::now();
        let layered = ConditionalCacheLayer::new();
        let mut answer = answer(&layered, request("GET", "/", &[]), response(200, fields, StreamBody::new(Box::pin(events))));
        for count in 0..4_u8 {
            let data = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((&data[..], start.elapsed()), (&[count; 9][..], Duration::from_millis(500) * count.into()), "{fields:?}");
        }
        assert!(answer.body_mut().frame().await.is_none());
    }
}

#[tokio::test]
async fn a_known_size_is_awaited() {
    let body = Script::new(Some(4), vec![Step::Waits, data("ab"), Step::Waits, data("cd"), Step::Waits]);
    let answer = awaited(&ConditionalCacheLayer::new(), body).await;
    assert_eq!(field(&answer, "etag"), Some(EntityTag::of("abcd").to_string().as_str()));
    assert_eq!(answer.body().size_hint().exact(), Some(4));
    assert_eq!(whole(answer).await.1, "abcd");
}

#[tokio::test]
async fn what_is_known_to_be_too_large_is_not_polled() {
    let layer = ConditionalCacheLayer::new().max_buffered(3);
    let body = Script::new(Some(4), vec![Step::Stalls]);
    let answer = answer(&layer, request("GET", "/", &[]), response(200, &[], body));
    assert_eq!((field(&answer, "etag"), answer.body().size_hint().exact()), (None, Some(4)));
}

#[tokio::test]
async fn the_limit_is_the_last_size_that_gets_a_tag() {
    for (content, tagged) in [("abc", true), ("abcd", false)] {
        for size in [None, Some(3)] {
            // A size of 3 is a lie for four bytes: the limit holds against what comes, not against what was claimed.
            let steps = content.chars().map(|one| Step::Data(Bytes::from(one.to_string()))).collect();
            let layer = ConditionalCacheLayer::new().max_buffered(3);
            let answer = awaited(&layer, Script::new(size, steps)).await;
            assert_eq!(field(&answer, "etag").is_some(), tagged, "{content} {size:?}");
            assert_eq!(whole(answer).await.1, content);
        }
    }
}

/// 300 MiB that exist only while they are sent.
struct Generated {
    frames: usize,
    alive: Arc<AtomicUsize>,
    most_alive: Arc<AtomicUsize>,
}

/// A frame that counts how many of its kind are held at once.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

const FRAME: usize = 64 * 1024;

/// What a frame holds when so many come after it.
fn pattern(left: usize) -> Vec<u8> {
    vec![(left % 251) as u8; FRAME]
}

impl Body for Generated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.frames == 0 {
            return Poll::Ready(None);
        }
        self.frames -= 1;
        let alive = self.alive.fetch_add(FRAME, Ordering::SeqCst) + FRAME;
        self.most_alive.fetch_max(alive, Ordering::SeqCst);
        let frame = Counted { bytes: pattern(self.frames), alive: Arc::clone(&self.alive) };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(frame)))))
    }
}

#[tokio::test]
async fn three_hundred_mebibytes_stream_through() {
    let (alive, most_alive) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let frames = 300 * 1024 * 1024 / FRAME;
    let body = Generated { frames, alive: Arc::clone(&alive), most_alive: Arc::clone(&most_alive) };
    let mut answer = answer(&ConditionalCacheLayer::new(), request("GET", "/", &[]), response(200, &[], body));
    assert_eq!(field(&answer, "etag"), None);
    // The first frame comes joined with what was held: the limit, and the frame that broke it.
    let first = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.len() <= 256 * 1024 + FRAME, "{} bytes were held", first.len());
    let mut left = frames;
    let mut same = |data: Bytes| {
        for part in data.chunks(FRAME) {
            left -= 1;
            assert!(part == pattern(left), "other bytes than were sent, with {left} frames to come");
        }
    };
    same(first);
    while let Some(frame) = answer.body_mut().frame().await {
        same(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(left, 0);
    assert!(most_alive.load(Ordering::SeqCst) <= 2 * FRAME, "frames were piled up");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_is_always_ready_lets_others_run() {
    let layer = ConditionalCacheLayer::new();
    let body = Script::new(None, (0..1000).map(|_| data("x")).collect());
    let mut inner = Some(response(200, &[], body));
    let handler = service_fn(move |_: http::Request<http_body_util::Empty<Bytes>>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(inner.take().expect("called once")))
    });
    let mut future = std::pin::pin!(layer.layer(handler).oneshot(request("GET", "/", &[])));
    let mut turns = 0;
    let answer = std::future::poll_fn(|cx| {
        turns += 1;
        future.as_mut().poll(cx)
    });
    let answer = answer.await.unwrap();
    assert!(turns > 10, "{turns} turns for 1000 frames");
    assert_eq!(field(&answer, "etag"), Some(EntityTag::of("x".repeat(1000)).to_string().as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_chunking_gives_the_same_tag_and_the_same_bytes(
        content in prop::collection::vec(any::<u8>(), 1..400),
        cuts in prop::collection::vec(0_usize..400, 0..20),
        known: bool,
        end in any::<bool>(),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % content.len()).collect();
        cuts.extend([0, content.len()]);
        cuts.sort_unstable();
        let mut steps: Vec<_> = cuts.windows(2).map(|cut| Step::Data(Bytes::copy_from_slice(&content[cut[0]..cut[1]]))).collect();
        if end {
            steps.push(Step::Trailers(trailers()));
        }
        let size = known.then_some(content.len() as u64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (tag, ended, bytes) = runtime.block_on(async {
            let answer = awaited(&ConditionalCacheLayer::new(), Script::new(size, steps)).await;
            let tag = field(&answer, "etag").map(str::to_owned);
            let collected = answer.into_body().collect().await.unwrap();
            (tag, collected.trailers().is_some(), collected.to_bytes())
        });
        prop_assert_eq!(tag, Some(EntityTag::of(&content).to_string()));
        prop_assert_eq!(bytes, content);
        prop_assert_eq!(ended, end);
    }
}
