use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use axum_core::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header, request::Parts};
use http_body::Body as _;

use crate::{Problem, Retryability, core::header::remove_representation};

/// The longest text that becomes a detail, in bytes: some quote what the client sent.
const LONGEST: usize = 4 * 1024;

/// Any extractor of axum, refused by a [`Problem`] in place of plain text.
///
/// axum's own extractors tell what is wrong with a request as `text/plain`, which a client of a JSON API has no use for, and which
/// `ErrorMapping` leaves as it is. Wrapped in this one they are refused with `application/problem+json`, and beneath `ErrorMapping` in whichever
/// form the client accepts.
///
/// 1. The status is the rejection's, and so are the header fields that do not describe its text, as `Allow` or `WWW-Authenticate`.
/// 2. Of a status below 500 the text becomes the problem's [detail](Problem::detail): nothing that axum would not have shown. A longer one than 4 KiB
///    is left out. Of a 500 and above nothing is told, since it speaks of the program: which extension is missing, for one.
///    Where the content could not be read axum adds the text of the body's error, so that whatever wraps the request's body should
///    put into its errors what a client may read.
/// 3. What has its own form passes as it is: a problem, a redirect, a page, JSON.
///
/// It takes the place of the extractor in a handler's arguments, whether it reads the head or the content:
///
/// ```
/// use axum::{Json, Router, extract::{Path, Query}, routing::put};
/// use donjon::{OrProblem, error_mapping::ErrorMappingLayer};
/// # #[derive(serde::Deserialize)]
/// # struct Order { pieces: u32 }
/// # #[derive(serde::Deserialize)]
/// # struct Options { express: bool }
///
/// async fn order(
///     OrProblem(Path(id)): OrProblem<Path<u64>>,
///     OrProblem(Query(options)): OrProblem<Query<Options>>,
///     OrProblem(Json(order)): OrProblem<Json<Order>>,
/// ) -> String {
///     format!("{} pieces for {id}, express: {}", order.pieces, options.express)
/// }
///
/// let app: Router = Router::new().route("/orders/{id}", put(order)).layer(ErrorMappingLayer::new());
/// ```
///
/// A request without `pieces` is then answered so:
///
/// ```
/// # use axum::{Json, Router, extract::Request, routing::put};
/// # use donjon::OrProblem;
/// # use tower::ServiceExt as _;
/// # #[derive(serde::Deserialize)]
/// # struct Order { pieces: u32 }
/// # async fn order(OrProblem(Json(order)): OrProblem<Json<Order>>) -> String { order.pieces.to_string() }
/// # let app: Router = Router::new().route("/", put(order));
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let request = Request::put("/").header("content-type", "application/json").body(axum::body::Body::from("{}")).unwrap();
/// let response = app.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 422);
/// let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
/// assert_eq!(body, concat!(
///     r#"{"type":"about:blank","title":"Unprocessable Content","status":422,"#,
///     r#""detail":"Failed to deserialize the JSON body into the target type: missing field `pieces` at line 1 column 2","#,
///     r#""retry":"never"}"#,
/// ));
/// # });
/// ```
///
/// Where a value may be missing it is `OrProblem<Option<E>>`. A handler that wants to decide for itself takes a
/// `Result<OrProblem<E>, axum::response::Response>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub struct OrProblem<E>(
    /// What was extracted.
    pub E,
);

impl<E, S> FromRequestParts<S> for OrProblem<E>
where
    E: FromRequestParts<S>,
    S: Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        E::from_request_parts(parts, state).await.map(Self).map_err(refusal)
    }
}

impl<E, S> FromRequest<S> for OrProblem<E>
where
    E: FromRequest<S>,
    S: Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        E::from_request(request, state).await.map(Self).map_err(refusal)
    }
}

fn refusal(rejection: impl IntoResponse) -> Response {
    let response = rejection.into_response();
    if !is_told_anew(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut problem = Problem::new(parts.status);
    if let Some(advice) = parts.extensions.get::<Retryability>() {
        problem = problem.with_retryability(*advice);
    }
    if let Some(text) = text(body).filter(|_| parts.status.is_client_error()) {
        problem = problem.with_detail(text);
    }
    remove_representation(&mut parts.headers);
    let (own, body) = problem.into_http_response::<Body>().into_parts();
    for (name, value) in &own.headers {
        parts.headers.insert(name, value.clone());
    }
    parts.extensions.extend(own.extensions);
    Response::from_parts(parts, Body::new(body))
}

/// An error that says no more than plain text does.
fn is_told_anew(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response.extensions().get::<Problem>().is_none()
        && (is_plain_text(response.headers()) || response.body().is_end_stream())
}

/// Its parameters may say what they like ([RFC 9110 §8.3.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1)).
fn is_plain_text(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/plain")
}

/// The content, if it is a short text and all there: a rejection's is made in one piece, and nothing is waited for.
fn text(mut body: Body) -> Option<String> {
    let mut text = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => text.extend_from_slice(frame.data_ref()?),
            Poll::Ready(None) => return String::from_utf8(text).ok().filter(|text| !text.is_empty()),
            Poll::Ready(Some(Err(_))) | Poll::Pending => return None,
        }
        if text.len() > LONGEST {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn detail(rejection: impl IntoResponse) -> Option<String> {
        refusal(rejection).extensions().get::<Problem>().and_then(Problem::detail).map(str::to_owned)
    }

    #[test]
    fn what_becomes_a_detail() {
        let latin = (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "Text/Plain ; charset=latin1")], vec![0xe9]);
        for (name, rejection, expected) in [
            ("a text", (StatusCode::BAD_REQUEST, "no such colour").into_response(), Some("no such colour")),
            ("none", StatusCode::BAD_REQUEST.into_response(), None),
            ("an empty one", (StatusCode::BAD_REQUEST, "").into_response(), None),
            ("of a failure of ours", (StatusCode::INTERNAL_SERVER_ERROR, "table users is gone").into_response(), None),
            ("of 511", (StatusCode::NETWORK_AUTHENTICATION_REQUIRED, "secret").into_response(), None),
            ("not UTF-8", latin.into_response(), None),
            ("too long", (StatusCode::BAD_REQUEST, "x".repeat(LONGEST + 1)).into_response(), None),
        ] {
            assert!(is_told_anew(&rejection), "{name}");
            assert_eq!(detail(rejection).as_deref(), expected, "{name}");
        }
        assert_eq!(detail((StatusCode::BAD_REQUEST, "x".repeat(LONGEST))).map(|text| text.len()), Some(LONGEST));
    }

    #[test]
    fn what_has_its_own_form_passes() {
        let page = [(header::CONTENT_TYPE, "text/html")];
        let redirect = (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")], "this way");
        for (name, rejection) in [
            ("a problem", Problem::new(StatusCode::CONFLICT).with_title("taken").into_response()),
            ("a page", (StatusCode::NOT_FOUND, page, "<p>gone").into_response()),
            ("bytes of no type", (StatusCode::NOT_FOUND, Response::new(Body::from("?"))).into_response()),
            ("a redirect", redirect.into_response()),
        ] {
            let (status, content_type) = (rejection.status(), rejection.headers().get(header::CONTENT_TYPE).cloned());
            let passed = refusal(rejection);
            assert_eq!(passed.status(), status, "{name}");
            assert_eq!(passed.headers().get(header::CONTENT_TYPE), content_type.as_ref(), "{name}");
            assert_eq!(passed.extensions().get::<Problem>().is_some(), name == "a problem", "{name}");
        }
    }

    #[test]
    fn a_text_that_does_not_come_at_once_is_not_waited_for() {
        struct Never;
        impl http_body::Body for Never {
            type Data = bytes::Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
                Poll::Pending
            }
        }
        let slow = (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain")], Body::new(Never)).into_response();
        let answer = refusal(slow);
        assert_eq!(answer.extensions().get::<Problem>(), Some(&Problem::new(StatusCode::BAD_REQUEST)));
    }

    #[test]
    fn what_does_not_describe_the_text_stays() {
        let fields = [
            (header::ALLOW, "GET"),
            (header::WWW_AUTHENTICATE, "Basic"),
            (header::CONTENT_LANGUAGE, "en"),
            (header::ETAG, "\"a\""),
        ];
        let answer = refusal((StatusCode::METHOD_NOT_ALLOWED, fields, "not so"));
        let fields = answer.headers();
        assert_eq!((&fields["allow"], &fields["www-authenticate"]), (&"GET".parse().unwrap(), &"Basic".parse().unwrap()));
        assert_eq!(
            (&fields["content-type"], &fields["cache-control"]),
            (&"application/problem+json".parse().unwrap(), &"no-store".parse().unwrap())
        );
        assert!(!fields.contains_key("content-language") && !fields.contains_key("etag"));
    }
}
