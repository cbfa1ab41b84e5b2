//! LazyImages against the bare service, and the full policy against lol_html with the same selectors.

#[allow(unreachable_pub, unused_imports, clippy::panic, reason = "shared by every bench, each of which uses its own part")]
mod support;

use std::{
    borrow::Cow,
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use donjon::lazy_images::{Dimensions, LazyImagesLayer};
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use lol_html::{
    MemorySettings, Selector,
    send::{ElementContentHandlers, HtmlRewriter, Settings},
};
use tower::{Layer as _, service_fn};

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

/// A megabyte of a news site: for each image and its card about a kilobyte of other markup and text.
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
        if html.len() >= 1 << 20 {
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

fn bench(criterion: &mut Criterion) {
    let mut layered = LazyImagesLayer::new().layer(support::bare());
    let mut bare = support::bare();
    support::compare(
        criterion,
        ("lazy_images", "not-html"),
        || support::call(&mut layered, support::request()),
        ("bare", || support::call(&mut bare, support::request())),
    );

    let selectors: Vec<Selector> = SELECTORS.iter().filter_map(|selector| selector.parse().ok()).collect();
    assert_eq!(selectors.len(), SELECTORS.len());
    let sized = page(" width=\"600\" height=\"400\"");
    for (case, layer, page) in [
        ("page", LazyImagesLayer::new(), &sized),
        ("page-dimensions", LazyImagesLayer::new().dimensions(|_: &str| Dimensions::new(600, 400)), &page("")),
    ] {
        let served = page.clone();
        let mut service = layer.layer(service_fn(move |_: Request<support::Body>| {
            let mut response = Response::new(frames(&served));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            ready(Ok::<_, Infallible>(response))
        }));
        support::compare(
            criterion,
            ("lazy_images", case),
            || drained(support::call(&mut service, support::request()).into_body()),
            ("lol_html", || lol(page, &selectors)),
        );
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
