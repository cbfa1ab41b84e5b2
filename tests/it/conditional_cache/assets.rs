//! Versioned assets, driven from outside.

mod contract;
mod deploy;
mod disk;
mod threats;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use donjon::conditional_cache::{Assets, AssetsErrorKind, CssUrls};
use http::{StatusCode, response::Parts};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::{Fields, request};
use crate::support::whole;

const YEAR: &str = "public, max-age=31536000, immutable";

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("donjon-assets-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn assets(&self) -> Assets {
        Assets::builder().directory(&self.0).build().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An answer, whole.
async fn ask(assets: &Assets, method: &str, path: &str, fields: Fields<'_>) -> (Parts, Bytes) {
    whole(assets.service_at_mount().oneshot(request(method, path, fields)).await.unwrap()).await
}

fn text<'r>(parts: &'r Parts, name: &str) -> Option<&'r str> {
    parts.headers.get(name).map(|value| value.to_str().unwrap())
}

fn digits(content: &str, count: usize) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..count].to_owned()
}

#[tokio::test]
async fn a_hashed_url_is_immutable_and_a_plain_one_revalidated() {
    let folder = Folder::of(&[("app.js", "one")]);
    let assets = folder.assets();
    let hashed = assets.url("app.js").unwrap();
    assert_eq!(hashed, format!("/assets/app.{}.js", digits("one", 16)));
    for (path, freshness) in [(&*hashed, YEAR), ("/assets/app.js", "no-cache")] {
        let (head, content) = ask(&assets, "GET", path, &[]).await;
        assert_eq!((head.status, &content[..]), (StatusCode::OK, &b"one"[..]));
        assert_eq!(text(&head, "cache-control"), Some(freshness));
        assert_eq!(text(&head, "etag"), Some(&*format!("\"{}\"", digits("one", 32))));
        assert_eq!(text(&head, "content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(text(&head, "content-length"), Some("3"));
        let modified = httpdate_of(&folder.path().join("app.js"));
        assert_eq!(text(&head, "last-modified"), Some(&*modified));
        assert_eq!((text(&head, "vary"), text(&head, "content-encoding")), (None, None));
    }
}

/// The file's date as a field tells it.
fn httpdate_of(path: &Path) -> String {
    let mut headers = http::HeaderMap::new();
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    donjon::conditional_cache::Validators::existing().with_last_modified(modified).write(&mut headers);
    headers["last-modified"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn head_says_what_get_says_and_sends_nothing() {
    let assets = Folder::of(&[("app.js", "one")]).assets();
    let (get, _) = ask(&assets, "GET", "/assets/app.js", &[]).await;
    let (head, content) = ask(&assets, "HEAD", "/assets/app.js", &[]).await;
    assert_eq!((head.status, head.headers, content.len()), (get.status, get.headers, 0));
}

#[tokio::test]
async fn preconditions() {
    let assets = Folder::of(&[("app.js", "one")]).assets();
    let tag = format!("\"{}\"", digits("one", 32));
    for (name, fields, status) in [
        ("known", [("if-none-match", &*tag)], 304),
        ("known weakly", [("if-none-match", &*format!("W/{tag}"))], 304),
        ("any", [("if-none-match", "*")], 304),
        ("another", [("if-none-match", "\"x\"")], 200),
        ("known by date", [("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT")], 304),
        ("changed since", [("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200),
        ("another is demanded", [("if-match", "\"x\"")], 412),
        ("this one is demanded", [("if-match", &*tag)], 200),
        ("unmodified is demanded", [("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 412),
    ] {
        for path in ["/assets/app.js", &*assets.url("app.js").unwrap()] {
            for method in ["GET", "HEAD"] {
                let (head, content) = ask(&assets, method, path, &fields).await;
                assert_eq!(head.status.as_u16(), status, "{name}: {method} {path}");
                if status == 304 {
                    assert_eq!((text(&head, "etag"), content.len()), (Some(&*tag), 0), "{name}");
                    assert!(head.headers.contains_key("cache-control"), "{name}");
                    assert!(!head.headers.contains_key("content-length") && !head.headers.contains_key("content-type"), "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_unknown_names_not_found() {
    let assets = Folder::of(&[("app.js", "one"), ("img/tower.png", "x")]).assets();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let (head, _) = ask(&assets, method, "/assets/app.js", &[]).await;
        assert_eq!((head.status, text(&head, "allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD")), "{method}");
    }
    for path in
        ["/assets/other.js", "/assets/app.0123456789abcdef.js", "/assets/img", "/assets/img/", "/assets/", "/assets", "/app.js"]
    {
        let (head, _) = ask(&assets, "GET", path, &[("if-none-match", "*")]).await;
        assert_eq!((head.status, text(&head, "cache-control")), (StatusCode::NOT_FOUND, Some("no-store")), "{path}");
    }
}

#[tokio::test]
async fn compressed_forms_have_tags_of_their_own() {
    let assets =
        Folder::of(&[("app.js", "plain"), ("app.js.br", "as br"), ("app.js.gz", "as gzip"), ("tower.gz", "alone")]).assets();
    let ask = async |path: &str, accepted| ask(&assets, "GET", path, &[("accept-encoding", accepted)]).await;
    for (accepted, coding, content) in [
        ("gzip, deflate, br, zstd", Some("br"), "as br"),
        ("gzip;q=1, br;q=0.5", Some("gzip"), "as gzip"),
        ("identity", None, "plain"),
        ("zstd", None, "plain"),
    ] {
        let (head, body) = ask("/assets/app.js", accepted).await;
        assert_eq!((text(&head, "content-encoding"), &body[..]), (coding, content.as_bytes()), "{accepted}");
        assert_eq!(text(&head, "vary"), Some("accept-encoding"), "{accepted}");
        assert_eq!(text(&head, "content-type"), Some("text/javascript; charset=utf-8"), "{accepted}");
        assert_eq!(text(&head, "content-length"), Some(&*content.len().to_string()), "{accepted}");
        let weak = if accepted == "zstd" { "W/" } else { "" };
        let suffix = coding.map_or(String::new(), |coding| format!("-{coding}"));
        assert_eq!(text(&head, "etag"), Some(&*format!("{weak}\"{}{suffix}\"", digits(content, 32))), "{accepted}");
    }
    let (head, _) = ask("/assets/app.js", "identity;q=0, zstd").await;
    assert_eq!((head.status, text(&head, "vary")), (StatusCode::NOT_ACCEPTABLE, Some("accept-encoding")));
    assert_eq!(text(&head, "cache-control"), Some("no-store"));
    // They are forms of a file, not files; one without a file is one.
    assert_eq!(ask("/assets/app.js.br", "br").await.0.status, StatusCode::NOT_FOUND);
    assert_eq!(ask("/assets/tower.gz", "gzip").await.1, "alone");
    assert_eq!(assets.url("app.js.gz"), None);
}

#[tokio::test]
async fn a_304_of_a_compressed_form_varies_and_only_its_own_tag_is_known() {
    let assets = Folder::of(&[("app.js", "plain"), ("app.js.br", "as br")]).assets();
    let br = format!("\"{}-br\"", digits("as br", 32));
    let (head, _) = ask(&assets, "GET", "/assets/app.js", &[("accept-encoding", "br"), ("if-none-match", &br)]).await;
    assert_eq!((head.status, text(&head, "vary")), (StatusCode::NOT_MODIFIED, Some("accept-encoding")));
    let (head, _) = ask(&assets, "GET", "/assets/app.js", &[("if-none-match", &br)]).await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn a_tag_is_weak_where_a_layer_further_out_may_compress() {
    let assets = Folder::of(&[("app.js", "x"), ("tower.png", "x"), ("tower.svg", "x")]).assets();
    for (path, accepted, weak) in [
        ("/assets/app.js", "gzip", true),
        ("/assets/app.js", "gzip;q=0", false),
        ("/assets/tower.svg", "gzip", true),
        ("/assets/tower.png", "gzip", false),
    ] {
        let (head, _) = ask(&assets, "GET", path, &[("accept-encoding", accepted)]).await;
        assert_eq!(text(&head, "etag").unwrap().starts_with("W/"), weak, "{path} {accepted}");
    }
}

#[tokio::test]
async fn a_variant_that_is_older_than_its_file_is_left_out() {
    let folder = Folder::of(&[("app.js", "new"), ("app.js.br", "old")]);
    let old = fs::metadata(folder.path().join("app.js")).unwrap().modified().unwrap() - std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(folder.path().join("app.js.br")).unwrap().set_modified(old).unwrap();
    let (head, content) = ask(&folder.assets(), "GET", "/assets/app.js", &[("accept-encoding", "br")]).await;
    assert_eq!((text(&head, "content-encoding"), &content[..]), (None, &b"new"[..]));
}

#[tokio::test]
async fn stylesheets_name_hashed_urls_and_are_named_by_what_is_sent() {
    let css = "@import 'base.css';a{b:url(../img/tower.png)}";
    let folder =
        Folder::of(&[("css/site.css", css), ("css/site.css.br", "x"), ("css/base.css", "b{}"), ("img/tower.png", "tower")]);
    let assets = folder.assets();
    let sent = format!("@import \"base.{}.css\";a{{b:url(\"../img/tower.{}.png\")}}", digits("b{}", 16), digits("tower", 16));
    let url = assets.url("css/site.css").unwrap();
    assert_eq!(url, format!("/assets/css/site.{}.css", digits(&sent, 16)));
    let (head, content) = ask(&assets, "GET", &url, &[("accept-encoding", "br")]).await;
    assert_eq!(content, sent);
    // Its compressed form holds the old names, and its date says nothing of theirs.
    assert_eq!((text(&head, "content-encoding"), text(&head, "last-modified")), (None, None));
    let as_written = Assets::builder().directory(folder.path()).css_urls(CssUrls::AsWritten).build().unwrap();
    assert_eq!(ask(&as_written, "GET", "/assets/css/site.css", &[]).await.1, css);
}

#[tokio::test]
async fn manifest_and_import_map() {
    let folder = Folder::of(&[("b.mjs", "b"), ("a </script>.js", "a"), ("c.css", "c")]);
    let assets = folder.assets();
    let url = |name| assets.url(name).unwrap();
    let (a, b, c) = (url("a </script>.js"), url("b.mjs"), url("c.css"));
    assert!(a.starts_with("/assets/a%20%3C/script%3E."), "{a}");
    assert_eq!(ask(&assets, "GET", &a, &[]).await.1, "a");
    let map = assets.import_map();
    assert_eq!(map, format!(r#"{{"imports":{{"/assets/a%20%3C/script%3E.js":"{a}","/assets/b.mjs":"{b}"}}}}"#));
    let manifest: serde_json::Value = serde_json::from_str(&assets.manifest()).unwrap();
    assert_eq!(manifest, serde_json::json!({"a </script>.js": a, "b.mjs": b, "c.css": c}));
    assert!(!assets.manifest().contains('<'));
}

#[test]
fn what_is_wrong_is_told_when_it_is_built() {
    let folder = Folder::of(&[("app.js", "one")]);
    let kind = |builder: donjon::conditional_cache::AssetsBuilder| builder.build().unwrap_err().kind();
    let builder = || Assets::builder().directory(folder.path());
    assert_eq!(kind(Assets::builder().directory(folder.path().join("none"))), AssetsErrorKind::RootMissing);
    assert_eq!(kind(Assets::builder().directory(folder.path().join("app.js"))), AssetsErrorKind::RootMissing);
    assert_eq!(kind(builder().embedded([("app.js", "two")])), AssetsErrorKind::NameTaken);
    let hashed = format!("app.{}.js", digits("one", 16));
    assert_eq!(kind(builder().embedded([(hashed, "two")])), AssetsErrorKind::HashedNameTaken);
    for name in ["", "/app.js", "a//b", "../app.js", ".env", "a\\b", "a%2fb", "a\0"] {
        assert_eq!(kind(Assets::builder().embedded([(name, "x")])), AssetsErrorKind::NameInvalid, "{name:?}");
    }
    for mount in ["assets", "//", "/a//b", "/../a", "/a b", "/a?", "https://cdn.example"] {
        assert_eq!(kind(builder().mounted_at(mount)), AssetsErrorKind::MountInvalid, "{mount:?}");
    }
    for mount in ["/", "", "/a/", "/a/b-1.x_~"] {
        assert!(builder().mounted_at(mount).build().unwrap().url("app.js").unwrap().starts_with('/'), "{mount:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_says_why() {
    let error = Assets::builder().directory("/dev/null/x").build().unwrap_err();
    assert_eq!(error.kind(), AssetsErrorKind::Unreadable);
    assert!(std::error::Error::source(&error).is_some());
    assert!(error.to_string().starts_with("the asset cannot be read: "));
}
