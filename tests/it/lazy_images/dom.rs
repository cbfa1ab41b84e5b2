//! What a browser makes of a page before and after: the same document, but for the attributes that the policy names.

use std::{collections::BTreeMap, path::Path, rc::Rc};

use bytes::Bytes;
use donjon::lazy_images::{Dimensions, LazyImagesLayer};
use html5ever::{ParseOpts, parse_document, tendril::TendrilSink as _, tree_builder::TreeBuilderOpts};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;
use tower::{Layer as _, ServiceExt as _};

use super::{answering, page};
use crate::support::{empty, get, now, whole};

/// Everything on, and an answer to every question.
fn layer() -> LazyImagesLayer {
    LazyImagesLayer::new()
        .eager(1)
        .dimensions(|_: &str| Dimensions::new(600, 400))
        .asset_urls(|path: &str| Some([path, "?hashed"].concat()))
        .placeholders(|_: &str| Some("coming".to_owned()))
}

fn rewritten(html: &str) -> Bytes {
    let response = now(layer().layer(answering(page(html.to_owned()))).oneshot(empty(get("/docs/"))));
    let body = futures_util::FutureExt::now_or_never(whole(response));
    body.map_or_else(|| panic!("a short page waited"), |(_, bytes)| bytes)
}

/// A node as far as it matters: its depth, what it is, and its attributes.
type Node = (usize, String, BTreeMap<String, String>);

#[test]
fn the_comparison_sees_every_node_and_attribute() {
    let seen = nodes(b"<template><p id=a></template><ul><li>x<img src=b></ul><!-- y -->", true);
    assert_eq!(seen.len(), 12);
    assert!(seen.iter().any(|(.., attributes)| attributes.get("src").is_some_and(|src| src == "b")));
    assert!(seen.iter().any(|(.., attributes)| attributes.get("id").is_some_and(|id| id == "a")));
}

#[test]
fn an_ordinary_noscript_is_the_same_with_and_without_scripting() {
    for inside in ["<img src=a>", "<iframe src=a width=9 height=9></iframe>", "<style>img { color: red }</style>", "<p>Text"] {
        let html = format!("<img src=a><noscript>{inside}</noscript><img src=b>");
        assert!(same_document(&html));
        same_nodes(html.as_bytes(), &rewritten(&html), false);
    }
}

fn nodes(html: &[u8], scripting: bool) -> Vec<Node> {
    let options =
        ParseOpts { tree_builder: TreeBuilderOpts { scripting_enabled: scripting, ..Default::default() }, ..Default::default() };
    let dom = parse_document(RcDom::default(), options).from_utf8().one(html);
    let mut nodes = Vec::new();
    // A node that is dropped takes its descendants apart, so the document is held to the end.
    let mut open: Vec<(usize, Handle)> = vec![(0, Rc::clone(&dom.document))];
    while let Some((depth, node)) = open.pop() {
        let mut attributes = BTreeMap::new();
        let what = match &node.data {
            NodeData::Document => "document".to_owned(),
            NodeData::Doctype { name, public_id, system_id } => format!("doctype {name} {public_id} {system_id}"),
            NodeData::Text { contents } => format!("text {:?}", &*contents.borrow()),
            NodeData::Comment { contents } => format!("comment {contents:?}"),
            NodeData::ProcessingInstruction { target, contents } => format!("instruction {target} {contents}"),
            NodeData::Element { name, attrs, template_contents, .. } => {
                for attribute in attrs.borrow().iter() {
                    attributes.insert(attribute.name.local.to_string(), attribute.value.to_string());
                }
                open.extend(template_contents.borrow().clone().map(|contents| (depth + 1, contents)));
                format!("element {}:{}", name.ns, name.local)
            }
        };
        nodes.push((depth, what, attributes));
        open.extend(node.children.borrow().iter().rev().map(|child| (depth + 1, Rc::clone(child))));
    }
    nodes
}

/// Whether the policy may add the attribute.
fn may_be_added(element: &str, name: &str, value: &str) -> bool {
    let to_images = matches!(
        (name, value),
        ("fetchpriority", "high") | ("decoding", "async") | ("sizes", "auto") | ("class", "coming") | ("width" | "height", _)
    );
    match element {
        "element http://www.w3.org/1999/xhtml:img" => to_images || (name, value) == ("loading", "lazy"),
        // Deep in malformed MathML lol_html takes an element of that name for HTML's; the attribute means nothing there.
        "element http://www.w3.org/1999/xhtml:iframe" | "element http://www.w3.org/1998/Math/MathML:iframe" => {
            (name, value) == ("loading", "lazy")
        }
        _ => false,
    }
}

/// Whether the author's value is still there: a class may stand behind it, and URLs become those of assets.
fn is_kept(name: &str, before: &str, after: &str) -> bool {
    before == after
        || (name == "class" && after.strip_prefix(before) == Some(" coming"))
        || (matches!(name, "src" | "srcset" | "href" | "poster" | "imagesrcset")
            && after.replace("?hashed", "").ends_with(last_segment(before)))
}

fn last_segment(url: &str) -> &str {
    url.trim().rsplit(['/', ' ']).next().unwrap_or_default()
}

#[track_caller]
fn same_nodes(before: &[u8], after: &[u8], scripting: bool) {
    let (before, after) = (nodes(before, scripting), nodes(after, scripting));
    let plain = |nodes: &[Node]| nodes.iter().map(|(depth, what, _)| format!("{depth} {what}")).collect::<Vec<_>>();
    assert_eq!(plain(&before), plain(&after));
    for ((_, what, before), (_, _, after)) in before.iter().zip(&after) {
        for (name, value) in before {
            let kept = after.get(name).is_some_and(|after| is_kept(name, value, after));
            assert!(kept, "{what} had {name}={value:?} and has {:?}", after.get(name));
        }
        for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            assert!(may_be_added(what, name, value), "{what} gained {name}={value:?}");
        }
    }
}

/// Returns whether anything was added.
#[track_caller]
fn same_document(html: &str) -> bool {
    let sent = rewritten(html);
    same_nodes(html.as_bytes(), &sent, true);
    // Without scripting the content of a noscript is markup. Whether what opens in it closes in it is more than a stream can know.
    if !html.to_ascii_lowercase().contains("<noscript") {
        same_nodes(html.as_bytes(), &sent, false);
    }
    assert_eq!(rewritten(std::str::from_utf8(&sent).unwrap()), sent, "sent twice");
    sent != html
}

/// The documents of html5lib's tree construction tests (MIT, see `tests/html5lib/LICENSE`).
fn fixtures() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html5lib/tree-construction");
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned();
        for case in text.split("#data\n").skip(1) {
            documents.push(case.split("\n#errors").next().unwrap().to_owned());
        }
    }
    documents
}

#[test]
fn html5libs_documents_stay_what_they_are() {
    let documents = fixtures();
    assert!(documents.len() > 1000, "{} fixtures", documents.len());
    for html in &documents {
        same_document(html);
    }
}

#[test]
fn images_put_into_html5libs_documents_do_not_move() {
    const MEDIA: [&str; 4] = [
        "<img src=a width=9 height=9>",
        "<iframe src=a width=9 height=9></iframe>",
        "<IMG/SRC='a'/CLASS=\"x y\"/>",
        "<picture><source srcset='a 1x'><img src=a></picture>",
    ];
    let mut touched = 0;
    for (number, html) in fixtures().iter().enumerate() {
        let medium = MEDIA[number % MEDIA.len()];
        touched += usize::from(same_document(&html.replace("><", &format!(">{medium}<"))));
        touched += usize::from(same_document(&format!("{medium}{html}{medium}")));
    }
    assert!(touched > 1500, "only {touched} documents put the layer to the test");
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "<img src=a>", "<img src=a width=9 height=9>", "<img/src=a/>", "<img alt='>' src=\"a\"", "<iframe src=a width=9 height=9>", "</iframe>",
            "<img class=x src=a>", "<img class='x' src=a srcset='a 1w'>", "<picture>", "<source srcset=a>", "</picture>",
        ]).prop_map(str::to_owned),
        4 => prop::sample::select(vec![
            "<select>", "</select>", "<option>", "<xmp>", "</xmp>", "<title>", "</title>", "<textarea>", "</textarea>", "<script>", "</script>",
            "<script><!--<script>", "<style>", "</style>", "<noscript>", "</noscript>", "<noembed>", "</noembed>", "<noframes>", "</noframes>",
            "<plaintext>", "<template>", "</template>", "<table>", "<tr>", "<td>", "</table>", "<caption>", "<colgroup>", "<col>", "<frameset>",
            "<frame>", "</frameset>", "<svg>", "</svg>", "<math>", "</math>", "<mi>", "<mglyph>", "<annotation-xml encoding=text/html>",
            "<annotation-xml>", "</annotation-xml>", "<foreignObject>", "</foreignObject>", "<desc>", "<svg title>", "<style/>", "<script/>",
            "<![CDATA[", "]]>", "<!--", "-->", "--!>", "<!-", "<?", "<head>", "</head>", "<body>", "</body>", "<html>", "</html>", "<form>",
            "</form>", "<b>", "</b>", "<a href=a>", "</a>", "<p>", "</p>", "<br>", "</br>", "<font color=x>", "<font>", "<image src=a>", "<input>",
            "<keygen>", "<link rel=stylesheet href=a>", "<base href=/b/>", "&lt;", "&#0;", "\0", "\u{c}",
        ]).prop_map(str::to_owned),
        1 => "[a-z <>/='\"&;!\\[\\]?-]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn hostile_documents_stay_what_they_are(pieces in prop::collection::vec(piece(), 0..14)) {
        same_document(&pieces.concat());
    }
}
