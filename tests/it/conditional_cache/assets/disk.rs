//! Files that are not held in memory.

use std::{fs, time::Duration};

use donjon::conditional_cache::{Assets, ConditionalCacheLayer};
use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};

use super::{Folder, YEAR, ask, request, text};
use crate::support::{now, whole};

/// Some bytes of which no two pieces are the same.
fn noise(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes()).take(length).collect()
}

#[tokio::test]
async fn a_large_file_is_streamed_whole() {
    let folder = Folder::new();
    let content = noise(3 * 1024 * 1024 + 17);
    folder.write("film.mp4", &content);
    let assets = folder.assets();
    let url = assets.url("film.mp4").unwrap();
    let answer = assets.service_at_mount().oneshot(request("GET", &url, &[])).await.unwrap();
    assert_eq!(answer.body().size_hint().exact(), Some(content.len() as u64));
    assert!(format!("{answer:?}").contains("Inner"), "it is not held");
    let (head, body) = whole(answer).await;
    assert_eq!((text(&head, "cache-control"), text(&head, "content-type")), (Some(YEAR), Some("video/mp4")));
    assert!(body == content);
    let (head, body) = ask(&assets, "HEAD", &url, &[]).await;
    assert_eq!((head.status, body.len()), (StatusCode::OK, 0));
    assert_eq!(text(&head, "content-length"), Some(&*content.len().to_string()));
    let tag = head.headers["etag"].to_str().unwrap();
    assert_eq!(ask(&assets, "GET", &url, &[("if-none-match", tag)]).await.0.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn memory_has_a_cap_and_what_is_beyond_it_is_the_same() {
    let folder = Folder::of(&[("a.txt", "aaaa"), ("b.txt", "bbbb"), ("c.txt", "")]);
    let assets = Assets::builder().directory(folder.path()).max_in_memory(6).build().unwrap();
    for (name, content) in [("a.txt", "aaaa"), ("b.txt", "bbbb"), ("c.txt", "")] {
        let (head, body) = ask(&assets, "GET", &assets.url(name).unwrap(), &[]).await;
        assert_eq!((head.status, &body[..]), (StatusCode::OK, content.as_bytes()), "{name}");
    }
    assert_eq!(assets.manifest(), folder.assets().manifest());
}

#[tokio::test]
async fn a_file_that_was_changed_is_not_served_under_its_old_hash() {
    let folder = Folder::of(&[("app.js", "one"), ("gone.js", "one")]);
    let assets = Assets::builder().directory(folder.path()).max_in_memory(0).build().unwrap();
    let (old, gone) = (assets.url("app.js").unwrap(), assets.url("gone.js").unwrap());
    folder.write("app.js", "another");
    fs::remove_file(folder.path().join("gone.js")).unwrap();
    for path in [&*old, "/assets/app.js", &*gone] {
        for method in ["GET", "HEAD"] {
            let (head, _) = ask(&assets, method, path, &[]).await;
            assert_eq!((head.status, text(&head, "cache-control")), (StatusCode::NOT_FOUND, Some("no-store")), "{method} {path}");
        }
    }
    assets.reload().unwrap();
    assert_eq!(ask(&assets, "GET", "/assets/app.js", &[]).await.1, "another");
    assert_eq!(ask(&assets, "GET", &assets.url("app.js").unwrap(), &[]).await.1, "another");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_never_seems_whole() {
    for shrinks in [false, true] {
        let folder = Folder::new();
        folder.write("film.mp4", noise(1_200_000));
        let assets = folder.assets();
        let answer = assets.service_at_mount().oneshot(request("GET", "/assets/film.mp4", &[])).await.unwrap();
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let file = fs::File::options().write(true).open(folder.path().join("film.mp4")).unwrap();
        if shrinks {
            file.set_len(100_000).unwrap();
        } else {
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified + Duration::from_secs(1)).unwrap();
        }
        assert!(body.collect().await.is_err(), "shrinks: {shrinks}");
    }
}

#[test]
fn without_a_runtime_it_is_an_answer_and_no_panic() {
    let folder = Folder::of(&[("app.js", "one")]);
    let assets = Assets::builder().directory(folder.path()).max_in_memory(0).build().unwrap();
    let answer = now(assets.service_at_mount().oneshot(request("GET", "/assets/app.js", &[])));
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn under_the_layer_everything_stays() {
    let folder = Folder::of(&[("app.js", "one")]);
    for max_in_memory in [0, 1024] {
        let assets = Assets::builder().directory(folder.path()).max_in_memory(max_in_memory).build().unwrap();
        let service = ConditionalCacheLayer::new().layer(assets.service_at_mount());
        let url = assets.url("app.js").unwrap();
        let (plain, content) = ask(&assets, "GET", &url, &[]).await;
        let (layered, same) = whole(service.clone().oneshot(request("GET", &url, &[])).await.unwrap()).await;
        assert_eq!(
            (&layered.headers["etag"], &layered.headers["cache-control"]),
            (&plain.headers["etag"], &plain.headers["cache-control"])
        );
        assert_eq!(content, same);
        let tag = plain.headers["etag"].to_str().unwrap();
        let known = service.oneshot(request("GET", &url, &[("if-none-match", tag)])).await.unwrap();
        assert_eq!(
            (known.status(), known.headers().get("cache-control")),
            (StatusCode::NOT_MODIFIED, plain.headers.get("cache-control"))
        );
    }
}
