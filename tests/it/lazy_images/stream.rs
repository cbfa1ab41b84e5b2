//! A page in pieces, without an end, and with trouble in it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use donjon::lazy_images::{LazyImagesLayer, ResponseBody};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use proptest::prelude::*;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::sent;
use crate::support::{empty, get, now};

const TAG: &str = "<img src=a width=9 height=9>";
const LAZY: &str = "<img loading=lazy decoding=async src=a width=9 height=9>";

fn layer() -> LazyImagesLayer {
    LazyImagesLayer::new().eager(0)
}

/// A page of these frames on its way through the layer.
fn streamed<E: Send + 'static>(
    frames: impl IntoIterator<Item = Result<Frame<Bytes>, E>, IntoIter: Send + 'static>,
    charset: &str,
) -> ResponseBody<UnsyncBoxBody<Bytes, E>> {
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let response = Response::builder().header(header::CONTENT_TYPE, format!("text/html{charset}")).body(body).unwrap();
    let mut response = Some(response);
    let service = service_fn(move |_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
    now(layer().layer(service).oneshot(empty(get("/")))).into_body()
}

fn data(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(bytes.into()))
}

fn cut(page: &[u8], lengths: &[usize]) -> Vec<Result<Frame<Bytes>, Infallible>> {
    let mut frames = Vec::new();
    let mut rest = page;
    for length in lengths.iter().cycle().take(100_000) {
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_at((*length).min(rest.len()));
        frames.push(data(Bytes::copy_from_slice(head)));
        rest = tail;
    }
    frames.push(data(Bytes::copy_from_slice(rest)));
    frames
}

fn collected(frames: Vec<Result<Frame<Bytes>, Infallible>>, charset: &str) -> Bytes {
    streamed(frames, charset).collect().now_or_never().expect("little enough for one turn").unwrap().to_bytes()
}

#[tokio::test]
async fn every_frame_comes_out_as_soon_as_it_is_in() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let next = receiver.recv().await?;
        Some((data(next), receiver))
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "text/html").body(StreamBody::new(Box::pin(frames))).unwrap();
    let mut response = Some(response);
    let service = service_fn(move |_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
    let mut body = now(layer().layer(service).oneshot(empty(get("/")))).into_body();
    let mut next = async |input: &'static str| {
        sender.send(input).unwrap();
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    };
    assert_eq!(next("<p>one").await, "<p>one");
    assert_eq!(next("<p>two <im").await, "<p>two ");
    assert_eq!(next("g src=a width=9 height=9><p>").await, format!("{LAZY}<p>"));
}

#[tokio::test]
async fn a_large_frame_comes_out_in_pieces() {
    let page = "<p>text</p>".repeat(60_000);
    let mut body = streamed([data(page.clone())], "");
    let mut out = Vec::new();
    while let Some(frame) = body.frame().await {
        let bytes = frame.unwrap().into_data().unwrap();
        assert!(bytes.len() < 17 * 1024 && !bytes.is_empty(), "{} bytes at once", bytes.len());
        out.extend_from_slice(&bytes);
    }
    assert_eq!(out, page.as_bytes());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn trailers_come_after_the_end_without_digests_of_other_bytes() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checked", "1".parse().unwrap());
    trailers.insert("content-digest", "sha-256=:AA==:".parse().unwrap());
    let frames = [data(TAG), data("<img unfinished"), Ok(Frame::trailers(trailers))];
    let collected = streamed(frames, "").collect().await.unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!((trailers.len(), &trailers["x-checked"]), (1, &"1".parse().unwrap()));
    assert_eq!(collected.to_bytes(), format!("{LAZY}<img unfinished"));
}

#[tokio::test]
async fn an_error_comes_after_all_that_came_before_it() {
    let frames = [Ok(Frame::data(Bytes::from("<p><img unfinished"))), Err("disk on fire"), Ok(Frame::data(Bytes::from("never")))];
    let mut body = streamed(frames, "");
    let mut out = Vec::new();
    let error = loop {
        match body.frame().await.expect("an error is no clean end") {
            Ok(frame) => out.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!((out.as_slice(), error), (&b"<p><img unfinished"[..], "disk on fire"));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_empty_page_ends_at_once() {
    let body = super::page("");
    let service = layer().layer(super::answering(body));
    let body = now(service.oneshot(empty(get("/")))).into_body();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn what_passes_keeps_its_length() {
    let mut response = Response::new(Full::new(Bytes::from(TAG)));
    response.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    let body = now(layer().layer(super::answering(response)).oneshot(empty(get("/")))).into_body();
    assert_eq!(body.size_hint().exact(), Some(TAG.len() as u64));
}

#[test]
fn a_tag_without_an_end_stops_the_reading_and_loses_nothing() {
    let inside = format!("<p>{TAG}<img alt=\"{}", "x".repeat(1 << 20));
    let out = collected_busy(cut(inside.as_bytes(), &[1000, 7, 60_000]), "");
    let expected = inside.replacen(TAG, LAZY, 1);
    assert!(out == expected, "{} bytes of {}", out.len(), expected.len());
    // What comes behind it is passed on as it is, for it may be anything.
    let ended = format!("{inside}\">{TAG}");
    assert!(collected_busy(cut(ended.as_bytes(), &[16_384]), "") == format!("{expected}\">{TAG}"));
}

#[test]
fn a_data_url_is_no_endless_tag() {
    let page = format!("<img src=\"data:image/png;base64,{}\">{TAG}", "A".repeat(150_000));
    assert!(collected_busy(cut(page.as_bytes(), &[4096]), "").ends_with(LAZY.as_bytes()));
}

/// Polls through the turns that a body gives to others.
fn collected_busy(frames: Vec<Result<Frame<Bytes>, Infallible>>, charset: &str) -> Bytes {
    let mut body = streamed(frames, charset);
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    loop {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => out.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            Poll::Ready(None) => return out.into(),
            Poll::Pending => {}
        }
    }
}

/// How many bytes a body gives, and how many it has held at once while it did.
fn drained(mut body: impl Body<Data = Bytes, Error: std::fmt::Debug> + Unpin) -> (usize, u64) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut delivered = 0;
    let used = allocation_counter::measure(|| {
        loop {
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(frame)) => delivered += frame.unwrap().into_data().unwrap().len(),
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
        }
    });
    (delivered, used.bytes_max)
}

#[test]
fn a_hundred_megabytes_in_one_tag_take_less_than_one() {
    const MEGABYTE: usize = 1 << 20;
    let frame = Bytes::from(vec![b'x'; 64 * 1024]);
    let start = Bytes::from_static(b"<p><img alt=\"");
    let frames = std::iter::once(start.clone()).chain(std::iter::repeat_n(frame, 1600)).map(data);
    let (delivered, held) = drained(streamed(frames, ""));
    assert_eq!(delivered, start.len() + 100 * MEGABYTE);
    assert!(held <= MEGABYTE as u64, "{held} bytes at once");
}

#[test]
fn a_million_open_elements_and_any_number_of_images_take_less_than_a_megabyte() {
    for (name, unit, thousands) in [
        ("open elements", "<div>", 1000),
        ("open templates", "<template>", 1000),
        ("comments", "<!-- x -->", 100),
        ("images", TAG, 50),
    ] {
        let frame = Bytes::from(unit.repeat(1000));
        let (delivered, held) = drained(streamed(std::iter::repeat_n(frame.clone(), thousands).map(data), ""));
        assert!(delivered >= frame.len() * thousands, "{name}");
        assert!(held <= 1 << 20, "{name}: {held} bytes at once");
    }
}

#[tokio::test]
async fn where_tags_cannot_be_told_from_text_the_page_passes() {
    // Whether <xmp> counts in a <select> depends on more than a stream can know.
    for ambiguous in ["<select><xmp>", "<select><title>", "<frameset><style>", "<select><template><script>"] {
        let page = format!("{TAG}{ambiguous}{TAG}");
        assert_eq!(sent(&layer(), page).await, format!("{LAZY}{ambiguous}{TAG}"));
    }
    // An SVG that ends with what is around it: a browser takes the style for HTML's, and what follows for its text.
    let page = format!("{TAG}<div><svg><path></div><style/>{TAG}</style>{TAG}");
    assert_eq!(sent(&layer(), page.clone()).await, page.replacen(TAG, LAZY, 1));
    let page = format!("{TAG}<svg><svg><b><xmp>{TAG}</xmp>{TAG}");
    assert_eq!(sent(&layer(), page.clone()).await, page.replacen(TAG, LAZY, 1));
    let page = format!("{TAG}<div><svg><title>t</title><path/></svg><math></math><svg/></div>{TAG}");
    assert_eq!(sent(&layer(), page.clone()).await, page.replace(TAG, LAZY));
    // A script in a select is a script.
    assert_eq!(
        sent(&layer(), format!("<select><script></script></select>{TAG}")).await,
        format!("<select><script></script></select>{LAZY}")
    );
}

#[tokio::test]
async fn a_source_that_panics_costs_the_rest_of_the_page_its_attributes_only() {
    let layer = layer().dimensions(|path: &str| if path == "/docs/bad" { panic!("a source's own fault") } else { None });
    let page = format!("{TAG}<img src=bad>{TAG}");
    assert_eq!(sent(&layer, page).await, format!("{LAZY}<img src=bad>{TAG}"));
}

#[test]
fn utf_16_is_known_by_its_mark() {
    let page: Vec<u8> = [0xfeff].into_iter().chain(TAG.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(collected(cut(&page, &[1]), ""), page);
    let ascii = [&b"\xfe\xff"[..], TAG.as_bytes()].concat();
    assert_eq!(collected(cut(&ascii, &[1]), "; charset=utf-8"), ascii);
    let utf_8 = [&b"\xef\xbb\xbf"[..], TAG.as_bytes()].concat();
    assert_eq!(collected(cut(&utf_8, &[1]), ""), [&b"\xef\xbb\xbf"[..], LAZY.as_bytes()].concat());
}

#[test]
fn an_escape_may_be_iso_2022_jp_unless_the_encoding_is_declared() {
    let page = format!("{TAG}<p>\x1b$B<img\x1b(B>{TAG}");
    let stopped = page.replacen(TAG, LAZY, 1);
    for lengths in [&[1][..], &[5, 30], &[1000]] {
        assert_eq!(collected(cut(page.as_bytes(), lengths), ""), stopped);
        assert_eq!(collected(cut(page.as_bytes(), lengths), "; charset=nonsense"), stopped);
    }
    assert_eq!(
        collected(cut(page.as_bytes(), &[7]), "; charset=utf-8").windows(12).filter(|window| window == b"loading=lazy").count(),
        2
    );
}

/// Pieces of pages that put a tokenizer to the test.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(TAG.to_owned()),
        2 => "[a-z <>/='\"&;!-]{0,20}",
        1 => prop::sample::select(vec![
            "<img", "<iframe src=b width=9 height=9>", "</iframe>", "<script>", "</script>", "<!--", "-->", "<template>", "</template>",
            "<svg>", "</svg>", "<math>", "<![CDATA[", "]]>", "<title>", "</title>", "<textarea>", "</textarea>", "<select>", "</select>",
            "<xmp>", "</xmp>", "<picture>", "<source media=x srcset=y>", "</picture>", "<plaintext>", "<base href=/x/>", "<noscript>",
            "</noscript>", "<table>", "<td>", "<p hidden>", "<!doctype html>", "\u{1b}", "<img src=a class='x y' srcset='a 1x, b 2x'>",
            "<link rel=stylesheet href=a>", "<IMG/SRC=a/WIDTH=9/HEIGHT=9>", "\0", "é", "&lt;img&gt;",
        ]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cut_of_a_page_gives_the_same_bytes(
        fragments in prop::collection::vec(fragment(), 0..30),
        lengths in prop::collection::vec(1_usize..40, 1..20),
        declared in any::<bool>(),
    ) {
        let page = fragments.concat();
        let charset = if declared { "; charset=utf-8" } else { "" };
        let whole = collected(vec![data(page.clone())], charset);
        prop_assert_eq!(&collected(cut(page.as_bytes(), &lengths), charset), &whole);
        prop_assert_eq!(&collected(cut(page.as_bytes(), &[1]), charset), &whole);
        prop_assert_eq!(&collected(vec![data(whole.clone())], charset), &whole, "sent twice");
    }

    #[test]
    fn any_bytes_come_out_with_nothing_lost(
        page in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let out = collected(cut(&page, &lengths), "");
        let mut rest = out.iter();
        prop_assert!(page.iter().all(|byte| rest.any(|other| other == byte)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_of_a_long_page_gives_the_same_bytes(
        long in 150_000_usize..260_000,
        before in 0_usize..20_000,
        lengths in prop::collection::vec(1_usize..50_000, 1..8),
    ) {
        // Around the limit for one tag, and with more open elements than are followed.
        let page = format!("{TAG}{}<img alt='{}'>{TAG}{}{TAG}", "x".repeat(before), "y".repeat(long), "<i>".repeat(5000));
        let whole = collected_busy(vec![data(page.clone())], "");
        prop_assert!(collected_busy(cut(page.as_bytes(), &lengths), "") == whole);
        prop_assert!(whole.starts_with(LAZY.as_bytes()));
    }
}

#[tokio::test]
async fn a_body_gives_others_their_turn() {
    let mut body = streamed(std::iter::repeat_n(Bytes::from(vec![b'x'; 16_384]), 8).map(data), "");
    let tag = streamed(
        std::iter::once(Bytes::from_static(b"<img alt=\""))
            .chain(std::iter::repeat_n(Bytes::from(vec![b'x'; 16_384]), 8))
            .map(data),
        "",
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_ready());
    let mut tag = tag.into_data_stream();
    assert!(tag.poll_next_unpin(&mut cx).is_pending(), "much was read and nothing came out");
    assert!(tag.poll_next_unpin(&mut cx).is_pending() || tag.poll_next_unpin(&mut cx).is_ready());
}
