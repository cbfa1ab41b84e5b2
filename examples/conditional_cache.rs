//! What need not be sent again, and what must not be overwritten.
//!
//! ```sh
//! cargo run --example conditional_cache --features conditional-cache [-- --listen 127.0.0.1:3000]
//! curl -i http://127.0.0.1:3000/                                                # tagged, revalidated
//! curl -i -X PUT -H 'if-none-match: *' -d one http://127.0.0.1:3000/items/a     # 201, and 412 the second time
//! curl -i -X PUT -H 'if-match: "r1"' -d two http://127.0.0.1:3000/items/a       # 204, and 412 the second time
//! curl -iN http://127.0.0.1:3000/events                                         # nothing is held back
//! ```

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use donjon::{
    Clock as _, Problem, SystemClock,
    conditional_cache::{CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer, EntityTag, Preconditions, Validators},
};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tokio::net::TcpListener;

const PAGE: &str = include_str!("conditional_cache.html");

/// The name changes with the content, so whoever has it never needs to ask again.
const STYLE: (&str, &str) = ("/assets/site.1.css", "body { font: 1.1rem/1.5 system-ui; margin: 3rem auto; max-width: 40rem }");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address()?).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

fn app() -> Result<Router, Box<dyn Error>> {
    let policy = CachePolicy::builder()
        .rule(CacheRule::new(CacheControl::versioned()).path("/assets/**"))
        .rule(CacheRule::new(CacheControl::new().with_no_cache()).path("/items/*"))
        .build()?;
    Ok(Router::new()
        .route("/", get(async || Html(PAGE)))
        .route(STYLE.0, get(async || ([(header::CONTENT_TYPE, "text/css")], STYLE.1)))
        .route("/items/{id}", get(read).put(write).delete(remove))
        .route("/events", get(events))
        .route("/big", get(big))
        .layer(ConditionalCacheLayer::new().policy(policy))
        .with_state(Items::default()))
}

#[derive(Clone, Default)]
struct Items(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    /// Of the whole store: an item that is removed and made again must not get a tag that it had before.
    revision: u64,
    items: HashMap<String, Item>,
}

#[derive(Clone)]
struct Item {
    content: Bytes,
    revision: u64,
    modified: SystemTime,
}

impl Items {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        self.validators().write(&mut fields);
        fields
    }
}

/// The layer makes the 304 out of this.
async fn read(State(items): State<Items>, Path(id): Path<String>) -> Response {
    match items.lock().items.get(&id) {
        Some(item) => {
            (item.fields(), [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], item.content.clone()).into_response()
        }
        None => refused(Problem::new(StatusCode::NOT_FOUND)),
    }
}

/// Asks and writes under one lock: between the two nobody else can write.
async fn write(State(items): State<Items>, Path(id): Path<String>, headers: HeaderMap, content: Bytes) -> Response {
    let mut store = items.lock();
    let current = store.items.get(&id).map_or_else(Validators::missing, Item::validators);
    if let Err(problem) = Preconditions::from_headers(&headers).check(&current) {
        return refused(problem);
    }
    store.revision += 1;
    let item = Item { content, revision: store.revision, modified: SystemClock.now() };
    let status = if current.exists() { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    let answer = (status, item.fields()).into_response();
    store.items.insert(id, item);
    answer
}

async fn remove(State(items): State<Items>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut store = items.lock();
    // What is not there is not there, whatever the conditions.
    let Some(item) = store.items.get(&id) else { return refused(Problem::new(StatusCode::NOT_FOUND)) };
    if let Err(problem) = Preconditions::from_headers(&headers).check(&item.validators()) {
        return refused(problem);
    }
    store.items.remove(&id);
    StatusCode::NO_CONTENT.into_response()
}

fn refused(problem: Problem) -> Response {
    problem.into_http_response::<Body>().map(Body::new)
}

/// Four events in a second and a half.
async fn events() -> Response {
    let events = stream::unfold(0_u8, async |count| {
        if (1..4).contains(&count) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        (count < 4).then(|| (Ok::<_, Infallible>(format!("id: {count}\ndata: tick\n\n")), count + 1))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

#[derive(Deserialize)]
struct Size {
    bytes: u64,
}

/// As many bytes as are asked for, made while they are sent.
async fn big(Query(Size { bytes }): Query<Size>) -> Response {
    static FRAME: [u8; 64 * 1024] = [b'.'; 64 * 1024];
    let frames = stream::unfold(bytes, async |left| {
        let length = usize::try_from(left).map_or(FRAME.len(), |left| left.min(FRAME.len()));
        let frame = FRAME.get(..length).filter(|frame| !frame.is_empty())?;
        Some((Ok::<_, Infallible>(Bytes::from_static(frame)), left - length as u64))
    });
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(frames)).into_response()
}

/// `--listen ADDR`, 127.0.0.1:3000 if not given.
fn address() -> Result<SocketAddr, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut address = SocketAddr::from(([127, 0, 0, 1], 3000));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => address = arguments.next().ok_or("--listen needs an address")?.parse()?,
            other => return Err(format!("unknown argument {other}; there is --listen ADDR").into()),
        }
    }
    Ok(address)
}
