//! What need not be sent again, and what must not be overwritten.
//!
//! ```sh
//! cargo run --example conditional_cache --features conditional-cache-assets,axum [-- --listen 127.0.0.1:3000]
//! curl -i http://127.0.0.1:3000/                                                # tagged, revalidated
//! curl -i -X PUT -H 'if-none-match: *' -d one http://127.0.0.1:3000/items/a     # 201, and 412 the second time
//! curl -i -X PUT -H 'if-match: "r1"' -d two http://127.0.0.1:3000/items/a       # 204, and 412 the second time
//! curl -i -H 'range: bytes=0-0,-1' http://127.0.0.1:3000/big?bytes=1000         # 206, two parts
//! curl -iN http://127.0.0.1:3000/events                                         # nothing is held back
//! ```
//!
//! With `--root DIR` the assets are the files of DIR, and the page is its `index.html` if it has one: in it `{{app.js}}` stands for the
//! URL of that asset and `{{importmap}}` for the import map.
//!
//! With `--require-conditions` a write that does not name the state that it overwrites is refused with 428.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{Html, IntoResponse},
    routing::get,
};
use donjon::{
    Clock as _, Problem, SystemClock,
    conditional_cache::{
        Assets, CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer, EntityTag, Preconditions, Ranges, Validators,
    },
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use serde::Deserialize;
use tokio::net::TcpListener;

const PAGE: &str = include_str!("conditional_cache.html");

/// Its URL changes with it, so whoever has it never needs to ask again.
const STYLE: (&str, &str) = ("site.css", "body { font: 1.1rem/1.5 system-ui; margin: 3rem auto; max-width: 40rem }");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    let listener = TcpListener::bind(options.listen).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app(options)?).await?)
}

fn app(options: Options) -> Result<Router, Box<dyn Error>> {
    let policy = CachePolicy::builder()
        .rule(CacheRule::new(CacheControl::new().with_no_cache()).path("/items/*"))
        .rule(CacheRule::new(CacheControl::new().with_no_cache()).path("/big"))
        .build()?;
    let (assets, page) = site(options.root.as_deref())?;
    let router = Router::new()
        .route("/", get(async move || Html(page)))
        .nest_service("/assets", assets.service())
        .route("/items/{id}", get(read).put(write).delete(remove))
        .route("/events", get(events))
        .route("/big", get(big))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED));
    let layer = ConditionalCacheLayer::new().policy(policy).ranges(Ranges::Advertised);
    Ok(router.layer(layer).with_state(Items { demands: options.demands, store: Arc::default() }))
}

/// The assets, and the page that names them.
fn site(root: Option<&FilePath>) -> Result<(Assets, String), Box<dyn Error>> {
    let assets = match root {
        Some(root) => Assets::builder().directory(root).build()?,
        None => Assets::builder().embedded([STYLE]).build()?,
    };
    let own = root.map(|root| root.join("index.html")).filter(|page| page.exists());
    let template = own.map(fs::read_to_string).transpose()?.unwrap_or_else(|| PAGE.to_owned());
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").ok_or("{{ without }} in the page")?;
        page += &match name {
            "importmap" => assets.import_map(),
            name => assets.url(name).unwrap_or_else(|| format!("/assets/{name}")),
        };
        page += rest;
    }
    Ok((assets, page))
}

/// How many items there may be: nobody should fill the memory.
const MOST_ITEMS: usize = 1000;

#[derive(Clone)]
struct Items {
    demands: Demands,
    store: Arc<Mutex<Store>>,
}

/// What a write must say.
#[derive(Clone, Copy, PartialEq)]
enum Demands {
    Nothing,
    Conditions,
}

#[derive(Default)]
struct Store {
    /// Of the whole store: an item that is removed and made again must not get a tag that it had before.
    revision: u64,
    items: HashMap<String, Item>,
}

struct Item {
    content: Bytes,
    revision: u64,
    modified: SystemTime,
}

impl Items {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Item {
    fn validators(&self) -> Validators {
        let validators = Validators::existing().with_last_modified(self.modified);
        match EntityTag::strong(format!("r{}", self.revision)) {
            Ok(tag) => validators.with_entity_tag(tag),
            Err(_) => validators,
        }
    }
}

/// What anybody wrote is shown as text, whatever it looks like.
const TEXT: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// The layer makes the 304 out of this, and the 206.
async fn read(State(items): State<Items>, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    let store = items.lock();
    let item = store.items.get(&id).ok_or(Problem::new(StatusCode::NOT_FOUND))?;
    Ok((item.validators(), TEXT, item.content.clone()))
}

/// Asks and writes under one lock: between the two nobody else can write.
async fn write(
    State(items): State<Items>,
    Path(id): Path<String>,
    uri: Uri,
    preconditions: Preconditions,
    headers: HeaderMap,
    content: Bytes,
) -> Result<impl IntoResponse, Problem> {
    // A part of an item is not an item (RFC 9110 §14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::new(StatusCode::BAD_REQUEST).with_detail("An item is written whole, without Content-Range."));
    }
    if items.demands == Demands::Conditions {
        preconditions.require_any()?;
    }
    let mut store = items.lock();
    let current = store.items.get(&id).map_or_else(Validators::missing, Item::validators);
    preconditions.check(&current)?;
    if !current.exists() && store.items.len() >= MOST_ITEMS {
        return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE));
    }
    store.revision += 1;
    let item = Item { content, revision: store.revision, modified: SystemClock.now() };
    let validators = item.validators();
    store.items.insert(id, item);
    Ok(if current.exists() {
        (StatusCode::NO_CONTENT, validators).into_response()
    } else {
        (StatusCode::CREATED, [(header::LOCATION, uri.path())], validators).into_response()
    })
}

async fn remove(State(items): State<Items>, Path(id): Path<String>, preconditions: Preconditions) -> Result<StatusCode, Problem> {
    let mut store = items.lock();
    // What is not there is not there, whatever the conditions.
    let item = store.items.get(&id).ok_or(Problem::new(StatusCode::NOT_FOUND))?;
    if items.demands == Demands::Conditions {
        preconditions.require_any()?;
    }
    preconditions.check(&item.validators())?;
    store.items.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

/// Four events in a second and a half.
async fn events() -> impl IntoResponse {
    let events = stream::unfold(0_u8, async |count| {
        if (1..4).contains(&count) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        (count < 4).then(|| (Ok::<_, Infallible>(format!("id: {count}\ndata: tick\n\n")), count + 1))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
}

#[derive(Deserialize)]
struct Size {
    bytes: u64,
}

/// As many bytes as are asked for, the alphabet over and over, made while they are sent. The length is told, so a part can be asked for.
async fn big(size: Result<Query<Size>, QueryRejection>) -> Result<impl IntoResponse, Problem> {
    const MOST: u64 = 1 << 32;
    let invalid = || Problem::new(StatusCode::BAD_REQUEST).with_detail("Ask for bytes=N, at most 4294967296.");
    let bytes = size.ok().map(|Query(size)| size.bytes).filter(|bytes| *bytes <= MOST).ok_or_else(invalid)?;
    // A whole number of alphabets.
    let frame: Bytes = (b'a'..=b'z').cycle().take(26 * 2520).collect();
    let frames = stream::unfold(bytes, move |left| {
        let length = usize::try_from(left).map_or(frame.len(), |left| left.min(frame.len()));
        let frame = frame.slice(..length);
        async move { (length > 0).then(|| (Ok::<_, Infallible>(frame), left - length as u64)) }
    });
    let fields = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, bytes.to_string())];
    let validators = Validators::existing().with_entity_tag(EntityTag::of(format!("the alphabet, {bytes} bytes")));
    Ok((validators, fields, Body::from_stream(frames)))
}

struct Options {
    /// `--listen ADDR`, 127.0.0.1:3000 if not given.
    listen: SocketAddr,
    /// `--root DIR`
    root: Option<PathBuf>,
    /// `--require-conditions`
    demands: Demands,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { listen: SocketAddr::from(([127, 0, 0, 1], 3000)), root: None, demands: Demands::Nothing };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--listen" => options.listen = arguments.next().ok_or("--listen needs an address")?.parse()?,
                "--root" => options.root = Some(arguments.next().ok_or("--root needs a directory")?.into()),
                "--require-conditions" => options.demands = Demands::Conditions,
                other => return Err(format!("unknown argument {other}; see the head of this example").into()),
            }
        }
        Ok(options)
    }
}
