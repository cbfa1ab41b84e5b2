use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;

use super::{Fill, Filled, Limits, Reader, Room};

pub(super) fn limits(max: u64, expected: Option<u64>) -> Limits {
    Limits { max, expected, room: Room::new(1_000_000) }
}

/// What became of a fill, for a test to look at.
#[derive(Clone, Default)]
pub(super) struct Told(pub(super) Arc<Mutex<Option<Filled>>>);

impl Told {
    pub(super) fn of<B>(fill: &Fill<B>) -> Self {
        let told = Self::default();
        let inside = told.clone();
        fill.on_done(move |filled| assert!(inside.0.lock().unwrap().replace(filled).is_none(), "told twice"));
        told
    }

    #[track_caller]
    pub(super) fn whole(&self) -> Bytes {
        match self.0.lock().unwrap().take() {
            Some(Filled::Whole(body)) => body.pieces().flat_map(|(_, piece)| piece.to_vec()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn is(&self, what: &str) {
        assert_eq!(format!("{:?}", self.0.lock().unwrap()), what);
    }
}

fn frames(chunks: &'static [&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    StreamBody::new(stream::iter(chunks).map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
}

/// A body that a test feeds. Not `Sync`, as many are not.
pub(super) fn fed()
-> (mpsc::UnboundedSender<Result<Frame<Bytes>, &'static str>>, impl Body<Data = Bytes, Error = &'static str> + Send) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let not_sync = std::cell::Cell::new(());
    let body = StreamBody::new(stream::poll_fn(move |cx| {
        not_sync.set(());
        receiver.poll_recv(cx)
    }));
    (sender, body)
}

pub(super) fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// The next frame, which must be there at once.
#[track_caller]
fn now<B: Body<Error: std::fmt::Debug>>(reader: &mut Reader<B>) -> Option<String> {
    let frame = reader.frame().now_or_never().expect("nothing is there yet")?.unwrap();
    Some(match frame.into_data() {
        Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
        Err(frame) => format!("{:?}", frame.into_trailers().unwrap_or_default()),
    })
}

#[track_caller]
fn waits<B: Body<Error: std::fmt::Debug>>(reader: &mut Reader<B>) {
    assert!(reader.frame().now_or_never().is_none(), "something is there already");
}

#[test]
fn what_is_read_is_stored() {
    let (fill, mut reader) = Fill::start(frames(&["ab", "", "c"]), limits(1000, None));
    let told = Told::of(&fill);
    assert_eq!([now(&mut reader), now(&mut reader)], [Some("ab".into()), Some("c".into())]);
    told.is("None");
    assert_eq!(now(&mut reader), None);
    assert_eq!(told.whole(), "abc");
}

#[test]
fn the_first_byte_is_not_kept_waiting() {
    let (sender, body) = fed();
    let (_fill, mut reader) = Fill::start(body, limits(1000, None));
    waits(&mut reader);
    sender.send(data("a")).unwrap();
    assert_eq!(now(&mut reader), Some("a".into()));
    waits(&mut reader);
}

#[test]
fn each_reader_goes_at_its_own_pace() {
    let (fill, mut first) = Fill::start(frames(&["a", "b", "c"]), limits(1000, None));
    let mut second = fill.reader().unwrap();
    assert_eq!(now(&mut second), Some("a".into()));
    assert_eq!(now(&mut second), Some("b".into()));
    assert_eq!(now(&mut first), Some("a".into()));
    assert_eq!(now(&mut second), Some("c".into()));
    assert_eq!(now(&mut second), None);
    let mut late = fill.reader().unwrap();
    assert_eq!(now(&mut late), Some("a".into()));
    assert_eq!([now(&mut first), now(&mut first), now(&mut first)], [Some("b".into()), Some("c".into()), None]);
}

#[tokio::test]
async fn a_reader_that_stands_still_keeps_nobody_waiting() {
    let (sender, body) = fed();
    let (fill, mut still) = Fill::start(body, limits(1000, None));
    let told = Told::of(&fill);
    // It asked, and will not ask again when it is woken.
    waits(&mut still);
    let other = tokio::spawn(fill.reader().unwrap().collect());
    tokio::task::yield_now().await;
    sender.send(data("a")).unwrap();
    tokio::task::yield_now().await;
    sender.send(data("b")).unwrap();
    drop(sender);
    assert_eq!(other.await.unwrap().unwrap().to_bytes(), "ab");
    assert_eq!(told.whole(), "ab");
    assert_eq!(still.collect().await.unwrap().to_bytes(), "ab");
}

#[test]
fn trailers_reach_everybody_and_the_store() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", "1".parse().unwrap());
    let (sender, body) = fed();
    let (fill, mut first) = Fill::start(body, limits(1000, None));
    let told = Told::of(&fill);
    let mut second = fill.reader().unwrap();
    sender.send(data("a")).unwrap();
    sender.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    drop(sender);
    for reader in [&mut first, &mut second] {
        assert_eq!([now(reader), now(reader), now(reader)], [Some("a".into()), Some(format!("{trailers:?}")), None]);
        assert!(reader.is_end_stream());
    }
    let Some(Filled::Whole(body)) = told.0.lock().unwrap().take() else { panic!("not stored") };
    assert_eq!(body.trailers(), Some(&trailers));
}

#[test]
fn an_error_cuts_it_for_all_and_nothing_is_stored() {
    let (sender, body) = fed();
    let (fill, mut first) = Fill::start(body, limits(1000, None));
    let told = Told::of(&fill);
    let mut second = fill.reader().unwrap();
    sender.send(data("a")).unwrap();
    sender.send(Err("gone")).unwrap();
    assert_eq!(now(&mut first), Some("a".into()));
    assert!(matches!(first.frame().now_or_never(), Some(Some(Err(super::ReadError::Inner("gone"))))));
    assert_eq!(now(&mut second), Some("a".into()));
    assert!(matches!(second.frame().now_or_never(), Some(Some(Err(super::ReadError::Cut)))));
    assert!(first.frame().now_or_never().unwrap().is_none() && second.frame().now_or_never().unwrap().is_none());
    told.is("Some(Cut)");
    assert!(fill.reader().is_none());
}

#[test]
fn a_length_that_is_not_kept_is_never_stored() {
    for (name, expected, stored) in [("short", 4, false), ("right", 3, true), ("long", 2, false)] {
        let (fill, mut reader) = Fill::start(frames(&["ab", "c"]), limits(1000, Some(expected)));
        let told = Told::of(&fill);
        while let Some(Some(Ok(_))) = reader.frame().now_or_never() {}
        assert_eq!(matches!(*told.0.lock().unwrap(), Some(Filled::Whole(_))), stored, "{name}");
    }
}

#[test]
fn all_that_was_promised_is_whole_without_its_end() {
    let (sender, body) = fed();
    let (fill, mut reader) = Fill::start(body, limits(1000, Some(2)));
    let told = Told::of(&fill);
    sender.send(data("ab")).unwrap();
    assert_eq!(now(&mut reader), Some("ab".into()));
    // As a server does that has sent as many bytes as it said.
    drop(reader);
    assert_eq!(told.whole(), "ab");
}

#[test]
fn what_is_too_large_is_passed_on_and_let_go() {
    let (sender, body) = fed();
    let (fill, mut reader) = Fill::start(body, limits(10, None));
    let told = Told::of(&fill);
    for _ in 0..100 {
        sender.send(data("0123456789")).unwrap();
        assert_eq!(now(&mut reader), Some("0123456789".into()));
    }
    told.is("Some(TooLarge)");
    assert!(fill.reader().is_none());
    drop(sender);
    assert_eq!(now(&mut reader), None);
    let (fill, _reader) = Fill::start(frames(&["a"]), limits(10, Some(11)));
    Told::of(&fill).is("Some(TooLarge)");
    assert!(fill.reader().is_none());
}

#[test]
fn all_together_hold_no_more_than_there_is_room_for() {
    let room = Room::new(200);
    let start = || Fill::start(frames(&["0123456789", "0123456789"]), Limits { max: 1000, expected: None, room: room.clone() });
    let (first, mut reader) = start();
    let told = Told::of(&first);
    while now(&mut reader).is_some() {}
    assert_eq!(told.whole().len(), 20);
    // The first is stored, and still held for a client that reads it.
    let (second, mut slow) = start();
    let told = Told::of(&second);
    while now(&mut slow).is_some() {}
    told.is("Some(TooLarge)");
    drop((first, reader, second, slow));
    let (third, mut reader) = start();
    let told = Told::of(&third);
    while now(&mut reader).is_some() {}
    assert_eq!(told.whole().len(), 20);
}

#[test]
fn one_chunk_may_be_larger_than_all_that_may_be_stored() {
    let (fill, mut reader) = Fill::start(frames(&["0123456789", "0123456789"]), limits(5, None));
    let told = Told::of(&fill);
    assert_eq!([now(&mut reader), now(&mut reader)], [Some("0123456789".into()), Some("0123456789".into())]);
    told.is("Some(TooLarge)");
}

#[test]
fn what_is_there_already_comes_first() {
    let there = ["ab", "c"].map(Bytes::from);
    let (fill, mut reader) = Fill::start_after(there.clone(), frames(&["de"]), limits(1000, Some(5)));
    let told = Told::of(&fill);
    assert_eq!([now(&mut reader), now(&mut reader), now(&mut reader)].map(Option::unwrap).concat(), "abcde");
    assert_eq!(now(&mut reader), None);
    assert_eq!(told.whole(), "abcde");
    let (fill, mut reader) = Fill::start_after(there, frames(&["de"]), limits(1, None));
    let told = Told::of(&fill);
    assert_eq!([now(&mut reader), now(&mut reader), now(&mut reader)].map(Option::unwrap).concat(), "abcde");
    told.is("Some(TooLarge)");
}

#[test]
fn who_falls_too_far_behind_is_cut_short_and_holds_nobody() {
    let (sender, body) = fed();
    let (fill, mut first) = Fill::start(body, limits(1000, None));
    let mut slow = fill.reader().unwrap();
    for _ in 0..100 {
        sender.send(data("0123456789")).unwrap();
        assert_eq!(now(&mut first), Some("0123456789".into()));
    }
    assert!(matches!(slow.frame().now_or_never(), Some(Some(Err(super::ReadError::Cut)))));
    drop(sender);
    assert_eq!(now(&mut first), None);
}

#[tokio::test]
async fn the_rest_is_read_for_the_store_if_its_end_is_known() {
    let (sender, body) = fed();
    let (fill, mut reader) = Fill::start(body, limits(1000, Some(3)));
    let told = Told::of(&fill);
    sender.send(data("a")).unwrap();
    assert_eq!(now(&mut reader), Some("a".into()));
    drop(reader);
    sender.send(data("bc")).unwrap();
    drop(sender);
    tokio::task::yield_now().await;
    assert_eq!(told.whole(), "abc");
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_not_waited_for_without_end() {
    let (sender, body) = fed();
    let (fill, reader) = Fill::start(body, limits(1000, Some(3)));
    let told = Told::of(&fill);
    drop(reader);
    tokio::time::sleep(Duration::from_secs(60)).await;
    told.is("Some(Cut)");
    assert!(sender.is_closed());
}

#[tokio::test]
async fn the_rest_is_dropped_if_its_end_is_not_known() {
    let (sender, body) = fed();
    let (fill, reader) = Fill::start(body, limits(1000, None));
    let told = Told::of(&fill);
    drop(reader);
    told.is("Some(Cut)");
    assert!(sender.is_closed());
    assert!(fill.reader().is_none());
}

#[test]
fn without_a_runtime_the_rest_is_dropped() {
    let (sender, body) = fed();
    let (fill, reader) = Fill::start(body, limits(1000, Some(3)));
    let told = Told::of(&fill);
    drop(reader);
    told.is("Some(Cut)");
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_body_that_panics_is_cut_for_all() {
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let body = StreamBody::new(stream::poll_fn(move |cx| -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if counted.fetch_add(1, SeqCst) == 0 {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        panic!("a body of a test")
    }));
    let (fill, first) = Fill::start(body, limits(1000, None));
    let told = Told::of(&fill);
    let readers = [tokio::spawn(first.collect()), tokio::spawn(fill.reader().unwrap().collect())];
    let mut panicked = 0;
    for reader in readers {
        match reader.await {
            Ok(result) => assert!(result.is_err()),
            Err(error) => panicked += usize::from(error.is_panic()),
        }
    }
    assert_eq!((panicked, polled.load(SeqCst)), (1, 2));
    told.is("Some(Cut)");
}

#[tokio::test]
async fn the_inner_body_is_asked_once_for_all() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let (sender, mut receiver) = mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
    let body = StreamBody::new(stream::poll_fn(move |cx| {
        counted.fetch_add(1, SeqCst);
        receiver.poll_recv(cx)
    }));
    let (fill, first) = Fill::start(body, limits(1000, None));
    let readers = (0..100).map(|_| fill.reader().unwrap()).chain([first]);
    let tasks: Vec<_> = readers.map(|reader| tokio::spawn(reader.collect())).collect();
    for _ in 0..3 {
        tokio::task::yield_now().await;
        sender.send(Ok(Frame::data(Bytes::from_static(b"a")))).unwrap();
    }
    tokio::task::yield_now().await;
    drop(sender);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().to_bytes(), "aaa");
    }
    assert!(polls.load(SeqCst) < 20, "{polls:?} polls");
}
