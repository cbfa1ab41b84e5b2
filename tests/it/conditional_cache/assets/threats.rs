//! What must not be given away.

use std::fs;

use bytes::Bytes;
use donjon::conditional_cache::{AssetMode, Assets};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use tower::ServiceExt as _;

use super::{Folder, ask};
use crate::support::whole;

const SECRET: &str = "the secret";

/// A root between two secrets, and hidden ones within.
fn folder() -> Folder {
    Folder::of(&[
        ("secret.txt", SECRET),
        ("root/app.js", "public"),
        ("root/sub/a.js", "public"),
        ("root/.env", SECRET),
        ("root/.git/config", SECRET),
        ("root/sub/.hidden", SECRET),
        ("rootsecret/secret.txt", SECRET),
    ])
}

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let folder = folder();
    let secret = folder.path().join("secret.txt").display().to_string();
    let assets = Assets::builder().directory(folder.path().join("root")).build().unwrap();
    let attacks = [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/sub/../app.js",
        "/./app.js",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub%2f..%2f..%2fsecret.txt",
        "/sub%2fa.js",
        "/%252e%252e/secret.txt",
        "/..%255csecret.txt",
        "/..%5csecret.txt",
        "/%5c..%5csecret.txt",
        "/..%c0%afsecret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/..%00/secret.txt",
        "/app.js%00",
        "/app.js%00.png",
        "/app.js/",
        "/app.js/.",
        "/app.js/../app.js",
        "//app.js",
        "/sub//a.js",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/C:/windows/win.ini",
        "/C:%5cwindows%5cwin.ini",
        "/%5c%5cserver%5cshare",
        "/app.js::$DATA",
        "/app.js.",
        "/app.js%20",
        "/APP.JS",
        "/sub",
        "/sub/",
        "/",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/sub/.hidden",
        "/../rootsecret/secret.txt",
        "/con",
        "/~root",
        &secret,
    ];
    for path in attacks {
        let uri: Uri = path.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        let (head, content) = whole(assets.service().oneshot(request).await.unwrap()).await;
        assert_eq!(head.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(head.headers["cache-control"], "no-store", "{path}");
        assert!(!String::from_utf8_lossy(&content).contains(SECRET), "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let root = folder.path().join("root");
    symlink("../secret.txt", root.join("link.txt")).unwrap();
    symlink("app.js", root.join("alias.js")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink(&root, folder.path().join("current")).unwrap();
    // The root itself may be one.
    let assets = Assets::builder().directory(folder.path().join("current")).build().unwrap();
    for (path, status) in
        [("/assets/link.txt", 404), ("/assets/alias.js", 404), ("/assets/up/secret.txt", 404), ("/assets/app.js", 200)]
    {
        assert_eq!(ask(&assets, "GET", path, &[]).await.0.status.as_u16(), status, "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_streamed_file_that_became_a_link_is_not_served() {
    let folder = folder();
    let assets = Assets::builder().directory(folder.path().join("root")).max_in_memory(0).build().unwrap();
    fs::remove_file(folder.path().join("root/app.js")).unwrap();
    std::os::unix::fs::symlink("../secret.txt", folder.path().join("root/app.js")).unwrap();
    assert_eq!(ask(&assets, "GET", "/assets/app.js", &[]).await.0.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn debug_and_answers_tell_nothing_of_the_machine() {
    let folder = folder();
    let root = folder.path().join("root");
    for mode in [AssetMode::Release, AssetMode::Development] {
        let assets = Assets::builder().directory(&root).mode(mode).max_in_memory(0).build().unwrap();
        fs::rename(root.join("app.js"), root.join("gone.js")).unwrap();
        let (_, content) = ask(&assets, "GET", "/assets/app.js", &[]).await;
        fs::rename(root.join("gone.js"), root.join("app.js")).unwrap();
        let machine = folder.path().display().to_string();
        assert!(!String::from_utf8_lossy(&content).contains(&machine));
        assert!(!format!("{assets:?} {:?}", assets.service()).contains(&machine));
    }
}
