//! Parts of a response: RFC 9110 §14.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use donjon::{
    ManualClock, Problem,
    conditional_cache::{ConditionalCacheLayer, EntityTags, PreconditionLayer, Ranges, ResponseBody},
};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full};
use proptest::prelude::*;
use tower::{Layer as _, Service as _, service_fn};

use super::{Fields, answer, field, get, request, response};
use crate::support::{allocations, now, whole};

const DIGITS: &str = "0123456789";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// 1000 bytes of which no two neighbours are alike.
fn thousand() -> Bytes {
    (0..1000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A response of so many bytes with the handler's own tag.
fn tagged(fields: Fields<'_>, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = response(200, fields, Full::new(content));
    response.headers_mut().insert("etag", "\"a\"".parse().unwrap());
    response
}

fn cut(asked: Fields<'_>, inner: Response<Full<Bytes>>) -> Response<ResponseBody<Full<Bytes>>> {
    answer(&ConditionalCacheLayer::new(), request("GET", "/", asked), inner)
}

#[tokio::test]
async fn one_range_is_a_206() {
    for (name, range, content_range, content) in [
        ("the first bytes", "bytes=0-3", "bytes 0-3/10", "0123"),
        ("the last bytes", "bytes=-3", "bytes 7-9/10", "789"),
        ("all from", "bytes=4-", "bytes 4-9/10", "456789"),
        ("everything", "bytes=0-", "bytes 0-9/10", DIGITS),
        ("one byte", "bytes=5-5", "bytes 5-5/10", "5"),
        ("more than there is", "bytes=8-99", "bytes 8-9/10", "89"),
        ("two that are close", "bytes=1-2,5-6", "bytes 1-6/10", "123456"),
    ] {
        let answer = get("/", &[("range", range)], 200, &[("content-type", "text/plain"), ("set-cookie", "a=b")], DIGITS);
        assert_eq!((answer.status().as_u16(), field(&answer, "content-range")), (206, Some(content_range)), "{name}");
        assert_eq!(field(&answer, "content-length"), Some(content.len().to_string().as_str()), "{name}");
        assert_eq!(answer.body().size_hint().exact(), Some(content.len() as u64), "{name}");
        assert_eq!(field(&answer, "accept-ranges"), Some("bytes"), "{name}");
        assert_eq!((field(&answer, "content-type"), field(&answer, "set-cookie")), (Some("text/plain"), Some("a=b")), "{name}");
        assert!(answer.headers().contains_key("etag"), "{name}");
        assert_eq!(whole(answer).await.1, content, "{name}");
    }
}

#[tokio::test]
async fn several_ranges_are_a_multipart() {
    let fields = &[("content-type", "image/png"), ("cache-control", "max-age=60"), ("content-digest", "sha-256=:AA==:")];
    let answer = cut(&[("range", "bytes=0-1, 300-309,-2")], tagged(fields, thousand()));
    assert_eq!((answer.status().as_u16(), field(&answer, "content-range")), (206, None));
    assert_eq!((field(&answer, "cache-control"), field(&answer, "etag")), (Some("max-age=60"), Some("\"a\"")));
    assert_eq!(field(&answer, "content-digest"), None, "a digest of other content");
    let length: u64 = field(&answer, "content-length").unwrap().parse().unwrap();
    assert_eq!(answer.body().size_hint().exact(), Some(length));
    let boundary = field(&answer, "content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    let content = whole(answer).await.1;
    assert_eq!(content.len() as u64, length);
    assert_eq!(
        parts(&content, &boundary),
        [
            ("bytes 0-1/1000", &thousand()[..2]),
            ("bytes 300-309/1000", &thousand()[300..310]),
            ("bytes 998-999/1000", &thousand()[998..])
        ]
        .map(|(range, bytes)| (format!("Content-Type: image/png\r\nContent-Range: {range}"), bytes.to_vec()))
    );
}

/// The fields and the bytes of each part, by the grammar of RFC 2046 §5.1.1.
#[track_caller]
fn parts(content: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let text: String = content.iter().map(|byte| char::from(*byte)).collect();
    let inside = text.strip_prefix(&format!("--{boundary}\r\n")).expect("it begins with a delimiter");
    let inside = inside.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("it ends with the last delimiter");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let parts = inside.split(&delimiter);
    let bytes = |text: &str| text.chars().map(|one| u8::try_from(u32::from(one)).unwrap()).collect();
    parts
        .map(|part| part.split_once("\r\n\r\n").expect("fields, then content"))
        .map(|(fields, part)| (fields.to_owned(), bytes(part)))
        .collect()
}

#[test]
fn what_is_answered_as_if_there_were_no_range() {
    for (name, method, range, status, fields) in [
        ("another unit", "GET", "items=0-1", 200, &[][..]),
        ("malformed", "GET", "bytes=1-0", 200, &[]),
        ("no order", "GET", "bytes=900-901,0-1", 200, &[]),
        ("HEAD", "HEAD", "bytes=0-1", 200, &[]),
        ("POST", "POST", "bytes=0-1", 200, &[]),
        ("created", "GET", "bytes=0-1", 201, &[]),
        ("no success", "GET", "bytes=0-1", 404, &[]),
        ("a part of the handler's own", "GET", "bytes=0-1", 206, &[("content-range", "bytes 0-999/5000")]),
        ("a refusal of the handler's own", "GET", "bytes=0-1", 416, &[("content-range", "bytes */5000")]),
        ("a part without its status", "GET", "bytes=0-1", 200, &[("content-range", "bytes 0-999/5000")]),
        ("parts", "GET", "bytes=0-1", 200, &[("content-type", "Multipart/ByteRanges;boundary=x")]),
        ("the handler wants none", "GET", "bytes=0-1", 200, &[("accept-ranges", "None")]),
        ("a length that the body denies", "GET", "bytes=0-1", 200, &[("content-length", "999")]),
        ("a length that is none", "GET", "bytes=0-1", 200, &[("content-length", "+1000")]),
        ("many of what is coded", "GET", "bytes=0-1,900-901", 200, &[("content-encoding", "gzip")]),
    ] {
        let mut inner = response(status, fields, Full::new(thousand()));
        inner.headers_mut().insert("cache-control", "max-age=1".parse().unwrap());
        inner.headers_mut().insert("etag", "\"a\"".parse().unwrap());
        let before = inner.headers().clone();
        let answer = answer(&ConditionalCacheLayer::new(), request(method, "/", &[("range", range)]), inner);
        assert_eq!((answer.status().as_u16(), answer.headers()), (status, &before), "{name}");
        assert_eq!(answer.body().size_hint().exact(), Some(1000), "{name}");
    }
}

#[test]
fn the_setting_leaves_ranges_to_the_handler() {
    let layer = ConditionalCacheLayer::new().ranges(Ranges::Off);
    let answer = answer(&layer, request("GET", "/", &[("range", "bytes=0-1")]), tagged(&[], thousand()));
    assert_eq!((answer.status().as_u16(), field(&answer, "accept-ranges")), (200, None));
}

#[test]
fn the_half_that_evaluates_cuts_too() {
    let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let layer = PreconditionLayer::new().ranges(Ranges::Exclusive).clock(clock.clone());
    let ask = |asked| now(layer.layer(service_fn(careless)).call(request("GET", "/", asked)));
    assert_eq!(field(&ask(&[("range", "bytes=-1")]), "content-range"), Some("bytes 999-999/1000"));
    let dated = |_: http::Request<Empty<Bytes>>| std::future::ready(Ok(tagged(&[("last-modified", DATE)], thousand())));
    let asked: Fields<'_> = &[("range", "bytes=-1"), ("if-range", DATE)];
    let status = || now(layer.layer(service_fn(dated)).call(request("GET", "/", asked))).status().as_u16();
    assert_eq!(status(), 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(), 206);
}

/// Answers every range by the same part, and never looks at If-Range.
async fn careless(request: http::Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    Ok(match request.headers().get("range") {
        Some(_) => response(206, &[("content-range", "bytes 0-0/1000"), ("etag", "\"a\"")], Full::from("x")),
        None => tagged(&[], thousand()),
    })
}

#[test]
fn a_handler_that_serves_ranges_badly_need_not_see_them() {
    let asked: Fields<'_> = &[("range", "bytes=5-6"), ("if-range", "\"b\"")];
    let ask = |ranges, asked: Fields<'_>| {
        let mut service = ConditionalCacheLayer::new().ranges(ranges).layer(service_fn(careless));
        now(service.call(request("GET", "/", asked))).status().as_u16()
    };
    assert_eq!(ask(Ranges::Automatic, asked), 206, "what the handler says of ranges passes");
    assert_eq!(ask(Ranges::Exclusive, asked), 200);
    assert_eq!(ask(Ranges::Exclusive, &[asked[0], ("if-range", "\"a\"")]), 206);
    assert_eq!(ask(Ranges::Exclusive, &[("range", "bytes=1000-")]), 416);
}

#[test]
fn ranges_are_advertised_where_they_would_be_served() {
    let layer = ConditionalCacheLayer::new().ranges(Ranges::Advertised);
    for (name, method, status, fields, expected) in [
        ("GET", "GET", 200, &[("cache-control", "no-cache")][..], Some("bytes")),
        ("HEAD", "HEAD", 200, &[], Some("bytes")),
        ("POST", "POST", 200, &[], None),
        ("an error", "GET", 404, &[], None),
        ("the handler's own word", "GET", 200, &[("accept-ranges", "none")], Some("none")),
    ] {
        let mut inner = tagged(fields, thousand());
        *inner.status_mut() = http::StatusCode::from_u16(status).unwrap();
        let answer = answer(&layer, request(method, "/", &[]), inner);
        assert_eq!(field(&answer, "accept-ranges"), expected, "{name}");
    }
    let stream = response(200, &[], Stream::new(None, &["a"]));
    let answer = answer(&layer.entity_tags(EntityTags::Off), request("GET", "/", &[]), stream);
    assert_eq!(field(&answer, "accept-ranges"), None, "no length, no ranges");
}

#[tokio::test]
async fn a_range_beyond_the_end_is_a_416_that_tells_the_length() {
    let fields = &[("content-type", "text/html"), ("set-cookie", "a=b"), ("content-encoding", "gzip")];
    let answer = cut(&[("range", "bytes=1000-")], tagged(fields, thousand()));
    assert_eq!((answer.status().as_u16(), field(&answer, "content-range")), (416, Some("bytes */1000")));
    assert_eq!(answer.extensions().get::<Problem>().map(|problem| problem.status().as_u16()), Some(416));
    assert_eq!(
        (field(&answer, "content-type"), field(&answer, "accept-ranges")),
        (Some("application/problem+json"), Some("bytes"))
    );
    assert_eq!((field(&answer, "etag"), field(&answer, "content-encoding")), (None, None));
    assert_eq!((field(&answer, "set-cookie"), field(&answer, "cache-control")), (Some("a=b"), Some("no-store")));
    assert!(whole(answer).await.1.starts_with(b"{"));
}

#[test]
fn of_nothing_there_is_no_part() {
    let nothing = |range| get("/", &[("range", range)], 200, &[], "");
    assert_eq!((nothing("bytes=0-").status().as_u16(), field(&nothing("bytes=0-"), "content-range")), (416, Some("bytes */0")));
    assert_eq!(nothing("bytes=-1").status(), 200, "all of it, which no Content-Range can name");
}

#[test]
fn preconditions_come_before_ranges() {
    let range = ("range", "bytes=0-1");
    for (name, asked, expected) in [
        ("a known tag", &[range, ("if-none-match", "\"a\"")][..], 304),
        ("a tag that is not current", &[range, ("if-match", "\"b\"")], 412),
        ("a known tag and a range that is not there", &[("range", "bytes=5000-"), ("if-none-match", "\"a\"")], 304),
        ("the current tag", &[range, ("if-match", "\"a\"")], 206),
        ("If-Range holds", &[range, ("if-range", "\"a\"")], 206),
        ("If-Range of another", &[range, ("if-range", "\"b\"")], 200),
        ("If-Range compares strongly", &[range, ("if-range", "W/\"a\"")], 200),
        ("If-Range of another and nothing there", &[("range", "bytes=5000-"), ("if-range", "\"b\"")], 200),
        ("If-Range holds and nothing there", &[("range", "bytes=5000-"), ("if-range", "\"a\"")], 416),
        ("If-Range that is neither", &[range, ("if-range", "a")], 200),
        ("If-Range alone", &[("if-range", "\"b\"")], 200),
    ] {
        assert_eq!(cut(asked, tagged(&[], thousand())).status(), expected, "{name}");
    }
}

#[test]
fn a_date_in_if_range_counts_once_its_second_is_over() {
    let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let layer = ConditionalCacheLayer::new().clock(clock.clone());
    let status = |date| {
        let asked = request("GET", "/", &[("range", "bytes=0-1"), ("if-range", date)]);
        answer(&layer, asked, tagged(&[("last-modified", DATE)], thousand())).status().as_u16()
    };
    assert_eq!(status(DATE), 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(DATE), 206);
    assert_eq!(status("Sun, 06 Nov 1994 08:49:38 GMT"), 200);
}

#[test]
fn a_weak_tag_of_our_own_resumes_nothing() {
    let coded = [("accept-encoding", "gzip"), ("range", "bytes=0-1")];
    let tag = field(&get("/", &coded, 200, &[], DIGITS), "etag").unwrap().to_owned();
    assert!(tag.starts_with("W/"));
    assert_eq!(get("/", &[coded[0], coded[1], ("if-range", &tag)], 200, &[], DIGITS).status(), 200);
}

/// A body in frames that counts how many of them were taken.
struct Stream {
    frames: std::vec::IntoIter<Bytes>,
    size: Option<u64>,
    taken: Arc<AtomicUsize>,
    trailers: bool,
}

impl Stream {
    fn new(size: Option<u64>, frames: &[&'static str]) -> Self {
        let frames: Vec<_> = frames.iter().map(|frame| Bytes::from_static(frame.as_bytes())).collect();
        Self { frames: frames.into_iter(), size, taken: Arc::default(), trailers: false }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = self.frames.next().map(Frame::data);
        self.taken.fetch_add(usize::from(frame.is_some()), Ordering::SeqCst);
        let trailers = std::mem::take(&mut self.trailers).then(|| Frame::trailers(super::headers(&[("x-end", "1")])));
        Poll::Ready(frame.or(trailers).map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn streamed(range: &str, fields: Fields<'_>, body: Stream) -> Response<ResponseBody<Stream>> {
    let layer = ConditionalCacheLayer::new().entity_tags(EntityTags::Off);
    answer(&layer, request("GET", "/", &[("range", range)]), response(200, fields, body))
}

#[tokio::test]
async fn a_stream_of_known_length_is_skipped_through_and_left_when_the_part_is_sent() {
    for (size, fields) in [(Some(10), &[][..]), (None, &[("content-length", "10")])] {
        let body = Stream::new(size, &["01", "234", "5", "6789"]);
        let taken = Arc::clone(&body.taken);
        let answer = streamed("bytes=3-5", fields, body);
        assert_eq!((answer.status().as_u16(), field(&answer, "content-length")), (206, Some("3")));
        assert_eq!(taken.load(Ordering::SeqCst), 0, "nothing is read before somebody asks");
        assert_eq!(whole(answer).await.1, "345");
        assert_eq!(taken.load(Ordering::SeqCst), 3, "what comes after the part is never read");
    }
}

#[tokio::test]
async fn a_stream_of_unknown_length_is_sent_whole() {
    let answer = streamed("bytes=3-5", &[], Stream::new(None, &["01", "234"]));
    assert_eq!((answer.status().as_u16(), field(&answer, "content-range")), (200, None));
    assert_eq!(whole(answer).await.1, "01234");
}

#[tokio::test]
async fn trailers_of_the_whole_are_not_sent_with_a_part() {
    for range in ["bytes=0-3", "bytes=0-1"] {
        let mut body = Stream::new(Some(4), &["0123"]);
        body.trailers = true;
        let answer = streamed(range, &[("trailer", "x-end")], body);
        assert_eq!((answer.status().as_u16(), field(&answer, "trailer")), (206, None));
        assert_eq!(answer.into_body().collect().await.unwrap().trailers(), None);
    }
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_was_said_to_be_never_looks_whole() {
    for (range, came) in [("bytes=2-7", "234"), ("bytes=6-7", "")] {
        for trailers in [false, true] {
            let mut body = Stream::new(None, &["01", "234"]);
            body.trailers = trailers;
            let mut body = streamed(range, &[("content-length", "10")], body).into_body();
            let mut content = Vec::new();
            while let Some(frame) = body.frame().await {
                content.extend_from_slice(&frame.unwrap().into_data().expect("no trailers"));
            }
            assert_eq!(content, came.as_bytes());
            assert!(!body.is_end_stream() && body.size_hint().lower() > 0, "the server has to see that something is missing");
            assert!(body.frame().await.is_none(), "and may ask again");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_body_comes_through() {
    struct Fails;
    impl Body for Fails {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(Some(Err(io::Error::other("torn"))))
        }
    }
    let inner = response(200, &[("content-length", "10"), ("etag", "\"a\"")], Fails);
    let answer = answer(&ConditionalCacheLayer::new(), request("GET", "/", &[("range", "bytes=5-6")]), inner);
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.into_body().collect().await.unwrap_err().to_string(), "torn");
}

#[tokio::test]
async fn skipping_lets_others_run() {
    let frames = vec!["x"; 1000];
    let mut body = std::pin::pin!(streamed("bytes=999-", &[], Stream::new(Some(1000), &frames)).into_body());
    let mut turns = 0;
    let frame = std::future::poll_fn(|cx| {
        turns += 1;
        body.as_mut().poll_frame(cx)
    });
    assert_eq!(frame.await.unwrap().unwrap().into_data().unwrap(), "x");
    assert!(turns > 10, "{turns} turns for 1000 frames");
}

#[tokio::test]
async fn a_part_of_one_frame_is_not_copied() {
    let content = thousand();
    let (_, part) = whole(cut(&[("range", "bytes=10-19")], tagged(&[], content.clone()))).await;
    assert_eq!(part.as_ptr(), content[10..].as_ptr());
}

#[test]
fn a_range_that_means_nothing_costs_nothing_and_a_part_little() {
    for (range, status, most) in [("items=0-1", 200, 0), ("bytes=5", 200, 0), ("bytes=0-1", 206, 14)] {
        let request = request("GET", "/", &[("range", range)]);
        let mut inner = Some(tagged(&[("cache-control", "no-cache")], thousand()));
        let handler = service_fn(|_: http::Request<Empty<Bytes>>| {
            std::future::ready(Ok::<_, std::convert::Infallible>(inner.take().expect("called once")))
        });
        let mut service = ConditionalCacheLayer::new().layer(handler);
        let (count, answer) = allocations(|| now(service.call(request)));
        assert_eq!(answer.status(), status, "{range}");
        assert!(count <= most, "{count} allocations for {range}");
    }
}

#[test]
fn head_says_what_it_would_about_the_whole() {
    let asked = request("HEAD", "/", &[("range", "bytes=0-1"), ("if-range", "\"b\"")]);
    let answer = answer(&ConditionalCacheLayer::new(), asked, response(200, &[("content-length", "10")], Empty::<Bytes>::new()));
    assert_eq!((answer.status().as_u16(), field(&answer, "content-length")), (200, Some("10")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_ranges_of_any_chunking_are_the_bytes_they_name(
        cuts in prop::collection::vec(0_usize..1000, 0..12),
        specs in prop::collection::vec((0_u64..1100, 0_u64..200), 1..6),
        known: bool,
        suffix in prop::option::of(1_u64..1100),
    ) {
        let mut cuts = [cuts, vec![0, 1000]].concat();
        cuts.sort_unstable();
        let content = thousand();
        let frames: Vec<_> = cuts.windows(2).map(|cut| content.slice(cut[0]..cut[1])).collect();
        let body = Stream { frames: frames.into_iter(), size: known.then_some(1000), taken: Arc::default(), trailers: false };
        let mut specs: Vec<_> = specs.into_iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        specs.extend(suffix.map(|suffix| format!("-{suffix}")));
        let fields: Fields<'_> = if known { &[] } else { &[("content-length", "1000")] };
        let answer = streamed(&format!("bytes={}", specs.join(",")), fields, body);
        let (head, sent) = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(whole(answer));
        let named = |range: &str| {
            let (first, last) = range.strip_prefix("bytes ").unwrap().strip_suffix("/1000").unwrap().split_once('-').unwrap();
            content.slice(first.parse::<usize>().unwrap()..=last.parse().unwrap())
        };
        match (head.status.as_u16(), head.headers.get("content-range")) {
            (200, None) => prop_assert_eq!(&sent, &content),
            (206, Some(range)) => prop_assert_eq!(&sent, &named(range.to_str().unwrap())),
            (206, None) => {
                prop_assert!(sent.len() < content.len(), "a multipart answer is never longer than the whole");
                let boundary = head.headers["content-type"].to_str().unwrap().split_once("boundary=").unwrap().1;
                for (fields, part) in parts(&sent, boundary) {
                    prop_assert_eq!(&part, &named(fields.strip_prefix("Content-Range: ").unwrap()));
                }
            }
            (status, _) => prop_assert_eq!(status, 416),
        }
        if head.status != 416 {
            prop_assert_eq!(head.headers.get("content-length").map_or(1000, |length| length.to_str().unwrap().parse().unwrap()), sent.len());
        }
    }
}
