//! The 206 and the 416 for a 200, [RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14).

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, response::Parts};
use http_body::Body;

use super::{
    asked::Asked,
    body::ResponseBody,
    precondition::Preconditions,
    range::{ByteRanges, Multipart, Ranges, Segment, Selection, content_range},
    validators::Current,
};
use crate::core::{
    Clock as _, LayerBody, Problem, SharedClock, SystemClock,
    header::{contains_token, only, parameters, remove_representation},
    trace::event,
};

/// Of what is sent, not of the representation, so no longer true of a part.
const OF_THE_CONTENT: [HeaderName; 3] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("content-md5"), header::TRAILER];

/// Whether parts are served, and what time it is then: the system's if no clock was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Cutter {
    pub(super) setting: Ranges,
    pub(super) clock: Option<SharedClock>,
}

impl Cutter {
    /// What is wanted by a GET that has these fields, a `Range` among them.
    pub(super) fn wanted(&self, headers: &HeaderMap, asked: &Asked) -> Option<Wanted> {
        let ranges = ByteRanges::from_headers(headers).filter(|_| self.setting != Ranges::Off)?;
        let is_conditional = headers.contains_key(header::IF_RANGE);
        Some(Wanted { ranges, is_conditional, may_be_coded: asked.coding, clock: self.clock.clone() })
    }

    /// Takes from a request what the inner service is not to see.
    #[inline]
    pub(super) fn prepare<B>(&self, request: &mut Request<B>) {
        if self.setting == Ranges::Exclusive && matches!(*request.method(), Method::GET | Method::HEAD) {
            for name in [header::RANGE, header::IF_RANGE] {
                request.headers_mut().remove(name);
            }
        }
    }
}

/// What is kept of a request for a part, to cut its response.
pub(super) struct Wanted {
    ranges: ByteRanges,
    is_conditional: bool,
    may_be_coded: bool,
    clock: Option<SharedClock>,
}

impl Wanted {
    /// Whether there is an `If-Range`.
    pub(super) fn is_conditional(&self) -> bool {
        self.is_conditional
    }

    /// The answer where there is a 200 of this length.
    pub(super) fn answer<B>(
        &self,
        preconditions: Option<&Preconditions>,
        length: u64,
        response: Response<ResponseBody<B>>,
    ) -> Response<ResponseBody<B>>
    where
        B: Body<Data: From<Bytes>>,
    {
        let now = || self.clock.as_ref().map_or_else(|| SystemClock.now(), SharedClock::now);
        let current = Current::from_headers(response.headers());
        let applies =
            !self.is_conditional || preconditions.is_none_or(|preconditions| preconditions.range_applies(current, now()));
        if applies { self.cut(length, response) } else { response }
    }

    fn cut<B>(&self, length: u64, response: Response<ResponseBody<B>>) -> Response<ResponseBody<B>>
    where
        B: Body<Data: From<Bytes>>,
    {
        match self.ranges.select(length) {
            Selection::Part(part) => one(part, length, response),
            // In which coding the parts of coded content are, no field of a part can say.
            Selection::Parts(parts) if !response.headers().contains_key(header::CONTENT_ENCODING) => {
                several(&parts, length, self.may_be_coded, response)
            }
            Selection::Unsatisfiable => unsatisfiable(response.into_parts().0, length),
            Selection::Parts(_) | Selection::Whole => response,
        }
    }
}

/// How long the content of a 200 is, if it is known and a part of it may be sent.
///
/// `Content-Length` is believed of a body that does not tell; if the two contradict each other, nothing is known.
pub(super) fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    let headers = response.headers();
    let is_part = headers.contains_key(header::CONTENT_RANGE) || is_multipart(headers);
    if response.status() != StatusCode::OK || is_part || contains_token(headers, &header::ACCEPT_RANGES, "none") {
        return None;
    }
    let told = response.body().size_hint().exact();
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return told;
    }
    let announced = only(headers, &header::CONTENT_LENGTH)?.to_str().ok()?;
    let announced = announced.bytes().all(|byte| byte.is_ascii_digit()).then(|| announced.parse().ok())??;
    told.is_none_or(|told| told == announced).then_some(announced)
}

/// Whether the content consists of parts already: parts of those would be of no use.
fn is_multipart(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    parameters(content_type).0.eq_ignore_ascii_case(b"multipart/byteranges")
}

fn one<B: Body>(part: Range<u64>, length: u64, response: Response<ResponseBody<B>>) -> Response<ResponseBody<B>> {
    let Ok(value) = HeaderValue::try_from(content_range(&part, length)) else { return response };
    let size = part.end.saturating_sub(part.start);
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_RANGE, value);
    partial(parts, size, body.cut(vec![Segment::Content(part)]))
}

/// The whole if the parts would come to more with all that stands between them.
fn several<B: Body>(
    selected: &[Range<u64>],
    length: u64,
    may_be_coded: bool,
    response: Response<ResponseBody<B>>,
) -> Response<ResponseBody<B>> {
    let multipart = Multipart::new(selected, length, response.headers().get(header::CONTENT_TYPE));
    let Some(multipart) = multipart.filter(|multipart| multipart.length < length) else { return response };
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, multipart.content_type);
    if may_be_coded {
        // A compressing layer further out knows a part by its Content-Range, which this answer must not have (RFC 9110 §15.3.7.2). Were it to
        // code the parts, they would be taken for parts of the coded representation. So it is told that the coding is settled.
        parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    partial(parts, multipart.length, body.cut(multipart.segments))
}

/// Keeps every field of the 200 that is about the representation. After `If-Range` a client should know them
/// ([RFC 9110 §15.3.7](https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7)), but one that does not look them up would be left without a
/// type to read the part by.
fn partial<B: Body>(mut parts: Parts, size: u64, body: ResponseBody<B>) -> Response<ResponseBody<B>> {
    event!(DEBUG, "partial content", size = size);
    for name in &OF_THE_CONTENT {
        parts.headers.remove(name);
    }
    parts.headers.insert(header::CONTENT_LENGTH, size.into());
    advertise(&mut parts.headers);
    parts.status = StatusCode::PARTIAL_CONTENT;
    Response::from_parts(parts, body)
}

fn unsatisfiable<B: Body>(mut parts: Parts, length: u64) -> Response<ResponseBody<B>> {
    event!(DEBUG, "range not satisfiable", length = length);
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
        .with_detail("The content is shorter than the range that was asked for. Content-Range tells its length.");
    let body = refuse(&mut parts, problem);
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{length}")) {
        parts.headers.insert(header::CONTENT_RANGE, value);
    }
    advertise(&mut parts.headers);
    Response::from_parts(parts, ResponseBody::layer(body))
}

/// Turns a 200 into a refusal. What spoke of the representation is gone; what did not (cookies, Access-Control fields) stays.
pub(super) fn refuse<B>(parts: &mut Parts, problem: Problem) -> LayerBody<B> {
    let (problem, body) = problem.into_http_response().into_parts();
    remove_representation(&mut parts.headers);
    for (name, value) in &problem.headers {
        parts.headers.insert(name, value.clone());
    }
    parts.extensions.extend(problem.extensions);
    parts.status = problem.status;
    body
}

/// Says that parts may be asked for ([RFC 9110 §14.3](https://www.rfc-editor.org/rfc/rfc9110#section-14.3)), unless the handler has a word
/// of its own.
pub(super) fn advertise(headers: &mut HeaderMap) {
    headers.entry(header::ACCEPT_RANGES).or_insert(HeaderValue::from_static("bytes"));
}
