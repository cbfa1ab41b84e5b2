use std::{
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::SharedCacheBody,
    cache_status::{Collapsed, Forward, Handling, Outcome},
    config::{Partition, Shared},
    fetch::{self, Fetch},
    future::ResponseFuture,
    look_up::{Found, Manner, find},
    profile::RequestDirectives,
    request::{Concern, Inquiry, concern},
    storability::{Asked, NotStored},
    store::{MemoryStore, Store},
    write::Write,
};
use crate::core::{Principal, ready::take_ready};

/// The service that [`SharedCacheLayer`](super::SharedCacheLayer) makes.
///
/// The inner service has to be `Clone`: one that was polled ready is taken along by a request that waits for another, or that is fetched anew
/// after its client was answered. A hit takes none, and neither does a request that the cache has nothing to do for.
pub struct SharedCache<S, St = MemoryStore> {
    inner: S,
    shared: Arc<Shared<St>>,
}

impl<S, St> SharedCache<S, St> {
    pub(super) fn new(inner: S, shared: Arc<Shared<St>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, St: Store> SharedCache<S, St> {
    /// What the answer will be judged by.
    fn asked<B>(&self, request: &Request<B>, inquiry: &Inquiry) -> Asked {
        let principal = request.extensions().get::<Principal>().is_some();
        Asked {
            no_store: inquiry.is_no_store(),
            authorization: inquiry.authorization,
            principal,
            cookie: inquiry.cookie,
            partitioned: principal && self.shared.settings.partition == Partition::ByPrincipal,
        }
    }

    fn bypassed(&self, reason: NotStored) -> Handling {
        self.shared.counters.bypassed.add();
        let why = if reason == NotStored::Method { Forward::Method } else { Forward::Bypass };
        Handling::Forwarded { why, status: None, outcome: Outcome::Refused(reason), collapsed: Collapsed::No }
    }

    /// A client that wants no cache to take part has its way where its wishes count.
    fn wants_none(&self, inquiry: &Inquiry) -> bool {
        inquiry.is_no_store() && self.shared.settings.rules.request_directives == RequestDirectives::Honoured
    }
}

impl<S, St, ReqBody, ResBody> Service<Request<ReqBody>> for SharedCache<S, St>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data: From<Bytes>, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    St: Store,
{
    type Response = Response<SharedCacheBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error, St>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let status = || self.shared.settings.status.clone();
        let inquiry = match concern(&request) {
            Concern::None(reason) => {
                let handling = self.bypassed(reason);
                return ResponseFuture::pass(self.inner.call(request), status(), handling);
            }
            Concern::Invalidates => {
                self.shared.counters.bypassed.add();
                let write = Write::of(&self.shared, &request);
                return ResponseFuture::write(self.inner.call(request), write);
            }
            Concern::Answers(inquiry) => inquiry,
        };
        let asked = self.asked(&request, &inquiry);
        let settings = &self.shared.settings;
        let caller = request.extensions().get::<Principal>().filter(|_| asked.partitioned);
        let key = settings.keys.key(request.uri(), request.headers(), caller);
        let Some(key) = key.filter(|_| !self.wants_none(&inquiry)) else {
            let reason = if asked.no_store { NotStored::RequestNoStore } else { NotStored::NoKey };
            let handling = self.bypassed(reason);
            return ResponseFuture::pass(self.inner.call(request), status(), handling);
        };
        let now = settings.clock.now();
        let found = match self.shared.store.peek(&key) {
            None => None,
            Some(variants) => match find(&variants, &inquiry, request.headers(), &settings.rules, now) {
                Found::Answer { variant, terms, manner: manner @ (Manner::Fresh | Manner::Accepted) } => {
                    let headers = request.headers();
                    let response = fetch::hit(&self.shared, &variant, &terms, manner, &inquiry, headers, now);
                    return ResponseFuture::ready(response);
                }
                found => Some(found),
            },
        };
        let (shared, service) = (Arc::clone(&self.shared), take_ready(&mut self.inner));
        let fetch = Fetch { shared, service, request, inquiry, key, asked };
        match found {
            None => ResponseFuture::work(Box::pin(fetch.look_up())),
            Some(Found::Answer { variant, terms, manner }) => ResponseFuture::ready(fetch.hit(&variant, &terms, manner, now)),
            Some(found) => ResponseFuture::work(Box::pin(fetch.go(found))),
        }
    }
}

impl<S: Clone, St> Clone for SharedCache<S, St> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: fmt::Debug, St> fmt::Debug for SharedCache<S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCache").field("inner", &self.inner).finish_non_exhaustive()
    }
}
