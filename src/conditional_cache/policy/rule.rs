use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};

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
///
/// A content delivery network may be told another story than browsers, in a field of its own:
///
/// ```
/// use std::time::Duration;
/// use donjon::conditional_cache::{CacheControl, CacheDirectives};
///
/// // Browsers ask every time; the network keeps it for an hour, and is told when it changes.
/// let directives = CacheDirectives::new(CacheControl::new().with_no_cache())
///     .with_cdn(CacheControl::new().with_max_age(Duration::from_secs(3600)))
///     .with_vary([http::header::ACCEPT_LANGUAGE]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheDirectives {
    cache_control: CacheControl,
    expires: Option<Duration>,
    vary: Vec<HeaderName>,
    targeted: Vec<(HeaderName, CacheControl)>,
}

impl CacheDirectives {
    /// Writes `Cache-Control`. Empty directives write nothing: the response stays as it is, whatever the defaults say.
    #[must_use]
    pub fn new(cache_control: CacheControl) -> Self {
        Self { cache_control, ..Self::default() }
    }

    /// Writes `Expires` too, `after` from now, for what does not know `max-age`
    /// ([RFC 9111 §5.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.3)).
    #[must_use]
    pub fn with_expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// Adds to `Vary`: the request fields by which the handler chose what it answers
    /// ([RFC 9110 §12.5.5](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.5)). What is there already is not repeated.
    #[must_use]
    pub fn with_vary(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.vary.extend(names);
        self
    }

    /// Writes `CDN-Cache-Control`, which the caches of content delivery networks obey in place of `Cache-Control`
    /// ([RFC 9213 §3.1](https://www.rfc-editor.org/rfc/rfc9213#section-3.1)).
    #[must_use]
    pub fn with_cdn(self, directives: CacheControl) -> Self {
        self.with_targeted(CDN_CACHE_CONTROL, directives)
    }

    /// Writes the field of one kind of cache, by whatever name that kind listens to
    /// ([RFC 9213 §2](https://www.rfc-editor.org/rfc/rfc9213#section-2)). The name ends in `-cache-control`; a rule with another one
    /// cannot be built, and in the extensions of a response it is left out. The directives are written as a dictionary of structured
    /// fields; an extension that such a dictionary cannot hold is left out.
    ///
    /// A field that the handler wrote stays. What is meant for one reader is `private` in here as well.
    #[must_use]
    pub fn with_targeted(mut self, name: HeaderName, directives: CacheControl) -> Self {
        self.targeted.push((name, directives));
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

    /// What is added to `Vary`.
    #[must_use]
    pub fn vary(&self) -> &[HeaderName] {
        &self.vary
    }

    /// The targeted fields, and the directives of each.
    #[must_use]
    pub fn targeted(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &CacheControl)> {
        self.targeted.iter().map(|(name, directives)| (name, directives))
    }
}

/// [RFC 9213 §3.1](https://www.rfc-editor.org/rfc/rfc9213#section-3.1).
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Whether a name is one of a targeted field: by [RFC 9213 §2](https://www.rfc-editor.org/rfc/rfc9213#section-2) they all end alike.
fn is_targeted(name: &HeaderName) -> bool {
    name.as_str().ends_with("-cache-control")
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
        if let Some((name, _)) = self.directives.targeted().find(|(name, _)| !is_targeted(name)) {
            return Err(error(PolicyErrorKind::Targeted, name.as_str()));
        }
        let targeted = self.directives.targeted().map(|(_, directives)| directives);
        if let Some(wrong) = targeted.chain([&self.directives.cache_control]).find(|one| one.contradicts_itself()) {
            return Err(error(PolicyErrorKind::Contradiction, &wrong.to_string()));
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
pub(in crate::conditional_cache) struct Rendered {
    /// `None` writes nothing.
    pub(in crate::conditional_cache) cache_control: Option<HeaderValue>,
    pub(in crate::conditional_cache) expires: Option<Duration>,
    pub(in crate::conditional_cache) vary: Vec<HeaderName>,
    pub(in crate::conditional_cache) targeted: Vec<(HeaderName, HeaderValue)>,
    /// Whether a cache may answer with the response without asking.
    pub(in crate::conditional_cache) reusable: bool,
}

impl Rendered {
    pub(super) fn new(directives: &CacheDirectives) -> Self {
        Self::of(directives, CacheControl::clone)
    }

    fn for_one_reader(directives: &CacheDirectives) -> Self {
        Self::of(directives, |directives| directives.clone().for_one_reader())
    }

    pub(super) const fn fixed(cache_control: &'static str) -> Self {
        let cache_control = Some(HeaderValue::from_static(cache_control));
        Self { cache_control, expires: None, vary: Vec::new(), targeted: Vec::new(), reusable: false }
    }

    pub(super) const fn that_may_be_reused(mut self) -> Self {
        self.reusable = true;
        self
    }

    fn of(directives: &CacheDirectives, reader: impl Fn(&CacheControl) -> CacheControl) -> Self {
        let cache_control = reader(&directives.cache_control);
        let targeted = directives.targeted().filter(|(name, _)| is_targeted(name));
        Self {
            cache_control: (!cache_control.is_empty()).then(|| (&cache_control).into()),
            expires: directives.expires,
            vary: directives.vary.clone(),
            targeted: targeted.map(|(name, directives)| (name.clone(), reader(directives).to_dictionary())).collect(),
            reusable: cache_control.allows_reuse(),
        }
    }
}
