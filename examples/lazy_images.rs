//! Serves a folder of HTML pages and images through LazyImages:
//!
//! ```text
//! cargo run --example lazy_images --features lazy-images -- --root site [--listen 127.0.0.1:3000] [--off] [--eager N]
//! ```
//!
//! `--off` serves the pages as they are. Each request is told on stderr, so that one can watch what a browser asks for while it scrolls.

use std::{
    error::Error,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use donjon::lazy_images::{LazyImagesLayer, LocalImages};
use http::{HeaderMap, Method, StatusCode, header};

struct Arguments {
    listen: SocketAddr,
    root: PathBuf,
    off: bool,
    eager: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let images = LocalImages::new(&arguments.root);
    let scanned = images.clone();
    tokio::task::spawn_blocking(move || scanned.scan()).await??;

    let mut app = Router::new().fallback(file).with_state(Arc::from(arguments.root));
    if !arguments.off {
        app = app.layer(LazyImagesLayer::new().eager(arguments.eager).dimensions(images));
    }

    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self { listen: ([127, 0, 0, 1], 3000).into(), root: ".".into(), off: false, eager: 3 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--listen" => arguments.listen = value()?.parse()?,
                "--root" => arguments.root = value()?.into(),
                "--eager" => arguments.eager = value()?.parse()?,
                "--off" => arguments.off = true,
                _ => return Err(format!("{word}: expected --root DIR [--listen ADDR] [--off] [--eager N]").into()),
            }
        }
        Ok(arguments)
    }
}

async fn file(State(root): State<Arc<Path>>, request: Request) -> Response {
    let response = match *request.method() {
        Method::GET | Method::HEAD => read(&root, request.uri().path(), request.headers()).await,
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response(),
    };
    eprintln!("{} {} {}", request.method(), request.uri().path(), response.status().as_u16());
    response
}

async fn read(root: &Path, path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = locate(root, path) else { return StatusCode::NOT_FOUND.into_response() };
    let (Ok(metadata), Ok(bytes)) = (tokio::fs::metadata(&file).await, tokio::fs::read(&file).await) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", metadata.len(), modified.as_nanos());
    let fields = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|list| list.to_str().is_ok_and(|list| list.contains(&tag))) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, [(header::CONTENT_TYPE, content_type(&file))], Body::from(bytes)).into_response()
}

/// A file beneath the root; no dots, no links out of it.
fn locate(root: &Path, path: &str) -> Option<PathBuf> {
    let mut file = root.to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if segment.starts_with('.') || segment.contains(['\\', '%', '\0']) {
            return None;
        }
        file.push(segment);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    let (file, root) = (file.canonicalize().ok()?, root.canonicalize().ok()?);
    file.starts_with(root).then_some(file)
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("avif") => "image/avif",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
