use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tokio::task::JoinHandle;

use super::{
    answer::{Answer, Selected},
    body::{FileBody, blocking},
    source::Content,
    stamp::OpenFile,
};
use crate::{
    conditional_cache::precondition,
    core::{LayerBody, Problem, trace::event},
};

type Answered = Response<LayerBody<FileBody>>;

/// The future of [`AssetService`](super::AssetService).
#[must_use = "futures do nothing unless polled"]
pub struct AssetFuture(State);

enum State {
    Done(Option<Answered>),
    Opening { file: JoinHandle<io::Result<Option<OpenFile>>>, headers: HeaderMap, head: bool },
}

impl AssetFuture {
    pub(super) fn new(answer: Answer, method: &Method) -> Self {
        let response = match answer {
            Answer::NotFound => refusal(Problem::new(StatusCode::NOT_FOUND)),
            Answer::MethodNotAllowed => {
                let mut response = refusal(Problem::new(StatusCode::METHOD_NOT_ALLOWED));
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            Answer::NotAcceptable => {
                let mut response = refusal(Problem::new(StatusCode::NOT_ACCEPTABLE));
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
                response
            }
            Answer::PreconditionFailed => refusal(precondition::refusal()),
            Answer::Unsatisfiable(length) => {
                let mut response = refusal(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE));
                response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{length}")) {
                    response.headers_mut().insert(header::CONTENT_RANGE, value);
                }
                response
            }
            Answer::NotModified(selected) => not_modified(&selected),
            Answer::Content(selected) => return Self::content(&selected, *method == Method::HEAD),
        };
        Self(State::Done(Some(response)))
    }

    fn content(selected: &Selected, head: bool) -> Self {
        let mut headers = HeaderMap::with_capacity(12);
        selected.write_validators(&mut headers);
        selected.write_content(&mut headers);
        Self(match &selected.representation().content {
            Content::Held(bytes) => {
                let body = if head { LayerBody::empty() } else { LayerBody::full(slice(bytes, selected.part())) };
                State::Done(Some(with(headers, body)))
            }
            // HEAD too: it must not promise what GET cannot give.
            Content::OnDisk { path, stamp } => {
                let (path, stamp, part) = (Arc::clone(path), *stamp, selected.part());
                match blocking(move || OpenFile::open(&path, stamp, part)) {
                    Ok(file) => State::Opening { file, headers, head },
                    Err(error) => State::Done(Some(unreadable(&error))),
                }
            }
        })
    }
}

impl Future for AssetFuture {
    type Output = Result<Answered, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.0 {
            State::Done(response) => response.take(),
            State::Opening { file, headers, head } => {
                let opened = ready!(Pin::new(file).poll(cx)).unwrap_or_else(|error| Err(error.into()));
                let (headers, head) = (std::mem::take(headers), *head);
                self.0 = State::Done(None);
                Some(match opened {
                    Ok(Some(_)) if head => with(headers, LayerBody::empty()),
                    Ok(Some(file)) => with(headers, LayerBody::inner(FileBody::new(file))),
                    Ok(None) => {
                        event!(WARN, "an asset has changed since the files were read and is not served");
                        refusal(Problem::new(StatusCode::NOT_FOUND))
                    }
                    Err(error) => unreadable(&error),
                })
            }
        };
        // Nothing is left for who asks again.
        response.map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
    }
}

/// With `no-store`, as all problems: a name that is unknown now may be a file of the next deploy, or of the one whose page is asking.
fn refusal(problem: Problem) -> Answered {
    problem.into_http_response()
}

fn unreadable(error: &io::Error) -> Answered {
    event!(ERROR, "an asset cannot be read", error = error.kind());
    refusal(Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
}

fn not_modified(selected: &Selected) -> Answered {
    let mut headers = HeaderMap::with_capacity(4);
    selected.write_validators(&mut headers);
    let mut response = with(headers, LayerBody::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// The part, which was selected within the length.
fn slice(bytes: &Bytes, part: Option<Range<u64>>) -> Bytes {
    let Some(part) = part else { return bytes.clone() };
    let at = |position: u64| usize::try_from(position).map_or(bytes.len(), |position| position.min(bytes.len()));
    bytes.slice(at(part.start)..at(part.end).max(at(part.start)))
}

/// A 206 if the fields speak of a part.
fn with(headers: HeaderMap, body: LayerBody<FileBody>) -> Answered {
    let mut response = Response::new(body);
    if headers.contains_key(header::CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.headers_mut() = headers;
    response
}

impl fmt::Debug for AssetFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetFuture").finish_non_exhaustive()
    }
}
