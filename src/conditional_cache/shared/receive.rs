//! What is done with an answer of the inner service.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Response, StatusCode, header, response::Parts};
use http_body::Body;

use super::{
    admission::{Exchange, Freshened, add_own_cookies, admit, freshen},
    answer::{from_coming, from_stored, refused},
    body::SharedCacheBody,
    cache_status::{self, Collapsed, Forward, Handling, Outcome},
    collapse::{Lead, Sharing},
    config::Shared,
    keep::tags,
    key::CacheKey,
    partial::{self, Place},
    request::Inquiry,
    storability::{Asked, NotStored},
    store::{Purge, Store, StoredBody, StoredHead, Tags, Variant},
    tee::{Fill, Filled},
    terms::{Standing, Terms},
    validation,
};
use crate::core::{Principal, Problem, header::only};

/// How long nobody waits for what was last not to be shared.
const PASS: Duration = Duration::from_secs(30);

/// What a leader shares.
pub(super) enum Coming<B> {
    /// All of it is there.
    Stored(Variant),
    /// The head is there, the content comes.
    Filling { head: Arc<StoredHead>, fill: Fill<B> },
}

impl<B> Coming<B> {
    pub(super) fn head(&self) -> &StoredHead {
        match self {
            Self::Stored(variant) => variant.head(),
            Self::Filling { head, .. } => head,
        }
    }
}

impl<B> Clone for Coming<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Stored(variant) => Self::Stored(variant.clone()),
            Self::Filling { head, fill } => Self::Filling { head: Arc::clone(head), fill: fill.clone() },
        }
    }
}

/// One forwarded request, when its answer is there.
#[derive(Debug)]
pub(super) struct Forwarded<St> {
    pub(super) shared: Arc<Shared<St>>,
    pub(super) inquiry: Inquiry,
    pub(super) key: CacheKey,
    pub(super) asked: Asked,
    /// The client's fields, as they were before any were changed.
    pub(super) request: HeaderMap,
    pub(super) why: Forward,
    pub(super) requested: SystemTime,
    pub(super) received: SystemTime,
    /// Whether the inner service was asked on another condition than the client's, so that the client's is still to be evaluated.
    pub(super) rewritten: bool,
    /// Of the store, before the inner service was asked.
    pub(super) epoch: u64,
}

impl<St: Store> Forwarded<St> {
    /// A stored response in the place of one that could not be had, or that had the status of a failure. No hit, since the request was forwarded
    /// ([RFC 9211 §2.1](https://www.rfc-editor.org/rfc/rfc9211#section-2.1)).
    pub(super) fn stand_in<B>(
        self,
        variant: Variant,
        terms: &Terms,
        failure: Option<StatusCode>,
        lead: Option<Lead<Coming<B>>>,
    ) -> Response<SharedCacheBody<B>>
    where
        B: Body,
    {
        self.shared.counters.stand_ins.add();
        let now = self.received;
        let mut response = from_stored(&variant, &self.inquiry, &self.request, terms.age(now), now);
        cache_status::vacate(response.headers_mut(), self.shared.settings.status.setting);
        let outcome = Outcome::Replaced { ttl: terms.ttl(now) };
        self.tell(&mut response, Handling::Forwarded { why: self.why, status: failure, outcome, collapsed: Collapsed::No });
        if let Some(lead) = lead {
            drop(lead.share(Coming::Stored(variant)));
        }
        response
    }

    /// The stored response, confirmed by a 304.
    pub(super) fn confirmed<B>(
        mut self,
        stored: Variant,
        update: &Response<B>,
        lead: Option<Lead<Coming<B>>>,
    ) -> Response<SharedCacheBody<B>>
    where
        B: Body,
    {
        self.shared.counters.confirmed.add();
        self.asked.principal |= update.extensions().get::<Principal>().is_some();
        let update = update.headers();
        let rules = &self.shared.settings.rules;
        let now = self.received;
        let Freshened { head, stays } = if validation::confirms(&stored.head().headers, update, rules.mismatch) {
            self.freshened(&stored, update)
        } else {
            // It answers this question, and no later one (§4.3.4).
            Freshened { head: StoredHead::clone(stored.head()), stays: Err(NotStored::Status) }
        };
        let terms = super::admission::terms_of(&head, rules);
        match stays {
            Ok(()) if head.selecting == stored.head().selecting => self.shared.touch(self.key.clone(), head.clone(), self.epoch),
            Ok(()) => self.shared.put(self.key.clone(), stored.clone().with_head(head.clone()).with_epoch(self.epoch)),
            Err(reason) if is_of_the_response(reason) => self.shared.forget(Purge::url(&self.key)),
            // This client's own: nobody else's copy is touched by it.
            Err(_) => {}
        }
        let variant = stored.with_head(head);
        let mut response = from_stored(&variant, &self.inquiry, &self.request, terms.age(now), now);
        cache_status::vacate(response.headers_mut(), self.shared.settings.status.setting);
        add_own_cookies(response.headers_mut(), update, rules.cookies);
        let outcome = if stays.is_ok() { Outcome::Stored { ttl: terms.ttl(now) } } else { Outcome::Passed };
        self.tell_forwarded(&mut response, StatusCode::NOT_MODIFIED, outcome);
        if let Some(lead) = lead {
            if stays.is_ok() && terms.standing(now) == Standing::Fresh {
                drop(lead.share(Coming::Stored(variant)));
            } else {
                lead.release(None);
            }
        }
        response
    }

    /// The rest of a response of which the beginning is stored. `whole` is its length, unless something else came than was asked for.
    pub(super) fn completed<B>(
        self,
        stored: &Variant,
        whole: Option<u64>,
        response: Response<B>,
        lead: Option<Lead<Coming<B>>>,
    ) -> Response<SharedCacheBody<B>>
    where
        B: Body + Send + 'static,
    {
        let Some(whole) = whole else {
            // A part that cannot be joined is no answer to who wants the whole, and there is no request left to ask again with.
            self.shared.forget(Purge::url(&self.key));
            let detail = "The upstream sent a part of the response that does not belong to what it sent before.";
            return refused(Problem::new(StatusCode::BAD_GATEWAY).with_detail(detail));
        };
        let (parts, body) = response.into_parts();
        let Freshened { head, stays } = self.freshened(stored, &parts.headers);
        let beginning = stored.body().pieces().map(|(_, piece)| piece.clone());
        let limits = self.shared.settings.limits(Some(whole));
        let (fill, reader) = Fill::start_after(beginning, body, limits);
        let inquiry = &self.inquiry;
        let mut response = from_coming(&head, inquiry, &self.request, SharedCacheBody::shared(reader), self.received);
        response.headers_mut().insert(header::CONTENT_LENGTH, whole.into());
        let tags = tags(&parts.headers, &parts.extensions, &self.key);
        let (shared, key, epoch) = (Arc::clone(&self.shared), self.key.clone(), self.epoch);
        let keep = Keep { shared, key, place: None, beneath: None, tags, epoch };
        let terms = super::admission::terms_of(&head, &self.shared.settings.rules);
        let outcome = stays.map_or_else(Outcome::Refused, |()| Outcome::Stored { ttl: terms.ttl(self.received) });
        let shareable = stays.is_ok() && terms.standing(self.received) == Standing::Fresh;
        let sharing = lead.and_then(|lead| {
            let coming = shareable.then(|| Coming::Filling { head: Arc::new(head.clone()), fill: fill.clone() });
            self.part_with(lead, coming)
        });
        if stays.is_ok() {
            fill.on_done(move |filled| {
                if let Filled::Whole(content) = filled {
                    keep.finish(head, content);
                }
                drop(sharing);
            });
        }
        self.tell_forwarded(&mut response, parts.status, outcome);
        response
    }

    /// A new response: stored, if it may be, while it is passed on.
    pub(super) fn arrived<B>(
        mut self,
        response: Response<B>,
        lead: Option<Lead<Coming<B>>>,
        beneath: Option<Variant>,
    ) -> Response<SharedCacheBody<B>>
    where
        B: Body + Send + 'static,
    {
        let (parts, body) = response.into_parts();
        // TokenAuth may stand further in.
        self.asked.principal |= parts.extensions.get::<Principal>().is_some();
        if self.inquiry.head {
            return self.answered_head(parts, body, beneath.as_ref());
        }
        match self.admitted(&parts, &body) {
            Ok((head, place)) => self.stored(parts, body, head, place, lead, beneath),
            Err(reason) => {
                self.shared.counters.refused.add();
                if beneath.is_some() && is_of_the_response(reason) && parts.status.is_success() {
                    // What was public once is so no more.
                    self.shared.forget(Purge::url(&self.key));
                }
                match lead {
                    Some(lead) if parts.status.is_server_error() => lead.fail(),
                    // Answers to those who say who they are seldom are for all: the next of them should not wait for this one.
                    Some(lead) => {
                        let remembered = is_of_the_response(reason) || is_of_the_caller(reason);
                        lead.release(remembered.then(|| self.received + PASS));
                    }
                    None => {}
                }
                let status = parts.status;
                let mut response = Response::from_parts(parts, SharedCacheBody::inner(body));
                self.tell_forwarded(&mut response, status, Outcome::Refused(reason));
                response
            }
        }
    }

    fn admitted<B: Body>(&self, parts: &Parts, body: &B) -> Result<(StoredHead, Option<Place>), NotStored> {
        let mut head = admit(self.exchange(), parts.status, &parts.headers, &self.shared.settings.rules)?;
        cache_status::reserve(&mut head.headers, self.shared.settings.status.setting);
        let place = match parts.status {
            StatusCode::PARTIAL_CONTENT => {
                // One that was asked on another condition was not asked for this range.
                head = partial::widened(head, only(&self.request, &header::RANGE).filter(|_| !self.rewritten));
                Some(Place::of(&parts.headers).ok_or(NotStored::Status)?)
            }
            _ => None,
        };
        let announced = announced(&parts.headers).or_else(|| body.size_hint().exact());
        if announced.is_some_and(|length| length > self.shared.settings.largest) {
            return Err(NotStored::TooLarge);
        }
        Ok((head, place))
    }

    fn stored<B>(
        self,
        parts: Parts,
        body: B,
        head: StoredHead,
        place: Option<Place>,
        lead: Option<Lead<Coming<B>>>,
        beneath: Option<Variant>,
    ) -> Response<SharedCacheBody<B>>
    where
        B: Body + Send + 'static,
    {
        let terms = super::admission::terms_of(&head, &self.shared.settings.rules);
        // What has to be asked about before each use is for the one who asked.
        let shareable = place.is_none() && terms.standing(self.received) == Standing::Fresh;
        let status = parts.status;
        let asked_on_condition = (self.rewritten && self.inquiry.conditional).then(|| head.clone());
        let tags = tags(&parts.headers, &parts.extensions, &self.key);
        let keep = Keep { shared: Arc::clone(&self.shared), key: self.key.clone(), place, beneath, tags, epoch: self.epoch };
        let body = if body.is_end_stream() {
            if let Some(lead) = lead {
                let variant = Variant::new(head.clone(), StoredBody::whole([]));
                self.part_with(lead, shareable.then_some(Coming::Stored(variant)));
            }
            keep.finish(head, StoredBody::whole([]));
            SharedCacheBody::inner(body)
        } else {
            let limits = self.shared.settings.limits(announced(&parts.headers));
            let (fill, reader) = Fill::start(body, limits);
            let flights = self.shared.flights.of::<Coming<B>>();
            if shareable {
                flights.allow(&self.key);
            }
            let until = self.received + PASS;
            let sharing = lead.and_then(|lead| {
                let coming = shareable.then(|| Coming::Filling { head: Arc::new(head.clone()), fill: fill.clone() });
                self.part_with(lead, coming)
            });
            fill.on_done(move |filled| {
                match filled {
                    Filled::Whole(content) => keep.finish(head, content),
                    Filled::TooLarge => flights.pass(&keep.key, until),
                    Filled::Cut => {}
                }
                // Not before it is stored: who comes in between would ask again.
                drop(sharing);
            });
            SharedCacheBody::shared(reader)
        };
        let mut response = Response::from_parts(parts, body);
        if let Some(head) = asked_on_condition {
            let body = response.into_body();
            response = from_coming(&head, &self.inquiry, &self.request, body, self.received);
        }
        self.tell_forwarded(&mut response, status, Outcome::Stored { ttl: terms.ttl(self.received) });
        response
    }

    fn part_with<B>(&self, lead: Lead<Coming<B>>, coming: Option<Coming<B>>) -> Option<Sharing<Coming<B>>> {
        match coming {
            Some(coming) => Some(lead.share(coming)),
            None => {
                lead.release(Some(self.received + PASS));
                None
            }
        }
    }

    /// Updates what is stored by the answer to a HEAD ([RFC 9111 §4.3.5](https://www.rfc-editor.org/rfc/rfc9111#section-4.3.5)).
    fn answered_head<B: Body>(self, parts: Parts, body: B, stored: Option<&Variant>) -> Response<SharedCacheBody<B>> {
        if let (StatusCode::OK, Some(stored)) = (parts.status, stored) {
            let head = stored.head();
            if validation::confirmed_by_head(&head.headers, &parts.headers, stored.body().complete_length()) {
                let Freshened { head, stays } = self.freshened(stored, &parts.headers);
                match stays {
                    Ok(()) if head.selecting == stored.head().selecting => self.shared.touch(self.key.clone(), head, self.epoch),
                    Err(reason) if is_of_the_response(reason) => self.shared.forget(Purge::url(&self.key)),
                    _ => {}
                }
            } else {
                self.shared.forget(Purge::url(&self.key).soft());
            }
        }
        let status = parts.status;
        let mut response = Response::from_parts(parts, SharedCacheBody::inner(body));
        self.tell_forwarded(&mut response, status, Outcome::Passed);
        response
    }

    fn freshened(&self, stored: &Variant, update: &HeaderMap) -> Freshened {
        let mut freshened = freshen(stored.head(), self.exchange(), update, &self.shared.settings.rules);
        cache_status::reserve(&mut freshened.head.headers, self.shared.settings.status.setting);
        freshened
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange { asked: self.asked, request: &self.request, requested: self.requested, received: self.received }
    }

    fn tell_forwarded<B>(&self, response: &mut Response<B>, status: StatusCode, outcome: Outcome) {
        let handling = Handling::Forwarded { why: self.why, status: Some(status), outcome, collapsed: Collapsed::No };
        self.tell(response, handling);
    }

    fn tell<B>(&self, response: &mut Response<B>, handling: Handling) {
        cache_status::write(response.headers_mut(), &self.shared.settings.status, handling);
    }
}

/// What is to be stored once its content is there.
struct Keep<St> {
    shared: Arc<Shared<St>>,
    key: CacheKey,
    place: Option<Place>,
    beneath: Option<Variant>,
    tags: Tags,
    epoch: u64,
}

impl<St: Store> Keep<St> {
    fn finish(self, head: StoredHead, content: StoredBody) {
        let content = match self.place {
            None => Some(content),
            Some(place) => place.body(&content).map(|part| partial::combined(self.beneath.as_ref(), &head, part)),
        };
        if let Some(content) = content {
            self.shared.put(self.key, Variant::new(head, content).with_tags(self.tags).with_epoch(self.epoch));
        }
    }
}

/// How long the content is said to be.
fn announced(headers: &HeaderMap) -> Option<u64> {
    only(headers, &header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether it was refused for who asked.
fn is_of_the_caller(reason: NotStored) -> bool {
    matches!(reason, NotStored::Authorization | NotStored::Principal | NotStored::Cookie)
}

/// Whether the next response would be refused as well, whoever asks.
fn is_of_the_response(reason: NotStored) -> bool {
    !matches!(
        reason,
        NotStored::Method | NotStored::RequestContent | NotStored::RequestNoStore | NotStored::Upgrade | NotStored::NoKey
    ) && !is_of_the_caller(reason)
}
