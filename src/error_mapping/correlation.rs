//! By which names a failure is found again.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    request_id::{generate, is_request_id},
    trace_context::TraceId,
};
use crate::{Problem, Value, core::header::only};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Carries the name of a request into the answer to its failure and into the log, so that the one is found by the other.
///
/// - The **request id** is taken from the request, when it comes once and is 1 to 128 letters, digits and `-`, `_`, `.`, `=`, `+`; of any other
///   request it is generated. It is in the response's field of the same name, in the member `request_id` of the problem, as the reference
///   of its page and text, in the event and in the [report](super::ErrorReport).
/// - The **trace id** is that of a valid [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header). It is in the member `trace_id`, in
///   the event and in the report. No response field is defined for it.
///
/// Both are extension members ([RFC 9457 §3.2](https://www.rfc-editor.org/rfc/rfc9457#section-3.2)) and not the `instance`, which is a URI of one
/// occurrence (§3.1.5): an id of a request is no URI, and a client that tries again may send it again.
///
/// ```
/// use donjon::error_mapping::{Correlated, Correlation, ErrorMappingLayer};
/// use http::HeaderName;
///
/// let correlation = Correlation::new().field(HeaderName::from_static("x-correlation-id")).correlated(Correlated::Every);
/// let layer = ErrorMappingLayer::new().correlation(correlation);
/// ```
#[derive(Clone, Debug)]
pub struct Correlation {
    field: HeaderName,
    correlated: Correlated,
}

/// Which requests have an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Correlated {
    /// Those that bring one, and those that fail. What succeeds is not touched.
    ///
    /// A body that fails after its head was sent fails too late for the client to be told: its request has an id by then if it brought one. Any
    /// other is given one that only the event and the [report](super::ErrorReport) know, so that these two can be put together.
    #[default]
    Failures,
    /// Every one, from the start: the services within see it in the request's field, every response repeats it, and what fails in the body of a
    /// response can be told by it.
    Every,
}

impl Correlation {
    /// By `X-Request-Id`, for failures.
    #[must_use]
    pub fn new() -> Self {
        Self { field: X_REQUEST_ID, correlated: Correlated::default() }
    }

    /// The field of requests and responses that holds the id.
    #[must_use]
    pub fn field(mut self, name: HeaderName) -> Self {
        self.field = name;
        self
    }

    /// Which requests have an id.
    #[must_use]
    pub fn correlated(mut self, correlated: Correlated) -> Self {
        self.correlated = correlated;
        self
    }

    /// What the request brings; a valid id in its field when each has one.
    pub(super) fn begin(&self, headers: &mut HeaderMap) -> Option<Ids> {
        let trace = only(headers, &TRACEPARENT).and_then(|value| TraceId::of_traceparent(value.as_bytes()));
        let mut request = only(headers, &self.field).filter(|value| is_request_id(value.as_bytes())).cloned();
        if request.is_none() && self.correlated == Correlated::Every {
            let id = generate();
            headers.insert(self.field.clone(), id.clone());
            request = Some(id);
        }
        (request.is_some() || trace.is_some()).then_some(Ids { request, trace })
    }

    /// What a failure is named by: one id at least, the one that a layer within has given it if there is one.
    #[cold]
    pub(super) fn of_failure(&self, known: Option<Ids>, problem: Option<&Problem>) -> Ids {
        let mut ids = known.unwrap_or_default();
        ids.request.get_or_insert_with(|| problem.and_then(given).unwrap_or_else(generate));
        ids
    }

    /// The response's field, in a response that was made or is passed.
    pub(super) fn mark(&self, headers: &mut HeaderMap, ids: &Ids) {
        if let Some(id) = &ids.request {
            headers.insert(self.field.clone(), id.clone());
        }
    }

    /// The field of a response that succeeds.
    #[inline]
    pub(super) fn pass(&self, headers: &mut HeaderMap, ids: Option<&Ids>) {
        if let (Correlated::Every, Some(ids)) = (self.correlated, ids) {
            self.mark(headers, ids);
        }
    }
}

impl Default for Correlation {
    fn default() -> Self {
        Self::new()
    }
}

fn given(problem: &Problem) -> Option<HeaderValue> {
    match problem.members().find(|member| member.0 == REQUEST_ID)?.1 {
        Value::String(id) if is_request_id(id.as_bytes()) => HeaderValue::from_str(id).ok(),
        _ => None,
    }
}

/// The names of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    request: Option<HeaderValue>,
    trace: Option<TraceId>,
}

pub(super) const REQUEST_ID: &str = "request_id";

impl Ids {
    pub(super) fn request(&self) -> Option<&str> {
        self.request.as_ref().and_then(|id| id.to_str().ok())
    }

    pub(super) fn trace(&self) -> Option<&str> {
        self.trace.as_ref().map(TraceId::as_str)
    }

    pub(super) fn to_members(&self, mut problem: Problem) -> Problem {
        for (name, id) in [(REQUEST_ID, self.request()), ("trace_id", self.trace())] {
            if let Some(id) = id {
                problem = problem.with_member(name, id.to_owned());
            }
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_request_brings() {
        for (name, lines, request, trace) in [
            ("nothing", &[][..], None, false),
            ("an id", &[("x-request-id", "abc")], Some("abc"), false),
            ("an id of no shape", &[("x-request-id", "<b>")], None, false),
            ("two ids", &[("x-request-id", "abc"), ("x-request-id", "def")], None, false),
            ("an id of another field", &[("x-correlation-id", "abc")], None, false),
            ("a trace", &[("traceparent", TRACE)], None, true),
            ("two traces", &[("traceparent", TRACE), ("traceparent", TRACE)], None, false),
            ("both", &[("traceparent", TRACE), ("x-request-id", "abc")], Some("abc"), true),
        ] {
            let mut all = HeaderMap::new();
            for (name, value) in lines {
                all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let before = all.clone();
            let ids = Correlation::new().begin(&mut all);
            assert_eq!(ids.as_ref().and_then(Ids::request), request, "{name}");
            assert_eq!(ids.as_ref().and_then(Ids::trace).is_some(), trace, "{name}");
            assert_eq!(all, before, "{name}: the request is as it was");
            let ids = Correlation::new().correlated(Correlated::Every).begin(&mut all).unwrap();
            assert_eq!(only(&all, &X_REQUEST_ID), ids.request.as_ref(), "{name}: within it has an id, and one only");
            assert!(request.is_none_or(|request| ids.request() == Some(request)), "{name}");
        }
    }

    #[test]
    fn a_failure_has_an_id_of_its_own_or_the_clients() {
        let correlation = Correlation::new();
        let conflict = || Problem::new(http::StatusCode::CONFLICT);
        for problem in [None, Some(&conflict())] {
            assert_eq!(correlation.of_failure(None, problem).request().map(str::len), Some(32));
        }
        let named = conflict().with_member("request_id", "given-within");
        assert_eq!(correlation.of_failure(None, Some(&named)).request(), Some("given-within"));
        let named = conflict().with_member("request_id", "<b>");
        assert_eq!(correlation.of_failure(None, Some(&named)).request().map(str::len), Some(32));
        let brought = correlation.begin(&mut headers(&[("x-request-id", "abc"), ("traceparent", TRACE)]));
        let problem = correlation.of_failure(brought, Some(&conflict())).to_members(conflict());
        let document: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
        assert_eq!((&document["request_id"], &document["trace_id"]), (&"abc".into(), &TRACE[3..35].into()));
    }
}
