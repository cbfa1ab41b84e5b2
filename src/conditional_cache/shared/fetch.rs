//! Asking the inner service: alone, or for all who wait for the same.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_service::Service;

use super::{
    answer::{from_coming, from_stored, is_enough, refused},
    body::SharedCacheBody,
    cache_status::{self, Collapsed, Forward, Handling, Outcome},
    collapse::{Join, Lead, Wait, Waited},
    config::Shared,
    key::CacheKey,
    look_up::{Found, Manner, find},
    partial,
    receive::{Coming, Forwarded},
    request::Inquiry,
    storability::Asked,
    store::{Store, Variant, Variants},
    terms::Terms,
    validation,
    vary::{self, Vary},
};
use crate::core::Problem;

/// A request that may be answered from what is stored, and the ready service that else answers it.
pub(super) struct Fetch<S, ReqBody, St> {
    pub(super) shared: Arc<Shared<St>>,
    pub(super) service: S,
    pub(super) request: Request<ReqBody>,
    pub(super) inquiry: Inquiry,
    pub(super) key: CacheKey,
    pub(super) asked: Asked,
}

/// A stored response that is no answer yet.
type Stored = Option<(Variant, Terms)>;

impl<S, ReqBody, ResBody, St> Fetch<S, ReqBody, St>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: Body<Data: From<Bytes>, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    St: Store,
{
    /// Asks a store that has to be waited for.
    pub(super) async fn look_up(self) -> Result<Response<SharedCacheBody<ResBody>>, S::Error> {
        let variants = match self.shared.store.get(&self.key).await {
            Ok(variants) => variants,
            Err(error) => {
                self.shared.missed(&error);
                Variants::default()
            }
        };
        let now = self.shared.settings.clock.now();
        match find(&variants, &self.inquiry, self.request.headers(), &self.shared.settings.rules, now).cloned() {
            Found::Answer { variant, terms, manner } => Ok(self.hit(&variant, &terms, manner, now)),
            found => self.go(found).await,
        }
    }

    /// Answers from what is stored; where it is stale, sees to it that it will not be for long.
    pub(super) fn hit(
        self,
        variant: &Variant,
        terms: &Terms,
        manner: Manner,
        now: SystemTime,
    ) -> Response<SharedCacheBody<ResBody>> {
        let response = hit(&self.shared, variant, terms, manner, &self.inquiry, self.request.headers(), now);
        if manner == Manner::WhileRevalidating
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
            && let Join::Lead(lead) = self.shared.join(&self.shared.flights.of(), &self.key, now)
        {
            runtime.spawn(self.revalidate(variant.clone(), *terms, lead));
        }
        response
    }

    /// Asks the inner service, since nothing stored is the answer.
    pub(super) async fn go(self, found: Found<Variant>) -> Result<Response<SharedCacheBody<ResBody>>, S::Error> {
        if self.inquiry.is_only_if_cached() {
            return Ok(self.nothing_stored());
        }
        // Its answer is for it alone: it must not keep others waiting for one that they cannot have.
        let alone = self.asked.no_store;
        match found {
            // To answer a HEAD no content is needed, and it may confirm what is stored (§4.3.5).
            Found::Stale { variant, terms, reason } if self.inquiry.head => {
                self.ask(Some((variant, terms)), None, reason.into()).await
            }
            Found::Stale { variant, terms, reason } if !alone && (self.inquiry.is_plain() || has_validator(&variant)) => {
                self.together(Some((variant, terms)), reason.into()).await
            }
            Found::Stale { variant, terms, reason } => self.ask(Some((variant, terms)), None, reason.into()).await,
            Found::Missing(why) if !alone && self.inquiry.is_plain() => self.together(None, why).await,
            Found::Missing(why) => self.ask(None, None, why).await,
            Found::Partial(variant) => {
                let terms = super::admission::terms_of(variant.head(), &self.shared.settings.rules);
                let stored = Some((variant, terms));
                // Who has loaded a part of it must not make all others ask for the rest of it at once.
                if !alone && self.inquiry.is_plain() {
                    self.together(stored, Forward::Partial).await
                } else {
                    self.ask(stored, None, Forward::Partial).await
                }
            }
            Found::Answer { variant, terms, manner } => {
                let now = self.shared.settings.clock.now();
                Ok(self.hit(&variant, &terms, manner, now))
            }
        }
    }

    /// One asks for all who want the same at the same time.
    async fn together(self, stored: Stored, why: Forward) -> Result<Response<SharedCacheBody<ResBody>>, S::Error> {
        let flights = self.shared.flights.of::<Coming<ResBody>>();
        let mut key = self.key.clone();
        // Once among all, and once among those for whom the first answer was not, since they want another variant.
        for _ in 0..2 {
            let coming = match self.shared.join(&flights, &key, self.shared.settings.clock.now()) {
                Join::Lead(lead) => return self.look_again(Some(lead), stored, why).await,
                Join::Pass => return self.ask(stored, None, why).await,
                Join::Shared(coming) => coming,
                Join::Wait(wait) => match patiently(wait, self.shared.settings.patience).await {
                    Some(Waited::Lead(lead)) => return self.look_again(Some(lead), stored, why).await,
                    Some(Waited::Alone) => break,
                    Some(Waited::Shared(coming)) => coming,
                    None => continue,
                },
            };
            if let Some(response) = self.shared_answer(&coming, why) {
                return Ok(response);
            }
            let selecting =
                Vary::of(&coming.head().headers).selecting(self.request.headers(), self.shared.settings.rules.likeness);
            key = self.key.divided_by(selecting.parts());
        }
        self.look_again(None, stored, why).await
    }

    /// Looks once more before it asks: the last leader may have been done between the first look and the lead, or while this one waited.
    async fn look_again(
        self,
        lead: Option<Lead<Coming<ResBody>>>,
        stored: Stored,
        why: Forward,
    ) -> Result<Response<SharedCacheBody<ResBody>>, S::Error> {
        let now = self.shared.settings.clock.now();
        let rules = &self.shared.settings.rules;
        let variants = self.shared.store.peek(&self.key);
        let found = variants.map(|variants| find(&variants, &self.inquiry, self.request.headers(), rules, now).cloned());
        match found {
            Some(Found::Answer { variant, terms, manner: Manner::Fresh }) => {
                drop(lead.map(|lead| lead.share(Coming::Stored(variant.clone()))));
                Ok(self.hit(&variant, &terms, Manner::Fresh, now))
            }
            // What has been forgotten meanwhile is not asked about.
            Some(Found::Missing(_)) => self.ask(None, lead, why).await,
            _ => self.ask(stored, lead, why).await,
        }
    }

    /// What a leader shares, if it answers this request too.
    fn shared_answer(&self, coming: &Coming<ResBody>, why: Forward) -> Option<Response<SharedCacheBody<ResBody>>> {
        let now = self.shared.settings.clock.now();
        let rules = &self.shared.settings.rules;
        let request = self.request.headers();
        let mut response = match coming {
            Coming::Stored(variant) => {
                let selected = vary::select(std::slice::from_ref(variant), request, rules.likeness)?;
                let age = super::admission::terms_of(selected.head(), rules).age(now);
                is_enough(selected, &self.inquiry, request, now)
                    .then(|| from_stored(selected, &self.inquiry, request, age, now))?
            }
            Coming::Filling { head, fill } => {
                if !vary::selects(&head.selecting, request, rules.likeness) {
                    return None;
                }
                let body = SharedCacheBody::shared(fill.reader()?);
                from_coming(head, &self.inquiry, request, body, now)
            }
        };
        self.shared.counters.collapsed.add();
        let handling = Handling::Forwarded { why, status: None, outcome: Outcome::Passed, collapsed: Collapsed::Yes };
        let (headers, status) = (response.headers_mut(), &self.shared.settings.status);
        cache_status::vacate(headers, status.setting);
        cache_status::write(headers, status, handling);
        Some(response)
    }

    /// Asks the inner service.
    async fn ask(
        self,
        stored: Stored,
        lead: Option<Lead<Coming<ResBody>>>,
        why: Forward,
    ) -> Result<Response<SharedCacheBody<ResBody>>, S::Error> {
        let Self { shared, mut service, mut request, inquiry, key, asked } = self;
        let original = request.headers().clone();
        if lead.is_some() {
            validation::unconditional(request.headers_mut());
        }
        let rest = stored.as_ref().filter(|_| inquiry.is_plain()).and_then(|(variant, _)| partial::rest(variant));
        if let Some(rest) = &rest {
            request.headers_mut().insert(header::RANGE, rest.range.clone());
            request.headers_mut().insert(header::IF_RANGE, rest.if_range.clone());
        }
        let validates = stored.as_ref().is_some_and(|(variant, _)| variant.body().is_whole() && has_validator(variant));
        let rewritten = validates && !inquiry.head;
        if let Some((variant, _)) = stored.as_ref().filter(|_| rewritten) {
            validation::ask_about(variant.head(), request.headers_mut());
            shared.counters.validations.add();
        } else {
            shared.counters.misses.add();
        }
        let requested = shared.settings.clock.now();
        let epoch = shared.store.epoch();
        let answer = service.call(request).await;
        let received = shared.settings.clock.now();
        let disconnected = shared.settings.rules.disconnected;
        let forwarded = Forwarded { shared, inquiry, key, asked, request: original, why, requested, received, epoch, rewritten };
        let stand_in = |stored: &Stored| {
            stored.clone().filter(|(variant, terms)| variant.body().is_whole() && terms.may_stand_in(received, disconnected))
        };
        match (answer, stored) {
            (Err(error), stored) => match stand_in(&stored) {
                Some((variant, terms)) => Ok(forwarded.stand_in(variant, &terms, None, lead)),
                None => {
                    if let Some(lead) = lead {
                        lead.fail();
                    }
                    Err(error)
                }
            },
            (Ok(response), Some((variant, _))) if response.status() == StatusCode::NOT_MODIFIED && rewritten => {
                Ok(forwarded.confirmed(variant, &response, lead))
            }
            (Ok(response), Some((variant, _))) if rest.is_some() && answers_a_range(response.status()) => {
                let whole = rest.and_then(|rest| partial::completes(&variant, &rest, response.headers()));
                Ok(forwarded.completed(&variant, whole, response, lead))
            }
            (Ok(response), stored) if is_failure(response.status()) => match stand_in(&stored) {
                Some((variant, terms)) => Ok(forwarded.stand_in(variant, &terms, Some(response.status()), lead)),
                None => Ok(forwarded.arrived(response, lead, None)),
            },
            (Ok(response), stored) => Ok(forwarded.arrived(response, lead, stored.map(|(variant, _)| variant))),
        }
    }

    /// Fetches anew what a client has just been given (RFC 5861 §3). Nobody reads what comes; it is read for the store.
    async fn revalidate(mut self, variant: Variant, terms: Terms, lead: Lead<Coming<ResBody>>) {
        *self.request.method_mut() = Method::GET;
        validation::unconditional(self.request.headers_mut());
        self.inquiry = Inquiry { head: false, conditional: false, range: false, ..self.inquiry };
        let Some(response) = self.ask(Some((variant, terms)), Some(lead), Forward::Stale).await.ok() else { return };
        let mut body = Box::pin(response.into_body());
        while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    }

    /// 504: the client wanted a stored response, and there is none ([RFC 9111 §5.2.1.7](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.7)).
    fn nothing_stored(&self) -> Response<SharedCacheBody<ResBody>> {
        let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT)
            .with_detail("The request wants a stored response only, and none is stored that answers it.");
        let mut response = refused(problem);
        cache_status::write(response.headers_mut(), &self.shared.settings.status, Handling::Nothing);
        response
    }
}

/// The answer from what is stored.
pub(super) fn hit<St, B: Body>(
    shared: &Shared<St>,
    variant: &Variant,
    terms: &Terms,
    manner: Manner,
    inquiry: &Inquiry,
    request: &HeaderMap,
    now: SystemTime,
) -> Response<SharedCacheBody<B>> {
    shared.counters.hits.add();
    if manner != Manner::Fresh {
        shared.counters.stale_hits.add();
    }
    let age = terms.age(now);
    let (status, ttl) = (&shared.settings.status, terms.ttl_at(age));
    let mut response = from_stored(variant, inquiry, request, age, now);
    cache_status::write_hit(response.headers_mut(), status, ttl, manner.detail(), &shared.told);
    response
}

/// Waits for a leader, but not for ever: its call may hang. `None` if it was given up; without a runtime nobody can tell how long it has been.
async fn patiently<T: Clone>(mut wait: Wait<T>, limit: Duration) -> Option<Waited<T>> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Some(wait.await);
    }
    if let Ok(waited) = tokio::time::timeout(limit, &mut wait).await {
        return Some(waited);
    }
    wait.give_up();
    None
}

fn has_validator(variant: &Variant) -> bool {
    let headers = &variant.head().headers;
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

/// As neither 206 nor 416 answers a client that asked for the whole.
fn answers_a_range(status: StatusCode) -> bool {
    matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE)
}

/// What a cache may take for "the origin could not answer" ([RFC 5861 §4](https://www.rfc-editor.org/rfc/rfc5861#section-4)).
fn is_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
