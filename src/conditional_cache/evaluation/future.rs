use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    conditional_cache::{
        asked::Asked,
        body::ResponseBody,
        cache_policy::{Reading, Writer},
        entity_tag::{EntityTag, Strength},
        hold::{Hold, Outcome},
        partial::{self, Cutter, Wanted},
        precondition::{self, Evaluation, Preconditions},
        range::Ranges,
        tagging::{self, Tagger, Tagging},
        validators::Current,
    },
    core::{header::remove_content, trace::event},
};

pin_project! {
    /// The future of [`ConditionalCache`](super::ConditionalCache).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B>
    where
        B: Body,
    {
        #[pin]
        inner: F,
        plan: Option<Plan>,
        holding: Option<Box<Holding<B>>>,
    }
}

/// What is kept of a request to judge its response.
pub(super) struct Plan {
    head: bool,
    may_be_coded: bool,
    tagger: Tagger,
    /// In a box: as small as can be, since it waits beside every request.
    conditions: Option<Box<Conditions>>,
    ranges: Ranges,
    /// `None` where no policy is written.
    reading: Option<Reading>,
}

/// What a request asks for beyond the response as it is.
struct Conditions {
    preconditions: Option<Preconditions>,
    /// The part that is wanted.
    wanted: Option<Wanted>,
}

/// A response whose content is awaited. In a box, so that the future of those that are not stays small.
struct Holding<B: Body> {
    plan: Plan,
    parts: Parts,
    strength: Strength,
    hold: Hold<B>,
}

impl<F, B: Body> ResponseFuture<F, B> {
    #[inline]
    pub(super) fn new(inner: F, plan: Option<Plan>) -> Self {
        Self { inner, plan, holding: None }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data: From<Bytes>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.holding.is_some() {
            return poll_holding(this.holding, cx).map(Ok);
        }
        match this.inner.poll(cx) {
            Poll::Ready(Ok(response)) if this.plan.as_ref().is_some_and(|plan| !plan.leaves(&response)) => {
                carry_out(this.plan, this.holding, response, cx).map(Ok)
            }
            polled => polled.map_ok(|response| response.map(ResponseBody::inner)),
        }
    }
}

// Both out of line, so that the way of a response that there is nothing to do for stays short.

#[inline(never)]
fn carry_out<B>(
    plan: &mut Option<Plan>,
    slot: &mut Option<Box<Holding<B>>>,
    mut response: Response<B>,
    cx: &mut Context<'_>,
) -> Poll<Response<ResponseBody<B>>>
where
    B: Body<Data: From<Bytes>>,
{
    let Some(plan) = plan.take() else { return Poll::Ready(response.map(ResponseBody::inner)) };
    if let Tagging::Generate(strength) = plan.prepare(&mut response) {
        *slot = Some(Holding::boxed(plan, response, strength));
        return poll_holding(slot, cx);
    }
    Poll::Ready(plan.answer(response.map(ResponseBody::inner)))
}

#[inline(never)]
fn poll_holding<B>(slot: &mut Option<Box<Holding<B>>>, cx: &mut Context<'_>) -> Poll<Response<ResponseBody<B>>>
where
    B: Body<Data: From<Bytes>>,
{
    let Some(holding) = slot else { return Poll::Pending };
    let outcome = ready!(holding.hold.poll(cx));
    slot.take().map_or(Poll::Pending, |holding| Poll::Ready(holding.finish(outcome)))
}

impl Plan {
    /// Only GET and HEAD: after any other method the work is done, and no condition can undo it.
    #[inline]
    pub(super) fn of<B>(request: &Request<B>, tagger: Tagger, cutter: &Cutter, writer: Option<&Writer>) -> Option<Self> {
        let head = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => return None,
        };
        let asked = Asked::from_headers(request.headers());
        Some(Self {
            head,
            may_be_coded: asked.coding,
            tagger,
            conditions: if asked.conditional || asked.ranged { Conditions::of(request, cutter) } else { None },
            ranges: cutter.setting,
            reading: writer.map(|writer| Reading::of(writer, request, &asked)),
        })
    }

    /// Whether the response is sent as it is: nothing has to be evaluated, and what the handler said is all there is to say. The common
    /// case, and the one that must cost next to nothing.
    #[inline]
    fn leaves<B: Body>(&self, response: &Response<B>) -> bool {
        let asked_nothing = self.conditions.is_none() && self.ranges != Ranges::Advertised;
        asked_nothing && self.says_all(response.headers()) && !self.is_hollow(response)
    }

    /// Whether the response has no content where another would have had some: its body must not tell of a length (see
    /// [`ResponseBody::none`]).
    #[inline]
    fn is_hollow<B: Body>(&self, response: &Response<B>) -> bool {
        (self.head || response.status() == StatusCode::NOT_MODIFIED)
            && response.body().is_end_stream()
            && !response.headers().contains_key(header::CONTENT_LENGTH)
    }

    /// Whether the handler has said what the response is known by, and how long it may be kept if that is to be said. One pass is
    /// quicker than to look up two.
    #[inline]
    fn says_all(&self, headers: &HeaderMap) -> bool {
        let (mut kept, mut known) = (self.reading.is_none(), false);
        for name in headers.keys() {
            match *name {
                header::CACHE_CONTROL => kept = true,
                header::ETAG => known = true,
                _ => {}
            }
        }
        kept && known
    }

    /// Writes the policy, and tells whether the content is to be held back for a tag.
    fn prepare<B: Body>(&self, response: &mut Response<B>) -> Tagging {
        if self.says_all(response.headers()) {
            return Tagging::Keep;
        }
        if let Some(reading) = &self.reading {
            reading.write(response);
        }
        match tagging::decide(self.tagger.setting, self.may_be_coded, response.status(), response.headers()) {
            Tagging::Generate(_) if !Hold::fits(response.body(), self.tagger.limit) => Tagging::Keep,
            decided => decided,
        }
    }

    /// Evaluates the preconditions on what would be sent, and cuts what is left to be sent. A status other than 200 comes before them
    /// (§13.2.1), or is the handler's own answer to them; but a part of the handler's own is one step too far (§13.2.2): a client that
    /// puts parts together by `If-Match` must not get one of another representation.
    fn answer<B>(&self, mut response: Response<ResponseBody<B>>) -> Response<ResponseBody<B>>
    where
        B: Body<Data: From<Bytes>>,
    {
        if self.is_hollow(&response) {
            response = response.map(|_| self.no_content());
        }
        if !matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return response;
        }
        let method = if self.head { Method::HEAD } else { Method::GET };
        let current = Current::from_headers(response.headers());
        match self.preconditions().map_or(Evaluation::Proceed, |preconditions| preconditions.judge(&method, current)) {
            Evaluation::Proceed => self.cut(response),
            Evaluation::NotModified => not_modified(response.into_parts().0, self.no_content()),
            Evaluation::PreconditionFailed => self.precondition_failed(response.into_parts().0),
        }
    }

    fn preconditions(&self) -> Option<&Preconditions> {
        self.conditions.as_ref()?.preconditions.as_ref()
    }

    /// Step 5 of §13.2.2.
    fn cut<B>(&self, mut response: Response<ResponseBody<B>>) -> Response<ResponseBody<B>>
    where
        B: Body<Data: From<Bytes>>,
    {
        let advertised = self.ranges == Ranges::Advertised;
        let wanted = self.conditions.as_ref().and_then(|conditions| conditions.wanted.as_ref());
        if wanted.is_none() && !advertised {
            return response;
        }
        let Some(length) = partial::length(&response) else { return response };
        if let Some(wanted) = wanted {
            response = wanted.answer(self.preconditions(), length, response);
        }
        if advertised {
            partial::advertise(response.headers_mut());
        }
        response
    }

    /// The 412 for a 200 or 206. To HEAD it tells the length of the content that it does not have, as every answer to HEAD does.
    fn precondition_failed<B>(&self, mut parts: Parts) -> Response<ResponseBody<B>>
    where
        B: Body<Data: From<Bytes>>,
    {
        event!(DEBUG, "precondition failed");
        let body = partial::refuse::<B>(&mut parts, precondition::refusal());
        if !self.head {
            return Response::from_parts(parts, ResponseBody::layer(body));
        }
        parts.headers.extend(body.size_hint().exact().map(|length| (header::CONTENT_LENGTH, HeaderValue::from(length))));
        Response::from_parts(parts, self.no_content())
    }

    fn no_content<B: Body>(&self) -> ResponseBody<B> {
        ResponseBody::without_content(self.may_be_coded)
    }
}

impl Conditions {
    /// Looks at the fields once more, so that nothing of them has to be handed over where there are no conditions.
    #[inline(never)]
    fn of<B>(request: &Request<B>, cutter: &Cutter) -> Option<Box<Self>> {
        let asked = Asked::from_headers(request.headers());
        // Only to GET does Range mean anything (§14.2).
        let is_ranged = asked.ranged && *request.method() == Method::GET;
        let wanted = if is_ranged { cutter.wanted(request.headers(), &asked) } else { None };
        let conditional = asked.conditional || wanted.as_ref().is_some_and(Wanted::is_conditional);
        let preconditions = conditional.then(|| Preconditions::from_headers(request.headers()));
        (preconditions.is_some() || wanted.is_some()).then(|| Box::new(Self { preconditions, wanted }))
    }
}

impl<B: Body> Holding<B> {
    fn boxed(plan: Plan, response: Response<B>, strength: Strength) -> Box<Self> {
        let (parts, body) = response.into_parts();
        let hold = Hold::new(body, plan.tagger.limit);
        Box::new(Self { plan, parts, strength, hold })
    }

    fn finish(self, outcome: Outcome<B::Error>) -> Response<ResponseBody<B>>
    where
        B::Data: From<Bytes>,
    {
        let Self { plan, mut parts, strength, hold } = self;
        match outcome {
            Outcome::Complete(_) => {
                let tag = EntityTag::generate(hold.content(), strength);
                parts.headers.insert(header::ETAG, tag.into());
            }
            Outcome::LetGo => {
                event!(DEBUG, "no entity tag: the response is a stream or over the limit", held = hold.content().len())
            }
            Outcome::Failed(_) | Outcome::Torn(_) => {
                // Nothing is known of content that never came whole; the client is to see it fail as it would have.
                event!(WARN, "the response body failed while its entity tag was made", held = hold.content().len());
                return Response::from_parts(parts, hold.release(outcome));
            }
        }
        plan.answer(Response::from_parts(parts, hold.release(outcome)))
    }
}

/// The 304 for a 200 or 206.
///
/// Of the representation's fields only Content-Location, Date, ETag, Vary, Cache-Control and Expires stay, and Last-Modified where there
/// is no ETag ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)). Fields that are not about the
/// representation stay as well: Set-Cookie renews a session, a script may not read a 304 without its Access-Control fields, and a
/// security policy must reach the stored page when it changes.
fn not_modified<B: Body>(mut parts: Parts, no_content: ResponseBody<B>) -> Response<ResponseBody<B>> {
    event!(DEBUG, "not modified");
    remove_content(&mut parts.headers);
    if parts.headers.contains_key(header::ETAG) {
        parts.headers.remove(header::LAST_MODIFIED);
    }
    parts.status = StatusCode::NOT_MODIFIED;
    Response::from_parts(parts, no_content)
}

impl<F, B: Body> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
