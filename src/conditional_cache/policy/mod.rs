//! Which response may be kept, by whom and for how long: rules, and what holds when nobody said anything.

mod error;
mod pattern;
mod rule;

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, header};

pub(super) use self::rule::Rendered;
pub use self::{
    error::{PolicyError, PolicyErrorKind},
    rule::{CacheDirectives, CacheRule},
};
use self::{pattern::PathPattern, rule::Compiled};

/// What is written into `Cache-Control`, `Expires`, `Vary` and the targeted fields of responses to GET and HEAD.
///
/// In this order, the first that speaks decides:
///
/// 1. a `Cache-Control` field of the handler;
/// 2. [`CacheDirectives`] in the response's extensions;
/// 3. an `Expires` field of the handler;
/// 4. the rules, in the order added;
/// 5. the defaults: errors (4xx, 5xx) and event streams are `no-store`; what is meant for one reader is `private, no-cache`; HTML, and what
///    has a `Last-Modified` by which a cache might guess a lifetime ([RFC 9111 §4.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.2)),
///    is `no-cache`: kept, but asked about at every use, so that nothing is stale after a deploy. Everything else stays as it is.
///
/// A response is **meant for one reader** if the request had an `Authorization` field, if there is a [`Principal`](crate::Principal) in
/// the extensions of the request or of the response, or if it sets a cookie. A rule never lets a shared cache keep such a response:
/// `public` and `s-maxage` fall away and `private` is added.
///
/// ```
/// use std::time::Duration;
/// use donjon::conditional_cache::{CacheControl, CachePolicy, CacheRule};
///
/// let minute = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
/// let policy = CachePolicy::builder()
///     .rule(CacheRule::new(CacheControl::versioned()).path("/assets/**"))
///     .rule(CacheRule::new(minute).path("/api/prices").content_type("application/json"))
///     .build()?;
/// # Ok::<_, donjon::conditional_cache::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CachePolicy {
    rules: Vec<Compiled>,
    defaults: Defaults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defaults {
    Safe,
    Off,
}

impl Default for CachePolicy {
    /// The defaults alone.
    fn default() -> Self {
        Self::defaults()
    }
}

impl CachePolicy {
    pub(super) const fn defaults() -> Self {
        Self { rules: Vec::new(), defaults: Defaults::Safe }
    }

    /// Starts a policy without rules.
    pub fn builder() -> CachePolicyBuilder {
        CachePolicyBuilder { rules: Vec::new(), defaults: Defaults::Safe }
    }

    /// The rules whose path fits, found while the request is still at hand.
    pub(super) fn candidates(&self, path: &str) -> Candidates {
        if self.rules.is_empty() {
            return Candidates::NONE;
        }
        let unambiguous = pattern::is_unambiguous(path);
        let fits =
            |patterns: &[PathPattern]| patterns.is_empty() || (unambiguous && patterns.iter().any(|one| one.matches(path)));
        let bits = self.rules.iter().enumerate().filter(|(_, rule)| fits(&rule.paths));
        Candidates(bits.fold(0, |set, (index, _)| set | 1 << index))
    }

    /// Decides what is written on a response.
    pub(super) fn decide(&self, candidates: Candidates, response: &Subject<'_>) -> Decision<'_> {
        let Subject { status, headers, own, for_one } = *response;
        if status.is_informational() || headers.contains_key(header::CACHE_CONTROL) {
            return Decision::Leave;
        }
        if let Some(own) = own {
            return Decision::Write { rendered: Cow::Owned(Rendered::new(own)), made_private: false };
        }
        let for_one = for_one || headers.contains_key(header::SET_COOKIE);
        if headers.contains_key(header::EXPIRES) {
            return if for_one && self.defaults == Defaults::Safe { Decision::private(&PRIVATE) } else { Decision::Leave };
        }
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut rules = self.rules.iter().enumerate().filter(|(index, _)| candidates.0 >> index & 1 == 1);
        match rules.find(|(_, rule)| rule.fits(status, content_type)) {
            Some((_, rule)) if for_one => Decision::private(&rule.for_one),
            Some((_, rule)) => Decision::write(&rule.for_all),
            None if self.defaults == Defaults::Safe => by_default(status, headers, content_type, for_one),
            None => Decision::Leave,
        }
    }
}

static NO_STORE: Rendered = Rendered::fixed("no-store");
static NO_CACHE: Rendered = Rendered::fixed("no-cache");
/// Beside the handler's `Expires`, which may lie ahead.
static PRIVATE: Rendered = Rendered::fixed("private").that_may_be_reused();
static PRIVATE_NO_CACHE: Rendered = Rendered::fixed("private, no-cache");

fn by_default(status: StatusCode, headers: &HeaderMap, content_type: &str, for_one: bool) -> Decision<'static> {
    // A 304 amends what is stored (RFC 9111 §3.2): what its 200 said is not to be overwritten by a default.
    if status == StatusCode::NOT_MODIFIED {
        return Decision::Leave;
    }
    let is = |types: &[&str]| types.iter().any(|one| one.eq_ignore_ascii_case(pattern::essence(content_type)));
    if status.is_client_error() || status.is_server_error() || is(&["text/event-stream"]) {
        return Decision::write(&NO_STORE);
    }
    if for_one {
        return Decision::private(&PRIVATE_NO_CACHE);
    }
    let may_be_guessed = headers.contains_key(header::LAST_MODIFIED) || is(&["text/html", "application/xhtml+xml"]);
    if status.is_success() && may_be_guessed { Decision::write(&NO_CACHE) } else { Decision::Leave }
}

/// A set of rules, by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidates(u64);

impl Candidates {
    pub(super) const NONE: Self = Self(0);
}

/// As many as [`Candidates`] has bits: it travels with every request, and a list would be an allocation.
const MOST_RULES: usize = 64;

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The handler's own word.
    pub(super) own: Option<&'a CacheDirectives>,
    /// Whether the answer is meant for the one who asked.
    pub(super) for_one: bool,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision<'a> {
    Leave,
    Write {
        rendered: Cow<'a, Rendered>,
        /// Whether the policy itself reserved the response to its reader.
        made_private: bool,
    },
}

impl<'a> Decision<'a> {
    fn write(rendered: &'a Rendered) -> Self {
        Self::Write { rendered: Cow::Borrowed(rendered), made_private: false }
    }

    fn private(rendered: &'a Rendered) -> Self {
        Self::Write { rendered: Cow::Borrowed(rendered), made_private: true }
    }
}

/// Builds a [`CachePolicy`]; see there for an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct CachePolicyBuilder {
    rules: Vec<CacheRule>,
    defaults: Defaults,
}

impl CachePolicyBuilder {
    /// Adds a rule behind those already there.
    pub fn rule(mut self, rule: CacheRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Leaves out the defaults: what no rule speaks of stays as the handler sent it, errors and personal answers included.
    pub fn dangerous_without_defaults(mut self) -> Self {
        self.defaults = Defaults::Off;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// If a pattern, a range or the directives of a rule make no sense, or if there are more than 64 rules; see [`PolicyErrorKind`].
    pub fn build(self) -> Result<CachePolicy, PolicyError> {
        let count = self.rules.len();
        if count > MOST_RULES {
            return Err(PolicyError::new(PolicyErrorKind::TooManyRules, MOST_RULES, count.to_string()));
        }
        let rules = self.rules.into_iter().enumerate().map(|(index, rule)| rule.compile(index));
        Ok(CachePolicy { rules: rules.collect::<Result<_, _>>()?, defaults: self.defaults })
    }
}

#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub(super) fn fuzz_path(pattern: &str, path: &str) {
    let _ = pattern::is_unambiguous(path);
    if let Some(compiled) = PathPattern::parse(pattern) {
        assert!(!compiled.matches(path) || path.starts_with('/'));
    }
}
