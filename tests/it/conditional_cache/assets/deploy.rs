//! What happens when files change.

use std::fs;

use donjon::{
    AssetUrls,
    conditional_cache::{AssetMode, Assets},
};
use http::StatusCode;

use super::{Folder, YEAR, ask, digits, text};

#[tokio::test]
async fn the_files_of_the_last_deploy_are_served_by_their_hashes_alone() {
    let last = Folder::of(&[("app.js", "old"), ("same.js", "same"), ("only.js", "x"), ("a.css", "b{c:url(app.js)}")]);
    let this = Folder::of(&[("app.js", "new"), ("same.js", "same")]);
    let before = last.assets();
    let assets = Assets::builder().directory(this.path()).also_serve(last.path()).build().unwrap();
    for (name, content) in [("app.js", "old"), ("same.js", "same"), ("only.js", "x")] {
        let (head, body) = ask(&assets, "GET", &before.url(name).unwrap(), &[]).await;
        assert_eq!((text(&head, "cache-control"), &body[..]), (Some(YEAR), content.as_bytes()), "{name}");
    }
    let sheet = before.url("a.css").unwrap();
    assert_eq!(ask(&assets, "GET", &sheet, &[]).await.1, ask(&before, "GET", &sheet, &[]).await.1);
    assert_eq!(ask(&assets, "GET", "/assets/app.js", &[]).await.1, "new");
    assert_eq!(ask(&assets, "GET", "/assets/only.js", &[]).await.0.status, StatusCode::NOT_FOUND);
    assert_eq!(assets.url("only.js"), None);
    assert_eq!(assets.url("same.js"), before.url("same.js"));
    assert!(Assets::builder().directory(this.path()).also_serve(this.path().join("none")).build().is_ok());
}

#[tokio::test]
async fn a_release_knows_nothing_of_changes_until_it_is_told() {
    let folder = Folder::of(&[("app.js", "one")]);
    let assets = folder.assets();
    let (old, revision) = (assets.url("app.js").unwrap(), AssetUrls::revision(&assets));
    folder.write("app.js", "two");
    assert_eq!(assets.url("app.js").unwrap(), old);
    assert_eq!(ask(&assets, "GET", &old, &[]).await.1, "one");
    let clone = assets.clone();
    clone.reload().unwrap();
    let new = assets.url("app.js").unwrap();
    assert_ne!(new, old);
    assert_ne!(AssetUrls::revision(&assets), revision);
    assert_eq!(ask(&assets, "GET", &new, &[]).await.1, "two");
    let (head, _) = ask(&assets, "GET", &old, &[]).await;
    assert_eq!((head.status, text(&head, "cache-control")), (StatusCode::NOT_FOUND, Some("no-store")));
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let folder = Folder::of(&[("app.js", "one")]);
    let assets = folder.assets();
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(assets.reload().is_err());
    assert_eq!(ask(&assets, "GET", "/assets/app.js", &[]).await.1, "one");
}

#[tokio::test]
async fn in_development_every_change_is_seen_and_nothing_is_immutable() {
    let folder = Folder::of(&[("app.js", "one"), ("app.js.br", "old"), ("a.css", "b{c:url(app.js)}")]);
    let assets = Assets::builder().directory(folder.path()).mode(AssetMode::Development).build().unwrap();
    assert_eq!(assets.url("app.js").as_deref(), Some("/assets/app.js"));
    let hashed = format!("/assets/app.{}.js", digits("one", 16));
    for path in ["/assets/app.js", &*hashed] {
        let (head, content) = ask(&assets, "GET", path, &[("accept-encoding", "br")]).await;
        assert_eq!((text(&head, "cache-control"), &content[..]), (Some("no-cache"), &b"one"[..]));
    }
    assert_eq!(ask(&assets, "GET", "/assets/a.css", &[]).await.1, "b{c:url(app.js)}");
    assert_eq!(assets.import_map(), r#"{"imports":{}}"#);
    let tag = text(&ask(&assets, "GET", "/assets/app.js", &[]).await.0, "etag").unwrap().to_owned();
    folder.write("app.js", "another");
    let (head, content) = ask(&assets, "GET", "/assets/app.js", &[("if-none-match", &tag)]).await;
    assert_eq!((head.status, &content[..]), (StatusCode::OK, &b"another"[..]));
    assert_eq!(ask(&assets, "GET", &hashed, &[]).await.0.status, StatusCode::NOT_FOUND);
    folder.write("sub/new.js", "new");
    assert_eq!(assets.url("sub/new.js").as_deref(), Some("/assets/sub/new.js"));
    assert_eq!(ask(&assets, "GET", "/assets/sub/new.js", &[]).await.1, "new");
    fs::remove_file(folder.path().join("app.js")).unwrap();
    assert_eq!(ask(&assets, "GET", "/assets/app.js", &[]).await.0.status, StatusCode::NOT_FOUND);
    // A folder that is being made anew is not there for a moment; what was is served still.
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(ask(&assets, "GET", "/assets/sub/new.js", &[]).await.1, "new");
}

#[test]
fn by_their_paths_they_are_the_urls_for_pages() {
    let assets = Assets::builder().embedded([("img/tower.png", "x"), ("a b.png", "x")]).mounted_at("/static").build().unwrap();
    for (path, name) in [("/static/img/tower.png", "img/tower.png"), ("/static/a b.png", "a b.png")] {
        assert_eq!(AssetUrls::url(&assets, path).as_deref(), assets.url(name).as_deref(), "{path}");
    }
    for path in ["/img/tower.png", "/staticimg/tower.png", "/static", "/static/none.png", ""] {
        assert_eq!(AssetUrls::url(&assets, path), None, "{path}");
    }
}

#[cfg(feature = "lazy-images")]
#[tokio::test]
async fn lazy_images_lead_the_links_of_pages_to_hashed_urls() {
    use bytes::Bytes;
    use donjon::lazy_images::LazyImagesLayer;
    use http_body_util::Full;
    use tower::{Layer as _, ServiceExt as _, service_fn};

    let assets = Assets::builder().embedded([("tower.png", "tower"), ("site.css", "a{}")]).build().unwrap();
    const PAGE: &str = r#"<!doctype html><link rel="stylesheet" href="/assets/site.css"><img src="/assets/tower.png"><img src="/assets/none.png">"#;
    let layered = LazyImagesLayer::new().asset_urls(assets.clone()).layer(service_fn(
        async |_: http::Request<http_body_util::Empty<Bytes>>| {
            let response = http::Response::builder().header("content-type", "text/html; charset=utf-8");
            Ok::<_, std::convert::Infallible>(response.body(Full::<Bytes>::from(PAGE)).unwrap())
        },
    ));
    let (_, content) = crate::support::whole(layered.oneshot(super::request("GET", "/", &[])).await.unwrap()).await;
    let content = String::from_utf8(content.to_vec()).unwrap();
    for name in ["site.css", "tower.png"] {
        assert!(content.contains(&assets.url(name).unwrap()), "{content}");
    }
    assert!(content.contains("/assets/none.png"), "{content}");
}
