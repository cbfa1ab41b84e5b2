//! The 206 and the 416 for a 200, [RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response::Parts};
use http_body::Body;

use super::{
    body::ResponseBody,
    range::{ByteRanges, Multipart, Segment, Selection, content_range},
};
use crate::core::{
    LayerBody, Problem,
    header::{contains_token, only, parameters, remove_representation},
    trace::event,
};

/// Of what is sent, not of the representation, so no longer true of a part.
const OF_THE_CONTENT: [HeaderName; 3] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("content-md5"), header::TRAILER];

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

/// The part that is asked for of a 200 of this length.
pub(super) fn answer<B>(ranges: &ByteRanges, length: u64, response: Response<ResponseBody<B>>) -> Response<ResponseBody<B>>
where
    B: Body<Data: From<Bytes>>,
{
    match ranges.select(length) {
        Selection::Part(part) => {
            let size = part.end.saturating_sub(part.start);
            let Ok(value) = HeaderValue::try_from(content_range(&part, length)) else { return response };
            let (mut parts, body) = response.into_parts();
            parts.headers.insert(header::CONTENT_RANGE, value);
            partial(parts, size, body.cut(vec![Segment::Content(part)]))
        }
        // In which coding the parts of coded content are, no field of a part can say.
        Selection::Parts(selected) if !response.headers().contains_key(header::CONTENT_ENCODING) => {
            let content_type = response.headers().get(header::CONTENT_TYPE);
            match Multipart::new(&selected, length, content_type).filter(|multipart| multipart.length < length) {
                Some(multipart) => {
                    let (mut parts, body) = response.into_parts();
                    parts.headers.insert(header::CONTENT_TYPE, multipart.content_type);
                    partial(parts, multipart.length, body.cut(multipart.segments))
                }
                None => response,
            }
        }
        Selection::Unsatisfiable => unsatisfiable(response.into_parts().0, length),
        Selection::Parts(_) | Selection::Whole => response,
    }
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
