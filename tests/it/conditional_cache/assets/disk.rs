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

#[tokio::test]
async fn parts_of_files_held_or_streamed() {
    let folder = Folder::new();
    let content = noise(200_000);
    folder.write("film.mp4", &content);
    folder.write("film.mp4.br", "coded");
    for max_in_memory in [0, 1_000_000] {
        let assets = Assets::builder().directory(folder.path()).max_in_memory(max_in_memory).build().unwrap();
        let (whole, _) = ask(&assets, "GET", "/assets/film.mp4", &[]).await;
        assert_eq!(text(&whole, "accept-ranges"), Some("bytes"));
        let (tag, date) = (text(&whole, "etag").unwrap(), text(&whole, "last-modified").unwrap());
        for (name, range, more, status, part) in [
            ("the first bytes", "bytes=0-9", &[][..], 206, 0..10),
            ("across two pieces", "bytes=60000-140000", &[], 206, 60_000..140_001),
            ("the rest", "bytes=150000-", &[], 206, 150_000..200_000),
            ("the last", "bytes=-5", &[], 206, 199_995..200_000),
            ("more than there is", "bytes=199990-999999", &[], 206, 199_990..200_000),
            ("of the same", "bytes=0-9", &[("if-range", tag)], 206, 0..10),
            ("of another", "bytes=0-9", &[("if-range", "\"x\"")], 200, 0..200_000),
            ("of the same, weakly", "bytes=0-9", &[("if-range", &format!("W/{tag}"))], 200, 0..200_000),
            ("by a date that may be of two contents", "bytes=0-9", &[("if-range", date)], 200, 0..200_000),
            ("malformed", "bytes=9-0", &[], 200, 0..200_000),
            ("another unit", "lines=0-9", &[], 200, 0..200_000),
            ("several", "bytes=0-9,100000-100009", &[], 200, 0..200_000),
        ] {
            let clock = donjon::ManualClock::at(fs::metadata(folder.path().join("film.mp4")).unwrap().modified().unwrap());
            let assets = Assets::builder().directory(folder.path()).max_in_memory(max_in_memory).clock(clock).build().unwrap();
            let fields: Vec<_> = [("range", range)].into_iter().chain(more.iter().copied()).collect();
            let (head, body) = ask(&assets, "GET", "/assets/film.mp4", &fields).await;
            assert_eq!((head.status.as_u16(), body.len()), (status, part.len()), "{name}");
            assert!(body == content[part.clone()], "{name}");
            assert_eq!(text(&head, "content-length"), Some(&*part.len().to_string()), "{name}");
            let expected = (status == 206).then(|| format!("bytes {}-{}/200000", part.start, part.end - 1));
            assert_eq!(text(&head, "content-range"), expected.as_deref(), "{name}");
            let (head, _) = ask(&assets, "HEAD", "/assets/film.mp4", &fields).await;
            assert_eq!((head.status.as_u16(), text(&head, "content-length")), (200, Some("200000")), "{name}");
        }
        let (head, _) = ask(&assets, "GET", "/assets/film.mp4", &[("range", "bytes=200000-")]).await;
        assert_eq!((head.status.as_u16(), text(&head, "content-range")), (416, Some("bytes */200000")));
        let (head, _) = ask(&assets, "GET", "/assets/film.mp4", &[("range", "bytes=0-9"), ("if-none-match", tag)]).await;
        assert_eq!(head.status, StatusCode::NOT_MODIFIED);
        let (head, body) = ask(&assets, "GET", "/assets/film.mp4", &[("range", "bytes=1-2"), ("accept-encoding", "br")]).await;
        assert_eq!((text(&head, "content-encoding"), text(&head, "content-range")), (Some("br"), Some("bytes 1-2/5")));
        assert_eq!(body, "od");
        // Several at once are cut by the layer.
        let layered = ConditionalCacheLayer::new().layer(assets.service_at_mount());
        let fields = [("range", "bytes=0-9,100000-100009")];
        let (head, body) =
            crate::support::whole(layered.oneshot(request("GET", "/assets/film.mp4", &fields)).await.unwrap()).await;
        assert_eq!(head.status, StatusCode::PARTIAL_CONTENT);
        assert!(text(&head, "content-type").unwrap().starts_with("multipart/byteranges"));
        assert!(body.windows(10).any(|window| window == &content[100_000..100_010]));
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
