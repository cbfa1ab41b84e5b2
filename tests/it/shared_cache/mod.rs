//! `SharedCache`, driven from outside.

mod coalescing;
mod codings;
mod conditions;
mod contract;
mod life;
mod memory;
mod oracle;
mod overtaken;
mod probes;
mod purging;
#[cfg(feature = "full")]
mod stack;
mod stale;
mod stores;
mod writes;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use donjon::{
    ManualClock,
    conditional_cache::shared::{CacheStatus, Profile, SharedCache, SharedCacheBody, SharedCacheLayer},
};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service, ServiceExt as _, util::BoxCloneService};

use crate::support::whole;

/// Fields by name and value.
pub(crate) type Fields<'a> = &'a [(&'static str, &'a str)];

/// What the inner service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
}

/// An inner service that answers by a script, and the cache before it.
pub(crate) struct Site {
    pub(crate) clock: ManualClock,
    pub(crate) layer: SharedCacheLayer,
    service: SharedCache<Inner>,
    origin: Arc<Mutex<Origin>>,
}

type Inner = BoxCloneService<Request<Empty<Bytes>>, Response<Full<Bytes>>, Down>;

/// The inner service has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Down;

#[derive(Default)]
struct Origin {
    script: VecDeque<Result<Response<Full<Bytes>>, Down>>,
    seen: Vec<Seen>,
}

impl Site {
    pub(crate) fn new(profile: Profile) -> Self {
        Self::with(|layer| layer.profile(profile))
    }

    pub(crate) fn with(settings: impl FnOnce(SharedCacheLayer) -> SharedCacheLayer) -> Self {
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(784_111_777));
        let layer = settings(SharedCacheLayer::new().cache_status(CacheStatus::Detailed).clock(clock.clone()));
        let origin = Arc::new(Mutex::new(Origin::default()));
        let inner = Arc::clone(&origin);
        let service = tower::service_fn(move |request: Request<Empty<Bytes>>| {
            let mut origin = inner.lock().unwrap();
            origin.seen.push(Seen { method: request.method().clone(), headers: request.headers().clone() });
            let answer = origin.script.pop_front().unwrap_or_else(|| panic!("the script has no answer for {request:?}"));
            async move { answer }
        });
        let service = layer.layer(BoxCloneService::new(service));
        Self { clock, layer, service, origin }
    }

    /// Adds an answer to the script.
    pub(crate) fn answers(&self, status: u16, fields: Fields<'_>, content: &'static str) -> &Self {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        self.origin.lock().unwrap().script.push_back(Ok(response.body(Full::from(content)).unwrap()));
        self
    }

    pub(crate) fn fails(&self) -> &Self {
        self.origin.lock().unwrap().script.push_back(Err(Down));
        self
    }

    pub(crate) fn passes(&self, seconds: u64) -> &Self {
        self.clock.advance(Duration::from_secs(seconds));
        self
    }

    pub(crate) async fn ask(&self, request: Request<Empty<Bytes>>) -> Result<Response<SharedCacheBody<Full<Bytes>>>, Down> {
        self.service.clone().ready().await?.call(request).await
    }

    /// Sends a request; the status, the fields and the content of the answer.
    pub(crate) async fn sends(&self, method: &str, uri: &str, fields: Fields<'_>) -> Got {
        let response = self.ask(request(method, uri, fields)).await.expect("an answer");
        let (parts, content) = whole(response).await;
        Got { status: parts.status.as_u16(), headers: parts.headers, content: String::from_utf8(content.to_vec()).unwrap() }
    }

    pub(crate) async fn gets(&self, fields: Fields<'_>) -> Got {
        self.sends("GET", "http://site.example/a", fields).await
    }

    /// How often the inner service was asked.
    pub(crate) fn asked(&self) -> usize {
        self.origin.lock().unwrap().seen.len()
    }

    pub(crate) fn last_seen(&self) -> Seen {
        self.origin.lock().unwrap().seen.last().expect("it was asked").clone()
    }
}

#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) content: String,
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What the cache says it did, without its name.
    pub(crate) fn handling(&self) -> &str {
        self.field("cache-status").expect("Cache-Status").strip_prefix("donjon; ").unwrap()
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.handling().starts_with("hit")
    }
}

pub(crate) fn request(method: &str, uri: &str, fields: Fields<'_>) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}
