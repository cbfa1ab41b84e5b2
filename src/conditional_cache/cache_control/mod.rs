//! Cache-Control, [RFC 9111 §5.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2), with
//! [RFC 5861](https://www.rfc-editor.org/rfc/rfc5861) and [RFC 8246](https://www.rfc-editor.org/rfc/rfc8246).

mod parse;
mod render;

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::core::header::{elements, elements_of, is_token};

/// The directives of a `Cache-Control` field, of a request or a response.
///
/// ```
/// use std::time::Duration;
/// use donjon::conditional_cache::CacheControl;
///
/// let directives = CacheControl::new()
///     .with_public()
///     .with_max_age(Duration::from_secs(60))
///     .with_stale_while_revalidate(Duration::from_secs(600));
/// assert_eq!(directives.to_string(), "public, max-age=60, stale-while-revalidate=600");
/// assert_eq!(CacheControl::parse(b"PUBLIC, max-age=\"60\",stale-while-revalidate=600"), directives);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    flags: u16,
    private: Reach,
    no_cache: Reach,
    max_age: Option<u32>,
    s_maxage: Option<u32>,
    stale_while_revalidate: Option<u32>,
    stale_if_error: Option<u32>,
    max_stale: Option<u32>,
    min_fresh: Option<u32>,
    extensions: Vec<(Box<str>, Option<Box<str>>)>,
}

/// How much `private` or `no-cache` speaks of: the "qualified form" names fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Absent,
    Fields(Vec<HeaderName>),
    Everything,
}

impl Reach {
    fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::Everything => &[],
        }
    }

    /// The wider of the two, since a directive restricts.
    fn widen(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Everything, _) | (_, Self::Absent) => {}
            (_, Self::Fields(none)) if none.is_empty() => {}
            (Self::Fields(names), Self::Fields(more)) => names.extend(more),
            (_, wider) => *self = wider,
        }
    }
}

/// The largest delta-seconds that everybody can hold ([RFC 9111 §1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
const MOST_SECONDS: u32 = 1 << 31;

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(MOST_SECONDS).min(MOST_SECONDS)
}

macro_rules! flags {
    ($($(#[$doc:meta])* $bit:ident = $value:literal, $name:literal, $is:ident, $with:ident;)*) => {
        $(const $bit: u16 = 1 << $value;)*

        impl CacheControl {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $with(mut self) -> Self {
                    self.flags |= $bit;
                    self
                }

                #[doc = concat!("Whether `", $name, "` is there.")]
                #[must_use]
                pub fn $is(&self) -> bool {
                    self.flags & $bit != 0
                }
            )*
        }
    };
}

flags! {
    /// `public`: any cache may keep it, even the answer to a request with `Authorization`
    /// ([RFC 9111 §5.2.2.9](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.9)).
    PUBLIC = 0, "public", is_public, with_public;
    /// `no-store`: no cache may keep it ([RFC 9111 §5.2.2.5](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5)).
    NO_STORE = 1, "no-store", is_no_store, with_no_store;
    /// `no-transform`: the content must arrive as it was sent ([RFC 9111 §5.2.2.6](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.6)).
    NO_TRANSFORM = 2, "no-transform", is_no_transform, with_no_transform;
    /// `must-revalidate`: never to be used stale ([RFC 9111 §5.2.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.2)).
    MUST_REVALIDATE = 3, "must-revalidate", is_must_revalidate, with_must_revalidate;
    /// `proxy-revalidate`: never to be used stale by a shared cache ([RFC 9111 §5.2.2.8](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.8)).
    PROXY_REVALIDATE = 4, "proxy-revalidate", is_proxy_revalidate, with_proxy_revalidate;
    /// `must-understand`: to be kept only by a cache that knows the status code
    /// ([RFC 9111 §5.2.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.3)).
    MUST_UNDERSTAND = 5, "must-understand", is_must_understand, with_must_understand;
    /// `immutable`: not even a reload needs to ask again while it is fresh ([RFC 8246 §2](https://www.rfc-editor.org/rfc/rfc8246#section-2)).
    IMMUTABLE = 6, "immutable", is_immutable, with_immutable;
    /// `only-if-cached`: the client wants a stored answer or none ([RFC 9111 §5.2.1.7](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.7)).
    ONLY_IF_CACHED = 7, "only-if-cached", is_only_if_cached, with_only_if_cached;
}

macro_rules! ages {
    ($($(#[$doc:meta])* $field:ident, $name:literal, $with:ident;)*) => {
        impl CacheControl {
            $(
                $(#[$doc])*
                ///
                /// In whole seconds, at most 2³¹.
                #[must_use]
                pub fn $with(mut self, duration: Duration) -> Self {
                    self.$field = Some(seconds(duration));
                    self
                }

                #[doc = concat!("The argument of `", $name, "`.")]
                #[must_use]
                pub fn $field(&self) -> Option<Duration> {
                    self.$field.map(|seconds| Duration::from_secs(seconds.into()))
                }
            )*
        }
    };
}

ages! {
    /// `max-age`: how long it is fresh ([RFC 9111 §5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)); of a request, how old
    /// an answer may be.
    max_age, "max-age", with_max_age;
    /// `s-maxage`: how long it is fresh in a shared cache ([RFC 9111 §5.2.2.10](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.10)).
    s_maxage, "s-maxage", with_s_maxage;
    /// `stale-while-revalidate`: how long it may be used stale while it is fetched anew
    /// ([RFC 5861 §3](https://www.rfc-editor.org/rfc/rfc5861#section-3)).
    stale_while_revalidate, "stale-while-revalidate", with_stale_while_revalidate;
    /// `stale-if-error`: how long it may be used stale when fetching it anew fails ([RFC 5861 §4](https://www.rfc-editor.org/rfc/rfc5861#section-4)).
    stale_if_error, "stale-if-error", with_stale_if_error;
    /// `max-stale`: how stale an answer may be; without an argument any staleness, read as the most seconds
    /// ([RFC 9111 §5.2.1.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.2)).
    max_stale, "max-stale", with_max_stale;
    /// `min-fresh`: for how long the answer must still be fresh ([RFC 9111 §5.2.1.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.3)).
    min_fresh, "min-fresh", with_min_fresh;
}

impl CacheControl {
    /// No directives.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What suits a URL that changes with its content: `public, max-age=31536000, immutable`.
    #[must_use]
    pub fn versioned() -> Self {
        Self::new().with_public().with_max_age(Duration::from_secs(365 * 24 * 60 * 60)).with_immutable()
    }

    /// Reads one field line. Never fails; see [`from_headers`](Self::from_headers).
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        Self::from_elements(elements_of(line))
    }

    /// Reads every `Cache-Control` line.
    ///
    /// Names are compared without regard to case and arguments may be quoted. What is malformed is read in the direction that reuses
    /// less ([RFC 9111 §4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)): a `max-age` or `s-maxage` that is no number is 0,
    /// a permission to use stale answers is dropped, a `private` or `no-cache` whose fields cannot be read speaks of the whole
    /// response. Of a repeated number the first counts.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::from_elements(elements(headers, &header::CACHE_CONTROL))
    }

    fn from_elements<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut directives = Self::new();
        elements.for_each(|element| parse::directive(&mut directives, element));
        directives
    }

    /// Whether there is no directive at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::new()
    }

    /// `private`: only the browser's own cache may keep it ([RFC 9111 §5.2.2.7](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.7)).
    #[must_use]
    pub fn with_private(mut self) -> Self {
        self.private = Reach::Everything;
        self
    }

    /// `private="..."`: a shared cache must leave these fields out.
    #[must_use]
    pub fn with_private_fields(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.private.widen(Reach::Fields(names.into_iter().collect()));
        self
    }

    /// Whether `private` speaks of the whole response.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private == Reach::Everything
    }

    /// The fields that `private` names.
    #[must_use]
    pub fn private_fields(&self) -> &[HeaderName] {
        self.private.fields()
    }

    /// `no-cache`: may be kept, but is asked about before every use ([RFC 9111 §5.2.2.4](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.4)).
    #[must_use]
    pub fn with_no_cache(mut self) -> Self {
        self.no_cache = Reach::Everything;
        self
    }

    /// `no-cache="..."`: these fields must not be reused without asking.
    #[must_use]
    pub fn with_no_cache_fields(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.no_cache.widen(Reach::Fields(names.into_iter().collect()));
        self
    }

    /// Whether `no-cache` speaks of the whole response.
    #[must_use]
    pub fn is_no_cache(&self) -> bool {
        self.no_cache == Reach::Everything
    }

    /// The fields that `no-cache` names.
    #[must_use]
    pub fn no_cache_fields(&self) -> &[HeaderName] {
        self.no_cache.fields()
    }

    /// A directive of another specification ([RFC 9111 §5.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.3)). What a field
    /// cannot hold is left out, and so is a directive that has its own method.
    #[must_use]
    pub fn with_extension(mut self, name: &str, argument: Option<&str>) -> Self {
        if is_token(name.as_bytes()) && !parse::is_known(name) {
            self.push_extension(name, argument);
        }
        self
    }

    fn push_extension(&mut self, name: &str, argument: Option<&str>) {
        let fits = |text: &str| text.chars().all(|character| character == '\t' || !character.is_control());
        if argument.is_none_or(fits) {
            self.extensions.push((name.to_ascii_lowercase().into(), argument.map(Into::into)));
        }
    }

    /// The directives of other specifications, in order, with lower-case names.
    #[must_use]
    pub fn extensions(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.extensions.iter().map(|(name, argument)| (name.as_ref(), argument.as_deref()))
    }

    /// The same for one reader: nothing in it lets a shared cache keep the response
    /// ([RFC 9111 §3.5](https://www.rfc-editor.org/rfc/rfc9111#section-3.5)).
    pub(super) fn for_one_reader(mut self) -> Self {
        self.flags &= !(PUBLIC | PROXY_REVALIDATE);
        self.s_maxage = None;
        if self.is_no_store() { self } else { self.with_private() }
    }

    /// Whether it lets everybody keep what it forbids to keep.
    pub(super) fn contradicts_itself(&self) -> bool {
        self.is_public() && (self.is_private() || self.is_no_store())
    }

    /// Whether a cache may answer with it without asking.
    pub(super) fn allows_reuse(&self) -> bool {
        !self.is_no_store() && !self.is_no_cache()
    }
}
