//! Problem details for HTTP APIs, [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

mod json;
mod value;

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};

#[cfg_attr(not(feature = "full"), allow(unused_imports, reason = "only the manifest of assets is JSON too"))]
pub(crate) use self::json::member as json_member;
pub use self::value::Value;
use super::{body::LayerBody, retry::Retryability};

/// One refusal or failure, in the terms of [RFC 9457 §3.1](https://www.rfc-editor.org/rfc/rfc9457#section-3.1).
///
/// Every layer that refuses, and every handler that wants to, answers with one. [`into_http_response`](Self::into_http_response) renders it as
/// `application/problem+json` and leaves it in the response's extensions, where `ErrorMapping` finds it and renders it anew in the
/// form that the client accepts.
///
/// Its texts go to the client: never put an inner error, a path of the machine or a secret into one.
///
/// ```
/// use donjon::Problem;
/// use http::StatusCode;
///
/// let problem = Problem::new(StatusCode::FORBIDDEN)
///     .with_type("https://example.com/probs/out-of-credit")
///     .with_title("You do not have enough credit.")
///     .with_member("balance", 30);
/// assert_eq!(
///     problem.to_json(),
///     r#"{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.","status":403,"retry":"never","balance":30}"#,
/// );
/// ```
#[derive(Clone, PartialEq)]
pub struct Problem(Box<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    status: StatusCode,
    type_uri: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    retryability: Retryability,
    retry_after: Option<Duration>,
    members: Vec<(Cow<'static, str>, Value)>,
}

/// The member names that [`Problem`] writes itself, so that no extension doubles them.
const OWN_MEMBERS: [&str; 6] = ["type", "title", "status", "detail", "instance", "retry"];

impl Problem {
    /// A problem that says no more than its status: `about:blank`, titled with the status's own phrase
    /// ([RFC 9457 §4.2.1](https://www.rfc-editor.org/rfc/rfc9457#section-4.2.1)), with the retry advice that the status implies.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self(Box::new(Inner {
            status,
            type_uri: None,
            title: None,
            detail: None,
            instance: None,
            retryability: Retryability::of_status(status),
            retry_after: None,
            members: Vec::new(),
        }))
    }

    /// The status code, also sent as the response's.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The URI that names the kind of problem; `about:blank` when there is nothing beyond the status.
    #[must_use]
    pub fn type_uri(&self) -> &str {
        self.0.type_uri.as_deref().unwrap_or("about:blank")
    }

    /// A short summary of the kind of problem.
    #[must_use]
    pub fn title(&self) -> &str {
        self.0.title.as_deref().unwrap_or_else(|| phrase(self.0.status))
    }

    /// What happened this time, for the person who reads it.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The URI of this occurrence.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.0.instance.as_deref()
    }

    /// Whether the client may try again.
    #[must_use]
    pub fn retryability(&self) -> Retryability {
        self.0.retryability
    }

    /// How long the client should wait before it tries again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The extension members, in the order given.
    #[must_use]
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.members.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Sets the type, an absolute URI if possible.
    #[must_use]
    pub fn with_type(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.type_uri = Some(uri.into());
        self
    }

    /// Sets the title, the same for every occurrence of the type.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = Some(title.into());
        self
    }

    /// Sets the detail. It should help the client to put things right, not to debug the server.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the instance.
    #[must_use]
    pub fn with_instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// Overrides the retry advice that the status implies.
    #[must_use]
    pub fn with_retryability(mut self, retryability: Retryability) -> Self {
        self.0.retryability = retryability;
        self
    }

    /// Adds a `Retry-After` in whole seconds, rounded up ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds an extension member, or replaces the one of that name
    /// ([RFC 9457 §3.2](https://www.rfc-editor.org/rfc/rfc9457#section-3.2)).
    ///
    /// The names `type`, `title`, `status`, `detail`, `instance` and `retry` have their own methods; as an extension they are left out,
    /// since a JSON object must not name a member twice.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        if !OWN_MEMBERS.contains(&name.as_ref()) {
            self.0.members.retain(|(other, _)| *other != name);
            self.0.members.push((name, value));
        }
        self
    }

    /// The JSON document, one line without a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let kind = [(r#"{"type":"#, Some(self.type_uri())), (r#","title":"#, Some(self.title()))];
        let status = [r#","status":"#, self.0.status.as_str()];
        let retry = Some(self.0.retryability.as_str());
        let rest = [(r#","detail":"#, self.detail()), (r#","instance":"#, self.instance()), (r#","retry":"#, retry)];
        // With two quotes each, and the last brace: all there is, where nothing is escaped and no extension follows.
        let texts = kind.iter().chain(&rest).map(|(name, text)| text.map_or(0, |text| name.len() + text.len() + 2));
        let mut out = String::with_capacity(texts.sum::<usize>() + status.map(str::len).iter().sum::<usize>() + 1);
        let members = |out: &mut String, members: &[(&str, Option<&str>)]| {
            for (name, text) in members {
                if let Some(text) = text {
                    out.push_str(name);
                    json::string(out, text);
                }
            }
        };
        members(&mut out, &kind);
        out.extend(status);
        members(&mut out, &rest);
        for (name, value) in &self.0.members {
            out.push(',');
            json::string(&mut out, name);
            out.push(':');
            json::value(&mut out, value);
        }
        out.push('}');
        out
    }

    /// The response: status, `application/problem+json`, `Cache-Control: no-store`, `Retry-After` if one was given; with this problem
    /// and its [`Retryability`] in the extensions.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        let mut response = Response::new(LayerBody::full(self.to_json()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(value) = self.retry_after_value() {
            headers.insert(header::RETRY_AFTER, value);
        }
        response.extensions_mut().insert(self.0.retryability);
        response.extensions_mut().insert(self);
        response
    }

    /// The value of `Retry-After`, if there is one to send.
    #[must_use]
    pub fn retry_after_value(&self) -> Option<HeaderValue> {
        self.retry_after_seconds().map(HeaderValue::from)
    }

    /// For a response whose field says another wait than the problem does, or none that can be told in words.
    #[cfg(feature = "error-mapping")]
    pub(crate) fn with_told_wait(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// The wait as it is told: in whole seconds, rounded up.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.0.retry_after?;
        Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
    }
}

/// As RFC 9110 has it ([§15.5.14](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.14),
/// [§15.5.21](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.21)), where the library still has the phrases of older editions.
fn phrase(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({})", self.to_json())
    }
}

/// `403 Forbidden: detail`, for logs.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.title())?;
        match self.detail() {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl From<StatusCode> for Problem {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_status_is_about_blank() {
        let problem = Problem::new(StatusCode::NOT_FOUND);
        assert_eq!(problem.to_json(), r#"{"type":"about:blank","title":"Not Found","status":404,"retry":"never"}"#);
        for (status, title) in [(413, "Content Too Large"), (422, "Unprocessable Content"), (599, "Error")] {
            assert_eq!(Problem::new(StatusCode::from_u16(status).unwrap()).title(), title);
        }
    }

    #[test]
    fn a_plain_document_has_the_length_that_was_reserved() {
        let bare = Problem::new(StatusCode::NOT_FOUND);
        let full = bare.clone().with_type("https://a.example/b").with_title("c").with_detail("d").with_instance("/e");
        for document in [bare.to_json(), full.to_json()] {
            assert_eq!(document.capacity(), document.len(), "{document}");
        }
    }

    #[test]
    fn members_replace_each_other_and_never_the_standard_ones() {
        let problem = Problem::new(StatusCode::CONFLICT).with_member("status", 200).with_member("n", 1).with_member("n", 2);
        assert_eq!(problem.members().collect::<Vec<_>>(), [("n", &Value::from(2))]);
    }

    #[test]
    fn the_response_carries_what_a_client_and_an_outer_layer_need() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::from_millis(1_001));
        let response = problem.clone().into_http_response::<()>();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.extensions().get::<Problem>(), Some(&problem));
        assert_eq!(response.extensions().get::<Retryability>(), Some(&Retryability::Safe));
    }

    #[test]
    fn display_is_for_logs() {
        assert_eq!(Problem::new(StatusCode::GONE).with_detail("moved").to_string(), "410 Gone: moved");
    }
}
