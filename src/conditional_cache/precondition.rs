//! Preconditions, [RFC 9110 §13](https://www.rfc-editor.org/rfc/rfc9110#section-13).

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    entity_tag::{Comparison, TagRef, list},
    http_date,
    if_range::IfRange,
    validators::{Current, Validators},
};
use crate::core::{
    Problem,
    header::{only, trim_ows},
};

/// The conditions that a request sets: `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`, `If-Range`.
///
/// The layer evaluates them itself for GET and HEAD. Before a write only the handler knows the current state, so the handler asks, and
/// does so before it changes anything. What it gets when it must not write is a [`Problem`] to return:
///
/// ```
/// use donjon::{Problem, conditional_cache::{EntityTag, Preconditions, Validators}};
/// use http::HeaderMap;
///
/// fn put(headers: &HeaderMap, revision: &mut u32) -> Result<(), Problem> {
///     let current = Validators::existing().with_entity_tag(EntityTag::of(revision.to_string()));
///     Preconditions::from_headers(headers).require_if_match()?.check(&current)?;
///     *revision += 1;
///     Ok(())
/// }
///
/// let (mut revision, mut headers) = (6, HeaderMap::new());
/// assert_eq!(put(&headers, &mut revision).unwrap_err().status(), 428);
/// headers.insert("if-match", EntityTag::of("6").into());
/// assert!(put(&headers, &mut revision).is_ok());
/// assert_eq!(put(&headers, &mut revision).unwrap_err().status(), 412, "somebody has written since");
/// assert_eq!(revision, 7);
/// ```
///
/// `check` and the write have to be one step for everybody else: under one lock, or in one transaction.
///
/// With the feature `axum` it is an extractor that never refuses, and a [`Problem`] is a response. The GET gives a strong tag of its own, for
/// the one that the layer would make is weak for a client that accepts a coding, as every browser does, and a weak tag never matches `If-Match`
/// ([§13.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1)). So leave such a route out of what a layer further out compresses.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// # use std::sync::{Arc, Mutex, PoisonError};
/// use axum::{Router, extract::State, routing};
/// use donjon::{Problem, conditional_cache::{EntityTag, Preconditions, Validators}};
///
/// #[derive(Default)]
/// struct Page { revision: u64, text: String }
///
/// impl Page {
///     fn validators(&self) -> Validators {
///         Validators::existing().with_entity_tag(EntityTag::of(self.revision.to_string()))
///     }
/// }
///
/// async fn get(State(page): State<Arc<Mutex<Page>>>) -> (Validators, String) {
///     let page = page.lock().unwrap_or_else(PoisonError::into_inner);
///     (page.validators(), page.text.clone())
/// }
///
/// async fn put(
///     State(page): State<Arc<Mutex<Page>>>,
///     preconditions: Preconditions,
///     text: String,
/// ) -> Result<Validators, Problem> {
///     let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
///     preconditions.require_if_match()?.check(&page.validators())?;
///     *page = Page { revision: page.revision + 1, text };
///     Ok(page.validators())
/// }
///
/// let router: Router = Router::new().route("/page", routing::get(get).put(put)).with_state(Arc::default());
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_unmodified_since: Option<SystemTime>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<SystemTime>,
    if_range: Option<IfRange>,
}

/// What [`Preconditions::evaluate`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evaluation {
    /// Nothing stands against the method: perform it.
    Proceed,
    /// 304: the client already has what it asks for. Only GET and HEAD are answered so.
    NotModified,
    /// 412: the resource is not in the state that the client supposes. Nothing must be changed.
    PreconditionFailed,
}

impl Preconditions {
    /// Reads the five fields.
    ///
    /// Never fails: a date that is malformed, repeated or a list is ignored, as
    /// [§13.1.3](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.3) and
    /// [§13.1.4](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.4) require; an element that is no entity tag matches nothing. `*`
    /// means any representation only when it is the whole value.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            if_match: Tags::of(headers, &header::IF_MATCH),
            if_unmodified_since: date(headers, &header::IF_UNMODIFIED_SINCE),
            if_none_match: Tags::of(headers, &header::IF_NONE_MATCH),
            if_modified_since: date(headers, &header::IF_MODIFIED_SINCE),
            if_range: IfRange::from_headers(headers),
        }
    }

    /// Whether the request sets no condition that can be evaluated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { if_match, if_unmodified_since, if_none_match, if_modified_since, if_range } = self;
        let (tags, dates) = ((if_match, if_none_match), (if_unmodified_since, if_modified_since));
        tags == (&None, &None) && dates == (&None, &None) && if_range.is_none()
    }

    /// Evaluates the conditions in the order of [RFC 9110 §13.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2).
    ///
    /// Ask only where the request would succeed without conditions: an answer other than 2xx comes first
    /// ([§13.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.1)), so a GET of what is missing is a 404, not a 412. CONNECT,
    /// OPTIONS and TRACE select no representation, and their conditions are ignored.
    #[must_use]
    pub fn evaluate(&self, method: &Method, current: &Validators) -> Evaluation {
        self.judge(method, current.into())
    }

    pub(super) fn judge(&self, method: &Method, current: Current<'_>) -> Evaluation {
        if matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE) {
            return Evaluation::Proceed;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let last_modified = current.last_modified;
        // Steps 1 and 2.
        let as_supposed = match &self.if_match {
            Some(tags) => tags.match_any(current, Comparison::Strong),
            None => !is_later(last_modified, self.if_unmodified_since),
        };
        if !as_supposed {
            return Evaluation::PreconditionFailed;
        }
        // Steps 3 and 4.
        match &self.if_none_match {
            Some(tags) if tags.match_any(current, Comparison::Weak) => {
                if reads {
                    Evaluation::NotModified
                } else {
                    Evaluation::PreconditionFailed
                }
            }
            None if reads && is_known_by(last_modified, self.if_modified_since) => Evaluation::NotModified,
            _ => Evaluation::Proceed,
        }
    }

    /// Whether a `Range` of the request may be heeded, step 5 of
    /// [RFC 9110 §13.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2): there is no `If-Range`, or the client's part is of the
    /// current representation. Ask after [`evaluate`](Self::evaluate); if not, the whole is sent.
    ///
    /// A date counts only when the second that it tells is over at `now`, for until then the representation may change under the same date
    /// ([§8.8.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2)).
    #[must_use]
    pub fn allow_range(&self, current: &Validators, now: SystemTime) -> bool {
        self.range_applies(current.into(), now)
    }

    pub(super) fn range_applies(&self, current: Current<'_>, now: SystemTime) -> bool {
        self.if_range.as_ref().is_none_or(|if_range| if_range.holds(current, now))
    }

    /// Refuses a write that must not be performed: for every method but GET and HEAD, whose conditions are the layer's to answer.
    ///
    /// # Errors
    ///
    /// 412 if the resource is not in the state that the client supposes. Nothing must be changed then. Its detail says so if `If-Match` holds weak
    /// tags only, none of which can match.
    pub fn check(&self, current: &Validators) -> Result<(), Problem> {
        // To the evaluation all methods that write are alike.
        match self.evaluate(&Method::PUT, current) {
            Evaluation::PreconditionFailed => Err(match &self.if_match {
                Some(tags) if tags.are_weak() => weak_refusal(),
                _ => refusal(),
            }),
            Evaluation::Proceed | Evaluation::NotModified => Ok(()),
        }
    }

    /// Demands that a write names the state that it overwrites, so that nobody's change is lost
    /// ([RFC 6585 §3](https://www.rfc-editor.org/rfc/rfc6585#section-3)).
    ///
    /// # Errors
    ///
    /// 428 without `If-Match`. Whether it matches is for [`check`](Self::check) to say.
    pub fn require_if_match(&self) -> Result<&Self, Problem> {
        match self.if_match {
            Some(_) => Ok(self),
            None => {
                Err(required("Read the resource, then repeat the request with If-Match and the entity tag that came with it."))
            }
        }
    }

    /// Demands any condition on a write: `If-Match`, `If-Unmodified-Since` with a date, or `If-None-Match`, with which a resource is created
    /// and never replaced ([RFC 6585 §3](https://www.rfc-editor.org/rfc/rfc6585#section-3)).
    ///
    /// # Errors
    ///
    /// 428 without any of them.
    pub fn require_any(&self) -> Result<&Self, Problem> {
        match (&self.if_match, self.if_unmodified_since, &self.if_none_match) {
            (None, None, None) => Err(required(
                "Repeat the request with If-Match and the entity tag of the resource, or with If-None-Match: * to create it.",
            )),
            _ => Ok(self),
        }
    }
}

/// The 428; it tells how to put things right, as §3 wants.
fn required(detail: &'static str) -> Problem {
    Problem::new(StatusCode::PRECONDITION_REQUIRED).with_detail(detail)
}

/// The 412. Nothing in it tells the current tag: who may not read the resource must not learn its state by writing.
pub(super) fn refusal() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED)
        .with_detail("The resource is not in the state that the request requires. Read it again before you repeat the request.")
}

/// The 412 to one that asked in vain, whatever the state of the resource.
fn weak_refusal() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED)
        .with_detail("If-Match holds weak entity tags only, and a weak one never matches. Repeat the request with a strong one.")
}

/// Step 2: a change after the date. Without either there is nothing to compare, and the field is ignored (§13.1.4).
fn is_later(last_modified: Option<SystemTime>, date: Option<SystemTime>) -> bool {
    last_modified.zip(date).is_some_and(|(changed, date)| changed > date)
}

/// Step 4: no change after the date (§13.1.3).
fn is_known_by(last_modified: Option<SystemTime>, date: Option<SystemTime>) -> bool {
    last_modified.zip(date).is_some_and(|(changed, date)| changed <= date)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    http_date::parse(only(headers, name)?.as_bytes())
}

/// `"*" / #entity-tag`, kept as received: most requests have no use for the parsed form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    Listed { first: HeaderValue, more: Vec<HeaderValue> },
}

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter().cloned();
        let first = lines.next()?;
        let more: Vec<_> = lines.collect();
        let any = more.is_empty() && trim_ows(first.as_bytes()) == b"*";
        Some(if any { Self::Any } else { Self::Listed { first, more } })
    }

    /// Whether there are tags, and all are weak.
    fn are_weak(&self) -> bool {
        let Self::Listed { first, more } = self else { return false };
        let mut tags = std::iter::once(first).chain(more).flat_map(|line| list(line.as_bytes())).peekable();
        tags.peek().is_some() && tags.all(TagRef::is_weak)
    }

    fn match_any(&self, current: Current<'_>, comparison: Comparison) -> bool {
        match self {
            Self::Any => current.exists,
            Self::Listed { first, more } => current.tag.is_some_and(|current| {
                let mut tags = std::iter::once(first).chain(more).flat_map(|line| list(line.as_bytes()));
                tags.any(|tag| tag.equals(current, comparison))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::EntityTag;
    use std::time::{Duration, UNIX_EPOCH};

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn current() -> Validators {
        Validators::existing()
            .with_entity_tag(EntityTag::strong("a").unwrap())
            .with_last_modified(UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[track_caller]
    fn evaluated(method: &Method, current: &Validators, fields: &[(&'static str, &str)]) -> Evaluation {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        Preconditions::from_headers(&headers).evaluate(method, current)
    }

    #[test]
    fn traps() {
        use Evaluation::{NotModified, PreconditionFailed, Proceed};
        let strong = current();
        let weak = strong.clone().with_entity_tag(EntityTag::weak("a").unwrap());
        let dated = Validators::existing().with_last_modified(UNIX_EPOCH + Duration::from_millis(784_111_777_999));
        for (name, method, current, fields, expected) in [
            ("no fields", Method::GET, &strong, &[][..], Proceed),
            ("If-None-Match compares weakly", Method::GET, &weak, &[("if-none-match", "\"a\"")], NotModified),
            ("If-Match compares strongly", Method::PUT, &weak, &[("if-match", "W/\"a\"")], PreconditionFailed),
            (
                "If-Match beats If-Unmodified-Since",
                Method::PUT,
                &strong,
                &[("if-match", "\"a\""), ("if-unmodified-since", EARLIER)],
                Proceed,
            ),
            (
                "If-None-Match beats If-Modified-Since",
                Method::GET,
                &strong,
                &[("if-none-match", "\"b\""), ("if-modified-since", SAME)],
                Proceed,
            ),
            ("so does a malformed one", Method::GET, &strong, &[("if-none-match", "b"), ("if-modified-since", SAME)], Proceed),
            (
                "412 comes before 304",
                Method::GET,
                &strong,
                &[("if-match", "\"b\""), ("if-none-match", "\"a\"")],
                PreconditionFailed,
            ),
            ("a match on a write is a 412", Method::PUT, &strong, &[("if-none-match", "*")], PreconditionFailed),
            ("create only", Method::PUT, &Validators::missing(), &[("if-none-match", "*")], Proceed),
            ("update only", Method::PUT, &Validators::missing(), &[("if-match", "*")], PreconditionFailed),
            ("a star in a list is no star", Method::PUT, &strong, &[("if-match", "*, \"b\"")], PreconditionFailed),
            ("an empty list matches nothing", Method::PUT, &strong, &[("if-match", "")], PreconditionFailed),
            (
                "lists go over lines",
                Method::GET,
                &strong,
                &[("if-none-match", "\"b\""), ("if-none-match", "W/\"a\"")],
                NotModified,
            ),
            ("the same second is not a change", Method::GET, &strong, &[("if-modified-since", SAME)], NotModified),
            ("a later date knows it too", Method::GET, &strong, &[("if-modified-since", LATER)], NotModified),
            ("an earlier date does not", Method::GET, &strong, &[("if-modified-since", EARLIER)], Proceed),
            ("fractions of a second do not count", Method::GET, &dated, &[("if-modified-since", SAME)], NotModified),
            ("nor for a write", Method::PUT, &dated, &[("if-unmodified-since", SAME)], Proceed),
            ("If-Modified-Since is for reads", Method::PUT, &strong, &[("if-modified-since", SAME)], Proceed),
            ("two dates are ignored", Method::GET, &strong, &[("if-modified-since", SAME), ("if-modified-since", SAME)], Proceed),
            ("no date is ignored", Method::PUT, &strong, &[("if-unmodified-since", "0")], Proceed),
            ("nothing to compare with", Method::PUT, &Validators::existing(), &[("if-unmodified-since", EARLIER)], Proceed),
            ("OPTIONS selects nothing", Method::OPTIONS, &strong, &[("if-match", "\"b\"")], Proceed),
        ] {
            assert_eq!(evaluated(&method, current, fields), expected, "{name}");
        }
    }

    #[test]
    fn the_refusal_names_what_can_never_match() {
        for (name, lines, weak) in [
            ("a strong one that is old", &["\"b\""][..], false),
            ("a weak one", &["W/\"a\""], true),
            ("weak ones in two lines", &["W/\"a\", W/\"b\"", "W/\"c\""], true),
            ("one is strong", &["W/\"a\"", "\"b\""], false),
            ("none", &[""], false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(lines.iter().map(|line| (header::IF_MATCH, line.parse::<HeaderValue>().unwrap())));
            let refused = Preconditions::from_headers(&headers).check(&current()).unwrap_err();
            assert_eq!((refused.status().as_u16(), refused.to_json().contains("weak")), (412, weak), "{name}");
        }
    }

    #[test]
    fn the_refusal_tells_nothing_of_the_resource() {
        assert!(!refusal().to_json().contains("\"a\""));
        assert_eq!(refusal().status(), 412);
    }
}
