use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderValue, StatusCode};

use super::{
    error::{PolicyError, PolicyErrorKind},
    pattern::{MediaPattern, PathPattern},
};
use crate::conditional_cache::cache_control::CacheControl;

/// What is written on a response that says nothing of caching itself.
///
/// Part of a [`CacheRule`]. Put into the extensions of one response it overrides every rule; only a `Cache-Control` field that the
/// handler wrote stands above it. As the handler's own word it may make an answer public that a rule may not.
///
/// ```
/// use std::time::Duration;
/// use donjon::conditional_cache::{CacheControl, CacheDirectives};
///
/// let mut response = http::Response::new("a price list");
/// let directives = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
/// response.extensions_mut().insert(CacheDirectives::new(directives));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheDirectives {
    cache_control: CacheControl,
    expires: Option<Duration>,
}

impl CacheDirectives {
    /// Writes `Cache-Control`. Empty directives write nothing: the response stays as it is, whatever the defaults say.
    #[must_use]
    pub fn new(cache_control: CacheControl) -> Self {
        Self { cache_control, expires: None }
    }

    /// Writes `Expires` too, `after` from now, for what does not know `max-age`
    /// ([RFC 9111 §5.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.3)).
    #[must_use]
    pub fn with_expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// The directives of `Cache-Control`.
    #[must_use]
    pub fn cache_control(&self) -> &CacheControl {
        &self.cache_control
    }

    /// How far from now `Expires` lies.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }
}

impl From<CacheControl> for CacheDirectives {
    fn from(cache_control: CacheControl) -> Self {
        Self::new(cache_control)
    }
}

/// One line of a [`CachePolicy`](super::CachePolicy): which responses, and what is written on them.
///
/// Every condition that is given must hold; of several paths, types or status codes one must. Without a path every path fits, without a
/// type every type, and without a status those of success (2xx) and 304, so that a missing asset is not kept for a year.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheRule {
    directives: CacheDirectives,
    paths: Vec<Box<str>>,
    content_types: Vec<Box<str>>,
    statuses: Vec<RangeInclusive<u16>>,
}

impl CacheRule {
    /// A rule for every successful response.
    pub fn new(directives: impl Into<CacheDirectives>) -> Self {
        Self { directives: directives.into(), paths: Vec::new(), content_types: Vec::new(), statuses: Vec::new() }
    }

    /// For paths of this pattern: `*` stands for any characters within a segment, `**` for any number of segments, as in
    /// `/assets/**` or `/users/*/photo`.
    ///
    /// The path is compared as the layer receives it, still percent-encoded and without its query. A path that could be read in two
    /// ways (dot segments, encoded slashes, backslashes, path parameters) fits no pattern.
    pub fn path(mut self, pattern: impl Into<Box<str>>) -> Self {
        self.paths.push(pattern.into());
        self
    }

    /// For responses of this type: `text/css`, `image/*`. Parameters such as a charset are not compared.
    pub fn content_type(mut self, pattern: impl Into<Box<str>>) -> Self {
        self.content_types.push(pattern.into());
        self
    }

    /// For responses of this status.
    pub fn status(self, status: StatusCode) -> Self {
        self.statuses(status.as_u16()..=status.as_u16())
    }

    /// For responses whose status is in this range, such as `400..=499`.
    pub fn statuses(mut self, range: RangeInclusive<u16>) -> Self {
        self.statuses.push(range);
        self
    }

    pub(super) fn compile(self, index: usize) -> Result<Compiled, PolicyError> {
        let error = |kind, subject: &str| PolicyError::new(kind, index, subject);
        let paths = self.paths.iter().map(|text| PathPattern::parse(text).ok_or_else(|| error(PolicyErrorKind::Path, text)));
        let types = self
            .content_types
            .iter()
            .map(|text| MediaPattern::parse(text).ok_or_else(|| error(PolicyErrorKind::ContentType, text)));
        if let Some(range) = self.statuses.iter().find(|range| range.is_empty() || *range.start() < 200 || *range.end() > 599) {
            return Err(error(PolicyErrorKind::Status, &format!("{range:?}")));
        }
        let directives = &self.directives.cache_control;
        if directives.is_public() && (directives.is_private() || directives.is_no_store()) {
            return Err(error(PolicyErrorKind::Contradiction, &directives.to_string()));
        }
        Ok(Compiled {
            paths: paths.collect::<Result<_, _>>()?,
            content_types: types.collect::<Result<_, _>>()?,
            for_one: Rendered::for_one_reader(&self.directives),
            for_all: Rendered::new(&self.directives),
            statuses: self.statuses,
        })
    }
}

/// A rule as it is applied.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) paths: Vec<PathPattern>,
    content_types: Vec<MediaPattern>,
    statuses: Vec<RangeInclusive<u16>>,
    pub(super) for_all: Rendered,
    pub(super) for_one: Rendered,
}

impl Compiled {
    pub(super) fn fits(&self, status: StatusCode, content_type: &str) -> bool {
        let status_fits = match self.statuses.as_slice() {
            [] => status.is_success() || status == StatusCode::NOT_MODIFIED,
            ranges => ranges.iter().any(|range| range.contains(&status.as_u16())),
        };
        status_fits && (self.content_types.is_empty() || self.content_types.iter().any(|pattern| pattern.matches(content_type)))
    }
}

/// Directives as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// `None` writes nothing.
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) expires: Option<Duration>,
    /// Whether a cache may answer with the response without asking.
    pub(crate) reusable: bool,
}

impl Rendered {
    pub(super) fn new(directives: &CacheDirectives) -> Self {
        Self::of(&directives.cache_control, directives.expires)
    }

    fn for_one_reader(directives: &CacheDirectives) -> Self {
        Self::of(&directives.cache_control.clone().for_one_reader(), directives.expires)
    }

    pub(super) const fn fixed(cache_control: &'static str) -> Self {
        Self { cache_control: Some(HeaderValue::from_static(cache_control)), expires: None, reusable: false }
    }

    fn of(cache_control: &CacheControl, expires: Option<Duration>) -> Self {
        let written = (!cache_control.is_empty()).then(|| cache_control.into());
        Self { cache_control: written, expires, reusable: cache_control.allows_reuse() }
    }
}
