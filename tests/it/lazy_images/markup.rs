//! What becomes of tags, byte for byte.

use donjon::lazy_images::{Directive, Hint, LazyImagesLayer};
use tower::{Layer as _, ServiceExt as _};

use super::{answering, page, sent};
use crate::support::{empty, get, whole};

/// Nothing eager and no other hints, so that one tag shows one thing.
fn bare() -> LazyImagesLayer {
    LazyImagesLayer::new().eager(0).without(Hint::Decoding)
}

async fn table(layer: LazyImagesLayer, rows: &[(&str, &str, &str)]) {
    for (name, html, expected) in rows {
        let out = sent(&layer, (*html).to_owned()).await;
        assert_eq!(String::from_utf8_lossy(&out), *expected, "{name}");
        assert_eq!(sent(&layer, out.clone()).await, out, "{name}, sent twice");
    }
}

/// The same as it came.
macro_rules! same {
    ($name:literal, $html:expr) => {
        ($name, $html, $html)
    };
}

#[tokio::test]
async fn a_gallery_gains_what_the_guide_says() {
    let html = "<!doctype html><title>Towers</title>\
        <img src=0.jpg width=600 height=400>\
        <img src=1.jpg width=600 height=400>\
        <iframe src=map.html width=600 height=400></iframe>\
        <img src=3.jpg width=600 height=400>\
        <iframe src=tour.html width=600 height=400></iframe>\
        <img src=4.jpg>";
    let expected = "<!doctype html><title>Towers</title>\
        <img fetchpriority=high src=0.jpg width=600 height=400>\
        <img decoding=async src=1.jpg width=600 height=400>\
        <iframe src=map.html width=600 height=400></iframe>\
        <img loading=lazy decoding=async src=3.jpg width=600 height=400>\
        <iframe loading=lazy src=tour.html width=600 height=400></iframe>\
        <img decoding=async src=4.jpg>";
    table(LazyImagesLayer::new(), &[("gallery", html, expected)]).await;
}

#[tokio::test]
async fn tags_in_every_spelling() {
    table(
        bare(),
        &[
            ("double quotes", r#"<img src="a" width="9" height="9">"#, r#"<img loading=lazy src="a" width="9" height="9">"#),
            ("single quotes", "<img src='a' width='9' height='9'>", "<img loading=lazy src='a' width='9' height='9'>"),
            ("no quotes", "<img src=a width=9 height=9>", "<img loading=lazy src=a width=9 height=9>"),
            ("capitals", "<IMG SRC=a WIDTH=9 HEIGHT=9>", "<IMG loading=lazy SRC=a WIDTH=9 HEIGHT=9>"),
            ("self-closing", "<img src=a width=9 height=9 />", "<img loading=lazy src=a width=9 height=9 />"),
            ("slash behind a value", "<img width=9 height=9 src=a/>", "<img loading=lazy width=9 height=9 src=a/>"),
            ("slash behind the name", "<img/src=a width=9 height=9>", "<img loading=lazy /src=a width=9 height=9>"),
            ("newlines", "<img\n\tsrc=a\r\n width=9\x0cheight=9\n>", "<img loading=lazy\n\tsrc=a\r\n width=9\x0cheight=9\n>"),
            ("odd space", "<img   src =  a   width = 9   height= 9>", "<img loading=lazy   src =  a   width = 9   height= 9>"),
            ("duplicates", "<img src=a width=9 height=9 width=x>", "<img loading=lazy src=a width=9 height=9 width=x>"),
            same!("a duplicate does not count", "<img src=a width=x height=9 width=9>"),
            (
                "greater-than in a value",
                "<img alt='>' src=a width=9 height=9>",
                "<img loading=lazy alt='>' src=a width=9 height=9>",
            ),
            (
                "tag in a value",
                "<img alt='<img>' src=a width=9 height=9>",
                "<img loading=lazy alt='<img>' src=a width=9 height=9>",
            ),
            same!("a longer name", "<imgs src=a width=9 height=9>"),
            same!("a name of its own", "<my-img src=a width=9 height=9>"),
            same!("end tag", "</img src=a width=9 height=9>"),
            same!("image", "<image src=a width=9 height=9>"),
            same!("unfinished", "<img src=a width=9 height=9"),
            same!("unfinished value", "<img src=a width=9 height=9 alt='>"),
            same!("no attributes", "<img>"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_only_looks_like_a_tag_stays() {
    let tag = "<img src=a width=9 height=9>";
    for (name, before, after) in [
        ("comment", "<!-- ", " -->"),
        ("script", "<script>", "</script>"),
        ("style", "<style>", "</style>"),
        ("textarea", "<textarea>", "</textarea>"),
        ("title", "<title>", "</title>"),
        ("noscript", "<noscript>", "</noscript>"),
        ("iframe's text", "<iframe>", "</iframe>"),
        ("xmp", "<xmp>", "</xmp>"),
        ("template", "<template><p>", "</p></template>"),
        ("processing instruction", "<?php '", "' ?>"),
        ("CDATA in an SVG", "<svg><![CDATA[", "]]></svg>"),
        ("value", "<a title=\"", "\">"),
    ] {
        let html = format!("<p>{before}{tag}{after}");
        // A bogus comment ends at the first `>`, which is the tag's own.
        assert_eq!(sent(&bare(), html.clone()).await, html, "{name}");
    }
    let expected = "<script>x</script><img loading=lazy src=a width=9 height=9>";
    assert_eq!(sent(&bare(), "<script>x</script><img src=a width=9 height=9>").await, expected);
}

#[tokio::test]
async fn foreign_content() {
    table(
        bare(),
        &[
            same!("what is called iframe in an SVG", "<svg><iframe src=a width=9 height=9></iframe></svg>"),
            same!("HTML in an SVG", "<svg><foreignObject><img src=a width=9 height=9></foreignObject></svg>"),
            same!("an img that ends an SVG", "<svg><img src=a width=9 height=9>"),
            (
                "behind an SVG",
                "<svg><title>t</title></svg><img src=a width=9 height=9>",
                "<svg><title>t</title></svg><img loading=lazy src=a width=9 height=9>",
            ),
            same!("template", "<template><img src=a width=9 height=9><iframe src=b width=9 height=9></iframe></template>"),
            (
                "behind a template",
                "<template><img src=a width=9 height=9></template><img src=a width=9 height=9>",
                "<template><img src=a width=9 height=9></template><img loading=lazy src=a width=9 height=9>",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn pictures_and_source_sets() {
    let layer = bare().dimensions(|_: &str| donjon::lazy_images::Dimensions::new(600, 400));
    table(
        layer,
        &[
            (
                "other formats",
                "<picture><source type=image/avif srcset=a.avif><img src=a.jpg></picture>",
                "<picture><source type=image/avif srcset=a.avif><img loading=lazy width=600 height=400 src=a.jpg></picture>",
            ),
            same!("art direction", "<picture><source media='(width<9em)' srcset=b.jpg><img src=a.jpg></picture>"),
            same!("widths in a source", "<picture><source srcset='b.jpg 9w'><img src=a.jpg></picture>"),
            (
                "behind an art-directed one",
                "<picture><source media=print srcset=b.jpg><img src=a.jpg></picture><img src=a.jpg>",
                "<picture><source media=print srcset=b.jpg><img src=a.jpg></picture><img loading=lazy width=600 height=400 src=a.jpg>",
            ),
            (
                "auto sizes",
                "<img src=a.jpg srcset='a.jpg 300w, b.jpg 600w' width=600 height=400>",
                "<img loading=lazy sizes=auto src=a.jpg srcset='a.jpg 300w, b.jpg 600w' width=600 height=400>",
            ),
            (
                "author's sizes",
                "<img src=a.jpg srcset='a.jpg 300w' sizes=50vw width=600 height=400>",
                "<img loading=lazy src=a.jpg srcset='a.jpg 300w' sizes=50vw width=600 height=400>",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn selectors_leave_elements_out() {
    let layer = LazyImagesLayer::new().eager(1).skip(".logo").unwrap().skip(".carousel img").unwrap();
    let html = "<img class=logo src=a width=600 height=400>\
        <div class='x carousel'><p><img src=b width=600 height=400></div>\
        <img src=c width=600 height=400><img src=d width=600 height=400>";
    let expected = "<img class=logo src=a width=600 height=400>\
        <div class='x carousel'><p><img src=b width=600 height=400></div>\
        <img fetchpriority=high src=c width=600 height=400><img loading=lazy decoding=async src=d width=600 height=400>";
    table(layer, &[("selectors", html, expected)]).await;
}

#[tokio::test]
async fn a_preload_is_the_urgent_image_of_its_page() {
    let image = "<img src=a width=600 height=400>";
    for (link, urgent) in [
        ("<link rel=preload as=image fetchpriority=high href=a>", false),
        ("<link rel=preload as=image fetchpriority=low href=a>", true),
        ("<link rel=preload as=font fetchpriority=high href=f>", true),
    ] {
        let out = sent(&LazyImagesLayer::new(), format!("{link}{image}")).await;
        let added = if urgent { "fetchpriority=high" } else { "decoding=async" };
        assert_eq!(out, format!("{link}<img {added} src=a width=600 height=400>"));
    }
}

#[tokio::test]
async fn a_handler_may_decide_for_its_page() {
    let images = "<img src=a width=9 height=9><img src=b width=9 height=9>";
    for (name, directive, expected) in [
        ("nothing said", Directive::new(), 0),
        ("one eager", Directive::new().eager(1), 1),
        ("none eager", Directive::new().eager(0), 2),
        ("skip", Directive::skip(), 0),
    ] {
        let mut response = page(images);
        response.headers_mut().insert("content-length", images.len().into());
        response.extensions_mut().insert(directive);
        let response = LazyImagesLayer::new().layer(answering(response)).oneshot(empty(get("/"))).await.unwrap();
        let (parts, body) = whole(response).await;
        assert_eq!(String::from_utf8_lossy(&body).matches("loading=lazy").count(), expected, "{name}");
        assert_eq!(parts.headers.get("content-length").is_some(), directive == Directive::skip(), "{name}");
    }
}

#[tokio::test]
async fn other_encodings_are_read_as_they_are() {
    // In Shift_JIS the second byte of a character may be a backslash or a letter, never a bracket or a quote.
    let html = b"<p>\x83\x5c\x95\x5c<img alt='\x83\x5c' src=a width=9 height=9>\xff";
    let mut response = page(html.to_vec());
    response.headers_mut().insert("content-type", "text/html; charset=shift_jis".parse().unwrap());
    let response = bare().layer(answering(response)).oneshot(empty(get("/"))).await.unwrap();
    let expected = b"<p>\x83\x5c\x95\x5c<img loading=lazy alt='\x83\x5c' src=a width=9 height=9>\xff";
    assert_eq!(whole(response).await.1, expected.as_slice());
}
