//! Stylesheets name assets by their hashed names, and so a stylesheet's own name follows from theirs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        name::{Digest, beneath, file_of, hashed},
        source::{Content, Source},
    },
    escape::quote,
    reference::{Form, Reference, references},
};
use crate::core::path;

/// A reference to a known asset.
struct Link {
    reference: Reference,
    target: String,
}

/// Writes the hashed names into every stylesheet that is held in memory and is UTF-8.
///
/// A stylesheet comes after those that it names, since their names are part of its content. In a circle somebody must be first: a
/// reference back to what is still open stays plain, and a plain URL is right, only asked about each time.
pub(in super::super) fn rewrite(sources: &mut BTreeMap<String, Source>, mount: &str) {
    let mut open: BTreeMap<String, Vec<Link>> = BTreeMap::new();
    for (name, source) in &*sources {
        if let Some(css) = stylesheet(name, source) {
            open.insert(name.clone(), links(name, css, mount, sources));
        }
    }
    let mut settled = BTreeSet::new();
    for name in open.keys() {
        settle(name, &open, &mut settled, sources);
    }
}

/// Depth first, on a stack of our own: a chain of imports may be as long as there are files.
fn settle<'a>(
    first: &'a str,
    open: &'a BTreeMap<String, Vec<Link>>,
    settled: &mut BTreeSet<&'a str>,
    sources: &mut BTreeMap<String, Source>,
) {
    let mut entered = BTreeSet::new();
    let mut stack = vec![first];
    while let Some(name) = stack.last().copied() {
        let Some(links) = open.get(name).filter(|_| !settled.contains(name)) else {
            stack.pop();
            continue;
        };
        if entered.insert(name) {
            let waiting = |target: &&str| open.contains_key(*target) && !settled.contains(target) && !entered.contains(target);
            stack.extend(links.iter().map(|link| link.target.as_str()).filter(waiting));
            continue;
        }
        stack.pop();
        let is_final = |target: &str| !open.contains_key(target) || settled.contains(target);
        write(name, links, is_final, sources);
        settled.insert(name);
    }
}

/// The text of a stylesheet that can be rewritten.
fn stylesheet<'a>(name: &str, source: &'a Source) -> Option<&'a str> {
    let Content::Held(bytes) = &source.content else { return None };
    let is_css = name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("css"));
    let css = std::str::from_utf8(bytes).ok().filter(|_| is_css)?;
    // Only exactly so it says something (CSS Syntax §3.2), and then only `utf-8` is what we read.
    let charset = css.strip_prefix("@charset \"").and_then(|rest| rest.split_once("\";")).map(|(charset, _)| charset);
    charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")).then_some(css)
}

fn links(name: &str, css: &str, mount: &str, sources: &BTreeMap<String, Source>) -> Vec<Link> {
    let known = references(css).into_iter().filter_map(|reference| {
        let target = resolve(name, &reference.url, mount).filter(|target| sources.contains_key(target))?;
        Some(Link { reference, target })
    });
    known.collect()
}

/// The name of the asset that a URL in the asset `base` leads to, if it leads to one here.
///
/// A URL with a query is versioned by its author already; of `?#iefix`, a trick for an old browser, the query is empty.
fn resolve(base: &str, url: &str, mount: &str) -> Option<String> {
    let (path, suffix) = split(url);
    let queried = suffix.strip_prefix('?').is_some_and(|query| !query.is_empty() && !query.starts_with('#'));
    // The URL parser drops or turns these before it looks at the path; no author means them.
    let odd = url.trim() != url || url.contains(|c: char| c.is_control() || c == '\\');
    if path.is_empty() || queried || odd || path.starts_with("//") || path.split('/').next()?.contains(':') {
        return None;
    }
    let decoded = path::decode(path.into())?;
    let (mut segments, rest) = match decoded.strip_prefix('/') {
        Some(_) => (Vec::new(), beneath(mount, &decoded)?.strip_prefix('/')?),
        None => (base.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(), &*decoded),
    };
    for segment in rest.split('/') {
        match segment {
            "." => {}
            // Beyond the mount is somebody else's.
            ".." => drop(segments.pop()?),
            "" => return None,
            segment => segments.push(segment),
        }
    }
    // `a/..` is a folder.
    (!matches!(rest.rsplit('/').next(), Some("." | ".."))).then(|| segments.join("/"))
}

/// The path, and the query and fragment as written.
fn split(url: &str) -> (&str, &str) {
    url.split_at_checked(url.find(['?', '#']).unwrap_or(url.len())).unwrap_or((url, ""))
}

fn write(name: &str, links: &[Link], is_final: impl Fn(&str) -> bool, sources: &mut BTreeMap<String, Source>) {
    let Some(css) = sources.get(name).and_then(|source| stylesheet(name, source)) else { return };
    let mut out = String::with_capacity(css.len() + links.len() * 24);
    let mut copied = 0;
    for Link { reference, target } in links.iter().filter(|link| is_final(&link.target)) {
        let Some(digest) = sources.get(target).map(|source| source.digest) else { continue };
        out.push_str(css.get(copied..reference.range.start).unwrap_or_default());
        push(&mut out, reference, target, &digest);
        copied = reference.range.end;
    }
    if copied == 0 {
        return;
    }
    out.push_str(css.get(copied..).unwrap_or_default());
    let digest = Sha256::digest(out.as_bytes()).into();
    if let Some(source) = sources.get_mut(name) {
        // Its date says nothing of the names that it was given here, nor its compressed forms.
        *source = Source { content: Content::Held(Bytes::from(out)), digest, modified: None, coded: Vec::new() };
    }
}

/// Only the last segment changes, so the URL stays relative to whatever it was relative to.
fn push(out: &mut String, reference: &Reference, target: &str, digest: &Digest) {
    let (path, suffix) = split(&reference.url);
    let mut url = path.get(..path.rfind('/').map_or(0, |slash| slash + 1)).unwrap_or_default().to_owned();
    path::encode(&mut url, file_of(&hashed(target, digest)));
    url.push_str(suffix);
    match reference.form {
        Form::Quoted => quote(out, &url),
        // In quotes whatever is in it needs no further care.
        Form::Unquoted => {
            out.push_str("url(");
            quote(out, &url);
            out.push(')');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sources(files: &[(&str, &str)]) -> BTreeMap<String, Source> {
        files.iter().map(|(name, text)| ((*name).to_owned(), Source::held(Bytes::from((*text).to_owned())))).collect()
    }

    fn rewritten(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut sources = sources(files);
        rewrite(&mut sources, "/assets");
        let text = |source: Source| match source.content {
            Content::Held(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Content::OnDisk { .. } => unreachable!(),
        };
        sources.into_iter().map(|(name, source)| (name, text(source))).collect()
    }

    fn name_of(name: &str, text: &str) -> String {
        hashed(name, &Sha256::digest(text.as_bytes()).into())
    }

    #[test]
    fn resolved() {
        for (name, url, expected) in [
            ("beside", "x.png", Some("css/x.png")),
            ("here", "./x.png", Some("css/x.png")),
            ("up", "../img/x.png", Some("img/x.png")),
            ("beyond the mount", "../../x.png", None),
            ("beneath the mount", "/assets/img/x.png", Some("img/x.png")),
            ("not beneath it", "/other/x.png", None),
            ("only begins like it", "/assetsx/x.png", None),
            ("encoded", "x%20y.png", Some("css/x y.png")),
            ("encoded dots", "%2e%2e/x.png", None),
            ("encoded separator", "..%2fx.png", None),
            ("with a fragment", "x.svg#a", Some("css/x.svg")),
            ("with a query", "x.png?v=1", None),
            ("with an empty query", "x.eot?#iefix", Some("css/x.eot")),
            ("a fragment alone", "#a", None),
            ("data", "data:image/png;base64,AA/x.png", None),
            ("absolute", "https://cdn.example/x.png", None),
            ("without a scheme", "//cdn.example/x.png", None),
            ("backslashes", "..\\x.png", None),
            ("a space before", " x.png", None),
            ("empty segment", "a//x.png", None),
            ("a folder", "a/", None),
            ("this folder", "a/..", None),
            ("nothing", "", None),
        ] {
            assert_eq!(resolve("css/a.css", url, "/assets").as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn urls_become_hashed_and_the_rest_stays() {
        let css = "/* url(x.png) */ a{b:url( ../x.png#i ) url('../x.png') url(none.png) url(data:,x)}";
        let all = rewritten(&[("css/a.css", css), ("x.png", "X")]);
        let x = name_of("x.png", "X");
        let expected = format!(r#"/* url(x.png) */ a{{b:url("../{x}#i") url("../{x}") url(none.png) url(data:,x)}}"#);
        assert_eq!(all["css/a.css"], expected);
    }

    #[test]
    fn an_import_is_named_by_its_rewritten_content() {
        let files = [("a.css", "@import 'b.css';"), ("b.css", "@import 'c.css';"), ("c.css", "c{}")];
        let all = rewritten(&files);
        let b = format!("@import \"{}\";", name_of("c.css", "c{}"));
        assert_eq!(all["b.css"], b);
        assert_eq!(all["a.css"], format!("@import \"{}\";", name_of("b.css", &b)));
    }

    #[test]
    fn in_a_circle_one_stays_plain() {
        let all = rewritten(&[("a.css", "@import 'b.css';"), ("b.css", "@import 'a.css';x{y:url(b.css)}")]);
        assert_eq!(all["b.css"], "@import 'a.css';x{y:url(b.css)}");
        assert_eq!(all["a.css"], format!("@import \"{}\";", name_of("b.css", &all["b.css"])));
    }

    #[test]
    fn a_long_chain_and_a_wide_web_are_no_danger() {
        let chain: Vec<_> =
            (0..3_000).map(|n| (format!("{n}.css"), format!("@import '{}.css';@import '{}.css';", n + 1, n + 2))).collect();
        let files: Vec<_> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let all = rewritten(&files);
        assert!(all["0.css"].contains(&name_of("1.css", &all["1.css"])));
    }

    #[test]
    fn another_charset_is_left_alone() {
        for (charset, changes) in [("utf-8", true), ("UTF-8", true), ("iso-8859-1", false)] {
            let css = format!("@charset \"{charset}\";a{{b:url(x.png)}}");
            assert_eq!(rewritten(&[("a.css", &css), ("x.png", "X")])["a.css"] != css, changes, "{charset}");
        }
    }

    proptest! {
        /// Rewriting changes the names of the files and nothing else that is referred to.
        #[test]
        fn what_is_rewritten_refers_to_the_same(css in "(url\\((a|b| |\\.\\./|'|\"|\\\\|\\)|x\\.png){0,4}\\)|[a-z{};:@/* \n'\"\\\\-]|@import 'x\\.png';){0,12}") {
            let all = rewritten(&[("css/a.css", &css), ("x.png", "X"), ("css/x.png", "X")]);
            let x = name_of("x.png", "X");
            let before: Vec<_> = references(&css).into_iter().map(|found| found.url).collect();
            let after: Vec<_> = references(&all["css/a.css"]).into_iter().map(|found| found.url.replace(&x, "x.png")).collect();
            prop_assert_eq!(before, after);
        }
    }
}
