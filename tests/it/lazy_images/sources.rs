//! What is known of files: dimensions, fingerprinted URLs, placeholders.

use std::{fs, path::Path};

use donjon::lazy_images::{DimensionSource as _, Hint, LazyImagesLayer, LocalImages, ScanErrorKind};

use super::sent;

/// Each file here is 60×40 as a browser shows it, but for `turned.jpg`.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images")
}

fn size(images: &LocalImages, path: &str) -> Option<(u32, u32)> {
    images.dimensions(path).map(|size| (size.width(), size.height()))
}

/// A folder of its own for one test, removed with its last handle.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("donjon-lazy-images-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn copy(&self, from: &str, to: &str) {
        let to = self.0.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(folder().join(from), to).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_format_is_read() {
    let images = LocalImages::new(folder());
    assert_eq!(size(&images, "/tower.png"), None, "nothing is known before the first scan");
    images.scan().unwrap();
    for name in [
        "tower.png",
        "tower.jpg",
        "tower.gif",
        "tower.webp",
        "tower.avif",
        "tower.svg",
        "progressive.jpg",
        "lossless.webp",
        "glass.png",
        "glass.webp",
    ] {
        assert_eq!(size(&images, &format!("/{name}")), Some((60, 40)), "{name}");
    }
    assert_eq!(size(&images, "/turned.jpg"), Some((40, 60)), "as the camera was held");
}

#[test]
fn only_what_was_found_is_known() {
    let scratch = Scratch::new("found");
    scratch.copy("tower.png", "a/b/Tower at dawn.PNG");
    scratch.copy("tower.png", ".hidden.png");
    scratch.copy("tower.png", ".git/tower.png");
    scratch.copy("tower.png", "tower.txt");
    fs::write(scratch.0.join("broken.png"), b"\x89PNG").unwrap();
    fs::write(scratch.0.join("empty.jpg"), b"").unwrap();
    std::os::unix::fs::symlink(folder(), scratch.0.join("linked")).unwrap();
    std::os::unix::fs::symlink(folder().join("tower.png"), scratch.0.join("linked.png")).unwrap();
    let images = LocalImages::new(&scratch.0).mounted_at("static/");
    images.scan().unwrap();
    assert_eq!(size(&images, "/static/a/b/Tower at dawn.PNG"), Some((60, 40)));
    for path in [
        "/a/b/Tower at dawn.PNG",
        "/static/.hidden.png",
        "/static/.git/tower.png",
        "/static/tower.txt",
        "/static/broken.png",
        "/static/empty.jpg",
        "/static/linked/tower.png",
        "/static/linked.png",
        "/static/../static/a/b/Tower at dawn.PNG",
        "/etc/passwd",
        "",
    ] {
        assert_eq!(size(&images, path), None, "{path}");
    }
}

#[test]
fn limits_are_errors_and_leave_what_was_known() {
    let scratch = Scratch::new("limits");
    scratch.copy("tower.png", "1.png");
    let images = LocalImages::new(&scratch.0).limit(1);
    images.scan().unwrap();
    scratch.copy("tower.png", "2.png");
    assert_eq!(images.scan().unwrap_err().kind(), ScanErrorKind::TooMany);
    assert_eq!(size(&images, "/1.png"), Some((60, 40)));
    fs::remove_file(scratch.0.join("2.png")).unwrap();
    fs::create_dir_all(scratch.0.join("x/".repeat(40))).unwrap();
    assert_eq!(images.scan().unwrap_err().kind(), ScanErrorKind::TooDeep);
    let nowhere = LocalImages::new(scratch.0.join("nowhere")).scan().unwrap_err();
    assert_eq!(nowhere.kind(), ScanErrorKind::Unreadable);
    assert!(std::error::Error::source(&nowhere).is_some());
}

#[test]
fn a_changed_file_is_read_anew_and_changes_the_revision() {
    let scratch = Scratch::new("changed");
    scratch.copy("tower.png", "a.jpg");
    let images = LocalImages::new(&scratch.0);
    let other = images.clone();
    images.scan().unwrap();
    let first = images.revision();
    images.scan().unwrap();
    assert_eq!(images.revision(), first);
    scratch.copy("turned.jpg", "a.jpg");
    images.scan().unwrap();
    assert_eq!(size(&other, "/a.jpg"), Some((40, 60)), "clones share one memory");
    assert_ne!(other.revision(), first);
}

#[tokio::test]
async fn a_page_without_dimensions_gains_them() {
    let images = LocalImages::new(folder()).mounted_at("/docs/img");
    images.scan().unwrap();
    let layer = LazyImagesLayer::new().eager(1).without(Hint::Decoding).dimensions(images);
    let page = "<img src=img/tower.png><img src='/docs/img/turned.jpg?v=1'><img src=img/none.png>\
        <img src=http://example.org/docs/img/tower.gif><img src=http://cdn.example/docs/img/tower.gif><img width=30 src=img/tower.webp>";
    let expected = "<img width=60 height=40 src=img/tower.png><img loading=lazy width=40 height=60 src='/docs/img/turned.jpg?v=1'>\
        <img src=img/none.png><img loading=lazy width=60 height=40 src=http://example.org/docs/img/tower.gif>\
        <img src=http://cdn.example/docs/img/tower.gif><img loading=lazy height=20 width=30 src=img/tower.webp>";
    let out = sent(&layer, page).await;
    assert_eq!(out, expected);
    assert_eq!(sent(&layer, out).await, expected, "sent twice");
    let moved = sent(&layer, "<base href=/docs/img/><base href=/><img src=tower.png>").await;
    assert_eq!(moved, "<base href=/docs/img/><base href=/><img width=60 height=40 src=tower.png>");
}

#[tokio::test]
async fn links_lead_to_fingerprinted_assets() {
    let known = ["/docs/a.png", "/b.png", "/style.css", "/app.js", "/clip.mp4", "/guide.pdf"];
    let layer = LazyImagesLayer::new().eager(9).without(Hint::Decoding).asset_urls(move |path: &str| {
        let (stem, extension) = path.rsplit_once('.')?;
        known.contains(&path).then(|| format!("{stem}.0a1b.{extension}"))
    });
    for (name, page, expected) in [
        ("img", "<img src=a.png>", "<img src=/docs/a.0a1b.png>"),
        ("quotes", "<img src='a.png' alt=\"\">", "<img src='/docs/a.0a1b.png' alt=\"\">"),
        (
            "source set",
            "<img src=a.png srcset='a.png, /b.png 2x'>",
            "<img src=/docs/a.0a1b.png srcset='/docs/a.0a1b.png, /b.0a1b.png 2x'>",
        ),
        ("picture", "<picture><source srcset=a.png></picture>", "<picture><source srcset=/docs/a.0a1b.png></picture>"),
        ("stylesheet", "<link rel=stylesheet href=/style.css>", "<link rel=stylesheet href=/style.0a1b.css>"),
        (
            "preload",
            "<link rel=preload as=image imagesrcset='/b.png 2x'>",
            "<link rel=preload as=image imagesrcset='/b.0a1b.png 2x'>",
        ),
        (
            "preload with both",
            "<link rel=preload href=/b.png imagesrcset='/b.png 2x'>",
            "<link rel=preload href=/b.0a1b.png imagesrcset='/b.0a1b.png 2x'>",
        ),
        ("canonical", "<link rel=canonical href=/guide.pdf>", "<link rel=canonical href=/guide.pdf>"),
        ("script", "<script src=/app.js></script>", "<script src=/app.0a1b.js></script>"),
        ("module", "<script type=module src=/app.js></script>", "<script type=module src=/app.js></script>"),
        ("video", "<video src=/clip.mp4 poster=a.png></video>", "<video src=/clip.0a1b.mp4 poster=/docs/a.0a1b.png></video>"),
        ("source", "<video><source src=/clip.mp4></video>", "<video><source src=/clip.0a1b.mp4></video>"),
        ("a", "<a href=/guide.pdf rel=nofollow>", "<a href=/guide.0a1b.pdf rel=nofollow>"),
        ("an image in a template", "<template><img src=a.png></template>", "<template><img src=/docs/a.0a1b.png></template>"),
        ("unknown", "<img src=c.png><a href=/other>", "<img src=c.png><a href=/other>"),
        ("a query", "<img src=a.png?v=1>", "<img src=a.png?v=1>"),
    ] {
        let out = sent(&layer, page).await;
        assert_eq!(String::from_utf8_lossy(&out), expected, "{name}");
        assert_eq!(sent(&layer, out).await, expected, "{name}, sent twice");
    }
}

#[tokio::test]
async fn placeholders_are_classes_of_lazy_images() {
    let layer =
        LazyImagesLayer::new().eager(1).without(Hint::Decoding).without(Hint::FetchPriority).placeholders(|path: &str| {
            (path != "/docs/odd.png").then(|| "coming".to_owned()).or(Some("x onload=alert(1)".to_owned()))
        });
    let size = "width=9 height=9";
    for (name, tag, expected) in [
        ("no class", format!("<img src=a {size}>"), format!("<img loading=lazy class=coming src=a {size}>")),
        ("a class", format!("<img class=\"b c\" src=a {size}>"), format!("<img loading=lazy class=\"b c coming\" src=a {size}>")),
        ("an empty class", format!("<img class='' src=a {size}>"), format!("<img loading=lazy class=' coming' src=a {size}>")),
        ("a class without quotes", format!("<img class=b src=a {size}>"), format!("<img loading=lazy class=b src=a {size}>")),
        ("a class without a value", format!("<img class src=a {size}>"), format!("<img loading=lazy class src=a {size}>")),
        ("the class", format!("<img class='coming' src=a {size}>"), format!("<img loading=lazy class='coming' src=a {size}>")),
        ("an author's lazy", format!("<img loading=lazy src=a {size}>"), format!("<img class=coming loading=lazy src=a {size}>")),
        ("no dimensions", "<img src=a>".to_owned(), "<img src=a>".to_owned()),
        ("another server's", format!("<img src=//cdn/a {size}>"), format!("<img loading=lazy src=//cdn/a {size}>")),
        ("what is no class", format!("<img src=odd.png {size}>"), format!("<img loading=lazy src=odd.png {size}>")),
    ] {
        let first = format!("<img src=0 {size}>");
        let out = sent(&layer, format!("{first}{tag}")).await;
        assert_eq!(String::from_utf8_lossy(&out), format!("{first}{expected}"), "{name}");
        assert_eq!(sent(&layer, out).await, format!("{first}{expected}"), "{name}, sent twice");
    }
}

#[cfg(feature = "lazy-images-colours")]
#[test]
fn colours_of_local_images() {
    use donjon::lazy_images::{LocalColours, PlaceholderClasses as _};

    let colours = LocalColours::scan(&LocalImages::new(folder())).unwrap();
    for name in ["tower.png", "tower.jpg", "tower.gif", "tower.webp", "progressive.jpg", "turned.jpg"] {
        assert_eq!(colours.class(&format!("/{name}")).as_deref(), Some("lazy-8a5"), "{name}");
    }
    for name in ["glass.png", "glass.webp", "tower.svg", "tower.avif", "none.png"] {
        assert_eq!(colours.class(&format!("/{name}")), None, "{name}");
    }
    assert_eq!(colours.stylesheet(), ".lazy-8a5{background-color:#8a5}\n");
    assert_ne!(colours.revision(), 0);
}
