//! What a representation is known by before it is made.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;

use super::{
    asked::Asked,
    body::ResponseBody,
    entity_tag::{EntityTag, Strength},
    precondition::{Evaluation, Preconditions, refusal},
    validators::Validators,
};
use crate::core::trace::event;

/// What tells one state of a resource from the next, and costs little to learn: a revision number, when a row was last changed, the
/// build that made the page. With it a client that has the state is answered by 304 before any content is made.
///
/// Made from integers, texts and times. A time is also the `Last-Modified`; the tag holds all of it, down to the nanosecond, so that two
/// changes within one second are told apart.
///
/// ```
/// use donjon::conditional_cache::Version;
/// use http::{HeaderMap, Method, Response};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let headers: HeaderMap = [(http::header::IF_NONE_MATCH, "\"7\"".parse().unwrap())].into_iter().collect();
/// let revision = 7_u64;
/// let response = Version::from(revision)
///     .respond(&Method::GET, &headers, async || Response::new(render().await))
///     .await;
/// # assert_eq!(response.status(), 304);
/// # async fn render() -> String { unreachable!("the client has it") }
/// # });
/// ```
///
/// What looks different after a deploy although its data is the same should say so: `Version::from(format!("{revision}-{BUILD}"))`.
///
/// # Strength
///
/// The tag is weak for a client that accepts a content coding, since one version stands for the content in any coding
/// ([RFC 9110 §8.8.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3)). A weak tag never satisfies `If-Match`; see
/// [`with_strong_tag`](Self::with_strong_tag) for what is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Version {
    state: State,
    last_modified: Option<SystemTime>,
    strength: Choice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Number(i128),
    Text(Cow<'static, str>),
    Changed(SystemTime),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    ByCoding,
    Strong,
}

impl Version {
    fn of(state: State) -> Self {
        Self { state, last_modified: None, strength: Choice::ByCoding }
    }

    /// Also says when it was last modified, in whole seconds.
    pub fn with_last_modified(self, time: SystemTime) -> Self {
        Self { last_modified: Some(time), ..self }
    }

    /// Makes the tag strong for every client, so that `If-Match` can lock with it. Only where no layer further out codes the content:
    /// the plain and the compressed content would be taken for equal byte by byte.
    pub fn with_strong_tag(self) -> Self {
        Self { strength: Choice::Strong, ..self }
    }

    /// The validators for the one who sent these fields.
    #[must_use]
    pub fn validators(&self, request: &HeaderMap) -> Validators {
        let coded = self.strength == Choice::ByCoding && Asked::from_headers(request).coding;
        let validators = Validators::existing().with_entity_tag(self.tag(if coded { Strength::Weak } else { Strength::Strong }));
        match self.last_modified {
            Some(time) => validators.with_last_modified(time),
            None => validators,
        }
    }

    fn tag(&self, strength: Strength) -> EntityTag {
        // Measured first: a text with room to spare costs an allocation more as a field value.
        let mut length = Length(0);
        let _ = write!(length, "{}", self.state);
        EntityTag::generate_from(&self.state, length.0, strength)
    }

    /// The answer to a request whose preconditions say that nothing has to be made: 304 to one who has this version, 412 to one who
    /// asks for another. `None` if the handler has to answer; its answer should then carry the [`validators`](Self::validators).
    ///
    /// Learn the version *before* the content is read: if it changes in between, the new content has the old version, and is asked
    /// about once more. The other way around, old content would be taken for the new.
    #[must_use]
    pub fn answer<B: Body>(&self, method: &Method, request: &HeaderMap) -> Option<Response<ResponseBody<B>>> {
        answer(method, request, self.validators(request)).ok()
    }

    /// Answers from the version alone where that is enough, and with what `make` makes otherwise. Its `ETag` and `Last-Modified` are
    /// written if the answer is a 200 to GET or HEAD and has none of its own.
    pub async fn respond<B, F>(self, method: &Method, request: &HeaderMap, make: impl FnOnce() -> F) -> Response<ResponseBody<B>>
    where
        B: Body,
        F: Future<Output = Response<B>>,
    {
        match answer(method, request, self.validators(request)) {
            Ok(answer) => answer,
            Err(validators) => {
                let mut response = make().await;
                // After a write it is another state, which only the handler knows.
                if matches!(*method, Method::GET | Method::HEAD) {
                    write(validators, &mut response);
                }
                response.map(ResponseBody::inner)
            }
        }
    }
}

/// See [`Version::answer`]; gives the validators back if the handler has to answer.
pub(super) fn answer<B: Body>(
    method: &Method,
    request: &HeaderMap,
    current: Validators,
) -> Result<Response<ResponseBody<B>>, Validators> {
    match Preconditions::from_headers(request).evaluate(method, &current) {
        Evaluation::Proceed => Err(current),
        Evaluation::NotModified => {
            event!(DEBUG, "not modified, and nothing was made");
            let mut response = Response::new(ResponseBody::without_content(Asked::from_headers(request).coding));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            current.write_not_modified(response.headers_mut());
            Ok(response)
        }
        Evaluation::PreconditionFailed => {
            event!(DEBUG, "precondition failed, and nothing was made");
            Ok(refusal().into_http_response().map(ResponseBody::layer))
        }
    }
}

/// Writes what a 200 does not say of itself: the handler's own validators win.
pub(super) fn write<B>(validators: Validators, response: &mut Response<B>) {
    if response.status() == StatusCode::OK {
        validators.write_missing(response.headers_mut());
    }
}

/// As it stands in the tag. Percent-encoded where a tag could not hold it, so that no two texts become the same.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => text.bytes().try_for_each(|byte| match byte {
                b'"' | b'%' | 0..=b' ' | 0x7f.. => write!(f, "%{byte:02x}"),
                _ => f.write_char(char::from(byte)),
            }),
            Self::Changed(time) => match time.duration_since(UNIX_EPOCH) {
                Ok(after) => write!(f, "{:x}", after.as_nanos()),
                Err(error) => write!(f, "-{:x}", Duration::as_nanos(&error.duration())),
            },
        }
    }
}

struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for Version {
            fn from(revision: $number) -> Self {
                Self::of(State::Number(revision.into()))
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 i8 i16 i32 i64 }

impl From<&'static str> for Version {
    fn from(text: &'static str) -> Self {
        Self::of(State::Text(text.into()))
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self::of(State::Text(text.into()))
    }
}

/// When it was last changed, which is its `Last-Modified` too.
impl From<SystemTime> for Version {
    fn from(time: SystemTime) -> Self {
        Self::of(State::Changed(time)).with_last_modified(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;
    use proptest::prelude::*;

    fn tag(version: impl Into<Version>) -> String {
        version.into().tag(Strength::Strong).to_string()
    }

    #[test]
    fn tags() {
        for (name, version, expected) in [
            ("a revision", Version::from(7_u64), "\"7\""),
            ("a signed one", Version::from(-7_i32), "\"-7\""),
            ("the largest", Version::from(u64::MAX), "\"18446744073709551615\""),
            ("a build", Version::from("v1.2-3f2a9c1b"), "\"v1.2-3f2a9c1b\""),
            ("nothing", Version::from(""), "\"\""),
            ("what a tag cannot hold", Version::from("a \"b\"\r\n\u{fc}"), "\"a%20%22b%22%0d%0a%c3%bc\""),
            ("what looks like an escape", Version::from("a%20"), "\"a%2520\""),
            ("a change", (UNIX_EPOCH + Duration::from_nanos(0x1f)).into(), "\"1f\""),
            ("before the epoch", (UNIX_EPOCH - Duration::from_nanos(0x1f)).into(), "\"-1f\""),
        ] {
            assert_eq!(version.tag(Strength::Strong).to_string(), expected, "{name}");
            assert_eq!(version.tag(Strength::Weak).to_string(), format!("W/{expected}"), "{name}");
        }
    }

    #[test]
    fn a_change_is_told_twice() {
        let time = UNIX_EPOCH + Duration::from_millis(1_500);
        let validators = Version::from(time).validators(&HeaderMap::new());
        assert_eq!(validators.last_modified(), Some(UNIX_EPOCH + Duration::from_secs(1)));
        assert_ne!(tag(time), tag(time + Duration::from_nanos(1)), "the second time in that second");
    }

    #[test]
    fn weak_for_who_accepts_codings_unless_told_otherwise() {
        let mut headers = HeaderMap::new();
        let weak = |version: Version, headers: &HeaderMap| version.validators(headers).entity_tag().unwrap().is_weak();
        assert!(!weak(1.into(), &headers));
        headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip"));
        assert!(weak(1.into(), &headers));
        assert!(!weak(Version::from(1).with_strong_tag(), &headers));
    }

    proptest! {
        #[test]
        fn any_text_makes_a_tag_of_its_own(one in any::<String>(), other in any::<String>()) {
            prop_assert_eq!(tag(one.clone()) == tag(other.clone()), one == other);
            let tag = tag(one);
            prop_assert!(tag.parse::<EntityTag>().is_ok(), "{}", tag);
        }
    }
}
