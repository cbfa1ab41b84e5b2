//! What the answer to a write does to what is stored, [RFC 9111 §4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4).

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;

use super::{
    super::cache_control::CacheControl,
    admission::{Exchange, admit},
    body::SharedCacheBody,
    cache_status::{self, Collapsed, Forward, Handling, Outcome},
    config::Shared,
    groups, invalidation,
    keep::tags,
    key::CacheKey,
    profile::{Heuristics, Rules},
    storability::Asked,
    store::{Author, Purge, Store, StoredHead, Variant},
    tee::{Fill, Filled},
    terms::Standing,
    vary::Vary,
};
use crate::core::{Principal, header::only};

/// A request of an unsafe method, as far as its answer will need it. What is kept of it costs no allocation.
#[derive(Debug)]
pub(super) struct Write<St> {
    shared: Arc<Shared<St>>,
    method: Method,
    target: Uri,
    host: Option<HeaderValue>,
    asked: Asked,
    requested: SystemTime,
    /// Of the store, before the inner service was asked.
    epoch: u64,
}

impl<St: Store> Write<St> {
    pub(super) fn of<B>(shared: &Arc<Shared<St>>, request: &Request<B>) -> Self {
        let asked = Asked {
            no_store: CacheControl::from_headers(request.headers()).is_no_store(),
            authorization: request.headers().contains_key(header::AUTHORIZATION),
            principal: request.extensions().get::<Principal>().is_some(),
            cookie: request.headers().contains_key(header::COOKIE),
            partitioned: false,
        };
        Self {
            shared: Arc::clone(shared),
            method: request.method().clone(),
            target: request.uri().clone(),
            host: only(request.headers(), &header::HOST).cloned(),
            asked,
            requested: shared.settings.clock.now(),
            epoch: shared.store.epoch(),
        }
    }

    /// Whether a response makes anything invalid: one that failed has changed nothing.
    pub(super) fn is_effective<B>(response: &Response<B>) -> bool {
        response.status().is_success() || response.status().is_redirection()
    }

    /// Takes away what the response makes invalid, before anybody sees the response; keeps it, if it is what its target holds.
    pub(super) async fn answered<B>(self, response: Response<B>) -> Response<SharedCacheBody<B>>
    where
        B: Body + Send + 'static,
    {
        let Some(key) = self.key(&self.target) else { return self.told(response.map(SharedCacheBody::inner)) };
        let author = Author::new();
        for url in self.invalidated(&key, &response) {
            self.shared.purge(&Purge::url(&url).by(&author)).await;
        }
        if let Some(purge) = groups::invalidated(&self.method, response.headers(), &key) {
            self.shared.purge(&purge.by(&author)).await;
        }
        let response = self.kept(&key, response, author);
        self.told(response)
    }

    pub(super) fn told<B>(&self, mut response: Response<SharedCacheBody<B>>) -> Response<SharedCacheBody<B>> {
        let handling = Handling::Forwarded {
            why: Forward::Method,
            status: Some(response.status()),
            outcome: Outcome::Passed,
            collapsed: Collapsed::No,
        };
        cache_status::write(response.headers_mut(), &self.shared.settings.status, handling);
        response
    }

    fn invalidated<B>(&self, key: &CacheKey, response: &Response<B>) -> Vec<CacheKey> {
        let uris = invalidation::invalidated(&self.target, response.status(), response.headers());
        uris.filter_map(|uri| self.key(&uri)).filter(|named| named.origin() == key.origin()).collect()
    }

    /// The answer to a POST that says how long it is fresh and that it is what its target holds also answers the next GET
    /// ([RFC 9110 §9.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.3)).
    fn kept<B>(&self, key: &CacheKey, response: Response<B>, author: Author) -> Response<SharedCacheBody<B>>
    where
        B: Body + Send + 'static,
    {
        let headers = response.headers();
        let answers_get = self.method == Method::POST
            && response.status() == http::StatusCode::OK
            && invalidation::represents_its_target(&self.target, headers)
            // By which fields of the request it was selected is not known any more.
            && Vary::of(headers) == Vary::Nothing;
        if !answers_get {
            return response.map(SharedCacheBody::inner);
        }
        let received = self.shared.settings.clock.now();
        let nothing = HeaderMap::new();
        let inside = response.extensions().get::<Principal>().is_some();
        let asked = Asked { principal: self.asked.principal || inside, ..self.asked };
        let exchange = Exchange { asked, request: &nothing, requested: self.requested, received };
        // A guess is not enough: freshness has to be explicit.
        let rules = Rules { heuristics: Heuristics::Off, ..self.shared.settings.rules.clone() };
        let head = admit(exchange, response.status(), headers, &rules).ok();
        let fresh = |head: &StoredHead| head.terms.is_some_and(|terms| terms.standing(received) == Standing::Fresh);
        let Some(mut head) = head.filter(fresh) else { return response.map(SharedCacheBody::inner) };
        cache_status::reserve(&mut head.headers, self.shared.settings.status.setting);
        let expected = only(headers, &header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let tags = tags(headers, response.extensions(), key);
        let (shared, key, epoch) = (Arc::clone(&self.shared), key.clone(), self.epoch);
        response.map(|body| {
            let (fill, reader) = Fill::start(body, shared.settings.limits(expected));
            fill.on_done(move |filled| {
                // Who purges it meanwhile may be a write that came after this one. So the store judges it, when its content is there, by every
                // purge since before the inner service was asked: one step for the store, with no moment in which a purge could slip through.
                // What this write has purged itself bears its author and is passed over, in whatever order the others came in between.
                if let Filled::Whole(content) = filled {
                    shared.put(key, Variant::new(head, content).with_tags(tags).with_epoch(epoch).by(author));
                }
            });
            SharedCacheBody::shared(reader)
        })
    }

    /// For a caller alone where callers are apart; but what is purged is purged for all.
    fn key(&self, uri: &Uri) -> Option<CacheKey> {
        let mut headers = HeaderMap::new();
        if let (None, Some(host)) = (uri.authority(), &self.host) {
            headers.insert(header::HOST, host.clone());
        }
        self.shared.settings.keys.key(uri, &headers, None)
    }
}
