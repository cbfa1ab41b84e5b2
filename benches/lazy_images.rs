//! LazyImages against the bare service, and the full policy against lol_html with the same selectors.

mod support;

use std::{
    borrow::Cow,
    convert::Infallible,
    future::ready,
    hint::black_box,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use donjon::lazy_images::{Dimensions, LazyImagesLayer};
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use lol_html::{
    MemorySettings, Selector,
    send::{ElementContentHandlers, HtmlRewriter, Settings},
};
use tower::{Layer as _, service_fn};

use support::{BROWSER, bare, criterion, pass_through, request, request_with};

/// What the layer watches for, in its order.
const SELECTORS: [&str; 8] = [
    "template img, template iframe",
    "base[href]",
    "picture",
    "picture > source",
    "link[fetchpriority]",
    "img",
    "iframe",
    "svg, math",
];

/// 128 kB of a news site: for each image and its card about a kilobyte of other markup and text.
fn page(dimensions: &str) -> Bytes {
    let mut html =
        String::from("<!doctype html><html lang=en><head><meta charset=utf-8><title>Towers</title></head><body><main>");
    let text = "The great tower stands above the gate, and from its roof one sees the river and all that comes down it. ";
    for number in 0.. {
        html.push_str(&format!(
            "<article class=\"card card--{}\" id=\"a{number}\"><h2><a href=\"/towers/{number}\">Tower {number}</a></h2>\
             <img class=\"card__image\" src=\"/img/{number}.jpg\"{dimensions} alt=\"Tower {number} from the river\">",
            number % 7,
        ));
        for _ in 0..7 {
            html.push_str("<p>");
            html.push_str(text);
            html.push_str("</p>");
        }
        html.push_str("</article>\n");
        if html.len() >= 128 << 10 {
            break;
        }
    }
    html.push_str("</main></body></html>");
    html.into()
}

/// How much comes out of a body that never waits for anything but its turn.
fn drained<B: Body<Data = Bytes, Error: std::fmt::Debug>>(body: B) -> usize {
    let mut body = std::pin::pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    let mut length = 0;
    loop {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => length += frame.map_or(0, |frame| frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(None) => return length,
            Poll::Pending => {}
        }
    }
}

/// A page in frames of 16 kB, as a server streams it.
fn frames(page: &Bytes) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
    let mut rest = page.clone();
    let frames = std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(16 * 1024));
        (!piece.is_empty()).then(|| Ok(Frame::data(piece)))
    });
    StreamBody::new(futures_util::stream::iter(frames))
}

/// lol_html alone: the same selectors with handlers that do nothing, the output gathered frame by frame.
fn lol(page: &Bytes, selectors: &[Selector]) -> usize {
    let out = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&out);
    let mut settings = Settings::new_send().with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(1 << 20));
    for selector in selectors {
        let handlers = ElementContentHandlers::default().element(|_: &mut lol_html::html_content::Element<'_, '_, _>| Ok(()));
        settings = settings.append_element_content_handler((Cow::Borrowed(selector), handlers));
    }
    let mut rewriter = HtmlRewriter::new(settings, move |chunk: &[u8]| {
        if let Ok(mut out) = sink.lock() {
            out.extend_from_slice(chunk);
        }
    });
    let mut length = 0;
    let mut take = || length += out.lock().map_or(0, |mut out| std::mem::take(&mut *out).len());
    for piece in page.chunks(16 * 1024) {
        let _ = rewriter.write(piece);
        take();
    }
    let _ = rewriter.end();
    take();
    length
}

/// Measures by turns, so that what else the machine does falls on both alike, and prints the line of [`support::compare`] and
/// `throughput layer case MB/s`.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn compare(case: &str, bytes: usize, mut ours: impl FnMut() -> usize, (peer_name, mut peer): (&str, impl FnMut() -> usize)) {
    const ROUNDS: usize = 1500;
    let mut samples = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    for _ in 0..ROUNDS {
        let works: [&mut dyn FnMut() -> usize; 2] = [&mut ours, &mut peer];
        for (work, samples) in works.into_iter().zip(&mut samples) {
            let start = Instant::now();
            assert!(black_box(work()) >= bytes, "something of the page was lost");
            samples.push(start.elapsed().as_secs_f64() * 1e9);
        }
    }
    let [ours, peer] = samples.map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        samples.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    });
    println!("lazy_images\t{case}\t{ours:.1}\t{peer_name}\t{peer:.1}\t{:.3}", ours / peer);
    println!("throughput\tlazy_images\t{case}\t{:.0}", bytes as f64 * 1e3 / ours);
}

fn main() {
    let mut criterion = criterion();
    let layered = LazyImagesLayer::new().layer(bare());
    pass_through(&mut criterion, ("lazy_images", "GET"), request, layered.clone(), bare());
    pass_through(&mut criterion, ("lazy_images", "GET-browser"), || request_with(&BROWSER), layered, bare());
    criterion.final_summary();

    let selectors: Vec<Selector> = SELECTORS.iter().filter_map(|selector| selector.parse().ok()).collect();
    assert_eq!(selectors.len(), SELECTORS.len());
    let known = LazyImagesLayer::new().dimensions(|_: &str| Dimensions::new(600, 400));
    for (case, layer, page) in
        [("page", LazyImagesLayer::new(), page(" width=\"600\" height=\"400\"")), ("page-dimensions", known, page(""))]
    {
        let served = page.clone();
        let mut service = layer.layer(service_fn(move |_: Request<support::Body>| {
            let mut response = Response::new(frames(&served));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            ready(Ok::<_, Infallible>(response))
        }));
        let ours = || drained(support::call(&mut service, request()).into_body());
        compare(case, page.len(), ours, ("lol_html", || lol(&page, &selectors)));
    }
}
