use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};

use super::{
    recording::{Reader, Recording},
    replay_error::ReplayError,
};
use crate::error_mapping::upstream::BoxError;

/// A request body that may be sent again.
#[diagnostic::on_unimplemented(
    message = "a request with a body of `{Self}` cannot be sent again",
    label = "this body can be read only once",
    note = "put the body into a `ReplayBody` before the retry layer: \
            `.map_request(|request: Request<{Self}>| request.map(|body| ReplayBody::new(body, 64 * 1024)))`"
)]
pub trait Replay: Sized {
    /// A body that begins where this one began. `None` where there is none to be had.
    fn replay(&self) -> Option<Self>;

    /// Whether it still begins there, asked when it is wanted. Yes, if not said otherwise.
    fn is_whole(&self) -> bool {
        true
    }

    /// Takes the body away from the attempt before, so that it stays whole until it is sent; asked once the request is certain to be sent again.
    /// Whether it is still whole: [`is_whole`](Self::is_whole), if not said otherwise.
    fn take_over(&mut self) -> bool {
        self.is_whole()
    }
}

impl<D: Clone> Replay for Full<D>
where
    D: Buf,
{
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<D> Replay for Empty<D> {
    fn replay(&self) -> Option<Self> {
        Some(Self::default())
    }
}

impl Replay for String {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Replay for () {
    fn replay(&self) -> Option<Self> {
        Some(())
    }
}

/// Any body, kept in memory while it streams, up to a cap.
///
/// Nothing is read ahead: what the first attempt sends is kept, and a further attempt sends that and goes on where the first one stopped. Of a body
/// longer than the cap nothing is kept, and it streams on; so a request whose connection was refused can be sent again whatever its length,
/// since nothing of it was read. Trailers are kept too.
///
/// Of several attempts only the last one gets anything more; one that was given up gets a [`ReplayError`]. An upstream may answer before it has
/// read all: once it is decided that the request is sent again, the upload to it ends, for what it read beyond the cap would be lost to the next.
///
/// ```
/// use donjon::error_mapping::{Replay, ReplayBody};
/// use http_body_util::{BodyExt as _, Full};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let first = ReplayBody::new(Full::new(bytes::Bytes::from("hello")), 1024);
/// let second = first.replay().unwrap();
/// assert_eq!(first.collect().await.unwrap().to_bytes(), "hello");
/// assert_eq!(second.collect().await.unwrap().to_bytes(), "hello");
/// # });
/// ```
pub struct ReplayBody<B> {
    /// `None` for a body without content, as most requests have.
    recording: Option<Arc<Mutex<Recording<B>>>>,
    reader: Reader,
}

impl<B> ReplayBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    /// Keeps up to `cap` bytes of `body`. However small the pieces are that it comes in, the memory for it stays within a few times the cap; a large
    /// one that is a part of a longer buffer keeps that buffer.
    #[must_use]
    pub fn new(body: B, cap: usize) -> Self {
        let recording = (!body.is_end_stream()).then(|| Arc::new(Mutex::new(Recording::new(body, cap))));
        Self { recording, reader: Reader::default() }
    }
}

/// A body that has panicked left nothing half done that matters: it is not whole, or it goes on.
fn lock<B>(recording: &Mutex<Recording<B>>) -> MutexGuard<'_, Recording<B>> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Replay for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    fn replay(&self) -> Option<Self> {
        let Some(recording) = self.recording.as_ref() else { return Some(Self { recording: None, reader: Reader::default() }) };
        let shared = lock(recording);
        shared.is_whole().then(|| Self { recording: Some(Arc::clone(recording)), reader: shared.reader() })
    }

    fn is_whole(&self) -> bool {
        self.recording.as_deref().is_none_or(|recording| lock(recording).is_whole())
    }

    fn take_over(&mut self) -> bool {
        self.recording.as_deref().is_none_or(|recording| lock(recording).take_over(&mut self.reader))
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = ReplayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplayError>>> {
        let this = &mut *self;
        let Some(recording) = this.recording.as_deref() else { return Poll::Ready(None) };
        lock(recording).poll_frame(&mut this.reader, cx)
    }

    fn is_end_stream(&self) -> bool {
        self.recording.as_deref().is_none_or(|recording| lock(recording).is_end_stream(&self.reader))
    }

    fn size_hint(&self) -> SizeHint {
        match self.recording.as_deref() {
            None => SizeHint::with_exact(0),
            Some(recording) => lock(recording).size_hint(&self.reader),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("reader", &self.reader).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_mapping::retry::recording::SMALL;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::prelude::*;
    use std::{
        error::Error as _,
        io,
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    fn trailers() -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))])
    }

    fn chunked(chunks: &[&'static str]) -> impl Body<Data = Bytes, Error = io::Error> + use<> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))).collect();
        StreamBody::new(futures_util::stream::iter(chunks.into_iter().chain([Ok(Frame::trailers(trailers()))])))
    }

    async fn text_and_trailers(body: impl Body<Data = Bytes, Error = ReplayError>) -> (String, Option<HeaderMap>) {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        (String::from_utf8(collected.to_bytes().to_vec()).unwrap(), trailers)
    }

    #[tokio::test]
    async fn every_attempt_gets_all_of_it() {
        let body = ReplayBody::new(chunked(&["ab", "c"]), 3);
        let [second, third] = [body.replay().unwrap(), body.replay().unwrap()];
        for attempt in [body, second, third] {
            assert_eq!(text_and_trailers(attempt).await, ("abc".into(), Some(trailers())));
        }
    }

    #[tokio::test]
    async fn trailers_are_kept_though_the_end_after_them_was_never_read() {
        let mut first = ReplayBody::new(chunked(&["ab"]), 3);
        let [second, third] = [first.replay().unwrap(), first.replay().unwrap()];
        first.frame().await.unwrap().unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers());
        assert!(first.is_end_stream() && !second.is_end_stream());
        for attempt in [second, third] {
            assert_eq!(text_and_trailers(attempt).await, ("ab".into(), Some(trailers())));
        }
    }

    #[tokio::test]
    async fn what_is_taken_over_cannot_be_lost_to_the_attempt_before() {
        let mut first = ReplayBody::new(chunked(&["ab", "c"]), 2);
        let mut second = first.replay().unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(second.take_over() && second.take_over());
        assert_eq!(first.frame().await.unwrap().unwrap_err().to_string(), "the request is sent anew");
        assert_eq!(text_and_trailers(second).await, ("abc".into(), Some(trailers())));
    }

    #[tokio::test]
    async fn what_was_made_before_cannot_take_it_back() {
        let first = ReplayBody::new(chunked(&["ab", "c"]), 2);
        let mut second = first.replay().unwrap();
        assert!(second.take_over());
        let third = second.replay().unwrap();
        assert_eq!(first.collect().await.unwrap_err().to_string(), "the request is sent anew");
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert_eq!(text_and_trailers(third).await.0, "abc");
    }

    #[tokio::test]
    async fn what_is_lost_cannot_be_taken_over() {
        let mut first = ReplayBody::new(chunked(&["ab", "c"]), 1);
        let mut second = first.replay().unwrap();
        first.frame().await.unwrap().unwrap();
        assert!(!second.take_over());
        assert_eq!(text_and_trailers(first).await.0, "c", "it is the only one that can go on");
    }

    #[test]
    fn the_cap_holds_however_small_the_pieces() {
        const CAP: usize = 64 * 1024;
        let large = vec![b'x'; 2 * SMALL];
        for (name, count, chunks) in [
            ("a byte each", CAP, [&b"x"[..], b"x"]),
            ("nothing at all", 20 * CAP, [b"", b""]),
            ("small and large", CAP / (SMALL + 1), [b"x", &large]),
        ] {
            // What comes from elsewhere is made before, so that only what is kept counts.
            let chunks = chunks.map(Bytes::copy_from_slice);
            let frames = (0..count).map(move |at| Ok::<_, io::Error>(Frame::data(chunks[at % 2].clone())));
            let mut first = ReplayBody::new(StreamBody::new(futures_util::stream::iter(frames)), CAP);
            let second = first.replay().unwrap();
            let used = allocation_counter::measure(|| {
                futures_util::FutureExt::now_or_never(async { while first.frame().await.is_some() {} }).unwrap();
            });
            assert!(second.is_whole(), "{name}");
            assert!(used.bytes_max <= 3 * CAP as u64, "{name}: {}", used.bytes_max);
        }
    }

    #[tokio::test]
    async fn a_second_attempt_goes_on_where_the_first_one_stopped() {
        let mut first = ReplayBody::new(chunked(&["ab", "c"]), 3);
        let second = first.replay().unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert_eq!(text_and_trailers(second).await.0, "abc");
        assert_eq!(first.frame().await.unwrap().unwrap_err().to_string(), "the request is sent anew");
    }

    #[tokio::test]
    async fn what_is_longer_than_the_cap_streams_on_and_is_not_kept() {
        let mut first = ReplayBody::new(chunked(&["ab", "c", "d"]), 2);
        let second = first.replay().unwrap();
        first.frame().await.unwrap().unwrap();
        assert!(second.is_whole(), "up to the cap");
        first.frame().await.unwrap().unwrap();
        assert!(!second.is_whole() && first.replay().is_none());
        assert_eq!(text_and_trailers(first).await, ("d".into(), Some(trailers())));
        assert!(!second.is_end_stream());
        assert_eq!(second.collect().await.unwrap_err().to_string(), "the beginning of the request body was not kept");
    }

    #[tokio::test]
    async fn a_body_that_fails_fails_the_attempt_and_is_not_sent_again() {
        let broken = StreamBody::new(futures_util::stream::iter([
            Ok(Frame::data(Bytes::from_static(b"a"))),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ]));
        let first = ReplayBody::new(broken, 100);
        let second = first.replay().unwrap();
        let error = first.collect().await.unwrap_err();
        assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
        assert!(!second.is_whole());
    }

    #[test]
    fn an_attempt_that_was_given_up_is_woken_and_told() {
        #[derive(Default)]
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        let mut cx = Context::from_waker(&waker);
        let pending = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, io::Error>>());
        let mut first = ReplayBody::new(pending, 1);
        let mut second = first.replay().unwrap();
        assert!(Pin::new(&mut first).poll_frame(&mut cx).is_pending());
        assert!(Pin::new(&mut second).poll_frame(&mut cx).is_pending());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(matches!(Pin::new(&mut first).poll_frame(&mut cx), Poll::Ready(Some(Err(_)))));
    }

    #[tokio::test]
    async fn a_body_without_content_costs_nothing() {
        let mut made = None;
        let counted = allocation_counter::measure(|| {
            let body = ReplayBody::new(Empty::<Bytes>::new(), 100);
            made = body.replay();
        });
        assert_eq!(counted.count_total, 0);
        let made = made.unwrap();
        assert!(made.is_end_stream() && made.size_hint().exact() == Some(0));
        assert!(made.collect().await.unwrap().to_bytes().is_empty());
    }

    proptest! {
        #[test]
        fn hints_hold_at_every_step(
            lengths in proptest::collection::vec(prop_oneof![0..5_usize, SMALL - 1..SMALL + 2], 1..6),
            read in 0..8_usize,
        ) {
            let content = Bytes::from(vec![b'x'; lengths.iter().sum()]);
            let chunks: Vec<_> = lengths.iter().map(|length| Ok::<_, io::Error>(Frame::data(Bytes::from(vec![b'x'; *length])))).collect();
            let total = content.len();
            let mut body = ReplayBody::new(StreamBody::new(futures_util::stream::iter(chunks)), usize::MAX);
            let again = body.replay().unwrap();
            futures_util::FutureExt::now_or_never(async {
                let mut had = 0;
                for _ in 0..read {
                    if let Some(frame) = body.frame().await {
                        had += frame.unwrap().into_data().unwrap().len();
                    }
                    assert!(body.size_hint().lower() as usize <= total - had);
                    assert_eq!(again.size_hint().lower() as usize, had);
                }
                assert_eq!(again.collect().await.unwrap().to_bytes(), content);
            }).unwrap();
        }
    }
}
