//! Responses made of what is stored, [RFC 9111 §4](https://www.rfc-editor.org/rfc/rfc9111#section-4).

use std::{fmt::Write as _, ops::Range, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body;

use super::{
    super::{
        if_range::IfRange,
        partial::advertise,
        precondition::{Evaluation, Preconditions, refusal},
        range::{ByteRanges, Multipart, Segment, Selection, content_range},
        validators::Current,
    },
    body::SharedCacheBody,
    line::{Line, small},
    partial,
    request::Inquiry,
    store::{StoredBody, StoredHead, Variant},
    validation,
};
use crate::core::{
    Problem,
    header::{contains_token, remove_content},
};

/// The greatest age that everybody can hold ([RFC 9111 §1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
const MOST_SECONDS: u32 = 1 << 31;

/// What of a stored response a request is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Share {
    Whole,
    Part(Range<u64>),
    /// What the origin has sent for the same `Range`, and its `Content-Range`.
    Again(Range<u64>, HeaderValue),
    Parts(Vec<Range<u64>>),
    Unsatisfiable,
    /// 304.
    Nothing,
    /// 412.
    Refused,
}

/// Whether the stored bytes are enough for the request: all of them, or the part that it asks for
/// ([RFC 9111 §3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)).
pub(super) fn is_enough(variant: &Variant, inquiry: &Inquiry, request: &HeaderMap, now: SystemTime) -> bool {
    let body = variant.body();
    if body.is_whole() || inquiry.head {
        return true;
    }
    match share(variant.head(), Some(body), inquiry, request, now) {
        Share::Whole => false,
        Share::Part(part) | Share::Again(part, _) => body.holds(part),
        Share::Parts(parts) => parts.into_iter().all(|part| body.holds(part)),
        Share::Unsatisfiable | Share::Nothing | Share::Refused => true,
    }
}

/// The answer to a request from a stored response that is enough for it.
pub(super) fn from_stored<B: Body>(
    variant: &Variant,
    inquiry: &Inquiry,
    request: &HeaderMap,
    age: u32,
    now: SystemTime,
) -> Response<SharedCacheBody<B>> {
    let body = variant.body();
    match share(variant.head(), Some(body), inquiry, request, now) {
        Share::Whole if inquiry.head => {
            let mut response = from_head(variant.head(), age, SharedCacheBody::empty());
            if let (None, Some(length)) = (response.headers().get(header::CONTENT_LENGTH), body.complete_length()) {
                response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            }
            response
        }
        Share::Whole => from_head(variant.head(), age, SharedCacheBody::stored(body.clone())),
        Share::Part(part) => {
            let told = body.complete_length().and_then(|whole| HeaderValue::try_from(content_range(&part, whole)).ok());
            one_part(variant, part, told, age)
        }
        Share::Again(part, told) => one_part(variant, part, Some(told), age),
        Share::Parts(parts) => several_parts(variant, &parts, age),
        Share::Unsatisfiable => unsatisfiable(body.complete_length()),
        Share::Nothing => not_modified(variant.head(), age),
        Share::Refused => refused(refusal()),
    }
}

/// The answer to a request whose client shares a response that is still coming: all of it, or, if it has it, nothing.
pub(super) fn from_coming<B: Body>(
    head: &StoredHead,
    inquiry: &Inquiry,
    request: &HeaderMap,
    body: SharedCacheBody<B>,
    now: SystemTime,
) -> Response<SharedCacheBody<B>> {
    let age = head.terms.map_or(0, |terms| terms.age(now));
    match share(head, None, inquiry, request, now) {
        Share::Nothing => not_modified(head, age),
        Share::Refused => refused(refusal()),
        _ => from_head(head, age, body),
    }
}

/// A refusal of the cache's own.
pub(super) fn refused<B: Body>(problem: Problem) -> Response<SharedCacheBody<B>> {
    let bytes = Bytes::from(problem.to_json());
    let (parts, _) = problem.into_http_response::<B>().into_parts();
    Response::from_parts(parts, SharedCacheBody::bytes([bytes]))
}

/// Conditions come before ranges ([RFC 9110 §13.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2)), and both only where the
/// answer would be a success.
fn share(head: &StoredHead, body: Option<&StoredBody>, inquiry: &Inquiry, request: &HeaderMap, now: SystemTime) -> Share {
    if inquiry.conditional && head.status.is_success() {
        match validation::evaluate(&Preconditions::from_headers(request), &head.headers, head.response_time) {
            Evaluation::NotModified => return Share::Nothing,
            Evaluation::PreconditionFailed => return Share::Refused,
            Evaluation::Proceed => {}
        }
    }
    if !inquiry.range || inquiry.head || head.status != StatusCode::OK {
        return Share::Whole;
    }
    let (Some(ranges), Some(body)) = (ByteRanges::from_headers(request), body) else { return Share::Whole };
    let unconditional = IfRange::from_headers(request).is_none_or(|since| since.holds(Current::from_headers(&head.headers), now));
    if !unconditional || contains_token(&head.headers, &header::ACCEPT_RANGES, "none") {
        return Share::Whole;
    }
    if let Some((part, content_range)) = partial::again(head, body, request) {
        return Share::Again(part, content_range.clone());
    }
    let Some(length) = body.complete_length() else { return Share::Whole };
    match ranges.select(length) {
        Selection::Whole => Share::Whole,
        Selection::Part(part) => Share::Part(part),
        // In which coding the parts of coded content are, no field of a part can say.
        Selection::Parts(_) if head.headers.contains_key(header::CONTENT_ENCODING) => Share::Whole,
        Selection::Parts(parts) => Share::Parts(parts),
        Selection::Unsatisfiable => Share::Unsatisfiable,
    }
}

fn from_head<B>(head: &StoredHead, age: u32, body: SharedCacheBody<B>) -> Response<SharedCacheBody<B>>
where
    B: Body,
{
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    let (headers, age) = (response.headers_mut(), decimal(age.min(MOST_SECONDS)));
    // In the place of the one that was stored. To insert it would see to it that there is room for one more.
    match headers.get_mut(header::AGE) {
        Some(stored) => *stored = age,
        None => drop(headers.insert(header::AGE, age)),
    }
    response
}

fn not_modified<B: Body>(head: &StoredHead, age: u32) -> Response<SharedCacheBody<B>> {
    let mut response = from_head(head, age, SharedCacheBody::empty());
    remove_content(response.headers_mut());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn one_part<B: Body>(
    variant: &Variant,
    part: Range<u64>,
    content_range: Option<HeaderValue>,
    age: u32,
) -> Response<SharedCacheBody<B>> {
    let body = variant.body();
    let length = part.end.saturating_sub(part.start);
    let mut response = of_a_part(variant.head(), age, length, SharedCacheBody::range(body.clone(), part));
    if let Some(content_range) = content_range {
        response.headers_mut().insert(header::CONTENT_RANGE, content_range);
    }
    response
}

fn several_parts<B: Body>(variant: &Variant, parts: &[Range<u64>], age: u32) -> Response<SharedCacheBody<B>> {
    let (head, body) = (variant.head(), variant.body());
    let whole = body.complete_length().unwrap_or_default();
    let multipart = Multipart::new(parts, whole, head.headers.get(header::CONTENT_TYPE));
    let Some(multipart) = multipart.filter(|multipart| multipart.length < whole || !body.is_whole()) else {
        return from_head(head, age, SharedCacheBody::stored(body.clone()));
    };
    let chunks: Vec<Bytes> = multipart.segments.into_iter().flat_map(|segment| chunks(body, segment)).collect();
    let mut response = of_a_part(head, age, multipart.length, SharedCacheBody::bytes(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, multipart.content_type);
    response
}

fn of_a_part<B: Body>(head: &StoredHead, age: u32, length: u64, body: SharedCacheBody<B>) -> Response<SharedCacheBody<B>> {
    let mut response = from_head(head, age, body);
    let headers = response.headers_mut();
    // Of the content that was sent, not of the representation.
    for name in ["content-digest", "content-md5", "trailer"] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    advertise(headers);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response
}

fn unsatisfiable<B: Body>(length: Option<u64>) -> Response<SharedCacheBody<B>> {
    let mut response = refused(
        Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
            .with_detail("The content is shorter than the range that was asked for. Content-Range tells its length."),
    );
    let value = length.and_then(|length| HeaderValue::try_from(format!("bytes */{length}")).ok());
    if let Some(value) = value {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// The bytes of a segment, piece by piece, without copying them.
fn chunks(body: &StoredBody, segment: Segment) -> Vec<Bytes> {
    let range = match segment {
        Segment::Own(bytes) => return vec![bytes],
        Segment::Content(range) => range,
    };
    let mut chunks = Vec::new();
    let mut at = range.start;
    while let Some(mut piece) = body.find(at).filter(|_| at < range.end) {
        piece.truncate(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        at += piece.len() as u64;
        chunks.push(piece);
    }
    chunks
}

/// A number: as most ages are, without an allocation, else in one of its size.
fn decimal(seconds: u32) -> HeaderValue {
    if let Some(digits) = small(seconds.into()) {
        return HeaderValue::from_static(digits);
    }
    let mut line = Line::new();
    let written = write!(line, "{seconds}").ok();
    written.and_then(|()| line.value()).unwrap_or(HeaderValue::from_static("0"))
}
